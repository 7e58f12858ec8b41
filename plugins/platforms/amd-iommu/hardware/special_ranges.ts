/**
 * Bus addresses that are not memory (AMD 48882 §2.1.2, §2.2.2.1): interrupt messages, and HyperTransport's ranges for port
 * I/O and system management, which the device table entry's ioCtl and sysMgt govern.
 *
 * @module
 */

import { INTERRUPT_WINDOW } from "../layout.ts";

/** What a bus address is. */
export const Range = { MEMORY: 0, INTERRUPT: 1, PORT_IO: 2, SYSTEM_MANAGEMENT: 3, HT_OTHER: 4 } as const;

const MIB_SHIFT = 20;
const INTERRUPT_MIB = INTERRUPT_WINDOW.first >>> MIB_SHIFT;
const HT_FIRST = 0xfd;
const HT_LAST = 0xff;
/** Within fd_xxxx_xxxx, in MiB. */
const SYSTEM_MANAGEMENT_MIB = 0xf91;
const PORT_IO_MIB = { first: 0xfc0, last: 0xfdf };

/** What the address in two halves is; `ht`: HyperTransport's ranges count. */
export function rangeOf(hi: number, lo: number, ht: boolean): number {
  const mib = lo >>> MIB_SHIFT;
  if (hi === 0) return mib === INTERRUPT_MIB ? Range.INTERRUPT : Range.MEMORY;
  if (!ht || hi < HT_FIRST || hi > HT_LAST) return Range.MEMORY;
  if (hi !== HT_FIRST) return Range.HT_OTHER;
  if (mib === SYSTEM_MANAGEMENT_MIB) return Range.SYSTEM_MANAGEMENT;
  return mib >= PORT_IO_MIB.first && mib <= PORT_IO_MIB.last ? Range.PORT_IO : Range.HT_OTHER;
}

/** Whether an address is in a special range, or near one: the quick test before {@linkcode rangeOf}. */
export function mayBeSpecial(hi: number, lo: number): boolean {
  return hi === 0 ? lo >>> MIB_SHIFT === INTERRUPT_MIB : hi >= HT_FIRST && hi <= HT_LAST;
}
