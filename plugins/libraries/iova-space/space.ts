/**
 * A device's (or a domain's) space of I/O virtual addresses: Linux's `alloc_iova_fast` and `free_iova_fast`.
 *
 * @module
 */

import { type IovaCacheOptions, IovaCaches } from "./caches.ts";
import { PageIndex } from "./index.ts";
import { PAGES_BELOW_4G, powerOfTwo, RangeSearch } from "./search.ts";
import { NIL, wider } from "./tree.ts";

/** Nothing was free. */
export const NO_IOVA: -1 = -1;

/** What a space is like. */
export interface IovaOptions extends IovaCacheOptions {
  /** The first usable page; at least 1, so that address 0 is never handed out. Default 1. */
  start?: number;
  /** The page at 4 GiB. Default 0x100000: pages of 4 KiB. */
  boundary?: number;
}

/**
 * See the module's text. Pages are numbers below 2^52. An allocation *lives* until it is retired, and its pages can be
 * handed out again once it is recycled; between the two lies a deferred flush.
 */
export class IovaSpace {
  /** Allocations that live. */
  live = 0;
  /** Freed ranges that are kept for reuse. */
  readonly caches: IovaCaches;
  readonly #search: RangeSearch;
  readonly #index = new PageIndex();
  // By node: pages as asked for while the allocation lives, else 0.
  #asked = new Float64Array(1024);

  /** An empty space. */
  constructor(options: IovaOptions = {}) {
    const { start = 1, boundary = PAGES_BELOW_4G } = options;
    if (start < 1) throw new RangeError("an IOVA space starts at page 1 or later: address 0 is never handed out");
    this.#search = new RangeSearch(start, boundary);
    this.caches = new IovaCaches(options, (node) => this.#give(node));
  }

  /** Ranges that are taken, cached and reserved ones included. */
  get ranges(): number {
    return this.#search.tree.size;
  }

  /** Sets pages `first` … `last` aside for good. @throws {RangeError} when one of them is taken. */
  reserve(first: number, last: number): void {
    this.#search.reserve(first, last);
  }

  /**
   * Allocates `pages` whose last page is at most `last`. `flush`: when there is no room, what the caches keep goes back
   * to the tree and the search is made once more.
   *
   * @returns the first page, or {@linkcode NO_IOVA}.
   */
  allocate(pages: number, last: number, flush = false): number {
    const size = pages < this.caches.roundBelow ? powerOfTwo(pages) : pages;
    let node = this.caches.get(orderOf(size), this.#search.tree.lo, last + 1 - size);
    if (node === NIL) {
      node = this.#search.take(size, last + 1);
      if (node === NIL && flush) {
        this.caches.flush();
        node = this.#search.take(size, last + 1);
      }
      if (node === NIL) return NO_IOVA;
      this.#index.set(this.#search.tree.lo[node], node);
      while (node >= this.#asked.length) this.#asked = wider(this.#asked);
    }
    this.#asked[node] = pages;
    this.live++;
    return this.#search.tree.lo[node];
  }

  /** Pages of the live allocation that starts at `page`, as asked for; 0 when none does. */
  sizeAt(page: number): number {
    return this.#asked[this.#index.get(page)];
  }

  /** Ends the allocation at `page`; nobody gets its pages before {@linkcode IovaSpace.recycle}. False when none lives there. */
  retire(page: number): boolean {
    const node = this.#index.get(page);
    if (this.#asked[node] === 0) return false;
    this.#asked[node] = 0;
    this.live--;
    return true;
  }

  /** Makes the pages of a retired allocation free. Once for each; an allocation that lives is left alone. */
  recycle(page: number): void {
    const node = this.#index.get(page);
    if (node === NIL || this.#asked[node] !== 0) return;
    const { lo, hi } = this.#search.tree;
    if (!this.caches.put(orderOf(hi[node] - lo[node] + 1), node)) this.#give(node);
  }

  /** Ends the allocation at `page` and makes its pages free. False when none lives there. */
  free(page: number): boolean {
    if (!this.retire(page)) return false;
    this.recycle(page);
    return true;
  }

  #give(node: number): void {
    this.#index.delete(this.#search.tree.lo[node]);
    this.#search.give(node);
  }
}

/** log2 of the smallest power of two that is at least `size`. */
function orderOf(size: number): number {
  return size > 0x7fff_ffff ? 31 : 32 - Math.clz32(size - 1);
}
