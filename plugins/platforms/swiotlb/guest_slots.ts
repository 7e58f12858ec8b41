/**
 * Which slots of a pool are free, and Linux's search for a place (`swiotlb_search_area`): next-fit from where the last
 * allocation of the area ended, never across the end of a slot set.
 *
 * Linux keeps a count of free neighbours in every slot. A bitmap gives the same places and is quicker to pass by: sets
 * that cannot hold the request are skipped whole.
 *
 * @module
 */

import { SET_SHIFT, SET_SLOTS } from "./guest_geometry.ts";

/** What is searched for, in a record that its owner reuses. */
export class SlotRequest {
  /** Neighbouring slots, at least 1. */
  slots = 0;
  /** Low bits of the slot's number in physical memory (address / 2 KiB) that must equal {@linkcode SlotRequest.align}. */
  alignMask = 0;
  /** See {@linkcode SlotRequest.alignMask}. */
  align = 0;
  /** Slots between two segment boundaries that must not be crossed, a power of two; 0: none. */
  boundary = 0;
  /** Where the search begins: the number of the CPU that asks. */
  area = 0;
  /** The last physical address that the device can drive. */
  limit = Infinity;
}

/** The slots of one pool. */
export class SlotMap {
  /** Slots of each area. */
  readonly areaSlots: number;
  /** Slots in use. */
  used = 0;
  readonly #free: Int32Array;
  readonly #freeInSet: Uint8Array;
  // No run of free slots in the set is longer than this.
  readonly #longest: Uint8Array;
  readonly #next: Int32Array;
  readonly #areaUsed: Int32Array;
  readonly #phase: number;
  // slot >> this is the area; one area has all slots, whatever their number.
  readonly #areaShift: number;

  /** `count` free slots from physical slot number `phase` on (only its low 20 bits count), in `areas` areas. */
  constructor(readonly count: number, readonly areas: number, phase: number) {
    this.areaSlots = count / areas;
    this.#phase = phase % 0x10_0000;
    this.#areaShift = areas === 1 ? 31 : 31 - Math.clz32(this.areaSlots);
    this.#free = new Int32Array(Math.ceil(count / 32));
    const sets = Math.ceil(count / SET_SLOTS);
    this.#freeInSet = new Uint8Array(sets);
    this.#longest = new Uint8Array(sets);
    this.#next = new Int32Array(areas);
    this.#areaUsed = new Int32Array(areas).fill(this.areaSlots);
    this.used = count;
    for (let slot = 0; slot < count; slot += SET_SLOTS) this.give(slot, Math.min(SET_SLOTS, count - slot));
  }

  /** Takes slots; returns the first, or −1. The asker's own area comes first, then the others in turn. */
  take(request: SlotRequest): number {
    if (request.slots > SET_SLOTS) return -1;
    for (let i = 0; i < this.areas; i++) {
      const slot = this.#takeFrom((request.area + i) & (this.areas - 1), request);
      if (slot >= 0) return slot;
    }
    return -1;
  }

  /** Gives `slots` slots from `slot` on back. They do not move the place where the next search begins. */
  give(slot: number, slots: number): void {
    this.#mark(slot, slots, true);
    this.#account(slot, -slots);
    const set = slot >> SET_SHIFT;
    this.#longest[set] = this.#freeInSet[set];
  }

  /** Whether a slot is free. */
  isFree(slot: number): boolean {
    return (this.#free[slot >> 5] & (1 << (slot & 31))) !== 0;
  }

  #takeFrom(area: number, request: SlotRequest): number {
    const { slots } = request;
    if (slots > this.areaSlots - this.#areaUsed[area]) return -1;
    const first = area * this.areaSlots;
    const from = first + this.#next[area];
    let slot = this.#here(from, first + this.areaSlots, request);
    if (slot < 0) slot = this.#search(from, first + this.areaSlots, request);
    if (slot < 0) slot = this.#search(first, from, request);
    if (slot < 0) return -1;
    this.#mark(slot, slots, false);
    this.#account(slot, slots);
    const next = slot + slots - first;
    this.#next[area] = next < this.areaSlots ? next : 0;
    return slot;
  }

  /** The very next place, which is free as long as the pool is not crowded; −1 when it takes a search to know. */
  #here(from: number, end: number, { slots, align, alignMask, boundary }: SlotRequest): number {
    const slot = from + ((align - this.#phase - from) & alignMask);
    const bit = slot & 31;
    if (boundary !== 0 || bit + slots > 32 || slot >= end) return -1;
    const bits = -1 >>> (32 - slots) << bit;
    return (this.#free[slot >> 5] & bits) === bits ? slot : -1;
  }

  /** The first place that starts in `from` … `to` − 1, or −1. */
  #search(from: number, to: number, request: SlotRequest): number {
    const { slots, alignMask, boundary } = request;
    for (let at = from; at < to;) {
      const set = at >> SET_SHIFT;
      const end = Math.min((set + 1) << SET_SHIFT, this.count);
      if (this.#longest[set] >= slots) {
        const slot = this.#searchSet(at, Math.min(end, to), end, request);
        if (slot >= 0) return slot;
        const whole = at === set << SET_SHIFT && end <= to;
        if (whole && alignMask === 0 && boundary === 0) this.#longest[set] = slots - 1;
      }
      at = end;
    }
    return -1;
  }

  /** The first place in one set, which ends at `end`, that starts in `at` … `to` − 1, or −1. */
  #searchSet(at: number, to: number, end: number, { slots, align, alignMask, boundary }: SlotRequest): number {
    while ((at = this.#scan(at, to, 0)) < to) {
      at += (align - this.#phase - at) & alignMask;
      if (at >= to) return -1;
      const run = this.#scan(at, Math.min(at + slots, end), -1) - at;
      if (run === slots && !this.#crosses(at, slots, boundary)) return at;
      at += run === slots || run === 0 ? 1 : run;
    }
    return -1;
  }

  #crosses(slot: number, slots: number, boundary: number): boolean {
    return boundary !== 0 && ((slot + this.#phase) & (boundary - 1)) + slots > boundary;
  }

  /** The first slot in `at` … `to` − 1 that is free (`flip` 0) or in use (`flip` −1); `to` when there is none. */
  #scan(at: number, to: number, flip: number): number {
    if (at >= to) return to;
    let word = at >> 5;
    let bits = (this.#free[word] ^ flip) & (-1 << (at & 31));
    while (bits === 0) {
      word++;
      if (word << 5 >= to) return to;
      bits = this.#free[word] ^ flip;
    }
    const slot = (word << 5) + 31 - Math.clz32(bits & -bits);
    return slot < to ? slot : to;
  }

  #mark(slot: number, slots: number, free: boolean): void {
    for (let at = slot, end = slot + slots; at < end;) {
      const bit = at & 31;
      const width = end - at < 32 - bit ? end - at : 32 - bit;
      const bits = -1 >>> (32 - width) << bit;
      if (free) this.#free[at >> 5] |= bits;
      else this.#free[at >> 5] &= ~bits;
      at += width;
    }
  }

  #account(slot: number, taken: number): void {
    this.used += taken;
    this.#areaUsed[slot >> this.#areaShift] += taken;
    this.#freeInSet[slot >> SET_SHIFT] -= taken;
  }
}
