import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BusStatus,
  Direction,
  DmaAttr,
  dmaBitMask,
  GuestMemoryError,
  InputError,
  loadMachine,
  type MachineEvent,
} from "@iova/core";
import { testPlatform, type TestPlatformOptions } from "@iova/core/testing";
import swiotlb from "./mod.ts";
import { FAIL, HIGH, POOL, pSwi } from "./testdata/world.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

function platform(options: Record<string, unknown>, rest: TestPlatformOptions = {}) {
  const made = testPlatform(swiotlb, { ...rest, with: options });
  return { ...made, ...made.device() };
}

const bounces = (log: MachineEvent[]) =>
  log.filter(({ type }) => type === "bounce").map(({ by, to, buffer, slot, bytes }) => [by, to, buffer, slot, bytes]);

Deno.test("every copy is an event that says what copied what, and is counted", () => {
  const { dma, world, stats } = pSwi();
  const log = world.record();
  const handle = dma.mapSingle(HIGH + 0x100, 300, BIDIRECTIONAL);
  dma.syncSingleForCpu(handle + 16n, 32, BIDIRECTIONAL);
  dma.syncSingleForDevice(handle + 16n, 32, BIDIRECTIONAL);
  dma.unmapSingle(handle, 300, BIDIRECTIONAL);
  dma.unmapSingle(dma.mapSingle(HIGH, 8, TO_DEVICE), 8, TO_DEVICE);
  assertEquals(bounces(log), [
    ["map", "pool", "0x100000100", "0x4000000", 300],
    ["sync for CPU", "buffer", "0x100000110", "0x4000010", 32],
    ["sync for device", "pool", "0x100000110", "0x4000010", 32],
    ["unmap", "buffer", "0x100000100", "0x4000000", 300],
    ["map", "pool", "0x100000000", "0x4000800", 8],
  ]);
  assertEquals([stats.bounces, stats.bouncedBytes], [5, 672]);
});

Deno.test("copying takes virtual time by the byte", () => {
  const { dma, world } = pSwi();
  const time = (size: number) => {
    const { now } = world.scheduler;
    dma.unmapSingle(dma.mapSingle(HIGH, size, FROM_DEVICE), size, FROM_DEVICE);
    return world.scheduler.now - now;
  };
  assertEquals([time(10), time(40_960)], [107 + 2, 107 + 2 * 4096]);
});

Deno.test("a sync past the end is clamped and reported in Linux's words", () => {
  const { dma, world, write } = pSwi();
  world.bytes(HIGH, 64).fill(9);
  const handle = dma.mapSingle(HIGH, 16, FROM_DEVICE);
  write(handle, new Array(32).fill(0x22));
  dma.syncSingleForCpu(handle + 8n, 16, FROM_DEVICE);
  assertEquals([...world.bytes(HIGH + 7, 10)], [9, ...new Array(8).fill(0x22), 9]);
  assertEquals(world.warnings, [{
    id: "swiotlb-overflow",
    message: "Buffer overflow detected. Allocation size: 8. Mapping size: 16.",
    device: "dev",
  }]);
});

Deno.test("an unmap of too much is clamped, one of too little copies what it names; both give all slots back", () => {
  for (const [size, copied] of [[10_000, 5000], [100, 100]]) {
    const { dma, world, tlb, stats } = pSwi();
    const handle = dma.mapSingle(HIGH, 5000, FROM_DEVICE);
    dma.unmapSingle(handle, size, FROM_DEVICE);
    assertEquals([world.warningIds, tlb.used, stats.bouncedBytes], [["swiotlb-size"], 0, 5000 + copied]);
  }
});

Deno.test("a device's slots cannot be unmapped or synced by the driver of another, nor from their middle", () => {
  const made = testPlatform(swiotlb);
  const [a, b] = [made.device("a", 8), made.device("b", 16)];
  const handle = a.dma.mapSingle(0x2_0000, 3000, TO_DEVICE);
  b.dma.unmapSingle(handle, 3000, TO_DEVICE);
  b.dma.syncSingleForDevice(handle, 3000, TO_DEVICE);
  a.dma.unmapSingle(handle + 2048n, 952, TO_DEVICE);
  assertEquals(made.world.warningIds, ["swiotlb-not-mapped", "swiotlb-sync", "swiotlb-not-mapped"]);
  a.dma.unmapSingle(handle, 3000, TO_DEVICE);
  assertEquals(made.world.warnings.length, 3);
});

Deno.test("a slot beyond the device's mask is given back, reported, and the map fails", () => {
  const { dma, world, tlb } = pSwi();
  assertEquals(dma.setMask(dmaBitMask(26)), 0);
  assertEquals(dma.mapSingle(HIGH, 100, TO_DEVICE), FAIL);
  assertEquals(tlb.used, 0);
  assertEquals(world.warnings, [{
    id: "swiotlb-over-mask",
    message: "swiotlb addr 0x4000000+100 overflow (mask 0x3ffffff, bus limit 0)",
    device: "dev",
  }]);
  dma.setMask(dmaBitMask(27));
  assert(dma.mapSingle(HIGH, 100, TO_DEVICE) !== FAIL);
});

Deno.test("registers are not bounced by mapSingle, and reached directly by mapResource", () => {
  const { dma, world } = pSwi();
  const registers = world.reserveRegisters(0x1000, "peer", { read: () => 0, write() {} });
  assertEquals(dma.mapSingle(registers, 64, TO_DEVICE), FAIL);
  assertEquals(world.warningIds, ["swiotlb-no-memory"]);
  assertEquals(dma.mapResource(registers, 64, TO_DEVICE), BigInt(registers));
});

Deno.test("a mapping keeps away from the device's segment boundary", () => {
  const { dma } = pSwi();
  dma.params.segmentBoundaryMask = 0x1fffn;
  assertEquals(dma.mapSingle(HIGH, 2048, TO_DEVICE), 0x0400_0000n);
  assertEquals(dma.mapSingle(HIGH, 8192, TO_DEVICE), 0x0400_2000n, "8 KiB fit between two boundaries only");
  assertEquals(dma.mapSingle(HIGH, 6144, TO_DEVICE), 0x0400_4000n);
});

Deno.test("reports of a full pool are limited to ten in five seconds", () => {
  const { dma, world } = pSwi({ slots: 128 });
  for (let i = 0; i < 128; i++) dma.mapSingle(HIGH, 1, TO_DEVICE);
  for (let i = 0; i < 25; i++) dma.mapSingle(HIGH, 1, TO_DEVICE);
  assertEquals(world.warnings.length, 10);
  world.scheduler.spend(5e9);
  dma.mapSingle(HIGH, 1, TO_DEVICE);
  assertEquals(world.warnings.length, 11);
});

Deno.test("dynamic: a request that finds no room gets a pool of its own, which goes with it; a pool is added later", () => {
  const { dma, tlb, world, stats } = pSwi({ slots: 128, dynamic: true, more: 0x80_0000 });
  const { used } = world.guest.heap;
  const handles = Array.from({ length: 128 }, () => dma.mapSingle(HIGH, 1, TO_DEVICE));
  const extra = dma.mapSingle(HIGH + 0x10, 5000, BIDIRECTIONAL);
  assert(extra >= BigInt(POOL + 128 * 2048), "outside the first pool");
  assertEquals([tlb.total, tlb.transientSlots, tlb.used, tlb.highWater], [128, 3, 131, 131]);
  world.scheduler.settle();
  assertEquals([tlb.total, tlb.pools.length], [640, 3], "1 MiB more, the least that is worth it");
  dma.unmapSingle(extra, 5000, BIDIRECTIONAL);
  assertEquals([tlb.transientSlots, tlb.used, tlb.pools.length], [0, 128, 2]);
  assertEquals(world.guest.heap.used, used + 0x10_0000);
  const next = dma.mapSingle(HIGH, 1, TO_DEVICE);
  assertEquals([tlb.transientSlots, tlb.used], [0, 129], "the added pool has room");
  for (const handle of [...handles, next]) dma.unmapSingle(handle, 1, TO_DEVICE);
  assertEquals([tlb.used, stats.mapFailures, world.warnings.length], [0, 0, 0]);
});

Deno.test("dynamic: when memory is used up as well, the map fails and says so", () => {
  const { dma, world } = pSwi({ slots: 128, dynamic: true });
  world.guest.heap.alloc(0x10_0000, 16, 0x1_ffff_ffff);
  for (let i = 0; i < 128; i++) dma.mapSingle(HIGH, 1, TO_DEVICE);
  assertEquals(dma.mapSingle(HIGH, 1, TO_DEVICE), FAIL);
  world.scheduler.settle();
  assertEquals(world.warningIds, ["swiotlb-full"]);
});

Deno.test("a transient pool keeps the low bits that the device wants kept", () => {
  const { dma } = pSwi({ slots: 128, dynamic: true, more: 0x40_0000 });
  for (let i = 0; i < 128; i++) dma.mapSingle(HIGH, 1, TO_DEVICE);
  dma.params.minAlignMask = 0xfff;
  const handle = dma.mapSingle(HIGH + 0xe23, 5000, BIDIRECTIONAL);
  assertEquals(handle & 0xfffn, 0xe23n);
});

Deno.test("each device begins in the area of its own CPU", () => {
  const made = testPlatform(swiotlb, { with: { areas: 3, pool: "1MiB", address: "0x200000" } });
  const devices = [0, 1, 2, 3, 4].map((i) => made.device(`dev${i}`, 8 * i + 8).dma);
  const handles = devices.map((dma) => dma.mapSingle(0x2_0000, 1, TO_DEVICE));
  assertEquals(handles, [0x20_0000n, 0x24_0000n, 0x28_0000n, 0x2c_0000n, 0x20_0800n], "three areas are made four");
});

Deno.test("restricted: a device reaches its slots, and an address that was not bounced visibly fails", () => {
  const { dma, port, world, translator } = platform({ restricted: true, pool: "1MiB", address: "0x200000" });
  const secret = world.bytes(0x2_0000, 16).fill(0x42);
  const handle = dma.mapSingle(0x2_0000, 16, BIDIRECTIONAL);
  assertEquals(handle, 0x20_0000n);
  const log = world.record();
  assertEquals(port.write(handle, new Uint8Array(16)), BusStatus.OK);
  assertEquals(port.write(0x2_0000n, new Uint8Array(16)), BusStatus.COMPLETER_ABORT);
  assertEquals(port.read(0x1f_ffffn, new Uint8Array(2)), BusStatus.COMPLETER_ABORT);
  assertEquals(port.read(0x2f_ffffn, new Uint8Array(2)), BusStatus.COMPLETER_ABORT, "the second byte is outside");
  assertEquals(port.read(0x1_0020_0000n, new Uint8Array(2)), BusStatus.COMPLETER_ABORT);
  assertEquals(port.read(0x8000_0000_0020_0000n, new Uint8Array(2)), BusStatus.COMPLETER_ABORT);
  assertEquals([...secret], new Array(16).fill(0x42));
  assertEquals(
    log.filter(({ type }) => type === "fault-record").map((
      { cause, address, requester },
    ) => [cause, address, requester])[0],
    [
      "OUTSIDE_RESTRICTED_POOL",
      "0x20000",
      8,
    ],
  );
  assertEquals(translator!.counters!(), { refusedAccesses: 5 });
});

Deno.test("restricted: coherent memory comes from the pool, up to a slot set", () => {
  const { dma, stats, world } = platform({ restricted: true, pool: "1MiB", address: "0x200000" });
  const ring = dma.allocCoherent(10_246)!;
  assertEquals([ring.cpu, ring.handle, stats.coherentBytes], [0x20_0000, 0x20_0000n, 12_288]);
  assertEquals(dma.mapSingle(0x2_0000, 1, TO_DEVICE), 0x20_3000n, "behind it: 12 KiB are six slots");
  assertEquals(dma.allocCoherent(262_144)?.handle, 0x24_0000n);
  assertEquals(dma.allocCoherent(262_145), null);
  assertEquals(dma.setCoherentMask(dmaBitMask(24)), 0);
  dma.unmapSingle(ring.handle, 12_288, BIDIRECTIONAL);
  assertEquals(world.warningIds, ["swiotlb-not-mapped"], "it is freed as what it is");
  dma.freeCoherent(10_246, ring.cpu, ring.handle);
  assertEquals(stats.coherentBytes, 262_144);
});

Deno.test("below another platform the pool is coherent memory of that platform", () => {
  const above = testPlatform(swiotlb, { with: { restricted: true, pool: "2MiB", address: "0x200000" } });
  assertThrows(() => testPlatform(swiotlb, { below: above }).device(), GuestMemoryError, "bounce pool");
});

Deno.test("a pool that finds no room is halved, down to 1 MiB", () => {
  const ram = [[0, 0x60_0000]] as const;
  const { dma } = platform({ pool: "64MiB" }, { ram });
  const handles = new Set(Array.from({ length: 3000 }, () => dma.mapSingle(0x2_0000, 1, TO_DEVICE)));
  handles.delete(FAIL);
  assertEquals(handles.size, 2048, "4 MiB");
  assertThrows(() => platform({ pool: "64MiB" }, { ram: [[0, 0x18_0000]] }), GuestMemoryError, "bounce pool");
  const unforced = platform({ force: false }, { ram: [[0, 0x18_0000], [HIGH, 0x1000]] });
  assertEquals(unforced.dma.mapSingle(HIGH, 16, TO_DEVICE), FAIL);
  assertEquals(unforced.world.warnings[0].message, "DMA addr 0x100000000+16 overflow (mask 0xffffffff, bus limit 0)");
});

Deno.test("options that make no sense are refused by name", () => {
  const refuse = (options: Record<string, unknown>) => assertThrows(() => platform(options), InputError).message;
  assertEquals(
    [
      refuse({ address: "0x1000" }),
      refuse({ address: "0xf0000000" }),
      refuse({ restricted: true, dynamic: true }),
      refuse({ restricted: true, areas: 2 }),
    ],
    [
      "test: platform.with.address: found 0x1000, expected a multiple of 262144 that is not 0",
      "test: platform.with.address: found 0xf0000000, expected an address with 1 MiB of free memory",
      "test: platform.with.dynamic: found true, expected false: a restricted pool does not grow",
      "test: platform.with.areas: found 2, expected 1: so is a restricted pool",
    ],
  );
});

Deno.test("slots that a driver leaves behind are reported when the machine stops", () => {
  const { dma, platform: made, world } = platform({});
  dma.mapSingle(0x2_0000, 5000, TO_DEVICE);
  const log = world.record();
  made.stop!();
  assertEquals(world.warnings, [{ id: "swiotlb-leak", message: "swiotlb: 3 slots are still in use at the end" }]);
  const { total, used, highWater, transientSlots } = log[0];
  assertEquals([total, used, highWater, transientSlots], [512, 3, 3, 0]);
});

Deno.test("a machine reads its disk through the pool, whatever the options, and leaves nothing in it", async () => {
  for (const options of [{}, { restricted: true, pool: "4MiB" }, { dynamic: true, pool: "256KiB" }, { areas: 4 }]) {
    const machine = await loadMachine({
      memory: "16MiB",
      platform: { use: "swiotlb", with: options },
      devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
      workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randwrite", count: 64 } }],
    });
    const report = await machine.run();
    assert(report.verified, JSON.stringify([options, report.workloads]));
    assert(report.devices[0].dma.bounces > 64);
    assertEquals(report.warnings, []);
  }
});

Deno.test("restricted: a disk that is sent physical addresses fails", async () => {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: { use: "swiotlb", with: { restricted: true, pool: "4MiB" } },
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB", driverAddressing: "physical" } }],
    workload: [{ use: "blk-io", device: "disk0", with: { count: 4 } }],
  });
  const report = await machine.run();
  assertEquals(report.verified, false);
  assert(report.devices[0].port.faults > 0 && report.platformCounters.refusedAccesses > 0);
});

Deno.test("SKIP_CPU_SYNC on unmap leaves the buffer as it was", () => {
  const { dma, world, write } = pSwi();
  const buffer = world.bytes(HIGH, 8).fill(1);
  const handle = dma.mapSingle(HIGH, 8, FROM_DEVICE);
  write(handle, new Array(8).fill(2));
  dma.unmapSingle(handle, 8, FROM_DEVICE, DmaAttr.SKIP_CPU_SYNC);
  assertEquals([...buffer], new Array(8).fill(1));
});

Deno.test("the report counts slots: how many there are, and how many were in use at once", async () => {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: { use: "swiotlb", with: { pool: "1MiB" } },
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randread", count: 64, depth: 8 } }],
  });
  const { platformCounters: { slots, slotsUsed, slotsHighWater, transientSlots } } = await machine.run();
  // Eight reads of 4 KiB at once, two slots each, at least.
  assertEquals([slots, slotsUsed, slotsHighWater >= 16, transientSlots], [512, 0, true, 0]);
});
