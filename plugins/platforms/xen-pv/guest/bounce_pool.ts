/**
 * A small bounce pool in machine-contiguous memory: slots of 2 KiB in segments of 128, each segment exchanged for one
 * extent at boot. A buffer takes consecutive slots of one segment; the search begins where the last one ended.
 *
 * @module
 */

import { type Direction, type GuestPort, PAGE_SIZE, type PhysAddr } from "@iova/core";
import type { ContiguousMemory } from "./contiguous.ts";
import { type FrameTables, NO_FRAME } from "./p2m.ts";

/** log2 of a slot's bytes. */
const SLOT_SHIFT = 11;
const SLOT = 1 << SLOT_SHIFT;
/** Slots that one buffer may take at most, and that lie together in the machine. */
export const SEGMENT_SLOTS = 128;
/** Bytes of a segment: the largest buffer. */
export const SEGMENT_BYTES: number = SEGMENT_SLOTS * SLOT;
const SEGMENT_ORDER = Math.log2(SEGMENT_BYTES / PAGE_SIZE);
/** Fewest and most address bits that a segment is asked for. */
const FIRST_BITS = SEGMENT_ORDER + 12;
const LAST_BITS = 32;

/** See the module's text. Columns are indexed by a buffer's first slot. */
export class BouncePool {
  /** Physical address of the pool. */
  readonly base: PhysAddr;
  /** Slots that there are. */
  readonly slots: number;
  /** The last machine address of the pool. */
  readonly lastMachineByte: number;
  /** Where the driver's buffer is; −1 for a slot that begins none. */
  readonly cpu: Float64Array;
  readonly size: Float64Array;
  /** Bytes from the slot's start to the first byte. */
  readonly offset: Int32Array;
  readonly direction: Uint8Array;
  /** First machine frame of each segment. */
  readonly #machine: Float64Array;
  /** First slot of the buffer that a slot belongs to, plus 1; 0 for a free slot. */
  readonly #head: Int32Array;
  #next = 0;

  private constructor(base: PhysAddr, machine: number[]) {
    this.base = base;
    this.#machine = Float64Array.from(machine);
    this.slots = machine.length * SEGMENT_SLOTS;
    this.lastMachineByte = Math.max(...machine.map((mfn) => mfn * PAGE_SIZE + SEGMENT_BYTES - 1));
    this.cpu = new Float64Array(this.slots).fill(-1);
    this.size = new Float64Array(this.slots);
    this.offset = new Int32Array(this.slots);
    this.direction = new Uint8Array(this.slots);
    this.#head = new Int32Array(this.slots);
  }

  /** A pool of up to `bytes`; null when not one segment can be had. */
  static make(guest: GuestPort, frames: FrameTables, memory: ContiguousMemory, bytes: number): BouncePool | null {
    for (let segments = Math.floor(bytes / SEGMENT_BYTES); segments > 0; segments = Math.floor(segments / 2)) {
      const base = guest.heap.alloc(segments * SEGMENT_BYTES, SEGMENT_BYTES);
      if (base === null) continue;
      const machine: number[] = [];
      for (let i = 0; i < segments; i++) {
        const mfn = placeSegment(frames, memory, base + i * SEGMENT_BYTES);
        if (mfn === NO_FRAME) break;
        machine.push(mfn);
      }
      if (machine.length > 0) return new BouncePool(base, machine);
      guest.heap.free(base);
    }
    return null;
  }

  /** The machine address of a slot. */
  machineOf(slot: number): number {
    const segment = Math.floor(slot / SEGMENT_SLOTS);
    return this.#machine[segment] * PAGE_SIZE + (slot % SEGMENT_SLOTS) * SLOT;
  }

  /** The physical address of a slot. */
  cpuOf(slot: number): PhysAddr {
    return this.base + slot * SLOT;
  }

  /**
   * Takes slots for `size` bytes at `cpu`; address bits in `keep` stay what they are. Returns the first slot, or −1 when
   * there is no room.
   */
  take(cpu: PhysAddr, size: number, direction: Direction, keep: number): number {
    const offset = cpu & keep & (SLOT - 1);
    const count = Math.ceil((offset + size) / SLOT);
    if (count > SEGMENT_SLOTS) return -1;
    for (let tried = 0, slot = this.#next; tried < this.slots; tried++, slot++) {
      if (slot >= this.slots) slot = 0;
      if (!this.#fits(slot, count, cpu, keep & ~(SLOT - 1))) continue;
      this.#head.fill(slot + 1, slot, slot + count);
      this.#next = slot + count;
      this.cpu[slot] = cpu;
      this.size[slot] = size;
      this.offset[slot] = offset;
      this.direction[slot] = direction;
      return slot;
    }
    return -1;
  }

  /** Gives the slots of a buffer back. */
  give(slot: number): void {
    const count = Math.ceil((this.offset[slot] + this.size[slot]) / SLOT);
    this.#head.fill(0, slot, slot + count);
    this.cpu[slot] = -1;
  }

  /** The first slot of the buffer that a physical address in the pool belongs to, or −1. */
  find(cpu: PhysAddr): number {
    const slot = (cpu - this.base) / SLOT;
    return slot >= 0 && slot < this.slots ? this.#head[Math.floor(slot)] - 1 : -1;
  }

  #fits(slot: number, count: number, cpu: PhysAddr, keep: number): boolean {
    if (slot % SEGMENT_SLOTS + count > SEGMENT_SLOTS) return false;
    if (keep !== 0 && ((this.machineOf(slot) ^ cpu) & keep) !== 0) return false;
    for (let i = slot; i < slot + count; i++) if (this.#head[i] !== 0) return false;
    return true;
  }
}

/** Makes a segment contiguous, with as few address bits as there is memory for. */
function placeSegment(frames: FrameTables, memory: ContiguousMemory, cpu: PhysAddr): number {
  const there = frames.run(cpu / PAGE_SIZE, SEGMENT_BYTES / PAGE_SIZE);
  if (there !== NO_FRAME) return there;
  for (let bits = FIRST_BITS; bits <= LAST_BITS; bits++) {
    const mfn = memory.create(cpu, SEGMENT_ORDER, bits);
    if (mfn !== NO_FRAME) return mfn;
  }
  return memory.create(cpu, SEGMENT_ORDER, 0);
}
