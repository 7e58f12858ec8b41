/**
 * Answers that leave an address as it is.
 *
 * @module
 */

import { Access, BusStatus, type Transaction, type Translation } from "@iova/core";

/** Every address passes as it is, with all rights. */
export function passAll(out: Translation): BusStatus {
  out.set(0, 0, 64, Access.ATOMIC);
  out.snoop = true;
  out.untranslatedOnly = false;
  return BusStatus.OK;
}

/** The address passes as it is, in a frame that holds no border of a special range. */
export function identity(tx: Transaction, out: Translation, rights: number): BusStatus {
  const shift = tx.hi === 0 && tx.lo >= 0 ? 31 : 12;
  out.set(tx.hi, shift === 31 ? 0 : tx.lo & ~0xfff, shift, rights);
  out.snoop = true;
  out.untranslatedOnly = false;
  return BusStatus.OK;
}
