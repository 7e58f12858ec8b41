/**
 * The host page table (AMD 48882 §2.2.3) as Linux builds it: tables are added from the top as they are needed and kept
 * until the domain goes; a block that is aligned on both sides becomes one large page; one more level is put on top when
 * an address does not fit.
 *
 * Pages and frames are numbers of 4 KiB pages. Nothing is allocated on the JavaScript heap by mapping and unmapping.
 *
 * @module
 */

import { DmaHandle, type GuestPort, PAGE_SIZE, type PhysAddr } from "@iova/core";
import { MAX_LEVELS, NEXT_LEVEL_SIZED, Pde, Pte, putSizeCode, sizeCodeShift, TABLE_ENTRIES } from "../layout.ts";
import type { TableMemory } from "./memory.ts";

/** Rights as they stand in the high half of an entry. */
export const Rights = { READ: Pte.mask.ir, WRITE: Pte.mask.iw, BOTH: Pte.mask.ir | Pte.mask.iw } as const;

const BOTH = Rights.BOTH;

/** log2 of the pages of the largest block that Linux does not use for DMA anyway: 512 GiB and more. */
const MAX_ORDER = 26;
/** Pages that one entry covers, by level. */
const SPAN: readonly number[] = Array.from({ length: MAX_LEVELS + 2 }, (_, level) => 2 ** (9 * (level - 1)));
/** 2^20: pages of 4 GiB. */
const PAGES_4G = 0x10_0000;
const NEXT_SHIFT = Pte.shift.nextLevel;
const NEXT_MASK = Pte.mask.nextLevel;
const PRESENT = Pte.mask.present;
const ADDRESS_HIGH = Pte.maskHigh.address;
const FORCE_COHERENT = Pte.mask.fc;

/** One domain's page table. */
export class PageTable {
  /** Levels. */
  mode: number;
  /** Physical address of the topmost table. */
  root: PhysAddr;
  /** Set when a level was added: device table entries must be written again. The owner clears it. */
  grown = false;
  /** Set when a table gave way to a large page: the range must be flushed although it was not mapped. The owner clears it. */
  replaced = false;
  /** Rights of the leaf that was cleared last; −1 when there was none. */
  cleared = -1;
  /** Tables in use. */
  tables = 0;
  readonly #guest: GuestPort;
  readonly #memory: TableMemory;
  readonly #maxMode: number;
  readonly #code = new DmaHandle();
  // The level-1 table used last, and which 512 pages it is for.
  #leafKey = -1;
  #leafTable = 0;
  // Level of the entry that #find found.
  #level = 0;

  /** An empty table of `mode` levels that may grow to `maxMode`. @throws {GuestMemoryError} when there is no room. */
  constructor(guest: GuestPort, memory: TableMemory, mode: number, maxMode: number) {
    this.#guest = guest;
    this.#memory = memory;
    this.mode = mode;
    this.#maxMode = maxMode;
    this.root = guest.heap.require(PAGE_SIZE, "the root of an AMD IOMMU page table", PAGE_SIZE);
    this.tables = 1;
  }

  /**
   * Maps `pages` from `page` to `frame` … with {@linkcode Rights}. Nothing of it may be mapped.
   *
   * @returns false, with nothing mapped, when a table cannot be allocated or the address is out of reach.
   */
  map(page: number, frame: number, pages: number, rights: number): boolean {
    while (page + pages > SPAN[this.mode + 1]) if (!this.#grow()) return false;
    if (pages === 1) return this.#mapBlock(page, frame, 0, rights);
    for (let done = 0; done < pages;) {
      const order = blockOrder(page + done, frame + done, pages - done);
      if (!this.#mapBlock(page + done, frame + done, order, rights)) {
        this.unmap(page, done);
        return false;
      }
      done += 2 ** order;
    }
    return true;
  }

  /** Unmaps `pages` from `page`, up to the first that is not mapped; returns how many were. */
  unmap(page: number, pages: number): number {
    let done = 0;
    while (done < pages) {
      const cleared = this.#clear(page + done);
      if (cleared === 0) break;
      done += cleared;
    }
    return done;
  }

  /** The rights of the page's leaf; −1 when it is not mapped. */
  rights(page: number): number {
    const at = this.#find(page);
    return at < 0 ? -1 : this.#memory.read(at + 4) & Rights.BOTH;
  }

  /** The frame that a page is mapped to; −1 when it is not. */
  frame(page: number): number {
    const at = this.#find(page);
    if (at < 0) return -1;
    const lo = this.#memory.read(at);
    const hi = this.#memory.read(at + 4) & ADDRESS_HIGH;
    const sized = (lo & NEXT_MASK) >>> NEXT_SHIFT === NEXT_LEVEL_SIZED;
    const span = sized ? 2 ** (sizeCodeShift(hi, lo) - 12) : SPAN[this.#level];
    return Math.floor((hi * PAGES_4G + (lo >>> 12)) / span) * span + page % span;
  }

  /** Gives every table back. */
  free(): void {
    this.#freeTable(this.root, this.mode);
    this.tables = 0;
  }

  #mapBlock(page: number, frame: number, order: number, rights: number): boolean {
    const level = order < 9 ? 1 : Math.floor(order / 9) + 1;
    const table = this.#table(page, level);
    if (table < 0) return false;
    const replicas = 1 << order % 9;
    const isLow = frame < PAGES_4G;
    let lo = isLow ? frame << 12 : (frame * PAGE_SIZE) | 0;
    let hi = isLow ? 0 : (frame / PAGES_4G) | 0;
    if (replicas > 1) {
      putSizeCode(this.#code.setHalves(hi, lo), 12 + order);
      lo = this.#code.lo | NEXT_LEVEL_SIZED << NEXT_SHIFT;
      hi = this.#code.hi;
    }
    const at = table + index(page, level) * 8;
    for (let i = 0; i < replicas; i++) {
      if (level > 1) this.#displace(at + i * 8, level);
      this.#memory.write64(at + i * 8, lo | PRESENT, hi | FORCE_COHERENT | rights);
    }
    return true;
  }

  /** A table that stands where a large page goes is empty; it goes back. */
  #displace(at: PhysAddr, level: number): void {
    const lo = this.#memory.read(at);
    if ((lo & PRESENT) === 0) return;
    this.#freeTable(this.#address(at, lo), level - 1);
    this.replaced = true;
    this.#leafKey = -1;
  }

  /** Clears the leaf that maps `page`, in all its replicas; returns its pages. */
  #clear(page: number): number {
    this.cleared = -1;
    const at = this.#find(page);
    if (at < 0) return 0;
    const memory = this.#memory;
    const lo = memory.read(at);
    const hi = memory.read(at + 4);
    this.cleared = hi & BOTH;
    if ((lo & NEXT_MASK) === 0) {
      memory.write64(at, 0, 0);
      return this.#level === 1 ? 1 : SPAN[this.#level];
    }
    const span = 2 ** (sizeCodeShift(hi & ADDRESS_HIGH, lo) - 12);
    const replicas = Math.min(span / SPAN[this.#level], TABLE_ENTRIES);
    const first = at - (at / 8 % replicas) * 8;
    for (let i = 0; i < replicas; i++) memory.write64(first + i * 8, 0, 0);
    return span;
  }

  /** The address of the leaf for `page`, with its level in #level; −1 when there is none. */
  #find(page: number): PhysAddr {
    if (leafKey(page) === this.#leafKey) {
      const at = this.#leafTable + index(page, 1) * 8;
      this.#level = 1;
      return (this.#memory.read(at) & PRESENT) === 0 ? -1 : at;
    }
    if (page >= SPAN[this.mode + 1]) return -1;
    let table = this.root;
    for (let level = this.mode; level > 0; level--) {
      const at = table + index(page, level) * 8;
      const lo = this.#memory.read(at);
      if ((lo & PRESENT) === 0) return -1;
      const next = (lo & NEXT_MASK) >>> NEXT_SHIFT;
      if (next === 0 || next === NEXT_LEVEL_SIZED) {
        this.#level = level;
        return at;
      }
      table = this.#address(at, lo);
    }
    return -1;
  }

  /** The table of `level` that holds the entry for `page`, made if it is not there; −1 when it cannot be. */
  #table(page: number, level: number): PhysAddr {
    const key = leafKey(page);
    if (level === 1 && key === this.#leafKey) return this.#leafTable;
    let table = this.root;
    for (let at = this.mode; at > level; at--) {
      const entry = table + index(page, at) * 8;
      const lo = this.#memory.read(entry);
      table = (lo & PRESENT) === 0 ? this.#addTable(entry, at - 1) : this.#address(entry, lo);
      if (table < 0) return -1;
    }
    if (level === 1) {
      this.#leafKey = key;
      this.#leafTable = table;
    }
    return table;
  }

  #addTable(entry: PhysAddr, level: number): PhysAddr {
    const table = this.#guest.heap.allocPages(1);
    if (table === null) return -1;
    this.tables++;
    this.#link(entry, table, level);
    return table;
  }

  /** Puts a level on top: the old root is entry 0 of the new one. */
  #grow(): boolean {
    if (this.mode >= this.#maxMode) return false;
    const root = this.#guest.heap.allocPages(1);
    if (root === null) return false;
    this.tables++;
    this.#link(root, this.root, this.mode);
    this.root = root;
    this.mode++;
    this.grown = true;
    return true;
  }

  /** Writes a directory entry for a table of `level`. Directory entries grant everything; leaves decide. */
  #link(entry: PhysAddr, table: PhysAddr, level: number): void {
    const lo = (table | 0) | level << Pde.shift.nextLevel | PRESENT;
    this.#memory.write64(entry, lo, ((table / 4294967296) | 0) | Rights.BOTH);
  }

  #address(entry: PhysAddr, lo: number): PhysAddr {
    return (this.#memory.read(entry + 4) & ADDRESS_HIGH) * 4294967296 + ((lo & ~0xfff) >>> 0);
  }

  #freeTable(table: PhysAddr, level: number): void {
    for (let i = 0; level > 1 && i < TABLE_ENTRIES; i++) {
      const lo = this.#memory.read(table + i * 8);
      const next = (lo & NEXT_MASK) >>> NEXT_SHIFT;
      if ((lo & PRESENT) === 0 || next === 0 || next === NEXT_LEVEL_SIZED) continue;
      this.#freeTable(this.#address(table + i * 8, lo), next);
    }
    this.#guest.heap.free(table);
    this.tables--;
  }
}

/** Which level-1 table a page's entry is in. */
function leafKey(page: number): number {
  return page < 2 ** 31 ? page >> 9 : Math.floor(page / TABLE_ENTRIES);
}

function index(page: number, level: number): number {
  return level === 1 ? page & (TABLE_ENTRIES - 1) : Math.floor(page / SPAN[level]) & (TABLE_ENTRIES - 1);
}

/** log2 of the pages of the largest block that starts here, is aligned on both sides and not longer than `pages`. */
function blockOrder(page: number, frame: number, pages: number): number {
  const bits = page | frame;
  const aligned = bits === 0 ? MAX_ORDER : 31 - Math.clz32(bits & -bits);
  const fits = pages > 0x7fff_ffff ? MAX_ORDER : 31 - Math.clz32(pages);
  return Math.min(aligned, fits, MAX_ORDER);
}
