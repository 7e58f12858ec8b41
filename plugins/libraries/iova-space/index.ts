/**
 * Finds the node of an allocation by its first page: open addressing over two typed arrays.
 *
 * @module
 */

import { NIL } from "./tree.ts";

/** First page → node. Page 0 cannot be a key. */
export class PageIndex {
  #pages = new Float64Array(2048);
  #nodes = new Int32Array(2048);
  #shift = 21;
  #size = 0;
  // Where the last search ended: an allocation is asked about several times in a row.
  #recent = 0;

  /** The node whose range starts at `page`, or {@linkcode NIL}. */
  get(page: number): number {
    if (this.#pages[this.#recent] === page) return this.#nodes[this.#recent];
    const slot = this.#recent = this.#slot(page);
    return this.#pages[slot] === page ? this.#nodes[slot] : NIL;
  }

  /** Adds a page that is not there. */
  set(page: number, node: number): void {
    if (++this.#size * 2 > this.#pages.length) this.#grow();
    const slot = this.#slot(page);
    this.#pages[slot] = page;
    this.#nodes[slot] = node;
  }

  /** Takes a page out that is there. */
  delete(page: number): void {
    const mask = this.#pages.length - 1;
    let hole = this.#slot(page);
    this.#size--;
    // Entries that were pushed past the hole move back, so that no search ends too early.
    for (let at = (hole + 1) & mask; this.#pages[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home(this.#pages[at]);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#pages[hole] = this.#pages[at];
      this.#nodes[hole] = this.#nodes[at];
      hole = at;
    }
    this.#pages[hole] = 0;
    this.#nodes[hole] = NIL;
  }

  /** Where `page` is, or where it would go. */
  #slot(page: number): number {
    const mask = this.#pages.length - 1;
    let slot = this.#home(page);
    while (this.#pages[slot] !== 0 && this.#pages[slot] !== page) slot = (slot + 1) & mask;
    return slot;
  }

  #home(page: number): number {
    // Fibonacci hashing of both halves.
    return Math.imul((page | 0) ^ Math.imul((page / 4294967296) | 0, 0x85ebca6b), 0x9e3779b1) >>> this.#shift;
  }

  #grow(): void {
    const pages = this.#pages;
    const nodes = this.#nodes;
    this.#pages = new Float64Array(pages.length * 2);
    this.#nodes = new Int32Array(pages.length * 2);
    this.#shift--;
    this.#recent = 0;
    for (let i = 0; i < pages.length; i++) {
      if (pages[i] === 0) continue;
      const slot = this.#slot(pages[i]);
      this.#pages[slot] = pages[i];
      this.#nodes[slot] = nodes[i];
    }
  }
}
