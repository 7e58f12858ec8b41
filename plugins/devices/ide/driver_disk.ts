/**
 * The ways of a disk: bus master, PIO, flush (ATA/ATAPI-7 vol. 1 §6; SFF-8038i §4).
 *
 * @module
 */

import { BlockOp, BlockStatus } from "@iova/block";
import type { ChannelDriver } from "./driver_channel.ts";
import { LOST, MORE, NOT_MINE, type Progress, type Protocol } from "./driver_protocol.ts";
import type { RequestSlot } from "./driver_slots.ts";
import { BusMaster, Command, CommandBlock, LBA28_SECTORS, SECTOR, Status } from "./layout.ts";

const { mask } = Status;
/** Most sectors that a 28-bit command has. */
const MOST_SECTORS_28 = 256;

/** Puts the request into the registers; whether in 48 bits. */
function address({ ports }: ChannelDriver, { unit: { facts }, sector, length }: RequestSlot): boolean {
  const count = length / SECTOR;
  const ext = facts.lba48 && (count > MOST_SECTORS_28 || sector + count > LBA28_SECTORS);
  if (ext) ports.address48(facts.device, sector, count);
  else ports.address28(facts.device, sector, count);
  return ext;
}

/** What a status says about a command that is over. */
export function verdict(channel: ChannelDriver, slot: RequestSlot, status: number): BlockStatus {
  if ((status & (mask.err | mask.df)) === 0) return BlockStatus.OK;
  channel.complain(slot, status);
  return BlockStatus.IO_ERROR;
}

/** The end of a transfer by the bus master: in Linux's order, so that data is in memory before the drive is believed. */
export function endDma(channel: ChannelDriver, slot: RequestSlot): Progress {
  const { ports } = channel;
  const master = ports.masterStatus();
  if ((master & BusMaster.mask.interrupt) === 0) return NOT_MINE;
  ports.stopMaster();
  const status = ports.status();
  ports.clearMaster();
  if ((master & BusMaster.mask.error) !== 0) return LOST;
  if ((status & (mask.bsy | mask.drq)) !== 0) return LOST;
  return verdict(channel, slot, status);
}

/** READ DMA and WRITE DMA. */
export const diskDma: Protocol = {
  maps: true,
  start(channel, slot) {
    const { ports } = channel;
    const toMemory = slot.op === BlockOp.READ;
    if (!channel.prepare(slot, toMemory)) return BlockStatus.IO_ERROR;
    const ext = address(channel, slot);
    if (toMemory) ports.write(CommandBlock.at.command, ext ? Command.READ_DMA_EXT : Command.READ_DMA);
    else ports.write(CommandBlock.at.command, ext ? Command.WRITE_DMA_EXT : Command.WRITE_DMA);
    ports.startMaster(toMemory);
    return MORE;
  },
  interrupted: endDma,
};

const PIO_COMMANDS = {
  read: [Command.READ_SECTORS, Command.READ_SECTORS_EXT, Command.READ_MULTIPLE, Command.READ_MULTIPLE_EXT],
  write: [Command.WRITE_SECTORS, Command.WRITE_SECTORS_EXT, Command.WRITE_MULTIPLE, Command.WRITE_MULTIPLE_EXT],
} as const;

/** Bytes of the next block. */
function blockOf({ unit: { facts }, length, done }: RequestSlot): number {
  return Math.min(length - done, Math.max(facts.multiple, 1) * SECTOR);
}

function give({ ports }: ChannelDriver, slot: RequestSlot): void {
  const bytes = blockOf(slot);
  ports.output(slot.buffer + slot.done, bytes);
  slot.done += bytes;
}

/** READ and WRITE SECTORS, or MULTIPLE: the CPU moves every word. */
export const diskPio: Protocol = {
  maps: false,
  start(channel, slot) {
    const { ports } = channel;
    const write = slot.op === BlockOp.WRITE;
    const ext = address(channel, slot) ? 1 : 0;
    const many = slot.unit.facts.multiple > 1 ? 2 : 0;
    slot.done = 0;
    ports.write(CommandBlock.at.command, PIO_COMMANDS[write ? "write" : "read"][many + ext]);
    if (!write) return MORE;
    // The first block is asked for without an interrupt.
    if (ports.spin(mask.drq)) give(channel, slot);
    else return verdictOf(channel, slot, ports.status());
    return MORE;
  },
  interrupted(channel, slot) {
    const { ports } = channel;
    const status = ports.status();
    if ((status & mask.bsy) !== 0) return NOT_MINE;
    if ((status & (mask.err | mask.df)) !== 0) return verdict(channel, slot, status);
    if (slot.op === BlockOp.WRITE) {
      if (slot.done === slot.length) return (status & mask.drq) === 0 ? BlockStatus.OK : LOST;
      if ((status & mask.drq) === 0) return LOST;
      give(channel, slot);
      return MORE;
    }
    if ((status & mask.drq) === 0) return LOST;
    const bytes = blockOf(slot);
    ports.input(slot.buffer + slot.done, bytes);
    slot.done += bytes;
    return slot.done === slot.length ? verdict(channel, slot, ports.alternate()) : MORE;
  },
};

function verdictOf(channel: ChannelDriver, slot: RequestSlot, status: number): Progress {
  return (status & (mask.err | mask.df)) !== 0 ? verdict(channel, slot, status) : LOST;
}

/** FLUSH CACHE. */
export const diskFlush: Protocol = {
  maps: false,
  start({ ports }, { unit: { facts } }) {
    ports.select(facts.device);
    ports.write(CommandBlock.at.command, facts.lba48 ? Command.FLUSH_CACHE_EXT : Command.FLUSH_CACHE);
    return MORE;
  },
  interrupted(channel, slot) {
    const status = channel.ports.status();
    return (status & mask.bsy) !== 0 ? NOT_MINE : verdict(channel, slot, status);
  },
};
