/**
 * The ways of a CD-ROM: READ (12) as a packet, its data by the bus master or by PIO (ATA/ATAPI-7 vol. 1 §6.25).
 *
 * @module
 */

import { BlockStatus } from "@iova/block";
import type { ChannelDriver } from "./driver_channel.ts";
import { endDma, verdict } from "./driver_disk.ts";
import type { ChannelPorts } from "./driver_ports.ts";
import { LOST, MORE, NOT_MINE, type Progress, type Protocol } from "./driver_protocol.ts";
import type { RequestSlot } from "./driver_slots.ts";
import {
  CD_BLOCK,
  Command,
  CommandBlock,
  Packet,
  PACKET_SIZE,
  PacketFeature,
  Read12,
  SECTOR,
  Status,
} from "./layout.ts";

const { at } = CommandBlock;
const { mask } = Status;
/** Most bytes of one block of PIO. */
const BLOCK_LIMIT = 0x8000;

/** Gives a packet to device `device`; false when the drive does not ask for one. */
export function sendPacket(ports: ChannelPorts, device: number, packet: Uint8Array, dma: boolean): boolean {
  ports.select(device);
  ports.write(at.features, dma ? PacketFeature.DMA : 0);
  ports.write(at.lbaMid, BLOCK_LIMIT & 0xff);
  ports.write(at.lbaHigh, BLOCK_LIMIT >>> 8);
  ports.write(at.command, Command.PACKET);
  if (!ports.spin(mask.drq)) return false;
  for (let i = 0; i < PACKET_SIZE; i += 2) ports.outputWord(packet[i] | packet[i + 1] << 8);
  return true;
}

const packet = new Uint8Array(Read12.size);
const packetView = new DataView(packet.buffer);

function read({ ports }: ChannelDriver, slot: RequestSlot, dma: boolean): Progress {
  packet[Read12.at.operation] = Packet.READ_12;
  packetView.setUint32(Read12.at.lba, slot.sector * SECTOR / CD_BLOCK);
  packetView.setUint32(Read12.at.length, slot.length / CD_BLOCK);
  slot.done = 0;
  return sendPacket(ports, slot.unit.facts.device, packet, dma) ? MORE : LOST;
}

/** READ (12) by the bus master. */
export const packetDma: Protocol = {
  maps: true,
  start(channel, slot) {
    if (!channel.prepare(slot, true)) return BlockStatus.IO_ERROR;
    const progress = read(channel, slot, true);
    if (progress === MORE) channel.ports.startMaster(true);
    return progress;
  },
  interrupted: endDma,
};

/** READ (12) by PIO: the drive says how many bytes come next. */
export const packetPio: Protocol = {
  maps: false,
  start: (channel, slot) => read(channel, slot, false),
  interrupted(channel, slot) {
    const { ports } = channel;
    const status = ports.status();
    if ((status & mask.bsy) !== 0) return NOT_MINE;
    if ((status & mask.err) !== 0) return verdict(channel, slot, status);
    if ((status & mask.drq) === 0) return slot.done === slot.length ? BlockStatus.OK : LOST;
    const said = ports.read(at.lbaHigh) << 8 | ports.read(at.lbaMid);
    // What the drive says is believed only as far as the buffer goes.
    const bytes = Math.min(said + said % 2, slot.length - slot.done);
    ports.input(slot.buffer + slot.done, bytes);
    ports.discard(said - bytes);
    slot.done += bytes;
    return said === 0 ? LOST : MORE;
  },
};

/** A flush, of which a disc has no need. */
export const packetNothing: Protocol = {
  maps: false,
  start: () => BlockStatus.OK,
  interrupted: () => NOT_MINE,
};
