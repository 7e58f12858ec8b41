/**
 * The walk of a host page table (AMD 48882 §2.2.3): at most one entry of each level is read, whatever memory holds.
 *
 * @module
 */

import type { Translation, TranslatorMemory } from "@iova/core";
import { levelShift, NEXT_LEVEL_SIZED, Pde, Pte, reservedMaskOf } from "../layout.ts";
import { type AddressCache, PAYLOAD } from "./address_cache.ts";
import { DteFlag, DteWord } from "./device_table.ts";
import { exceeds, judgeDirectory, judgeLeaf, Walk } from "./page_entry.ts";
import { TableWindow } from "./table_window.ts";

// Constants of other modules are loaded at each use; those of this one are part of the code.
const { OK, NOT_PRESENT, PERMISSION } = Walk;
const { DOMAIN, FLAGS, MODE, ROOT_HI, ROOT_LO } = DteWord;
const HAD = DteFlag.HA | DteFlag.HD;
const PLAIN_TABLE = DteFlag.PLAIN_TABLE;
const SIZED = NEXT_LEVEL_SIZED;
const SLOT = PAYLOAD;
const PRESENT = Pte.mask.present;
const ACCESSED = Pte.mask.accessed;
const DIRTY = Pte.mask.dirty;
const NEXT_LEVEL = Pte.mask.nextLevel;
const NEXT_LEVEL_SHIFT = Pte.shift.nextLevel;
const ADDRESS_LO = Pte.mask.address | 0;
const ADDRESS_HI = Pte.maskHigh.address;
const RIGHTS_SHIFT = Pte.shift.ir;
const UNTRANSLATED_ONLY = Pte.mask.u;
const FORCE_COHERENT = Pte.mask.fc;
const PTE_RESERVED_HI = reservedMaskOf(Pte)[1];
const PDE_RESERVED_HI = reservedMaskOf(Pde)[1];
const BOTH_RIGHTS = Pde.mask.ir | Pde.mask.iw;
/** The high word of a plain directory entry under this mask is BOTH_RIGHTS. */
const PDE_PLAIN = PDE_RESERVED_HI | BOTH_RIGHTS | ADDRESS_HI;

/** Walks page tables in the memory of one host. */
export class PageWalker {
  /** Walks begun. */
  walks = 0;
  /** Address of the entry at which the last walk ended with `UNREADABLE`, high half. */
  entryHi = 0;
  /** See {@linkcode PageWalker.entryHi}. */
  entryLo = 0;
  /** Whether the leaf of the last walk has its dirty bit, or none is kept. */
  dirty = true;
  readonly #window: TableWindow;
  readonly #directories: AddressCache | null;
  // Where a walk starts: the table, its level, and the rights granted above it.
  #tableHi = 0;
  #tableLo = 0;
  #level = 0;
  #rights = 0;

  /** A walker with a cache of directory entries, or without. */
  constructor(memory: TranslatorMemory, directories: AddressCache | null) {
    this.#window = new TableWindow(memory);
    this.#directories = directories;
  }

  /**
   * Walks for the address in `hi`, `lo` through the table of the judged device table entry at `dte`. The rights in
   * `need` must be granted at every level. On `OK` `out` has frame, size, the rights that the table grants (without
   * those of the device table entry), and the leaf's attributes.
   */
  walk(entries: Int32Array, dte: number, hi: number, lo: number, need: number, out: Translation): number {
    this.walks++;
    if ((entries[dte + FLAGS] & PLAIN_TABLE) !== 0) {
      const mode = entries[dte + MODE];
      if (hi >>> 9 * mode - 20 === 0 && this.#walkPlain(entries, dte, mode, hi, lo, need, out)) return OK;
    }
    return this.#walkAny(entries, dte, hi, lo, need, out);
  }

  /**
   * The walk that almost every request takes: three or four levels, none skipped, every right granted above the leaf and
   * those in `need` there, a page of 4 KiB, all tables in one window below 4 GiB. False when anything is different; then
   * nothing has happened.
   */
  #walkPlain(
    entries: Int32Array,
    dte: number,
    mode: number,
    hi: number,
    lo: number,
    need: number,
    out: Translation,
  ): boolean {
    const directories = this.#directories;
    if (directories === null) {
      const page = this.#descendPlain(entries[dte + ROOT_LO], mode, hi, lo);
      return page >= 0 && this.#leafPlain(page, lo, need, out);
    }
    const domain = entries[dte + DOMAIN];
    const cached = directories.find(domain, hi, lo);
    if (cached >= 0) {
      const { words } = directories;
      const isPlain = words[cached + SLOT] === 0 && words[cached + SLOT + 2] === 3 && directories.shift(cached) === 21;
      return isPlain && this.#window.open(0, words[cached + SLOT + 1]) &&
        this.#leafPlain((words[cached + SLOT + 1] >>> 12) - this.#window.firstPage, lo, need, out);
    }
    const page = this.#descendPlain(entries[dte + ROOT_LO], mode, hi, lo);
    if (page < 0 || !this.#leafPlain(page, lo, need, out)) return false;
    this.#remember(domain, hi, lo, 1, 0, (page + this.#window.firstPage) << 12, 3);
    return true;
  }

  /** The page of the lowest table, counted from the window's first; −1 when the way there is not plain. */
  #descendPlain(rootLo: number, mode: number, hi: number, lo: number): number {
    const window = this.#window;
    if (!window.open(0, rootLo)) return -1;
    const { words, firstPage, pages } = window;
    // One statement a level: a loop that takes its next turn from memory costs three times as much.
    let page = (rootLo >>> 12) - firstPage;
    if (mode === 4) page = follow(words, firstPage, pages, page, hi >>> 7 & 511, 3);
    page = follow(words, firstPage, pages, page, (lo >>> 30 | hi << 2) & 511, 2);
    return follow(words, firstPage, pages, page, lo >>> 21 & 511, 1);
  }

  #leafPlain(page: number, lo: number, need: number, out: Translation): boolean {
    const { words } = this.#window;
    const at = page << 10 | (lo >>> 12 & 511) << 1;
    const entryLo = words[at];
    const entryHi = words[at + 1];
    if ((entryLo & (PRESENT | NEXT_LEVEL)) !== PRESENT || (entryHi & PTE_RESERVED_HI) !== 0) return false;
    const rights = entryHi >>> RIGHTS_SHIFT & 3;
    if ((rights & need) !== need) return false;
    out.hi = entryHi & ADDRESS_HI;
    out.lo = entryLo & ADDRESS_LO;
    out.shift = 12;
    out.rights = rights;
    out.snoop = (entryHi & FORCE_COHERENT) !== 0;
    out.untranslatedOnly = (entryHi & UNTRANSLATED_ONLY) !== 0;
    this.dirty = true;
    return true;
  }

  #walkAny(entries: Int32Array, dte: number, hi: number, lo: number, need: number, out: Translation): number {
    if (exceeds(hi, lo, entries[dte + MODE])) return NOT_PRESENT;
    this.#start(entries, dte, hi, lo);
    const first = this.#level;
    let level = first;
    let rights = this.#rights;
    let tableHi = this.#tableHi;
    let tableLo = this.#tableLo;
    let tableRights = rights;
    if ((rights & need) !== need) return PERMISSION;
    const window = this.#window;
    for (;;) {
      // The window is always asked: a host may have changed its memory since the last walk.
      if (!window.open(tableHi, tableLo)) return this.#unreadable(tableHi, tableLo, indexAt(level, hi, lo));
      const at = pageOf(tableHi, tableLo) - window.firstPage << 10 | indexAt(level, hi, lo) << 1;
      const entryLo = window.words[at];
      const entryHi = window.words[at + 1];
      if ((entryLo & PRESENT) === 0) return NOT_PRESENT;
      const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
      rights &= entryHi >>> RIGHTS_SHIFT;
      if (next === 0 || next === SIZED) {
        const result = judgeLeaf(out, entryHi, entryLo, level, next, rights, need);
        if (result !== OK) return result;
        this.#use(entries[dte + FLAGS], need, tableHi, tableLo, at, entryLo);
        if (level !== first) this.#remember(entries[dte + DOMAIN], hi, lo, level, tableHi, tableLo, tableRights);
        return OK;
      }
      const result = judgeDirectory(entryHi, next, level, hi, lo, rights, need);
      if (result !== OK) return result;
      tableHi = entryHi & ADDRESS_HI;
      tableLo = entryLo & ADDRESS_LO;
      tableRights = rights;
      level = next;
    }
  }

  /** Finds where to start: at the lowest directory entry that is cached, or at the root. */
  #start(entries: Int32Array, dte: number, hi: number, lo: number): void {
    const directories = this.#directories;
    const cached = directories === null ? -1 : directories.find(entries[dte + DOMAIN], hi, lo);
    if (cached < 0) {
      this.#level = entries[dte + MODE];
      this.#tableHi = entries[dte + ROOT_HI];
      this.#tableLo = entries[dte + ROOT_LO];
      this.#rights = 3;
    } else {
      const { words } = directories!;
      this.#level = levelBelow(directories!.shift(cached));
      this.#tableHi = words[cached + SLOT];
      this.#tableLo = words[cached + SLOT + 1];
      this.#rights = words[cached + SLOT + 2];
    }
  }

  /** Keeps the lowest directory entry of a walk. */
  #remember(
    domain: number,
    hi: number,
    lo: number,
    level: number,
    tableHi: number,
    tableLo: number,
    rights: number,
  ): void {
    const directories = this.#directories;
    if (directories === null) return;
    const slot = directories.insert(domain, hi, lo, levelShift(level + 1)) + SLOT;
    directories.words[slot] = tableHi;
    directories.words[slot + 1] = tableLo;
    directories.words[slot + 2] = rights;
  }

  #unreadable(tableHi: number, tableLo: number, index: number): number {
    this.entryHi = tableHi;
    this.entryLo = tableLo | index << 3;
    return Walk.UNREADABLE;
  }

  /** Sets the accessed bit of a leaf, and its dirty bit for a write, when the device table entry wants them. */
  #use(flags: number, need: number, tableHi: number, tableLo: number, at: number, entryLo: number): void {
    this.dirty = true;
    if ((flags & HAD) === 0) return;
    const dirties = (flags & DteFlag.HD) !== 0;
    const bits = ACCESSED | (dirties && (need & 2) !== 0 ? DIRTY : 0);
    if ((entryLo & bits) !== bits) this.#window.update(tableHi, tableLo, at, entryLo | bits);
    this.dirty = !dirties || ((entryLo | bits) & DIRTY) !== 0;
  }
}

/** Index of the entry for an address in a table at `level`. */
function indexAt(level: number, hi: number, lo: number): number {
  const shift = 3 + 9 * level;
  return shift < 32 ? (lo >>> shift | hi << (32 - shift)) & 511 : hi >>> (shift - 32) & 511;
}

/** Number of the 4 KiB page at an address; memory ends below bit 44. */
function pageOf(hi: number, lo: number): number {
  return hi << 20 | lo >>> 12;
}

/**
 * The page of the table below, counted from the window's first, when the entry at `index` is a plain directory entry: to
 * level `next`, with both rights, in the window below 4 GiB. Else −1, also when `page` is −1 already.
 */
function follow(
  words: Int32Array,
  firstPage: number,
  pages: number,
  page: number,
  index: number,
  next: number,
): number {
  if (page < 0) return -1;
  const at = page << 10 | index << 1;
  const entryLo = words[at];
  if ((entryLo & (PRESENT | NEXT_LEVEL)) !== (next << NEXT_LEVEL_SHIFT | PRESENT)) return -1;
  if ((words[at + 1] & PDE_PLAIN) !== BOTH_RIGHTS) return -1;
  const below = (entryLo >>> 12) - firstPage;
  return below < pages ? below : -1;
}

/** The level whose tables cover blocks of 2^`shift` bytes. */
function levelBelow(shift: number): number {
  return (shift - 12) / 9;
}
