import { assert, assertEquals } from "@std/assert";
import { dmaStats, Errno, EventStream, type GuestPort, type PhysAddr } from "@iova/core";
import type { DmaStats } from "@iova/core";
import { toHex } from "@iova/fields/testing";
import { pciWorld } from "@iova/pci/testing";
import { DmaAddressing } from "./driver_addressing.ts";
import { BufferList } from "./driver_buffers.ts";
import { PackedDriverQueue } from "./driver_packed.ts";
import type { DriverRingOptions } from "./driver_queue.ts";
import { RecordingOps, requestList } from "./testdata/recording_ops.ts";

interface World {
  guest: GuestPort;
  dma: RecordingOps;
  stats: DmaStats;
  queue: PackedDriverQueue;
  /** What the doorbell was given each time. */
  kicks: number[];
  /** First byte of each part. */
  at: { desc: PhysAddr; driver: PhysAddr; device: PhysAddr };
  slot(index: number): string;
  /** The driver's event structure in hexadecimal. */
  readonly event: string;
  /** What the device does: one used descriptor. */
  use(slot: number, id: number, length: number, wrap: number): void;
}

function world(options: Partial<DriverRingOptions> = {}): World {
  const { guest } = pciWorld();
  const stats = dmaStats();
  const device = { id: "d", requester: 8 };
  const dma = new RecordingOps({
    guest,
    device,
    stats,
    upstream: null,
    events: new EventStream(() => 0),
    warn() {},
  });
  const kicks: number[] = [];
  const addressing = new DmaAddressing(dma);
  const queue = PackedDriverQueue.create({
    index: 3,
    size: 8,
    guest,
    addressing,
    notify: (data) => void kicks.push(data),
    ...options,
  })!;
  const { descLo, driverLo, deviceLo } = queue.addresses;
  const at = { desc: descLo, driver: driverLo, device: deviceLo };
  dma.calls.length = 0;
  return {
    guest,
    dma,
    stats,
    queue,
    kicks,
    at,
    slot: (index) => toHex(guest.memory.bytes(at.desc + 16 * index, 16)),
    get event() {
      return toHex(guest.memory.bytes(at.driver, 4));
    },
    use(slot, id, length, wrap) {
      guest.memory.write(at.desc + 16 * slot + 8, 4, length);
      guest.memory.write(at.desc + 16 * slot + 12, 2, id);
      guest.memory.write(at.desc + 16 * slot + 14, 2, wrap === 1 ? 0x8082 : 0x0002);
    },
  };
}

/** The request list in slots 0 to 3 of the first lap, as the first request. */
const FIRST_LAP = [
  "0000010000000000" + "10000000" + "0000" + "8100",
  "0010010000000000" + "00020000" + "0000" + "8100",
  "0020010000000000" + "00020000" + "0000" + "8300",
  "0030010000000000" + "01000000" + "0000" + "8200",
];

Deno.test("C11: a packed queue of 256 has three zeroed coherent blocks of 4096, 4 and 4 bytes, freed with those sizes", () => {
  const { queue, dma, guest, at } = world({ size: 256 });
  assertEquals(at.desc % 4096, 0);
  for (const [address, size] of [[at.desc, 4096], [at.driver, 4], [at.device, 4]]) {
    assert(guest.memory.bytes(address, size).every((byte) => byte === 0));
  }
  queue.release();
  assertEquals(dma.calls.filter((call) => call.startsWith("free")), ["free 4096", "free 4", "free 4"]);
});

Deno.test("a request stands in the ring as the specification has it, under one id, over two laps", () => {
  const w = world({ size: 6 });
  assertEquals(w.queue.add(requestList(), 5), 0);
  assertEquals([0, 1, 2, 3].map(w.slot), FIRST_LAP);
  assertEquals(w.queue.free, 2);
  w.use(0, 0, 513, 1);
  assertEquals([w.queue.poll(), w.queue.usedLength, w.queue.free], [5, 513, 6]);
  // Slots 4 and 5 of the first lap, 0 and 1 of the second; head 0 is free again.
  assertEquals(w.queue.add(requestList(), 6), 0);
  const flags = [4, 5, 0, 1].map((slot) => w.slot(slot).slice(24));
  assertEquals(flags, ["0000" + "8100", "0000" + "8100", "0000" + "0380", "0000" + "0280"]);
  w.use(4, 0, 1, 1);
  assertEquals(w.queue.poll(), 6);
  w.queue.add(new BufferList(1).out(0x10000, 1), 7);
  w.use(2, 0, 0, 0);
  assertEquals([w.queue.poll(), w.queue.poll()], [7, -1]);
});

Deno.test("C12: a map that fails undoes what was mapped before it and leaves the ring as it was", () => {
  const w = world();
  w.dma.failing = 3;
  assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
  assertEquals(w.dma.calls, [
    "map 10000 16 to device",
    "map 11000 512 to device",
    "map 12000 512 from device: error",
    "unmap 10000 16 to device",
    "unmap 11000 512 to device",
  ]);
  w.queue.kick();
  assertEquals([w.queue.free, w.kicks, w.stats.maps - w.stats.unmaps], [8, [], 0]);
  assertEquals(w.slot(0), "0".repeat(32));
  assertEquals(w.queue.add(requestList(), 0), 0);
  assertEquals(w.slot(0), FIRST_LAP[0]);
});

Deno.test("C12: with a table that cannot be mapped the entries are undone, and the request goes direct", () => {
  const w = world({ indirect: true });
  w.dma.failing = 5;
  assertEquals(w.queue.add(requestList(), 0), 0);
  const maps = ["10000 16 to device", "11000 512 to device", "12000 512 from device", "13000 1 from device"];
  assert(/^map [0-9a-f]+ 64 to device: error$/.test(w.dma.calls[4]), w.dma.calls[4]);
  assertEquals(w.dma.calls.slice(5), [...maps.map((each) => `unmap ${each}`), ...maps.map((each) => `map ${each}`)]);
  assertEquals([w.queue.free, [0, 1, 2, 3].map(w.slot)], [4, FIRST_LAP]);
});

Deno.test("C12: when nothing can be mapped, a hundred failures leave no mapping and no counter changed", () => {
  const w = world({ indirect: true });
  for (let i = 0; i < 100; i++) {
    // The table's map fails, then the second buffer's.
    let maps = 0;
    const original = w.dma.mapInto;
    w.dma.mapInto = function (...args) {
      this.failing = ++maps === 5 || maps === 7 ? 1 : 0;
      return original.apply(this, args);
    };
    assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
    w.dma.mapInto = original;
  }
  w.queue.kick();
  assertEquals([w.queue.free, w.kicks, w.stats.maps - w.stats.unmaps, w.slot(0)], [8, [], 0, "0".repeat(32)]);
});

Deno.test("C12: premapped buffers are neither mapped nor unmapped", () => {
  const w = world();
  const list = new BufferList(4).outMapped(1, 0x10000, 16).in(0x12000, 512).inMapped(0, 0x13000, 1);
  assertEquals(w.queue.add(list, 5), 0);
  assertEquals(w.slot(0), "0000010001000000" + "10000000" + "0000" + "8100");
  w.use(0, 0, 1, 1);
  assertEquals(w.queue.poll(), 5);
  assertEquals(w.dma.calls, ["map 12000 512 from device", "unmap 12000 512 from device"]);
});

Deno.test("C13: an indirect request is a table without ids and NEXT, and is unmapped from private copies only", () => {
  const w = world({ indirect: true });
  const { heap, memory } = w.guest;
  while (heap.alloc(64)! < 0x20000 - 64);
  assertEquals(w.queue.add(requestList(), 3), 0);
  assertEquals(w.slot(0), "0000020000000000" + "40000000" + "0000" + "8400");
  assertEquals(
    toHex(memory.bytes(0x20000, 64)),
    [
      "0000010000000000" + "10000000" + "0000" + "0000",
      "0010010000000000" + "00020000" + "0000" + "0000",
      "0020010000000000" + "00020000" + "0000" + "0200",
      "0030010000000000" + "01000000" + "0000" + "0200",
    ].join(""),
  );
  assertEquals(w.queue.free, 7);
  // A device that overwrites the ring, and even the table.
  memory.bytes(w.at.desc, 128).fill(0xff);
  memory.bytes(0x20000, 64).fill(0xff);
  w.use(0, 0, 513, 1);
  w.dma.calls.length = 0;
  assertEquals([w.queue.poll(), w.queue.usedLength], [3, 513]);
  assertEquals(w.dma.calls, [
    "unmap 20000 64 to device",
    "unmap 10000 16 to device",
    "unmap 11000 512 to device",
    "unmap 12000 512 from device",
    "unmap 13000 1 from device",
  ]);
  assertEquals(w.queue.free, 8);
});

Deno.test("C13: a used id that is no head, or used before, breaks the queue, and nothing is unmapped", () => {
  for (const id of [1, 7, 8, 0xffff]) {
    const w = world();
    w.queue.add(requestList(), 0);
    w.dma.calls.length = 0;
    w.use(0, id, 1, 1);
    assertEquals([w.queue.poll(), w.queue.broken, w.dma.calls], [-1, true, []], `id ${id}`);
    assertEquals(w.queue.add(requestList(), 1), -Errno.EIO);
  }
  const twice = world();
  twice.queue.add(requestList(), 0);
  twice.use(0, 0, 1, 1);
  assertEquals(twice.queue.poll(), 0);
  twice.use(4, 0, 1, 1);
  assertEquals([twice.queue.poll(), twice.queue.broken], [-1, true]);
});

Deno.test("a device that says it wrote more than it can breaks the queue; of a legacy device less is believed", () => {
  const w = world();
  w.queue.add(requestList(), 0);
  w.use(0, 0, 514, 1);
  assertEquals([w.queue.poll(), w.queue.broken], [-1, true]);
  const legacy = world({ legacy: true });
  legacy.queue.add(requestList(), 0);
  legacy.use(0, 0, 0xffffffff, 1);
  assertEquals([legacy.queue.poll(), legacy.queue.usedLength], [0, 513]);
});

Deno.test("a used descriptor without WRITE is taken with the length that it gives, as some devices leave the flag out", () => {
  const w = world();
  w.queue.add(requestList(), 0);
  w.use(0, 0, 513, 1);
  w.guest.memory.write(w.at.desc + 14, 2, 0x8080);
  assertEquals([w.queue.poll(), w.queue.usedLength], [0, 513]);
});

Deno.test("requests complete in any order over many laps of a ring whose size is no power of two", () => {
  const w = world({ size: 5 });
  const pair = new BufferList(2).out(0x10000, 8).in(0x20000, 8);
  const one = new BufferList(1).out(0x10000, 8);
  let slot = 0;
  let wrap = 1;
  const head = (at: number) => w.guest.memory.read(w.at.desc + 16 * at + 12, 2);
  const move = (from: number, steps: number) => (from + steps) % 5;
  for (let round = 0; round < 5000; round++) {
    w.queue.add(pair, 2 * round);
    w.queue.add(one, 2 * round + 1);
    const first = head(slot);
    const second = head(move(slot, 2));
    w.use(slot, second, 0, wrap);
    if (slot + 1 > 4) wrap ^= 1;
    slot = move(slot, 1);
    w.use(slot, first, 8, wrap);
    if (slot + 2 > 4) wrap ^= 1;
    slot = move(slot, 2);
    if (w.queue.poll() !== 2 * round + 1 || w.queue.poll() !== 2 * round) throw new Error(`round ${round}`);
    w.dma.calls.length = 0;
  }
  assertEquals([w.queue.free, w.queue.broken, w.stats.maps - w.stats.unmaps], [5, false, 0]);
});

Deno.test("kicks follow the device's event structure: always, never, or at a slot of a lap", () => {
  const w = world({ size: 4, eventIndex: true });
  const one = () => new BufferList(1).in(0x10000, 8);
  const tell = (offWrap: number, flags: number) => w.guest.memory.write(w.at.device, 4, offWrap | flags << 16);
  const added = (count = 1) => {
    const before = w.kicks.length;
    for (let i = 0; i < count; i++) w.queue.add(one(), 0);
    w.queue.kick();
    return w.kicks.length > before;
  };
  const drain = (slot: number, count: number, wrap: number) => {
    for (let i = 0; i < count; i++) {
      w.use(slot + i, w.guest.memory.read(w.at.desc + 16 * (slot + i) + 12, 2), 8, wrap);
      w.queue.poll();
    }
  };
  assertEquals(added(), true, "slot 0: every kick is wanted");
  tell(0, 1);
  assertEquals(added(), false, "slot 1: none");
  tell(0x8003, 2);
  assertEquals([added(), added()], [false, true], "slots 2 and 3 of the first lap");
  drain(0, 4, 1);
  tell(1, 2);
  assertEquals([added(), added(2), added()], [false, true, false], "slot 1 of the second lap, in a batch");
  assertEquals(w.kicks.length, 3);
});

Deno.test("interrupts are asked for through the driver's event structure, with a slot under EVENT_IDX", () => {
  const plain = world();
  plain.queue.disableInterrupt();
  assertEquals(plain.event.slice(4), "0100");
  assertEquals([plain.queue.enableInterrupt(), plain.event.slice(4)], [true, "0000"]);

  const w = world({ size: 5, eventIndex: true });
  assertEquals([w.queue.enableInterrupt(), w.event], [true, "00800200"]);
  w.queue.add(requestList(), 0);
  w.use(0, 0, 1, 1);
  assertEquals(w.queue.enableInterrupt(), false, "there is a completion already");
  w.queue.poll();
  assertEquals(w.event, "04800200", "the place moves on with each completion");
  w.queue.add(requestList(), 0);
  w.use(4, 0, 1, 1);
  w.queue.poll();
  assertEquals(w.event, "03000200");
  w.queue.disableInterrupt();
  assertEquals(w.event.slice(4), "0100");
});

Deno.test("NOTIFICATION_DATA: a kick carries the next slot, and the wrap counter in bit 15", () => {
  const w = world({ size: 6 });
  for (let i = 0; i < 5; i++) w.queue.add(new BufferList(1).in(0x10000, 8), i);
  w.queue.kick();
  w.queue.add(new BufferList(1).in(0x10000, 8), 5);
  w.queue.kick();
  assertEquals(w.kicks, [0x8005, 0]);
});

Deno.test("after a reset every request that never completed is unmapped and handed back once", () => {
  const w = world({ indirect: true });
  w.queue.add(requestList(), 10);
  w.queue.add(new BufferList(1).in(0x14000, 64), 11);
  assertEquals([w.queue.detachUnused(), w.queue.detachUnused(), w.queue.detachUnused()], [10, 11, -1]);
  assertEquals([w.queue.free, w.stats.maps - w.stats.unmaps], [8, 0]);
  w.queue.release();
  assertEquals(w.stats.coherentBytes, 0);
});

Deno.test("a packed queue without room for all of its parts gives back what it got", () => {
  const w = world();
  const { used } = w.guest.heap;
  const addressing = new DmaAddressing(w.dma);
  let left = 2;
  const ring = (size: number) => left-- > 0 ? DmaAddressing.prototype.ring.call(addressing, size) : null;
  const scarce = Object.assign(Object.create(addressing), { ring });
  const queue = PackedDriverQueue.create({ index: 0, size: 8, guest: w.guest, addressing: scarce, notify() {} });
  assertEquals([queue, w.guest.heap.used], [null, used]);
});
