import { assertEquals } from "@std/assert";
import { dmaStats, EventStream } from "@iova/core";
import { MockPackedRing, MockRing } from "@iova/virtio/testing";
import { pciWorld } from "@iova/pci/testing";
import { Chain } from "./device_chain.ts";
import { PackedDeviceQueue } from "./device_packed.ts";
import { type DeviceQueue, Pop } from "./device_queue.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { DmaAddressing } from "./driver_addressing.ts";
import { BufferList } from "./driver_buffers.ts";
import { PackedDriverQueue } from "./driver_packed.ts";
import type { DriverQueue } from "./driver_queue.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { RecordingOps } from "./testdata/recording_ops.ts";
import { ringWorld } from "./testdata/ring_world.ts";

/** Takes `count` chains of a device's ring, and returns their ids. */
function take(queue: DeviceQueue, count: number): number[] {
  const chain = new Chain(16);
  return Array.from({ length: count }, () => {
    assertEquals(queue.pop(chain), Pop.CHAIN);
    return chain.id;
  });
}

function splitRing(size = 16) {
  const w = ringWorld();
  const ring = new MockRing(w.space, { size, base: 0x10000 });
  const [desc, avail, used] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used };
  return { ring, queue: new SplitDeviceQueue({ size, port: w.port, addresses, inOrder: true }) };
}

function packedRing(size = 16) {
  const w = ringWorld();
  const ring = new MockPackedRing(w.space, { size, base: 0x10000 });
  const [desc, driver, device] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device };
  return { ring, queue: new PackedDeviceQueue({ size, port: w.port, addresses, inOrder: true }) };
}

const READ = { addr: 0x100000n, len: 8 };
const WRITE = { addr: 0x110000n, len: 512, flags: 2 };

Deno.test("IN_ORDER, split: one element stands for a batch: the last head, where the first would stand", () => {
  const { ring, queue } = splitRing();
  for (const head of [0, 2, 4]) ring.chain(head, [READ, WRITE]);
  for (const id of take(queue, 3)) queue.push(id, 512);
  queue.publish();
  assertEquals([ring.usedIdx, ring.used(0), ring.used(1)], [3, [4, 512], [0, 0]]);
});

Deno.test("IN_ORDER, split: a chain that was not wholly written ends its batch, for a driver takes the others for that", () => {
  const { ring, queue } = splitRing();
  for (const head of [0, 2, 4]) ring.chain(head, [READ, WRITE]);
  const ids = take(queue, 3);
  queue.push(ids[0], 512);
  queue.push(ids[1], 17);
  queue.push(ids[2], 512);
  queue.publish();
  assertEquals([ring.usedIdx, ring.used(0), ring.used(2)], [3, [2, 17], [4, 512]]);
});

Deno.test("IN_ORDER: chains that finish out of order wait for those before them", () => {
  for (const { queue, chain } of [split(), packed()]) {
    for (let i = 0; i < 3; i++) chain(i);
    const ids = take(queue, 3);
    queue.push(ids[2], 512);
    queue.push(ids[1], 512);
    assertEquals([queue.unpublished, queue.publish()], [0, false]);
    queue.push(ids[0], 512);
    assertEquals([queue.unpublished, queue.publish(), queue.unpublished], [3, true, 0]);
    // Finishing what is not in flight is nobody's business.
    queue.push(ids[0], 512);
    assertEquals(queue.unpublished, 0);
  }
  function split() {
    const { ring, queue } = splitRing();
    return { queue, chain: (i: number) => ring.chain(2 * i, [READ, WRITE]) };
  }
  function packed() {
    const { ring, queue } = packedRing();
    return { queue, chain: (i: number) => ring.chain(i, [READ, WRITE]) };
  }
});

Deno.test("IN_ORDER, packed: one used descriptor stands for a batch, and the next follows behind all of it", () => {
  const { ring, queue } = packedRing(7);
  ring.chain(20, [READ, WRITE]);
  ring.chain(21, [WRITE]);
  ring.chain(22, [READ, WRITE, WRITE]);
  const ids = take(queue, 3);
  queue.push(ids[0], 512);
  queue.push(ids[1], 512);
  queue.push(ids[2], 1024);
  const untouched = ring.slot(2);
  queue.publish();
  assertEquals([ring.used(0), ring.slot(2)], [[22, 1024, 0x8082], untouched]);
  ring.chain(23, [READ, WRITE]);
  queue.push(take(queue, 1)[0], 0);
  queue.publish();
  assertEquals(ring.used(6), [23, 0, 0x8080]);
});

interface DriverWorld {
  queue: DriverQueue;
  dma: RecordingOps;
  free: number;
  /** One used element: in the place `at` chains of `slots` descriptors after the first. */
  use(at: number, head: number, length: number): void;
  /** Of a split ring. */
  idx(value: number): void;
}

function driver(packed: boolean): DriverWorld {
  const { guest } = pciWorld();
  const events = new EventStream(() => 0);
  const device = { id: "d", requester: 8 };
  const dma = new RecordingOps({ guest, device, stats: dmaStats(), upstream: null, events, warn() {} });
  const options = { index: 0, size: 8, guest, addressing: new DmaAddressing(dma), inOrder: true, notify() {} };
  const queue = packed ? PackedDriverQueue.create(options)! : SplitDriverQueue.create(options)!;
  const { descLo, deviceLo } = queue.addresses;
  const write = (address: number, width: 2 | 4, value: number) => guest.memory.write(address, width, value);
  dma.calls.length = 0;
  return {
    queue,
    dma,
    free: 8,
    use(at, head, length) {
      if (!packed) {
        write(deviceLo + 4 + 8 * at, 4, head);
        return write(deviceLo + 8 + 8 * at, 4, length);
      }
      write(descLo + 32 * at + 8, 4, length);
      write(descLo + 32 * at + 12, 2, head);
      write(descLo + 32 * at + 14, 2, 0x8082);
    },
    idx: (value) => packed ? undefined : write(deviceLo + 2, 2, value),
  };
}

const pair = (i: number) => new BufferList(2).out(0x10000 + 64 * i, 8).in(0x20000 + 64 * i, 100 + i);

for (const packed of [false, true]) {
  const kind = packed ? "packed" : "split";
  Deno.test(`IN_ORDER, ${kind} driver: one element hands back a batch, oldest first, each unmapped, all but the last wholly written`, () => {
    const w = driver(packed);
    for (let i = 0; i < 3; i++) w.queue.add(pair(i), 10 + i);
    w.dma.calls.length = 0;
    // Heads are 0, 2, 4: descriptors are used one after the other.
    w.use(0, 4, 7);
    w.idx(3);
    const back: [number, number][] = [];
    for (let token = w.queue.poll(); token >= 0; token = w.queue.poll()) back.push([token, w.queue.usedLength]);
    assertEquals(back, [[10, 100], [11, 101], [12, 7]]);
    assertEquals(w.dma.calls.map((call) => call.split(" ")[1]), ["10000", "20000", "10040", "20040", "10080", "20080"]);
    assertEquals([w.queue.free, w.queue.broken], [8, false]);
    // The next requests go on where the last ended: 6 and 0.
    w.queue.add(pair(3), 13);
    w.queue.add(pair(4), 14);
    w.use(3, 6, 1);
    w.idx(4);
    assertEquals([w.queue.poll(), w.queue.usedLength, w.queue.poll()], [13, 1, -1]);
    assertEquals(w.queue.detachUnused(), 14);
  });

  Deno.test(`IN_ORDER, ${kind} driver: an element that names no request in flight breaks the queue`, () => {
    for (const head of [1, 7, 6, 8, 0xffff]) {
      const w = driver(packed);
      for (let i = 0; i < 3; i++) w.queue.add(pair(i), 10 + i);
      w.dma.calls.length = 0;
      w.use(0, head, 1);
      w.idx(3);
      assertEquals([w.queue.poll(), w.queue.broken, w.dma.calls], [-1, true, []], `head ${head}`);
      assertEquals([0, 1, 2, 3].map(() => w.queue.detachUnused()), [10, 11, 12, -1]);
    }
  });
}

Deno.test("IN_ORDER, split driver: an element for more requests than the index has passed breaks the queue", () => {
  const w = driver(false);
  for (let i = 0; i < 3; i++) w.queue.add(pair(i), i);
  w.use(0, 4, 1);
  w.idx(2);
  assertEquals([w.queue.poll(), w.queue.broken], [-1, true]);
});
