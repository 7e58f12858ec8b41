/**
 * DATA SET MANAGEMENT, TRIM (ACS-2 §7.10): ranges of sectors whose content nobody needs. Here they become zeros, which is
 * what IDENTIFY word 69 lets software rely on.
 *
 * @module
 */

import { discard } from "@iova/block";
import type { Disk } from "./device_disk.ts";
import { SECTOR, TRIM_ENTRY } from "./layout.ts";

const TWO32 = 0x1_0000_0000;

/** Trims what `length` bytes of entries name, in order; false at the first that is not on the medium or cannot be written. */
export function trim(disk: Disk, entries: Uint8Array, length: number): boolean {
  const view = new DataView(entries.buffer, entries.byteOffset, length);
  for (let at = 0; at + TRIM_ENTRY <= length; at += TRIM_ENTRY) {
    const sector = view.getUint16(at + 4, true) * TWO32 + view.getUint32(at, true);
    const count = view.getUint16(at + 6, true);
    if (count === 0) continue;
    if (!disk.has(sector, count) || !discard(disk.options.backend, sector * SECTOR, count * SECTOR)) return false;
  }
  return true;
}
