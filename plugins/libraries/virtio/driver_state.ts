/**
 * What a driver's queue knows about its requests. It stands in private arrays: nothing that the device can write is
 * trusted.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import type { Addressing, RingMemory } from "./driver_addressing.ts";
import { VirtqDesc } from "./layout_ring.ts";

/** What is known about descriptors: bus address, length, flags, next. */
export class DescriptorState {
  /** Bus address, bits 63:32. */
  readonly hi: Int32Array;
  /** Bus address, bits 31:0. */
  readonly lo: Int32Array;
  /** Bytes mapped. */
  readonly length: Uint32Array;
  /** Flags of the ring, and private ones. */
  readonly flags: Uint16Array;
  /** The next descriptor: of the chain, or of the free list. */
  readonly next: Uint16Array;

  /** Room for `count` descriptors. */
  constructor(count: number) {
    this.hi = new Int32Array(count);
    this.lo = new Int32Array(count);
    this.length = new Uint32Array(count);
    this.flags = new Uint16Array(count);
    this.next = new Uint16Array(count);
  }
}

/** Requests in flight in the order in which they were added: what IN_ORDER needs. */
export class RequestOrder {
  /** Requests. */
  count = 0;
  readonly #heads: Uint16Array;
  #first = 0;

  /** Room for `size` requests. */
  constructor(size: number) {
    this.#heads = new Uint16Array(size);
  }

  /** Adds the newest. */
  add(head: number): void {
    this.#heads[this.#at(this.count++)] = head;
  }

  /** Takes the oldest. */
  take(): number {
    const head = this.#heads[this.#first];
    this.#first = this.#at(1);
    this.count--;
    return head;
  }

  /** How many requests there are up to and with `head`; Infinity when it is not among them. */
  upTo(head: number): number {
    for (let i = 0; i < this.count; i++) if (this.#heads[this.#at(i)] === head) return i + 1;
    return Infinity;
  }

  #at(i: number): number {
    const at = this.#first + i;
    return at < this.#heads.length ? at : at - this.#heads.length;
  }
}

/** Cache line in bytes: tables do not share one with anything else. */
const LINE = 64;

/** The indirect tables of a queue, one for each head, made when first needed and kept for reuse. */
export class IndirectTables {
  /** The tables of all heads in one block; null when each is mapped for its request. */
  readonly block: RingMemory | null;
  readonly #at: Float64Array;

  /** Tables of `entries` for `size` heads; with `coherent` in memory that is mapped once, if there is room for it. */
  constructor(
    readonly guest: GuestPort,
    size: number,
    readonly entries: number,
    coherent: boolean,
    addressing: Addressing,
  ) {
    const bytes = entries * VirtqDesc.size;
    this.#at = new Float64Array(size);
    this.block = coherent && entries > 0 ? addressing.ring(size * bytes) : null;
    if (this.block !== null) { for (let head = 0; head < size; head++) this.#at[head] = this.block.cpu + head * bytes; }
  }

  /** The table of `head`; 0 when there is no memory for one. */
  of(head: number): PhysAddr {
    if (this.#at[head] !== 0) return this.#at[head];
    const { heap, memory } = this.guest;
    const table = heap.alloc(this.entries * VirtqDesc.size, LINE);
    if (table === null) return 0;
    if (memory.ram(table)?.words === null) {
      heap.free(table);
      return 0;
    }
    return this.#at[head] = table;
  }

  /** Gives every table back. */
  release(): void {
    if (this.block !== null) this.block.free();
    else for (const table of this.#at) if (table !== 0) this.guest.heap.free(table);
    this.#at.fill(0);
  }
}
