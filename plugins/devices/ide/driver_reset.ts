/**
 * Resetting a channel, and what a drive must be told again afterwards. Waiting is by timer: a drive may take its time.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import type { DriveFacts } from "./driver_facts.ts";
import type { ChannelPorts } from "./driver_ports.ts";
import { Command, CommandBlock, Feature, Signature, Status } from "./layout.ts";

const { at } = CommandBlock;
/** How long SRST is held, and how long drives are left alone then (ATA/ATAPI-7 vol. 2 §9.2), in nanoseconds. */
const HOLD = 5_000;
const LEAVE = 2_000_000;
/** Between two looks at a status, and how many there are: 31 seconds. */
const LOOK = 10_000_000;
const LOOKS = 3100;

/** What stood in a channel's registers for a device. */
export type Found = "disk" | "packet" | "nothing";

/** Resets the channel with its interrupt off, and calls `then` when BSY is gone; false when it never goes. */
export function resetAndWait(guest: GuestPort, ports: ChannelPorts, then: (ready: boolean) => void): void {
  ports.assertReset();
  guest.after(HOLD, () => {
    ports.control(NIEN);
    guest.after(LEAVE, () => awaitReady(guest, ports, LOOKS, then));
  });
}

const NIEN = 2;

/** Calls `then` when BSY is gone, or has not gone after `looks` looks. */
export function awaitReady(guest: GuestPort, ports: ChannelPorts, looks: number, then: (ready: boolean) => void): void {
  const status = ports.alternate();
  if ((status & Status.mask.bsy) === 0) return then(true);
  // All ones: nobody is there.
  if (looks === 0 || status === 0xff) return then(false);
  guest.after(LOOK, () => awaitReady(guest, ports, looks - 1, then));
}

/** What the registers say that a device is, after a reset. */
export function lookAt(ports: ChannelPorts, device: number): Found {
  ports.select(device);
  if (ports.read(at.count) !== Signature.FIRST || ports.read(at.lbaLow) !== Signature.FIRST) return "nothing";
  const kind = ports.read(at.lbaHigh) << 8 | ports.read(at.lbaMid);
  if (kind === Signature.PACKET) return "packet";
  // A disk is ready after its reset; the registers of an absent device may look like a disk's.
  return kind === Signature.DISK && (ports.alternate() & Status.mask.drdy) !== 0 ? "disk" : "nothing";
}

/** Tells a drive which transfer mode is used and how many sectors a block has; whether it takes the latter. */
export function tell(ports: ChannelPorts, { device, mode, dma, multiple }: DriveFacts): boolean {
  if (dma) {
    ports.select(device);
    ports.write(at.features, Feature.TRANSFER_MODE);
    ports.write(at.count, mode);
    ports.write(at.command, Command.SET_FEATURES);
    ports.spin(Status.mask.drdy);
    ports.status();
  }
  if (multiple <= 1) return false;
  ports.select(device);
  ports.write(at.count, multiple);
  ports.write(at.command, Command.SET_MULTIPLE_MODE);
  const taken = ports.spin(Status.mask.drdy) && (ports.status() & Status.mask.err) === 0;
  return taken;
}

/** Resets the channel, finds `drives` again and tells them what they have forgotten; false when one is missing. */
export function channelReset(
  guest: GuestPort,
  ports: ChannelPorts,
  drives: readonly DriveFacts[],
  then: (found: boolean) => void,
): void {
  resetAndWait(guest, ports, (ready) => {
    if (!ready) return then(false);
    const found = drives.every(({ device, isPacket }) => lookAt(ports, device) === (isPacket ? "packet" : "disk"));
    if (found) { for (const drive of drives) tell(ports, drive); }
    ports.status();
    ports.clearMaster();
    ports.control(0);
    then(found);
  });
}
