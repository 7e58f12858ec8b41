/**
 * The way of a TRIM: a list of ranges that the bus master takes from memory (ACS-2 §7.10).
 *
 * @module
 */

import { BlockStatus } from "@iova/block";
import type { GuestPort, PhysAddr } from "@iova/core";
import { endDma } from "./driver_disk.ts";
import { MORE, type Protocol } from "./driver_protocol.ts";
import { Command, CommandBlock, DSM_TRIM, SECTOR, TRIM_ENTRY } from "./layout.ts";

const TWO32 = 0x1_0000_0000;
const MOST_SECTORS = 0xffff;
/** Sectors that one block of entries names. */
const MOST_IN_LIST = SECTOR / TRIM_ENTRY * MOST_SECTORS;
/** Bytes of the longest TRIM. */
export const MAX_TRIM: number = MOST_IN_LIST * SECTOR;

/** Writes the ranges of `count` sectors from `sector` on into a block at `list`; the rest of it says nothing. */
export function writeRanges(guest: GuestPort, list: PhysAddr, sector: number, count: number): void {
  const { view, base } = guest.memory.ram(list)!;
  const end = list - base + SECTOR;
  for (let at = list - base; at < end; at += TRIM_ENTRY) {
    const part = Math.min(count, MOST_SECTORS);
    view.setUint32(at, sector % TWO32, true);
    view.setUint16(at + 4, Math.floor(sector / TWO32), true);
    view.setUint16(at + 6, part, true);
    sector += part;
    count -= part;
  }
}

/** DATA SET MANAGEMENT. The slot's buffer is the list. */
export const diskTrim: Protocol = {
  maps: true,
  start(channel, slot) {
    const { ports } = channel;
    if (!channel.prepare(slot, false)) return BlockStatus.IO_ERROR;
    ports.address48(slot.unit.facts.device, 0, 1);
    ports.write(CommandBlock.at.features, DSM_TRIM);
    ports.write(CommandBlock.at.command, Command.DATA_SET_MANAGEMENT);
    ports.startMaster(false);
    return MORE;
  },
  interrupted: endDma,
};
