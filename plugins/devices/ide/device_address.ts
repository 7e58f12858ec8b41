/**
 * Where a command's sectors are: LBA of 28 and 48 bits, cylinders, heads and sectors; and back into the registers.
 *
 * @module
 */

import type { TaskFile } from "./device_drive.ts";
import type { Geometry } from "./device_identify.ts";
import { CommandBlock, Device } from "./layout.ts";

const { at } = CommandBlock;
const { mask } = Device;
const TWO24 = 0x100_0000;
const TWO32 = 0x1_0000_0000;

/** Whether the registers hold an LBA. */
export function isLba({ current }: TaskFile): boolean {
  return (current[at.device] & mask.lba) !== 0;
}

/** Sectors that the count register asks for: 0 means all that it cannot hold. */
export function sectorCount({ current, previous }: TaskFile, ext: boolean): number {
  const low = current[at.count];
  return ext ? previous[at.count] << 8 | low || 0x10000 : low || 0x100;
}

/** The first sector; −1 when `strict` and the registers hold none that the translation has. */
export function firstSector(file: TaskFile, ext: boolean, geometry: Geometry, strict: boolean): number {
  const { current, previous } = file;
  const low24 = current[at.lbaHigh] << 16 | current[at.lbaMid] << 8 | current[at.lbaLow];
  if (!isLba(file)) return chsSector(current, geometry, strict);
  if (!ext) return (current[at.device] & mask.head) * TWO24 + low24;
  return (previous[at.lbaHigh] << 8 | previous[at.lbaMid]) * TWO32 + previous[at.lbaLow] * TWO24 + low24;
}

function chsSector(current: Uint8Array, { cylinders, heads, sectors }: Geometry, strict: boolean): number {
  const cylinder = current[at.lbaHigh] << 8 | current[at.lbaMid];
  const head = current[at.device] & mask.head;
  const sector = current[at.lbaLow];
  if (strict && (sector === 0 || sector > sectors || head >= heads || cylinder >= cylinders)) return -1;
  return (cylinder * heads + head) * sectors + sector - 1;
}

/** Puts a sector's address into the registers, in the form that they have now. */
export function putSector(file: TaskFile, ext: boolean, geometry: Geometry, sector: number): void {
  const { current, previous } = file;
  if (!isLba(file)) return putChs(current, geometry, sector);
  current[at.lbaLow] = sector % 0x100;
  current[at.lbaMid] = Math.floor(sector / 0x100) % 0x100;
  current[at.lbaHigh] = Math.floor(sector / 0x10000) % 0x100;
  if (!ext) current[at.device] = current[at.device] & ~mask.head | Math.floor(sector / TWO24) & mask.head;
  else {
    previous[at.lbaLow] = Math.floor(sector / TWO24) % 0x100;
    previous[at.lbaMid] = Math.floor(sector / TWO32) % 0x100;
    previous[at.lbaHigh] = Math.floor(sector / (TWO32 * 0x100));
  }
}

function putChs(current: Uint8Array, { heads, sectors }: Geometry, sector: number): void {
  const track = Math.floor(sector / sectors);
  const cylinder = Math.floor(track / heads);
  current[at.lbaLow] = sector % sectors + 1;
  current[at.lbaMid] = cylinder % 0x100;
  current[at.lbaHigh] = Math.floor(cylinder / 0x100) % 0x100;
  current[at.device] = current[at.device] & ~mask.head | track % heads & mask.head;
}
