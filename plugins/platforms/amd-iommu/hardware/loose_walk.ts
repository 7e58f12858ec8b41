/**
 * The walk as QEMU 7.2 makes it: rights are looked at on the way down, and nothing else is. At most eight entries are
 * read, where QEMU follows a table that names itself for ever.
 *
 * @module
 */

import type { Translation, TranslatorMemory } from "@iova/core";
import { levelShift, MAX_LEVELS, NEXT_LEVEL_SIZED, Pte, sizeCodeShift } from "../layout.ts";
import type { AddressCache } from "./address_cache.ts";
import { DteWord } from "./device_table.ts";
import { Walk } from "./page_entry.ts";
import { TableWindow } from "./table_window.ts";
import { PageWalker } from "./walk.ts";

const MOST_ENTRIES = 8;
const PRESENT = Pte.mask.present;
const NEXT_LEVEL = Pte.mask.nextLevel;
const NEXT_LEVEL_SHIFT = Pte.shift.nextLevel;
const ADDRESS_LO = Pte.mask.address | 0;
const ADDRESS_HI = Pte.maskHigh.address;
const RIGHTS_SHIFT = Pte.shift.ir;

/** See the module's text. */
export class LooseWalker extends PageWalker {
  readonly #loose: TableWindow;

  /** See {@linkcode PageWalker}; directory entries are not cached. */
  constructor(memory: TranslatorMemory, directories: AddressCache | null) {
    super(memory, directories);
    this.#loose = new TableWindow(memory);
  }

  /** See {@linkcode PageWalker.walk}. */
  override walk(entries: Int32Array, dte: number, hi: number, lo: number, need: number, out: Translation): number {
    this.walks++;
    return looseWalk(this.#loose, entries, dte, hi, lo, need, out);
  }
}

/** Walks for an address through the table of the judged entry at `dte`; the answer is one of `Walk`. */
function looseWalk(
  window: TableWindow,
  entries: Int32Array,
  dte: number,
  hi: number,
  lo: number,
  need: number,
  out: Translation,
): number {
  let level = entries[dte + DteWord.MODE];
  let rights = entries[dte + DteWord.RIGHTS];
  let present = true;
  let tableHi = entries[dte + DteWord.ROOT_HI];
  let tableLo = entries[dte + DteWord.ROOT_LO];
  for (let i = 0; i < MOST_ENTRIES; i++) {
    if (!present) return Walk.NOT_PRESENT;
    if ((rights & need) !== need) return Walk.PERMISSION;
    if (!window.open(tableHi, tableLo)) return Walk.NOT_PRESENT;
    const page = tableHi << 20 | tableLo >>> 12;
    const at = page - window.firstPage << 10 | indexAt(level, hi, lo) << 1;
    const entryLo = window.words[at];
    const entryHi = window.words[at + 1];
    if ((entryLo | entryHi) === 0) return Walk.NOT_PRESENT;
    rights = entryHi >>> RIGHTS_SHIFT & 3;
    present = (entryLo & PRESENT) !== 0;
    const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
    tableHi = entryHi & ADDRESS_HI;
    tableLo = entryLo & ADDRESS_LO;
    if (next !== 0 && next !== NEXT_LEVEL_SIZED) {
      level = next;
      continue;
    }
    const shift = next === 0 ? levelShift(Math.min(level, MAX_LEVELS)) : Math.min(sizeCodeShift(tableHi, tableLo), 52);
    if ((rights & need) !== need) return Walk.PERMISSION;
    out.set(
      shift <= 32 ? tableHi : tableHi & -1 << (shift - 32),
      shift < 32 ? tableLo & -1 << shift : 0,
      shift,
      rights,
    );
    out.snoop = true;
    out.untranslatedOnly = false;
    return Walk.OK;
  }
  return Walk.NOT_PRESENT;
}

/** Index of the entry for an address in a table at `level`. */
function indexAt(level: number, hi: number, lo: number): number {
  const shift = 3 + 9 * level;
  return shift < 32 ? (lo >>> shift | hi << (32 - shift)) & 511 : hi >>> (shift - 32) & 511;
}
