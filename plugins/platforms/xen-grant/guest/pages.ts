/**
 * Persistent grants: a pool of pages that the backend may keep mapped for as long as it likes, because they are granted
 * once and never taken back; data is copied into and out of them (as Linux's blkfront does).
 *
 * @module
 */

import { coherentAlign, type GuestPort, PAGE_SIZE, type PhysAddr } from "@iova/core";
import type { GuestGrantTable } from "./table.ts";

/** Page `i` of the pool is reference `firstRef + i`, at `base + i` pages. */
export class PersistentPages {
  /** Physical address of the first page. */
  readonly base: PhysAddr;
  /** Reference of the first page. */
  readonly firstRef: number;
  readonly #used: Uint8Array;
  #next = 0;

  private constructor(base: PhysAddr, firstRef: number, readonly pages: number) {
    this.base = base;
    this.firstRef = firstRef;
    this.#used = new Uint8Array(pages);
  }

  /** Grants `pages` pages to `backend`; null when there is no memory or no run of references. */
  static make(guest: GuestPort, table: GuestGrantTable, backend: number, pages: number): PersistentPages | null {
    const bytes = pages * PAGE_SIZE;
    const base = guest.heap.alloc(bytes, coherentAlign(bytes));
    if (base === null) return null;
    const firstRef = table.refs.takeRun(pages);
    if (firstRef < 0) {
      guest.heap.free(base);
      return null;
    }
    for (let i = 0; i < pages; i++) table.grant(firstRef + i, backend, base / PAGE_SIZE + i, false);
    return new PersistentPages(base, firstRef, pages);
  }

  /** The first of `count` consecutive free pages, a multiple of `align`, or −1. */
  take(count: number, align: number): number {
    if (count > this.pages) return -1;
    const from = this.#find(this.#next, count, align);
    const page = from >= 0 ? from : this.#find(0, count, align);
    if (page < 0) return -1;
    this.#used.fill(1, page, page + count);
    this.#next = page + count;
    return page;
  }

  /** Gives pages back. */
  give(page: number, count: number): void {
    this.#used.fill(0, page, page + count);
  }

  /** Ends every grant; false when the backend still holds one. */
  end(table: GuestGrantTable): boolean {
    let ended = true;
    for (let i = 0; i < this.pages; i++) ended = table.tryEnd(this.firstRef + i) && ended;
    return ended;
  }

  #find(start: number, count: number, align: number): number {
    for (let page = Math.ceil(start / align) * align; page + count <= this.pages;) {
      const taken = this.#lastTaken(page, count);
      if (taken < 0) return page;
      page = Math.ceil((taken + 1) / align) * align;
    }
    return -1;
  }

  #lastTaken(page: number, count: number): number {
    for (let i = page + count - 1; i >= page; i--) if (this.#used[i] !== 0) return i;
    return -1;
  }
}
