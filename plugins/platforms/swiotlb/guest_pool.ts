/**
 * A pool: neighbouring slots in guest memory, and what is known of each buffer that was put into them.
 *
 * @module
 */

import { type DmaAddr, DmaHandle, type PhysAddr, TWO32 } from "@iova/core";
import { SLOT_SHIFT, SLOT_SIZE } from "./guest_geometry.ts";
import { SlotMap } from "./guest_slots.ts";

/** What a buffer in the pool is. */
export const BufferKind = {
  /** A copy of a driver's buffer. */
  STREAMING: 1,
  /** Coherent memory of a restricted pool. */
  COHERENT: 2,
} as const;
/** One of {@linkcode BufferKind}'s values. */
export type BufferKind = typeof BufferKind[keyof typeof BufferKind];

/** A pool, of at most 1 GiB. Per-buffer fields are arrays indexed by the buffer's first slot, its *head*. */
export class Pool {
  /** Which slots are free. */
  readonly slots: SlotMap;
  /** Bytes. */
  readonly size: number;
  /** Slots of the buffer. */
  readonly count: Uint8Array;
  /** Bytes from the first slot to the buffer: low address bits that the device wants kept, whole slots included. */
  readonly offset: Int32Array;
  /** Bytes of the mapping. */
  readonly length: Int32Array;
  /** The driver's buffer. */
  readonly origin: Float64Array;
  /** A {@linkcode BufferKind}; 0 when the slot is no head. */
  readonly kind: Uint8Array;
  /** The direction it was mapped in. */
  readonly direction: Uint8Array;
  /** The number of the device that it belongs to. */
  readonly owner: Int32Array;
  // For each slot in use, its head.
  readonly #head: Int32Array;
  readonly #busHi: number;
  readonly #busLo: number;

  /**
   * A pool of `slotCount` slots at physical address `start`, which devices know as `bus`.
   *
   * @param transient Made for one buffer, and gone with it.
   */
  constructor(readonly start: PhysAddr, slotCount: number, areas: number, bus: DmaAddr, readonly transient = false) {
    this.slots = new SlotMap(slotCount, areas, start / SLOT_SIZE);
    this.size = slotCount * SLOT_SIZE;
    this.count = new Uint8Array(slotCount);
    this.offset = new Int32Array(slotCount);
    this.length = new Int32Array(slotCount);
    this.origin = new Float64Array(slotCount);
    this.kind = new Uint8Array(slotCount);
    this.direction = new Uint8Array(slotCount);
    this.owner = new Int32Array(slotCount);
    this.#head = new Int32Array(slotCount);
    const { hi, lo } = new DmaHandle().set(bus);
    this.#busHi = hi;
    this.#busLo = lo;
  }

  /** Enters a buffer that has got `count` slots from `head` on. */
  enter(head: number, count: number, kind: BufferKind): void {
    this.count[head] = count;
    this.kind[head] = kind;
    for (let slot = head; slot < head + count; slot++) this.#head[slot] = head;
  }

  /** Forgets a buffer and gives its slots back. */
  release(head: number): void {
    this.kind[head] = 0;
    this.slots.give(head, this.count[head]);
  }

  /** Bytes from the pool's start to a buffer's first byte. */
  dataOffset(head: number): number {
    return head * SLOT_SIZE + this.offset[head];
  }

  /** Where the bus address `address` lies, in bytes from the pool's start; −1 when outside. */
  offsetOf(address: DmaHandle): number {
    const offset = (address.lo - this.#busLo) >>> 0;
    if (offset >= this.size) return -1;
    const carry = (address.lo >>> 0) < (this.#busLo >>> 0) ? 1 : 0;
    return address.hi === ((this.#busHi + carry) | 0) ? offset : -1;
  }

  /** Writes the bus address of the byte at `offset` into `out`. */
  addressOf(offset: number, out: DmaHandle): void {
    const lo = (this.#busLo >>> 0) + offset;
    out.lo = lo | 0;
    out.hi = lo < TWO32 ? this.#busHi : (this.#busHi + 1) | 0;
  }

  /**
   * The head of the buffer that the slot at `offset` belongs to, or last belonged to: `kind` tells whether it is there,
   * `dataOffset` and `length` whether it reaches here.
   */
  headAt(offset: number): number {
    return this.#head[offset >> SLOT_SHIFT];
  }

  /** Slots before the first one that holds data (Linux's `pad_slots`). */
  padSlots(head: number): number {
    return this.offset[head] >> SLOT_SHIFT;
  }
}
