/**
 * What one page table entry means at its level (AMD 48882 §2.2.3), and how a walk can end.
 *
 * @module
 */

import type { Translation } from "@iova/core";
import { levelShift, MAX_LEVELS, modeWidth, Pde, Pte, reservedMaskOf, sizeCodeShift } from "../layout.ts";

/** How a walk ended. */
export const Walk = {
  OK: 0,
  /** An entry is not present, or the address is wider than the table. */
  NOT_PRESENT: 1,
  /** A reserved bit is set in a present entry. */
  RESERVED_BIT: 2,
  /** NextLevel or the size code make no sense at their level. */
  ENCODING: 3,
  /** A right is missing. */
  PERMISSION: 4,
  /** No memory where an entry should be. */
  UNREADABLE: 5,
} as const;

const ADDRESS_LO = Pte.mask.address | 0;
const ADDRESS_HI = Pte.maskHigh.address;
const PTE_RESERVED_HI = reservedMaskOf(Pte)[1];
const PDE_RESERVED_HI = reservedMaskOf(Pde)[1];

/** Judges a leaf and writes its frame. */
export function judgeLeaf(
  out: Translation,
  entryHi: number,
  entryLo: number,
  level: number,
  next: number,
  rights: number,
  need: number,
): number {
  if ((entryHi & PTE_RESERVED_HI) !== 0) return Walk.RESERVED_BIT;
  const shift = next === 0 ? defaultShift(level) : codedShift(level, entryHi, entryLo);
  if (shift === 0) return Walk.ENCODING;
  if ((rights & need) !== need) return Walk.PERMISSION;
  // Address bits below the size are ignored.
  const maskLo = shift < 32 ? ADDRESS_LO & -1 << shift : 0;
  const maskHi = shift <= 32 ? ADDRESS_HI : ADDRESS_HI & -1 << (shift - 32);
  out.set(entryHi & maskHi, entryLo & maskLo, shift, rights);
  out.snoop = (entryHi & Pte.mask.fc) !== 0;
  out.untranslatedOnly = (entryHi & Pte.mask.u) !== 0;
  return Walk.OK;
}

/** Judges a directory entry. */
export function judgeDirectory(
  entryHi: number,
  next: number,
  level: number,
  hi: number,
  lo: number,
  rights: number,
  need: number,
): number {
  if ((entryHi & PDE_RESERVED_HI) !== 0) return Walk.RESERVED_BIT;
  if (next >= level) return Walk.ENCODING;
  if (next < level - 1 && !skippedAreZero(hi, lo, next, level)) return Walk.NOT_PRESENT;
  return (rights & need) === need ? Walk.OK : Walk.PERMISSION;
}

/** Whether an address has bits above those that a table of `mode` levels translates. */
export function exceeds(hi: number, lo: number, mode: number): boolean {
  const width = modeWidth(mode);
  return width < 32 ? hi !== 0 || lo >>> width !== 0 : width < 64 && hi >>> (width - 32) !== 0;
}

/** log2 of the size of a leaf with NextLevel 0; 0 when there is none at this level. */
function defaultShift(level: number): number {
  return level === MAX_LEVELS ? 0 : levelShift(level);
}

/** log2 of the size of a leaf with NextLevel 7; 0 when its code lies outside what the level allows. */
function codedShift(level: number, hi: number, lo: number): number {
  const shift = sizeCodeShift(hi & ADDRESS_HI, lo & ADDRESS_LO);
  return shift > levelShift(level) && shift < levelShift(level + 1) && shift <= 52 ? shift : 0;
}

/** Whether the address bits that the skipped levels would have used are zero: levels between `next` and `level`. */
function skippedAreZero(hi: number, lo: number, next: number, level: number): boolean {
  const low = levelShift(next + 1);
  const high = levelShift(level);
  const maskLo = (high < 32 ? (1 << high) - 1 : -1) & (low < 32 ? -1 << low : 0);
  const maskHi = (high <= 32 ? 0 : (1 << (high - 32)) - 1) & (low <= 32 ? -1 : -1 << (low - 32));
  return (lo & maskLo) === 0 && (hi & maskHi) === 0;
}
