/**
 * The buffers of one request, in a list that its owner fills again for every request: nothing is allocated.
 *
 * @module
 */

import { DmaApiError, type PhysAddr } from "@iova/core";

/** What an entry is. */
const PREMAPPED = 1;

/**
 * Buffers for a driver queue: first those that the device reads (out), then those that it writes (in). The list belongs
 * to the driver; a queue reads it while it adds a request and keeps nothing of it.
 */
export class BufferList {
  /** First byte as the CPU sees it, by entry. */
  readonly cpu: Float64Array;
  /** Bytes, by entry. */
  readonly length: Uint32Array;
  /** Bus address of a premapped entry, bits 63:32. */
  readonly hi: Int32Array;
  /** Bus address of a premapped entry, bits 31:0. */
  readonly lo: Int32Array;
  readonly #flags: Uint8Array;
  /** Entries that the device reads. */
  outCount = 0;
  /** Entries that the device writes. */
  inCount = 0;

  /** A list with room for `capacity` entries. */
  constructor(readonly capacity: number) {
    this.cpu = new Float64Array(capacity);
    this.length = new Uint32Array(capacity);
    this.hi = new Int32Array(capacity);
    this.lo = new Int32Array(capacity);
    this.#flags = new Uint8Array(capacity);
  }

  /** Entries. */
  get count(): number {
    return this.outCount + this.inCount;
  }

  /** Empties the list. */
  clear(): this {
    this.outCount = 0;
    this.inCount = 0;
    return this;
  }

  /** Adds `length` bytes at `cpu` that the device reads. @throws {DmaApiError} after an entry that it writes. */
  out(cpu: PhysAddr, length: number): this {
    this.#room(true);
    this.#set(this.outCount++, cpu, length, 0);
    return this;
  }

  /** Adds `length` bytes at `cpu` that the device writes. */
  in(cpu: PhysAddr, length: number): this {
    this.#room(false);
    this.#set(this.outCount + this.inCount++, cpu, length, 0);
    return this;
  }

  /** Adds bytes that the driver has mapped itself and the device reads; the queue neither maps nor unmaps them. */
  outMapped(hi: number, lo: number, length: number): this {
    this.#room(true);
    return this.#mapped(this.outCount++, hi, lo, length);
  }

  /** Adds bytes that the driver has mapped itself and the device writes. */
  inMapped(hi: number, lo: number, length: number): this {
    this.#room(false);
    return this.#mapped(this.outCount + this.inCount++, hi, lo, length);
  }

  /** Whether the driver has mapped entry `index` itself. */
  isMapped(index: number): boolean {
    return this.#flags[index] === PREMAPPED;
  }

  #room(out: boolean): void {
    if (out && this.inCount > 0) throw new DmaApiError("a buffer that the device reads follows one that it writes");
    if (this.count === this.capacity) throw new DmaApiError(`more than ${this.capacity} buffers in one request`);
  }

  #set(index: number, cpu: PhysAddr, length: number, flags: number): void {
    this.cpu[index] = cpu;
    this.length[index] = length;
    this.#flags[index] = flags;
  }

  #mapped(index: number, hi: number, lo: number, length: number): this {
    this.#set(index, 0, length, PREMAPPED);
    this.hi[index] = hi;
    this.lo[index] = lo;
    return this;
  }
}
