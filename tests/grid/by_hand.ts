/**
 * Two drivers that no plugin has: one that declines ACCESS_PLATFORM although it is offered, and the one of 2014, which
 * takes the operations of its bus for a device that passes them.
 *
 * @module
 */

import { type DeviceEntry, dmaBitMask, type DmaOps, loadMachine, type Machine, type Manifest } from "@iova/core";
import {
  BufferList,
  DmaAddressing,
  driverOk,
  driverTransport,
  FeatureSet,
  makeDriverQueue,
  negotiate,
  resetDevice,
} from "@iova/virtio";
import { freshBuffer, givenOps, LENGTH, type Observation, REFUSED, TOO_HIGH, watchData } from "./probe.ts";

/** Bits of a driver that knows VERSION_1 and nothing else. */
const VERSION_1_ONLY = [32];
/** Lines that a request's header and status have each to itself. */
const LINE = 64;
const HEADER_SIZE = 16;
/** Bits of a ring's address that a legacy interface can take. */
const LEGACY_RING_BITS = 44;
/** Turns of the machine that a device may take to answer. */
const PATIENCE = 1000;

async function load(manifest: Manifest): Promise<{ machine: Machine; faults: () => number }> {
  let faults = 0;
  const machine = await loadMachine(manifest, {
    base: "/",
    listen: ({ type }) => void (faults += type === "fault" ? 1 : 0),
  });
  return { machine, faults: () => faults };
}

/** Negotiates without ACCESS_PLATFORM, and asks for nothing if that is refused. */
export async function declined(manifest: Manifest): Promise<Observation> {
  const { machine, faults } = await load(manifest);
  const { requester } = machine.device("disk0").port;
  const transport = driverTransport({ guest: machine.guest, requester });
  resetDevice(transport, () => machine.guest.relax());
  const refused = negotiate(transport, new FeatureSet(VERSION_1_ONLY)) === null;
  const given = givenOps(machine.dma("disk0"));
  machine.stop();
  const complaint = refused ? REFUSED : "";
  return { given, address: null, cpu: 0n, delivered: false, untouched: true, complaint, faults: faults() };
}

/** Drives a physically addressed disk with the operations of the device beside it, as the series of 2014 would have. */
export async function neighbourOps(manifest: Manifest): Promise<Observation> {
  const neighbour: DeviceEntry = { id: "disk1", use: "virtio-blk", with: { ram: "64KiB" } };
  const { machine, faults } = await load({ ...manifest, devices: [...manifest.devices!, neighbour] });
  const given = givenOps(machine.dma("disk0"));
  const address = watchData(machine, "disk0");
  const buffer = freshBuffer(machine);
  const complaint = readWith(machine, machine.dma("disk1"), buffer.cpu);
  machine.stop();
  const delivered = buffer.delivered();
  const untouched = buffer.untouched();
  const seen = {
    given,
    address: address(),
    cpu: BigInt(buffer.cpu),
    delivered,
    untouched,
    complaint,
    faults: faults(),
  };
  return complaint === "" ? seen : { ...seen, given: null };
}

/** Reads the first sectors of `disk0` with `dma`'s addresses; what the driver says when it cannot. */
function readWith(machine: Machine, dma: DmaOps, cpu: number): string {
  const { guest, scheduler } = machine;
  const transport = driverTransport({ guest, requester: machine.device("disk0").port.requester });
  resetDevice(transport, () => guest.relax());
  const features = negotiate(transport, new FeatureSet(VERSION_1_ONLY))!;
  dma.setCoherentMask(dmaBitMask(LEGACY_RING_BITS));
  const addressing = new DmaAddressing(dma);
  const size = transport.queueSize(0);
  const queue = makeDriverQueue(features, { index: 0, size, guest, addressing, notify: transport.notifier(0) })!;
  if (transport.enableQueue(0, queue.size, queue.addresses) !== 0) {
    queue.release();
    return TOO_HIGH;
  }
  driverOk(transport);
  const header = guest.heap.require(2 * LINE, "a request", LINE);
  queue.add(new BufferList(3).out(header, HEADER_SIZE).in(cpu, LENGTH).in(header + LINE, 1), 0);
  queue.kick();
  let token = -1;
  for (let turn = 0; turn < PATIENCE && token < 0 && scheduler.step(); turn++) token = queue.poll();
  if (token < 0) {
    resetDevice(transport, () => guest.relax());
    queue.detachUnused();
  }
  queue.release();
  return "";
}
