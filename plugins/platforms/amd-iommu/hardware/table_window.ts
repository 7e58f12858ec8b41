/**
 * Guest memory as the walker reads it: whole pages of 32-bit words, found by page number.
 *
 * @module
 */

import { PAGE_SIZE, type RamRegion, type TranslatorMemory, TWO32 } from "@iova/core";

/** Pages of a window at most: an index of words stays below 2^31. */
const MOST_PAGES = 1 << 21;
/** Page numbers have 32 bits: memory ends below bit 44. */
const MOST_ADDRESS_HI = 0xfff;
const WORDS = PAGE_SIZE / 4;

/** A piece of memory that {@linkcode TableWindow.open} has found; good for the current call only. */
export class TableWindow {
  /** Host byte order is the table's: little-endian. */
  words: Int32Array = new Int32Array(0);
  /** Number of the window's first page. */
  firstPage = 0;
  /** Pages in the window. */
  pages = 0;
  readonly #memory: TranslatorMemory;
  #region: RamRegion | null = null;
  readonly #copy = new Int32Array(WORDS);

  /** A window into the memory of one host. */
  constructor(memory: TranslatorMemory) {
    this.#memory = memory;
  }

  /** Finds the memory of the page at an address in two halves; false when there is none. */
  open(hi: number, lo: number): boolean {
    if (hi > MOST_ADDRESS_HI) return false;
    const address = hi * TWO32 + (lo >>> 0);
    const region = this.#memory.ram(address);
    if (region === null || address + PAGE_SIZE > region.end) return false;
    if (region !== this.#region) this.#show(region, address);
    return true;
  }

  /** Writes a word of the page at an address, at index `at` of the window's words. */
  update(hi: number, lo: number, at: number, value: number): void {
    const address = hi * TWO32 + (lo >>> 0);
    const region = this.#memory.ram(address);
    region?.view.setInt32(address - region.base + at % WORDS * 4, value, true);
  }

  #show(region: RamRegion, address: number): void {
    const pages = Math.floor(region.size / PAGE_SIZE);
    if (region.words !== null && region.base % PAGE_SIZE === 0 && pages <= MOST_PAGES) {
      this.words = region.words;
      this.firstPage = pageNumber(region.base);
      this.pages = pages;
      this.#region = region;
      return;
    }
    // Memory that does not lie in words, or is too large for one window: one page at a time, as a copy.
    for (let i = 0; i < WORDS; i++) this.#copy[i] = region.view.getInt32(address - region.base + 4 * i, true);
    this.words = this.#copy;
    this.firstPage = pageNumber(address);
    this.pages = 1;
    this.#region = null;
  }
}

function pageNumber(address: number): number {
  return Math.floor(address / PAGE_SIZE) | 0;
}
