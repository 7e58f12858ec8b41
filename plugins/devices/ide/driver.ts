/**
 * The driver half: an IDE controller's channels, and a block driver for each of its drives.
 *
 * @module
 */

import { dmaBitMask, type Driver, type DriverContext, InputError } from "@iova/core";
import { pciGuest } from "@iova/pci";
import { ChannelDriver } from "./driver_channel.ts";
import type { IdeDriver } from "./driver_facts.ts";
import { ChannelPorts } from "./driver_ports.ts";
import { findDrives } from "./driver_setup.ts";
import { DriverTable } from "./driver_table.ts";
import { IdeUnit } from "./driver_unit.ts";
import { BUS_MASTER_BAR, BUS_MASTER_STRIDE, CHANNELS, PRD_BOUNDARY, Timing } from "./layout.ts";

export type { DriveFacts, IdeDrive, IdeDriver } from "./driver_facts.ts";

/** What a person can choose about the driver. */
export interface IdeDriverOptions {
  /** `pio`: the CPU moves every word. */
  readonly transfers: "dma" | "pio";
  /** Which of the four places take no writes: that a disk does not say. */
  readonly readOnly: readonly boolean[];
}

/** A driver of a controller without drives. */
export interface IdleDriver extends Driver {
  /** Nothing that a workload could use. */
  readonly drives: "nothing";
}

class FirstUnit extends IdeUnit implements IdeDriver {
  units: readonly (IdeUnit | null)[] = [];
}

/**
 * Brings a controller up: decoding on, masks set, channels reset, drives asked who they are. Where the CPU moves
 * everything the device needs no bus addresses: then it is given no bus mastering, and no mask can be refused.
 *
 * @throws {InputError} when data goes by the bus master and the platform refuses bus addresses of 32 bits.
 * @throws {GuestMemoryError} when there is no memory for the region descriptors.
 */
export async function bindIde(context: DriverContext, options: IdeDriverOptions): Promise<IdeDriver | IdleDriver> {
  const { guest, dma } = context;
  const useDma = options.transfers === "dma";
  if (useDma) {
    if (dma.setMaskAndCoherent(dmaBitMask(32)) !== 0) throw refusal(context);
    dma.params.maxSegmentSize = PRD_BOUNDARY;
    dma.params.segmentBoundaryMask = BigInt(PRD_BOUNDARY - 1);
  }
  const pci = pciGuest(guest).function(context.requester);
  for (const at of [Timing.FIRST, Timing.FIRST + 2]) {
    pci.configWrite(at, 2, pci.configRead(at, 2) | Timing.DECODE << 8);
  }
  if (useDma) pci.enableBusMaster();
  const base = pci.bar(BUS_MASTER_BAR).address;
  const channels: ChannelDriver[] = [];
  const stop = () => {
    for (const channel of channels) channel.stop();
    pci.disableBusMaster();
  };
  const units: (IdeUnit | null)[] = [null, null, null, null];
  let first: FirstUnit | null = null;
  for (const [index, place] of CHANNELS.entries()) {
    const ports = new ChannelPorts(guest, place, base + index * BUS_MASTER_STRIDE);
    const drives = await findDrives(guest, ports, useDma);
    if (drives.length === 0) continue;
    const table = useDma ? new DriverTable(dma, guest) : null;
    if (table?.isReachable === false) throw refusal(context);
    const channel = new ChannelDriver(context, ports, table);
    channels.push(channel);
    for (const facts of drives) {
      const number = 2 * index + facts.device;
      const readOnly = facts.isPacket || options.readOnly[number];
      const unit: IdeUnit = first === null
        ? first = new FirstUnit(context, channel, facts, readOnly, stop)
        : new IdeUnit(context, channel, facts, readOnly, stop);
      units[number] = unit;
      channel.units.push(unit);
    }
  }
  if (first === null) return { drives: "nothing", stop };
  first.units = units;
  return first;
}

function refusal({ id }: DriverContext): InputError {
  return new InputError({
    file: `device "${id}"`,
    found: "a platform that refuses bus addresses of 32 bits (EIO)",
    expected: 'one that gives them, as an IDE region descriptor holds no more, or "transfers": "pio"',
  });
}
