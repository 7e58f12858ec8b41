/**
 * Which entries a mapping gets: next-fit in pools, by the rules of Linux (arch/powerpc/kernel/iommu.c and
 * lib/iommu-helper.c). The addresses are Linux's, entry for entry.
 *
 * @module
 */

import { Bitmap } from "./bitmap.ts";

/** Small requests leave gaps: the next one starts at the next multiple of this. */
const BLOCK = 16;
/** Requests of more pages than this come from the pool for large ones. */
const SMALL_MOST = 15;
/** Pools for small requests, in windows of {@linkcode POOLED_WINDOW} bytes and more. */
const POOLS = 4;
const POOLED_WINDOW = 2 ** 30;
/** Linux's multiplicative hash, and how many of its bits choose a pool. */
const HASH_FACTOR = 0x61c8_8647;
const HASH_SHIFT = 30;

interface Pool {
  readonly start: number;
  readonly end: number;
  hint: number;
}

/** What a search is bounded by, in pages. */
export interface RangeLimits {
  /** The last page number that the device can address. */
  last: number;
  /** No range crosses a multiple of this many pages; Infinity for none. */
  boundary: number;
}

/** The allocator of one table. */
export class PoolAllocator {
  /** Linux takes pools by CPU; this machine has one, and tests say which. */
  cpu = 0;
  /** Where the range found last ended: the next element of a scatterlist continues there. */
  end = 0;
  readonly map: Bitmap;
  readonly #pools: Pool[];
  readonly #large: Pool;
  readonly #offset: number;

  /** An allocator over `entries` pages of 2^shift bytes, the first of which has page number `offset`. */
  constructor(entries: number, shift: number, offset: number) {
    this.map = new Bitmap(entries);
    this.#offset = offset;
    const pools = entries * 2 ** shift >= POOLED_WINDOW ? POOLS : 1;
    const size = Math.floor(Math.floor(entries * 3 / 4) / pools);
    this.#pools = Array.from({ length: pools }, (_, i) => makePool(i * size, (i + 1) * size));
    this.#large = makePool(pools * size, entries);
    // Bus address 0 is never handed out.
    this.reserved = offset === 0 ? 1 : 0;
    this.map.set(0, this.reserved);
  }

  /** Entries that are never handed out: page 0. */
  readonly reserved: number;

  /** Pages that are handed out. */
  get used(): number {
    return this.map.used - this.reserved;
  }

  /**
   * Takes `count` entries in a row at a multiple of `align`; from `handle` on when that lies in the first pool tried (0:
   * no wish).
   *
   * @returns the first entry, or −1.
   */
  take(count: number, align: number, limits: RangeLimits, handle: number): number {
    const pools = this.#pools;
    let number = (Math.imul(this.cpu, HASH_FACTOR) >>> HASH_SHIFT) & (pools.length - 1);
    const large = count > SMALL_MOST;
    let pool = large ? this.#large : pools[number];
    // The first pool from its hint and from its start, every pool, the large one.
    for (let pass = 0; pass <= pools.length + 2; pass++) {
      if (pass > 1 && pass <= pools.length + 1) {
        number = (number + 1) & (pools.length - 1);
        pool = pools[number];
      } else if (pass === pools.length + 2) pool = this.#large;
      if (pass > 0) pool.hint = pool.start;
      const wish = pass === 0 && handle !== 0 && handle >= pool.start && handle < pool.end ? handle : pool.hint;
      let start = wish >= pool.end ? pool.start : wish;
      let end = pool.end;
      if (end + this.#offset > limits.last) {
        end = limits.last - this.#offset + 1;
        start = clip(start, limits.last);
        if (start >= end || pass > 0) {
          pool = pools[0];
          start = pool.start;
        }
      }
      const first = this.#search(start, end, count, align, limits.boundary);
      if (first < 0) continue;
      this.map.set(first, count);
      this.end = first + count;
      pool.hint = large ? this.end : (this.end + BLOCK - 1) & -BLOCK;
      return first;
    }
    return -1;
  }

  /** Gives entries back; page 0 stays reserved. */
  give(first: number, count: number): void {
    if (first >= this.reserved) return this.map.clear(first, count);
    const from = Math.max(first, this.reserved);
    this.map.clear(from, first + count - from);
  }

  /** The last entry below `end` is never used: Linux takes 1 from the limit. */
  #search(start: number, end: number, count: number, align: number, boundary: number): number {
    if (count > boundary) return -1;
    for (let from = start;;) {
      const first = this.map.findFree(from, end - 1, count, align);
      if (first < 0 || boundary === Infinity) return first;
      const page = first + this.#offset;
      if (page % boundary + count <= boundary) return first;
      from = Math.ceil(page / boundary) * boundary - this.#offset;
    }
  }
}

function makePool(start: number, end: number): Pool {
  return { start, end, hint: start };
}

/** `start` within what the device can address. */
function clip(start: number, last: number): number {
  return last < 2 ** 31 ? start & last : start;
}
