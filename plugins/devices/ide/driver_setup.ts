/**
 * Finding the controller's channels and drives.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { type DriveFacts, readFacts } from "./driver_facts.ts";
import { sendPacket } from "./driver_packet.ts";
import type { ChannelPorts } from "./driver_ports.ts";
import { type Found, lookAt, resetAndWait, tell } from "./driver_reset.ts";
import { Capacity, CD_BLOCK, Command, CommandBlock, Packet, PACKET_SIZE, SECTOR, Sense, Status } from "./layout.ts";

const { mask } = Status;
/** How often a drive that changes its disc is asked whether it is ready. */
const ATTEMPTS = 3;

/** The drives of a channel, in the order of their places. */
export async function findDrives(guest: GuestPort, ports: ChannelPorts, useDma: boolean): Promise<DriveFacts[]> {
  const ready = await new Promise<boolean>((done) => resetAndWait(guest, ports, done));
  const drives: DriveFacts[] = [];
  if (ready) {
    const found = [lookAt(ports, 0), lookAt(ports, 1)];
    found.forEach((what, device) => {
      const facts = identify(ports, device, what, useDma);
      if (facts !== null) drives.push(facts);
    });
  }
  ports.status();
  ports.clearMaster();
  ports.control(0);
  return drives;
}

function identify(ports: ChannelPorts, device: number, what: Found, useDma: boolean): DriveFacts | null {
  if (what === "nothing") return null;
  const isPacket = what === "packet";
  ports.select(device);
  ports.write(CommandBlock.at.command, isPacket ? Command.IDENTIFY_PACKET_DEVICE : Command.IDENTIFY_DEVICE);
  if (!ports.spin(mask.drq)) return null;
  const block = takeBytes(ports, 512);
  const facts = readFacts(block, device, isPacket, useDma, isPacket ? discSectors(ports, device) : 0);
  return tell(ports, facts) ? facts : { ...facts, multiple: 1 };
}

function takeBytes(ports: ChannelPorts, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i + 1 < length; i += 2) view.setUint16(i, ports.inputWord(), true);
  return bytes;
}

/** Sectors of 512 bytes on a disc; 0 when there is none. */
function discSectors(ports: ChannelPorts, device: number): number {
  for (let i = 0; i < ATTEMPTS; i++) {
    const answer = ask(ports, device, Packet.READ_CAPACITY, 0, Capacity.size);
    if (answer !== null) return (Capacity.decode(answer).last + 1) * (CD_BLOCK / SECTOR);
    // Asking for the reason is what makes a drive forget it.
    ask(ports, device, Packet.REQUEST_SENSE, Sense.size, Sense.size);
  }
  return 0;
}

/** Gives a packet by PIO and takes an answer of `length` bytes; null when there is none. */
function ask(ports: ChannelPorts, device: number, operation: number, room: number, length: number): Uint8Array | null {
  const packet = new Uint8Array(PACKET_SIZE);
  packet[0] = operation;
  packet[4] = room;
  if (!sendPacket(ports, device, packet, false) || !ports.spin(mask.drq)) return null;
  const said = ports.read(CommandBlock.at.lbaHigh) << 8 | ports.read(CommandBlock.at.lbaMid);
  const bytes = takeBytes(ports, Math.min(said + said % 2, length));
  ports.discard(said - bytes.length);
  ports.spin(mask.drdy);
  return bytes.length === length ? bytes : null;
}
