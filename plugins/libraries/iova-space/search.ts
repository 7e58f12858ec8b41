/**
 * Where a new range goes: the search of Linux's `__alloc_and_insert_iova_range`. It starts at the range that was placed
 * last and looks downward, so that free pages above that are passed over until the space below is exhausted; then it
 * looks once more from the limit.
 *
 * @module
 */

import { ANCHOR, NIL, RangeTree } from "./tree.ts";

/** Pages of a granule of 4 KiB below 4 GiB. */
export const PAGES_BELOW_4G = 0x10_0000;

/** The tree of taken ranges, the two places to start from, and the 32-bit hint. */
export class RangeSearch {
  /** Taken ranges, reserved ones included. */
  readonly tree: RangeTree;
  // Where searches start: below 4 GiB, and anywhere.
  #cached32 = ANCHOR;
  #cached = ANCHOR;
  // A request of this size or more below 4 GiB has failed since something was freed there.
  #tooLarge32: number;

  /** A space of pages from `start` on; 4 GiB is at page `boundary`. */
  constructor(readonly start: number, readonly boundary: number = PAGES_BELOW_4G) {
    this.tree = new RangeTree(start);
    this.#tooLarge32 = boundary;
  }

  /**
   * Takes `size` pages below page `limit`, aligned to the smallest power of two that holds them.
   *
   * @returns the node, or {@linkcode NIL}.
   */
  take(size: number, limit: number): number {
    const low32 = limit <= this.boundary;
    if (low32 && size >= this.#tooLarge32) return NIL;
    const from = low32 ? this.#cached32 : this.#cached;
    const above = this.tree.hi[from];
    let node = this.#place(from, size, limit, this.start);
    if (node === NIL && above < limit) node = this.#place(this.tree.ceiling(limit), size, limit, above + 1);
    if (node === NIL) {
      this.#tooLarge32 = size;
      return NIL;
    }
    if (this.tree.hi[node] < this.boundary) this.#cached32 = node;
    else this.#cached = node;
    return node;
  }

  /** Gives a range back. */
  give(node: number): void {
    const { lo, hi } = this.tree;
    const above = this.tree.next(node);
    if (node === this.#cached32 || (hi[node] < this.boundary && lo[node] >= lo[this.#cached32])) this.#cached32 = above;
    if (lo[node] < this.boundary) this.#tooLarge32 = this.boundary;
    if (lo[node] >= lo[this.#cached]) this.#cached = above;
    this.tree.remove(node);
  }

  /**
   * Sets pages `first` … `last` aside for good.
   *
   * @throws {RangeError} when one of them is taken.
   */
  reserve(first: number, last: number): void {
    const above = this.tree.ceiling(first);
    const below = this.tree.lo[above] - this.tree.gap[above] - 1;
    if (first <= below || last >= this.tree.lo[above]) {
      throw new RangeError(`page ${first} to ${last} are not all free`);
    }
    this.tree.insertBelow(above, first, last);
  }

  /** The highest place for `size` pages from the gap below `from` downward, not below page `bottom`. */
  #place(from: number, size: number, limit: number, bottom: number): number {
    const { tree } = this;
    const align = powerOfTwo(size);
    // Ranges above the limit have no room below it but in the lowest one's gap.
    let node = tree.lo[from] > limit ? tree.ceiling(limit) : from;
    if (tree.gap[node] < size) node = tree.gapBelow(node, size);
    while (node !== NIL) {
      const { lo } = tree;
      const top = lo[node] < limit ? lo[node] : limit;
      const page = Math.floor((top - size) / align) * align;
      if (page < bottom) return NIL;
      if (page >= lo[node] - tree.gap[node]) return tree.insertBelow(node, page, page + size - 1);
      node = tree.gapBelow(node, size);
    }
    return NIL;
  }
}

/** The smallest power of two that is at least `value`. */
export function powerOfTwo(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}
