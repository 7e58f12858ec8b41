import { assert, assertEquals, assertThrows } from "@std/assert";
import { BlockOp, BlockStatus } from "@iova/block";
import { type DmaStats, dmaStats, EventStream, type PhysAddr, Random } from "@iova/core";
import { ScarceOps } from "@iova/pci/testing";
import { VirtioPciTransport } from "@iova/virtio";
import { type BlockDriverOptions, VirtioBlockDriver } from "./driver.ts";
import { type BlkWorld, blkWorld, type BlkWorldOptions } from "./testdata/world.ts";

interface DriverWorld extends BlkWorld {
  blk: VirtioBlockDriver;
  dma: ScarceOps;
  stats: DmaStats;
  warnings: string[];
  buffer: PhysAddr;
  /** Completions of `submit`, as they come. */
  done: [tag: number, status: BlockStatus][];
}

function driverWorld(
  options: Partial<BlockDriverOptions> & { largest?: number } = {},
  world: BlkWorldOptions = {},
): DriverWorld {
  const w = blkWorld({ ...world, start: false });
  const stats = dmaStats();
  const warnings: string[] = [];
  const events = new EventStream(() => 0);
  const device = { id: "disk0", requester: 8 };
  const warn = (id: string, message: string) => void warnings.push(`${id}: ${message}`);
  const dma = new ScarceOps({ guest: w.guest, device, stats, upstream: null, events, warn });
  dma.largest = options.largest ?? Number.MAX_SAFE_INTEGER;
  const blk = new VirtioBlockDriver(
    new VirtioPciTransport({ guest: w.guest, requester: 8 }),
    { id: "disk0", guest: w.guest, dma, requester: 8, random: new Random(1), events, warn },
    {
      queueSize: 16,
      indirect: true,
      eventIndex: true,
      driverAddressing: "dma-api",
      requestMemory: "streaming",
      ...options,
    },
  );
  const done: [number, BlockStatus][] = [];
  blk.onComplete = (tag, status) => void done.push([tag, status]);
  const buffer = w.guest.heap.require(64 * 1024, "a buffer", 4096);
  return { ...w, blk, dma, stats, warnings, buffer, done };
}

/** What is mapped now, without the ring. */
function live({ stats }: DriverWorld): number {
  return stats.maps - stats.unmaps;
}

for (
  const options of [
    {},
    { indirect: false },
    { eventIndex: false },
    { indirect: false, eventIndex: false },
    { requestMemory: "coherent" as const },
    { requestMemory: "coherent" as const, indirect: false },
    { packed: true },
    { packed: true, indirect: false, eventIndex: false },
    { packed: true, inOrder: true, queueSize: 11 },
    { inOrder: true },
    { inOrder: true, indirect: false, requestMemory: "coherent" as const },
    { packed: true, notificationData: true, orderPlatform: true },
  ]
) {
  Deno.test(`reads, writes, flushes and the serial number come through (${JSON.stringify(options)})`, async () => {
    const w = driverWorld(options, { serial: "S-42", rings: options });
    const size = options.queueSize ?? 16;
    const depth = options.indirect === false ? 5 : options.packed ? Math.ceil(size / 2) : size;
    const { blk, guest, buffer, scheduler } = w;
    assertEquals([blk.capacity, blk.readOnly, blk.queueDepth], [
      2048,
      false,
      depth,
    ]);
    assertEquals(await scheduler.run(blk.read(7, buffer, 1024)), BlockStatus.OK);
    assertEquals(w.hex(buffer, 4) + w.hex(buffer + 512, 4), "0700000008000000");
    guest.memory.bytes(buffer, 512).fill(0x5a);
    assertEquals(await scheduler.run(blk.write(100, buffer, 512)), BlockStatus.OK);
    assert(w.disk.bytes.subarray(51200, 51712).every((byte) => byte === 0x5a));
    assertEquals(await scheduler.run(blk.flush()), BlockStatus.OK);
    assertEquals(w.disk.flushes, 1);
    assertEquals(await scheduler.run(blk.serial()), "S-42");
    assertEquals(await scheduler.run(blk.read(2048, buffer, 512)), BlockStatus.IO_ERROR);
    assertEquals(live(w), 0);
    blk.stop();
    assertEquals([w.stats.coherentBytes, w.device.status], [0, 0]);
  });
}

Deno.test("as many requests as the queue has entries are in flight; the next must wait for a completion", () => {
  const w = driverWorld();
  for (let tag = 0; tag < 16; tag++) assert(w.blk.submit(BlockOp.READ, tag, w.buffer + 512 * tag, 512, tag));
  assertEquals(w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 99), false);
  // Header, data, status and table of each.
  assertEquals(live(w), 64);
  w.blk.kick();
  w.scheduler.settle();
  assertEquals(w.done, Array.from({ length: 16 }, (_, tag) => [tag, BlockStatus.OK]));
  assertEquals(w.hex(w.buffer + 15 * 512, 4), "0f000000");
  assertEquals(live(w), 0);
});

Deno.test("with request memory that is mapped once, a request maps its data and nothing else", () => {
  const w = driverWorld({ requestMemory: "coherent" });
  const used = w.guest.heap.used;
  for (let tag = 0; tag < 16; tag++) assert(w.blk.submit(BlockOp.READ, tag, w.buffer + 512 * tag, 512, tag));
  assertEquals(live(w), 16);
  w.blk.kick();
  w.scheduler.settle();
  assertEquals(w.done, Array.from({ length: 16 }, (_, tag) => [tag, BlockStatus.OK]));
  assertEquals([w.hex(w.buffer + 15 * 512, 4), live(w), w.guest.heap.used], ["0f000000", 0, used]);
  w.blk.stop();
  // Ring, tables and slots are given back; what the platform and the test hold stays.
  assertEquals([w.stats.coherentBytes, w.guest.heap.used < used], [0, true]);
});

Deno.test("what a completion handler submits is kicked, and a long run needs few interrupts", () => {
  const w = driverWorld();
  let left = 1000;
  let interrupts = 0;
  w.blk.onComplete = (tag) => {
    if (tag === 0) interrupts++;
    if (left-- > 0) w.blk.submit(BlockOp.READ, tag, w.buffer, 512, tag);
  };
  for (let tag = 0; tag < 8; tag++) w.blk.submit(BlockOp.READ, tag, w.buffer, 512, tag);
  w.blk.kick();
  w.scheduler.settle();
  assertEquals([w.model.requests, live(w)], [1008, 0]);
  assert(w.interrupts.count <= interrupts + 2, `${w.interrupts.count} interrupts`);
});

Deno.test("a mapping that fails makes submit say no, and leaves nothing mapped", () => {
  const w = driverWorld();
  for (let left = 0; left < 4; left++) {
    w.dma.left = left;
    assertEquals([w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1), live(w), w.dma.left], [false, 0, left]);
  }
  w.dma.left = 4;
  assert(w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1));
  assertEquals(w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 2), false);
  w.blk.kick();
  w.scheduler.settle();
  assertEquals(w.done, [[1, BlockStatus.OK]]);
});

Deno.test("requests by promise wait for mappings, and fail when none will ever come", async () => {
  const w = driverWorld();
  w.dma.left = 4;
  const both = Promise.all([w.blk.read(0, w.buffer, 512), w.blk.read(1, w.buffer + 512, 512)]);
  assertEquals(await w.scheduler.run(both), [BlockStatus.OK, BlockStatus.OK]);
  w.dma.left = 3;
  assertEquals(await w.scheduler.run(w.blk.read(0, w.buffer, 512)), BlockStatus.IO_ERROR);
});

Deno.test("more requests by promise than the queue holds all complete", async () => {
  const w = driverWorld();
  const reads = Array.from({ length: 50 }, (_, i) => w.blk.read(i, w.buffer + 512 * i, 512));
  assertEquals(await w.scheduler.run(Promise.all(reads)), new Array(50).fill(BlockStatus.OK));
  assertEquals(w.hex(w.buffer + 49 * 512, 4), "31000000");
});

Deno.test("a transfer that is larger than one mapping goes as several segments", async () => {
  for (const indirect of [true, false]) {
    const w = driverWorld({ largest: 5000, indirect });
    assertEquals(w.blk.maxTransfer, 14 * 4608);
    assertEquals(await w.scheduler.run(w.blk.read(0, w.buffer, 20480)), BlockStatus.OK);
    // Header, five segments, status, and the table.
    assertEquals(w.stats.maps, indirect ? 8 : 7);
    assertEquals(w.hex(w.buffer + 39 * 512, 4), "27000000");
    assertThrows(() => w.blk.submit(BlockOp.READ, 0, w.buffer, 65 * 1024, 0), Error, "at most 64512");
  }
});

Deno.test("a device that needs a reset fails what is in flight, gets its mappings taken back, and is reset", () => {
  const w = driverWorld();
  w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1);
  w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 2);
  w.device.needsReset("a test");
  w.scheduler.settle();
  assertEquals(w.done, [[1, BlockStatus.DEVICE_GONE], [2, BlockStatus.DEVICE_GONE]]);
  assertEquals([live(w), w.device.status], [0, 0]);
  assertEquals(w.warnings, ["device-gone: the driver gave the device up: it needs a reset"]);
});

Deno.test("after the device has gone, submit takes requests and fails them, and promises fail", async () => {
  const w = driverWorld();
  w.device.needsReset("a test");
  w.scheduler.settle();
  assert(w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 7));
  assertEquals(w.done, [], "completions come in interrupt context");
  w.scheduler.settle();
  assertEquals(w.done, [[7, BlockStatus.DEVICE_GONE]]);
  assertEquals(await w.scheduler.run(w.blk.read(0, w.buffer, 512)), BlockStatus.DEVICE_GONE);
  assertEquals(await w.scheduler.run(w.blk.serial()), null);
  w.blk.stop();
});

Deno.test("a device that does not answer for 30 s of virtual time is given up", async () => {
  const w = driverWorld();
  w.pci.function(8).disableBusMaster();
  w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1);
  const status = await w.scheduler.run(w.blk.read(0, w.buffer, 512));
  assertEquals([status, w.done, live(w)], [BlockStatus.DEVICE_GONE, [[1, BlockStatus.DEVICE_GONE]], 0]);
  assert(w.scheduler.now >= 30e9 && w.scheduler.now < 31e9, `${w.scheduler.now}`);
  assertEquals(w.warnings, ["device-gone: the driver gave the device up: it did not answer for 30 s"]);
});

Deno.test("while requests complete the watchdog sleeps, and an idle driver leaves no timer behind", async () => {
  const w = driverWorld();
  for (let i = 0; i < 3; i++) {
    assertEquals(await w.scheduler.run(w.blk.read(0, w.buffer, 512)), BlockStatus.OK);
    w.scheduler.spend(20e9);
  }
  assert(w.scheduler.idle);
  assertEquals(w.warnings, []);
});

Deno.test("a device that uses a buffer it was not given is given up, and nothing stays mapped", () => {
  const w = driverWorld();
  w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1);
  const common = w.pci.function(8).bar(4).address;
  const used = w.guest.read(common + 0x30, 4);
  w.guest.memory.write(used + 4, 4, 9);
  w.guest.memory.write(used + 2, 2, 1);
  w.interrupts.raise(1);
  w.scheduler.settle();
  assertEquals([w.done, live(w)], [[[1, BlockStatus.DEVICE_GONE]], 0]);
});

Deno.test("a surprise removal fails what is in flight when the driver stops", () => {
  const w = driverWorld();
  w.blk.submit(BlockOp.READ, 0, w.buffer, 512, 1);
  w.root.detach(w.root.ports.find((port) => port.name === "disk0")!);
  w.blk.stop();
  assertEquals([w.done, live(w)], [[[1, BlockStatus.DEVICE_GONE]], 0]);
  w.blk.stop();
});

Deno.test("an interrupt line serves where there is no MSI-X", async () => {
  const w = driverWorld({}, { vectors: 0 });
  assertEquals(w.pci.function(8).msixVectors, 0);
  assertEquals(await w.scheduler.run(w.blk.read(3, w.buffer, 512)), BlockStatus.OK);
  assertEquals(w.hex(w.buffer, 4), "03000000");
  w.device.needsReset("a test");
  w.scheduler.settle();
  assertEquals(w.warnings.length, 1);
});

Deno.test("with physical addressing nothing goes through the DMA operations, rings included", async () => {
  for (const accessPlatform of [true, false]) {
    const w = driverWorld({ driverAddressing: accessPlatform ? "physical" : "dma-api" }, { accessPlatform });
    assertEquals(await w.scheduler.run(w.blk.read(3, w.buffer, 512)), BlockStatus.OK);
    assertEquals([w.stats.maps, w.stats.coherentBytes, w.hex(w.buffer, 4)], [0, 0, "03000000"]);
  }
});

Deno.test("a device that refuses the driver's features is not driven", () => {
  const failure = assertThrows(() => {
    const w = blkWorld({ start: false });
    w.model.negotiated = () => false;
    const dma = new ScarceOps({
      guest: w.guest,
      device: { id: "disk0", requester: 8 },
      stats: dmaStats(),
      upstream: null,
      events: w.events,
      warn() {},
    });
    const { guest, events } = w;
    new VirtioBlockDriver(
      new VirtioPciTransport({ guest, requester: 8 }),
      { id: "disk0", guest, dma, requester: 8, random: new Random(1), events, warn() {} },
      { queueSize: 16, indirect: true, eventIndex: true, driverAddressing: "dma-api", requestMemory: "coherent" },
    );
  }, Error);
  assertEquals(failure.message, "the device refuses every set of features that this driver knows");
});
