/**
 * What a block request costs, driver and device together, and where the time goes: fetch (the device reads the chain, its
 * table and the header), translate (the bus finds the memory behind data and status), copy (medium to memory), complete
 * (status, used ring, interrupt). What is left of the whole is the driver's: maps, ring, unmaps.
 *
 * @module
 */

import { BlockOp, BlockStatus, RamBackend } from "@iova/block";
import { Access, AddressSpace, Bridge, Bus, type BusPort, EventStream, HardwareWork, LeaseTable } from "@iova/core";
import { loadMachine, type Machine, MemoryTarget, RamRegion, Random, Scheduler } from "@iova/core";
import { Chain, type DeviceQueue, Feature, FeatureSet, makeDeviceQueue, Pop } from "@iova/virtio";
import { MockRing } from "@iova/virtio/testing";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import type { VirtioBlockDriver } from "./driver.ts";

const MIB = 1024 * 1024;
/** Larger than a second-level cache: every request reads memory that is far away. */
const DISK = 8 * MIB;
/** Larger than any cache. */
const LARGE_DISK = 64 * MIB;
const DEPTH = 32;
const PAGE = 4096;

async function machine(ram: number, options: Record<string, unknown> = {}): Promise<Machine> {
  return await loadMachine({
    memory: "64MiB",
    platform: "direct",
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram, ...options } }],
  });
}

/** Reads of `length` bytes, `depth` at a time, at sectors from `next`. */
function reader(machine: Machine, length: number, depth: number, next: () => number): (iterations: number) => void {
  const driver = machine.driver<VirtioBlockDriver>("disk0");
  const { scheduler, guest } = machine;
  const buffers = Array.from({ length: depth }, () => guest.heap.require(length, "a buffer", PAGE));
  let left = 0;
  const submit = (tag: number) => {
    left--;
    if (!driver.submit(BlockOp.READ, next(), buffers[tag], length, tag)) throw new Error("the queue is full");
  };
  driver.onComplete = (tag, status) => {
    if (status !== BlockStatus.OK) throw new Error(`a request ended with status ${status}`);
    if (left > 0) submit(tag);
  };
  return (iterations) => {
    left = iterations;
    for (let tag = 0; tag < depth && left > 0; tag++) submit(tag);
    driver.kick();
    scheduler.settle();
    if (left > 0) throw new Error(`${left} requests were never made`);
  };
}

/** Sectors of a disk at random, in a table made before. */
function randomSectors(disk: number): () => number {
  const random = new Random(1);
  const sectors = Int32Array.from({ length: 65536 }, () => random.below(disk / PAGE) * (PAGE / 512));
  let i = 0;
  return () => sectors[i++ & 65535];
}

function sequentialSectors(length: number): () => number {
  let position = -length;
  return () => (position = (position + length) % LARGE_DISK) / 512;
}

/** The device's parts by themselves, over a ring of requests as the driver writes them. */
function parts(): Case[] {
  const scheduler = new Scheduler();
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(64 * MIB)));
  const leases = new LeaseTable(scheduler, { policy: "revoke", deadline: 0, checked: false }, () => {});
  const events = new EventStream(() => 0);
  const context = { space, scheduler, events, leases, hardware: new HardwareWork(scheduler) };
  const port = new Bus("bus", new Bridge(new MemoryTarget(space)), null, context).attach("disk0", 8);
  const ring = new MockRing(space, { size: 128, base: 0x10000 });
  for (let i = 0; i < 128; i++) {
    const table = 0x40000 + 256 * i;
    ring.entry(table, { addr: BigInt(0x80000 + 128 * i), len: 16, flags: 1, next: 1 });
    ring.entry(table + 16, { addr: BigInt(MIB + PAGE * i), len: PAGE, flags: 3, next: 2 });
    ring.entry(table + 32, { addr: BigInt(0x80040 + 128 * i), len: 1, flags: 2 });
    ring.desc(i, { addr: BigInt(table), len: 48, flags: 4 });
    ring.offer(i);
  }
  ring.availIdx = 0;
  return [fetch(port, ring), translate(port), copy(space), complete(port, ring)];
}

function queueOver(port: BusPort, ring: MockRing): DeviceQueue {
  const [desc, avail, used] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used };
  const features = new FeatureSet([Feature.INDIRECT_DESC, Feature.EVENT_IDX]);
  return makeDeviceQueue(features, { size: ring.size, port, addresses });
}

function fetch(port: BusPort, ring: MockRing): Case {
  const queue = queueOver(port, ring);
  const chain = new Chain(128);
  const header = new Uint8Array(16);
  return {
    name: "  fetch: chain, table, header",
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        // The driver's index runs one ahead.
        if ((i & 31) === 0) ring.availIdx = (ring.availIdx + 32) & 0xffff;
        if (queue.pop(chain) !== Pop.CHAIN) throw new Error("no chain");
        chain.read(port, 0, header, 0, 16);
        queue.push(chain.id, 0);
        if ((i & 31) === 31) queue.publish();
      }
      // The next batch begins where this one's last index pointed to.
      while (queue.pop(chain) === Pop.CHAIN) queue.push(chain.id, 0);
      queue.publish();
    },
  };
}

function translate(port: BusPort): Case {
  const nothing = { piece() {} };
  return {
    name: "  translate: data and status",
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        port.visit(0, MIB + PAGE * (i & 127), PAGE, Access.WRITE, nothing);
        port.visit(0, 0x80040 + 128 * (i & 127), 1, Access.WRITE, nothing);
      }
    },
  };
}

function copy(space: AddressSpace): Case {
  const disk = new RamBackend(DISK);
  const next = randomSectors(DISK);
  const { bytes } = space.ram(0)!;
  return {
    name: "  copy: medium to memory",
    run(iterations) {
      for (let i = 0; i < iterations; i++) disk.read(next() * 512, bytes, MIB + PAGE * (i & 31), PAGE);
    },
  };
}

function complete(port: BusPort, ring: MockRing): Case {
  const queue = queueOver(port, ring);
  const status = new Uint8Array(1);
  return {
    name: "  complete: status, used ring",
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        port.writeAt(0, 0x80040 + 128 * (i & 127), status, 0, 1);
        queue.push(i & 127, PAGE + 1);
        if ((i & 31) === 31) queue.publish();
      }
      queue.publish();
    },
  };
}

/** The same bytes moved by plain copies between two arrays of the same sizes. */
function plainCopy(): Case {
  const from = new Uint8Array(LARGE_DISK).fill(1);
  const to = new Uint8Array(4 * MIB).fill(1);
  const next = sequentialSectors(MIB);
  return {
    name: PLAIN,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const position = next() * 512;
        to.set(from.subarray(position, position + MIB), (i & 3) * MIB);
      }
    },
  };
}

const PLAIN = "plain copy of 1 MiB";
const READ_4K = "4 KiB random read, depth 32";
const SPLIT = "512-byte random read, depth 32, split";

const read4k = reader(await machine(DISK), PAGE, DEPTH, randomSectors(DISK));
const large = reader(await machine(LARGE_DISK), PAGE, DEPTH, randomSectors(LARGE_DISK));
const direct = reader(await machine(DISK, { indirect: false }), PAGE, DEPTH, randomSectors(DISK));
const alone = reader(await machine(DISK), PAGE, 1, randomSectors(DISK));
/** Kinds of ring, by name: sector reads, where the ring is what counts. */
const rings: Record<string, Record<string, unknown>> = {
  [SPLIT]: {},
  "  split, no tables": { indirect: false },
  "  split, in order": { inOrder: true },
  "  packed": { packed: true },
  "  packed, no tables": { packed: true, indirect: false },
  "  packed, in order": { packed: true, inOrder: true },
};
const sectors: [string, (iterations: number) => void][] = [];
for (const [name, options] of Object.entries(rings)) {
  sectors.push([name, reader(await machine(DISK, options), 512, DEPTH, randomSectors(DISK))]);
}
const packed = reader(await machine(DISK, { packed: true }), PAGE, DEPTH, randomSectors(DISK));
// Views of the medium's pages are made when they are first used.
for (const warm of [read4k, large, direct, alone, packed, ...sectors.map(([, run]) => run)]) {
  warm(4 * LARGE_DISK / PAGE);
}

await suite("virtio-blk", [
  { name: READ_4K, run: read4k, atMost: 20, heapAtMost: 8 },
  ...parts(),
  { name: "4 KiB random read, depth 32, 64 MiB disk", run: large, heapAtMost: 8 },
  { name: "4 KiB random read, depth 32, no indirect", run: direct, heapAtMost: 8 },
  { name: "4 KiB random read, depth 32, packed", run: packed, against: READ_4K, heapAtMost: 8 },
  { name: "4 KiB random read, depth 1", run: alone },
  ...sectors.map(([name, run]): Case => {
    return { name, run, ...(name !== SPLIT && { against: SPLIT }), ...(name === "  packed" && { atMost: 0.9 }) };
  }),
  {
    name: "1 MiB sequential read, depth 4",
    run: reader(await machine(LARGE_DISK), MIB, 4, sequentialSectors(MIB)),
    against: PLAIN,
    atMost: 1 / 0.6,
  },
  plainCopy(),
]);
