/**
 * One page of the hypervisor's own memory that a guest may have in its physical map: a frame of grant entries, or of
 * status words. Whoever holds the page follows it when it is put somewhere else.
 *
 * @module
 */

import { PAGE_SIZE, type PhysAddr, type RamRegion } from "@iova/core";
import { STATUS_PER_FRAME } from "../layout.ts";

const WORDS = PAGE_SIZE / 4;

/** See the module's text. */
export class TablePage {
  /** Words that hold the page, among others. */
  words: Int32Array = new Int32Array(WORDS);
  /** Where in {@linkcode TablePage.words} it begins. */
  base = 0;
  /** The page as 16-bit words. */
  halves: Uint16Array = new Uint16Array(this.words.buffer);
  /** Its address in the guest's physical map; −1 while it is not there. */
  placed: PhysAddr = -1;

  /** Zeroes it. */
  clear(): void {
    this.words.fill(0, this.base, this.base + WORDS);
  }

  /** Moves it into the page at `address` of `region`; false when it cannot lie there. */
  place(region: RamRegion, address: PhysAddr): boolean {
    const offset = address - region.base;
    if (region.words === null || offset % 4 !== 0) return false;
    const base = offset / 4;
    region.words.set(this.words.subarray(this.base, this.base + WORDS), base);
    this.words = region.words;
    this.base = base;
    this.halves = new Uint16Array(region.bytes.buffer, region.bytes.byteOffset + offset, STATUS_PER_FRAME);
    this.placed = address;
    return true;
  }

  /** Takes it out of the physical map: what the guest has there is its own from now on. */
  detach(): void {
    if (this.placed < 0) return;
    this.words = this.words.slice(this.base, this.base + WORDS);
    this.base = 0;
    this.halves = new Uint16Array(this.words.buffer);
    this.placed = -1;
  }
}
