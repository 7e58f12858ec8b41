/**
 * The driver's side of a split ring (virtio 1.4 §2.7).
 *
 * @module
 */

import type { PhysAddr, RamRegion } from "@iova/core";
import { fence } from "./barrier.ts";
import type { RingMemory } from "./driver_addressing.ts";
import type { DriverRingOptions, QueueAddresses } from "./driver_queue.ts";
import { DriverRing, NONE_USED, RING_FLAGS } from "./driver_ring.ts";
import {
  AVAIL_NO_INTERRUPT,
  AVAIL_RING,
  availEventAt,
  crosses,
  placeSplit,
  type SplitPlacement,
  USED_NO_NOTIFY,
  USED_RING,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout_ring.ts";

/** Typed views of the ring, in host order (little-endian): 16-bit indices are single accesses. */
class RingViews {
  readonly desc: Int32Array;
  readonly avail: Uint16Array;
  readonly used: Uint16Array;
  readonly usedWords: Uint32Array;

  constructor(readonly region: RamRegion, cpu: PhysAddr, { desc, avail, used }: SplitPlacement, size: number) {
    const { buffer, byteOffset } = region.bytes;
    const base = byteOffset + cpu - region.base;
    this.desc = new Int32Array(buffer, base + desc, size * DESC_WORDS);
    this.avail = new Uint16Array(buffer, base + avail, usedEventAt(size) / 2 + 1);
    this.used = new Uint16Array(buffer, base + used, availEventAt(size) / 2 + 1);
    this.usedWords = new Uint32Array(buffer, base + used, availEventAt(size) / 4);
  }
}

// Places in the typed views.
const DESC_WORDS = VirtqDesc.size / 4;
const ADDR_LO = VirtqDesc.at.addr / 4;
const ADDR_HI = ADDR_LO + 1;
const LEN = VirtqDesc.at.len / 4;
/** `flags` and `next` in one word. */
const FLAGS_NEXT = VirtqDesc.at.flags / 4;
const NEXT_SHIFT = 8 * (VirtqDesc.at.next - VirtqDesc.at.flags);
const AVAIL_FLAGS = VirtqAvail.at.flags / 2;
const AVAIL_IDX = VirtqAvail.at.idx / 2;
const AVAIL_SLOTS = AVAIL_RING / 2;
const USED_FLAGS = VirtqUsed.at.flags / 2;
const USED_IDX = VirtqUsed.at.idx / 2;
const USED_ELEMS = USED_RING / 4;
const ELEM_WORDS = VirtqUsedElem.size / 4;
const ELEM_ID = VirtqUsedElem.at.id / 4;
const ELEM_LEN = VirtqUsedElem.at.len / 4;

/** See the module's text. Made by {@linkcode SplitDriverQueue.create}. */
export class SplitDriverQueue extends DriverRing {
  readonly addresses: QueueAddresses;
  readonly #memory: RingMemory;
  readonly #placement: SplitPlacement;
  #views: RingViews;
  #availIdx = 0;
  #added = 0;
  #lastUsed = 0;
  /** Used elements that there were when {@linkcode SplitDriverQueue.used} looked. */
  #pending = 0;
  #wantInterrupt = true;

  private constructor(options: DriverRingOptions, memory: RingMemory, placement: SplitPlacement) {
    super(options);
    this.#memory = memory;
    this.#placement = placement;
    this.addresses = addressesOf(memory, placement);
    this.#views = new RingViews(options.guest.memory.ram(memory.cpu)!, memory.cpu, placement, options.size);
  }

  /** A ring of `options.size` in fresh memory, which is one block; null when there is none. */
  static create(options: DriverRingOptions): SplitDriverQueue | null {
    const placement = placeSplit(options.size, options.align);
    const memory = options.addressing.ring(placement.bytes);
    return memory === null ? null : new SplitDriverQueue(options, memory, placement);
  }

  get nextAvailable(): number {
    return this.#availIdx;
  }

  enableInterrupt(): boolean {
    const { avail, used } = this.#ring();
    this.#wantInterrupt = true;
    if (this.eventIndex) avail[usedEventAt(this.size) / 2] = this.#lastUsed;
    else avail[AVAIL_FLAGS] &= ~AVAIL_NO_INTERRUPT;
    fence();
    return used[USED_IDX] === this.#lastUsed;
  }

  disableInterrupt(): void {
    const { avail } = this.#ring();
    this.#wantInterrupt = false;
    // With EVENT_IDX the index that has just gone by is the farthest away.
    if (this.eventIndex) avail[usedEventAt(this.size) / 2] = this.#lastUsed - 1;
    else avail[AVAIL_FLAGS] |= AVAIL_NO_INTERRUPT;
  }

  protected expose(head: number, count: number): void {
    const { desc, avail } = this.#ring();
    const { hi, lo, length, flags, next } = this.state;
    for (let i = 0, id = head; i < count; i++, id = next[id]) {
      const at = id * DESC_WORDS;
      desc[at + ADDR_LO] = lo[id];
      desc[at + ADDR_HI] = hi[id];
      desc[at + LEN] = length[id];
      desc[at + FLAGS_NEXT] = (flags[id] & RING_FLAGS) | (next[id] << NEXT_SHIFT);
    }
    avail[AVAIL_SLOTS + (this.#availIdx & (this.size - 1))] = head;
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    avail[AVAIL_IDX] = this.#availIdx;
    // After 2^16 − 1 additions without a kick the old index would be mistaken for the new one.
    if (++this.#added === 0xffff) this.kick();
  }

  protected entryWord(flags: number, i: number): number {
    return flags | (i + 1) << NEXT_SHIFT;
  }

  protected wantsKick(): boolean {
    if (this.#added === 0) return false;
    const now = this.#availIdx;
    const old = (now - this.#added) & 0xffff;
    this.#added = 0;
    // The device sees the new index, or this side sees that the device wants to be told.
    fence();
    const { used } = this.#ring();
    return this.eventIndex
      ? crosses(used[availEventAt(this.size) / 2], now, old)
      : (used[USED_FLAGS] & USED_NO_NOTIFY) === 0;
  }

  protected used(): number {
    const { used, usedWords } = this.#ring();
    this.#pending = (used[USED_IDX] - this.#lastUsed) & 0xffff;
    if (this.#pending === 0) return NONE_USED;
    // An index ahead by more than the ring is as wrong as a head beyond it.
    if (this.#pending > this.size) return this.size;
    const at = USED_ELEMS + (this.#lastUsed & (this.size - 1)) * ELEM_WORDS;
    this.usedLength = usedWords[at + ELEM_LEN];
    return usedWords[at + ELEM_ID];
  }

  protected usedAtMost(): number {
    return this.#pending;
  }

  protected passed(): void {
    this.#lastUsed = (this.#lastUsed + 1) & 0xffff;
    if (this.eventIndex && this.#wantInterrupt) this.#ring().avail[usedEventAt(this.size) / 2] = this.#lastUsed;
  }

  protected freeRing(): void {
    this.#memory.free();
  }

  /** The views, made again only when the memory behind them is another region. */
  #ring(): RingViews {
    const region = this.guest.memory.ram(this.#memory.cpu)!;
    if (region !== this.#views.region) {
      this.#views = new RingViews(region, this.#memory.cpu, this.#placement, this.size);
    }
    return this.#views;
  }
}

function addressesOf({ hi, lo }: RingMemory, { desc, avail, used }: SplitPlacement): QueueAddresses {
  // A ring is naturally aligned to its size, so the low half does not carry.
  return {
    descHi: hi,
    descLo: (lo + desc) | 0,
    driverHi: hi,
    driverLo: (lo + avail) | 0,
    deviceHi: hi,
    deviceLo: (lo + used) | 0,
  };
}
