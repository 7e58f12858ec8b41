// The DMA API's conformance cases C3 to C7, and what Linux's reports of full pools say, with their numbers.

import { assertEquals } from "@std/assert";
import { Direction, DmaAttr, dmaBitMask, type ScatterEntry } from "@iova/core";
import { CopyRules } from "./guest_copies.ts";
import { SwiotlbDmaOps } from "./guest.ts";
import { encryptedPool, slotsFor } from "./guest_geometry.ts";
import { Pool } from "./guest_pool.ts";
import { BufferRequest } from "./guest_request.ts";
import { IoTlb } from "./guest_tlb.ts";
import { FAIL, HIGH, POOL, pSwi } from "./testdata/world.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;
const COUNTING = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const FULL = (size: number, total: number, used: number) =>
  `swiotlb buffer is full (sz: ${size} bytes), total ${total} (slots), used ${used} (slots)`;

Deno.test("C3: placement is next-fit: low bits are lost, a page starts at a page, a freed slot waits its turn", () => {
  const { dma, tlb } = pSwi();
  const first = dma.mapSingle(HIGH + 0xe23, 0x100, TO_DEVICE);
  assertEquals(first, 0x0400_0000n);
  assertEquals(dma.mapSingle(HIGH, 0x1000, TO_DEVICE), 0x0400_1000n, "slots 2 and 3; slot 1 is skipped");
  assertEquals([tlb.used, tlb.highWater], [3, 3]);
  dma.unmapSingle(first, 0x100, TO_DEVICE);
  assertEquals(tlb.used, 2);
  assertEquals(dma.mapSingle(HIGH, 1, TO_DEVICE), 0x0400_2000n, "slot 4, not 0 or 1");
  assertEquals([tlb.used, tlb.highWater], [3, 3]);
});

Deno.test("C4: min_align_mask keeps the low bits of the address", () => {
  const { dma, tlb } = pSwi();
  dma.params.minAlignMask = 0xfff;
  assertEquals(dma.mapSingle(HIGH + 0xe23, 0x100, TO_DEVICE), 0x0400_0e23n);
  assertEquals([tlb.used, tlb.pools[0].slots.isFree(0), tlb.pools[0].slots.isFree(1)], [1, true, false]);
});

Deno.test("C4: with alloc_align too, whole granules are taken and the slots before the data are padding", () => {
  const pool = new Pool(POOL, 2048, 1, BigInt(POOL));
  const request = new BufferRequest();
  request.buffer(HIGH + 0xe23, 0x100, 0xfff, 0xfff);
  const slot = pool.slots.take(request);
  pool.enter(slot, request.slots, 1);
  pool.offset[slot] = request.offset;
  assertEquals([slot, request.slots, pool.padSlots(slot)], [0, 2, 1]);
  assertEquals(POOL + pool.dataOffset(slot), 0x0400_0e23);
  pool.release(slot);
  assertEquals(pool.slots.used, 0, "two slots came back");
});

Deno.test("C4: alloc_align alone takes two slots at the start of a granule", () => {
  const pool = new Pool(POOL, 2048, 1, BigInt(POOL));
  const request = new BufferRequest();
  request.buffer(HIGH + 0xe23, 0x100, 0, 0xfff);
  assertEquals([pool.slots.take(request), request.slots, request.offset], [0, 2, 0]);
});

Deno.test("C4: the largest mapping is 262144 bytes in 128 slots; one byte more fails and takes nothing", () => {
  const { dma, tlb, world } = pSwi();
  assertEquals(dma.maxMappingSize(), 262_144);
  assertEquals(dma.mapSingle(HIGH, 262_145, TO_DEVICE), FAIL);
  assertEquals(tlb.used, 0);
  assertEquals(world.warnings.map(({ id, message }) => [id, message]), [
    ["swiotlb-too-large", FULL(262_145, 2048, 0) + "; a slot set holds 262144 bytes"],
  ]);
  assertEquals(dma.mapSingle(HIGH, 262_144, TO_DEVICE), 0x0400_0000n);
  assertEquals(tlb.used, 128);
});

Deno.test("C4: keeping 12 low bits leaves 258048 bytes, and that much starts at slot 1", () => {
  const { dma, tlb } = pSwi();
  dma.params.minAlignMask = 0xfff;
  assertEquals(dma.maxMappingSize(), 258_048);
  assertEquals(dma.mapSingle(HIGH + 0xe23, 258_048, TO_DEVICE), 0x0400_0e23n);
  const { slots } = tlb.pools[0];
  assertEquals([tlb.used, slots.isFree(0), slots.isFree(1), slots.isFree(127), slots.isFree(128)], [
    127,
    true,
    false,
    false,
    true,
  ]);
});

Deno.test("C5: a device that writes less than the buffer leaves the rest as it was", () => {
  const at = pSwi();
  const buffer = at.world.bytes(HIGH, 16);
  buffer.set(COUNTING);
  const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE);
  assertEquals([...at.pool(0, 16)], COUNTING, "the slot holds the buffer's bytes");
  at.write(handle + 4n, [0xaa, 0xaa, 0xaa, 0xaa]);
  at.dma.unmapSingle(handle, 16, FROM_DEVICE);
  assertEquals([...buffer], [0, 1, 2, 3, 0xaa, 0xaa, 0xaa, 0xaa, 8, 9, 10, 11, 12, 13, 14, 15]);
});

Deno.test("C5: nothing of what lay in the pool reaches the buffer, and a skipped sync leaves it alone", () => {
  for (const attrs of [0, DmaAttr.SKIP_CPU_SYNC]) {
    const at = pSwi();
    at.pool(0, 0x10_0000).fill(0x5a);
    const buffer = at.world.bytes(HIGH, 16);
    buffer.set(COUNTING);
    const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE, attrs);
    assertEquals(at.read(handle, 17), [...COUNTING, 0x5a], "a map copies in, also when the sync is skipped");
    at.write(handle + 4n, [0xaa]);
    at.dma.unmapSingle(handle, 16, FROM_DEVICE, attrs);
    assertEquals(buffer[4], attrs === 0 ? 0xaa : 4);
    assertEquals(buffer.includes(0x5a), false);
  }
});

Deno.test("C5: regression no-copy-on-map gives the driver an earlier user's bytes", () => {
  const at = pSwi({ regression: "no-copy-on-map" });
  at.fill(HIGH + 0x1000, 2048, 0x77);
  at.dma.unmapSingle(at.dma.mapSingle(HIGH + 0x1000, 2048, TO_DEVICE), 2048, TO_DEVICE);
  for (let slot = 1; slot < 2048; slot++) at.dma.unmapSingle(at.dma.mapSingle(HIGH, 1, FROM_DEVICE), 1, FROM_DEVICE);
  const buffer = at.world.bytes(HIGH, 16);
  buffer.set(COUNTING);
  const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE);
  assertEquals(handle, 0x0400_0000n, "the search has come round to slot 0");
  at.write(handle + 4n, [0xaa, 0xaa]);
  at.dma.unmapSingle(handle, 16, FROM_DEVICE);
  const leaked = 0x77;
  assertEquals([...buffer.subarray(0, 8)], [leaked, leaked, leaked, leaked, 0xaa, 0xaa, leaked, leaked]);
});

Deno.test("C6: a driver that polls sees what the device writes between its looks", () => {
  const at = pSwi();
  const buffer = at.fill(HIGH, 16, 0);
  const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE);
  at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
  assertEquals([...buffer], new Array(16).fill(0));
  at.write(handle, new Array(16).fill(0x11));
  const { bounces } = at.stats;
  at.dma.syncSingleForDevice(handle, 16, FROM_DEVICE);
  assertEquals(at.stats.bounces, bounces, "nothing is copied");
  at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
  assertEquals([...buffer], new Array(16).fill(0x11));
});

Deno.test("C6: regression copy-on-every-sync overwrites what the device wrote", () => {
  const at = pSwi({ regression: "copy-on-every-sync" });
  const buffer = at.fill(HIGH, 16, 0);
  const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE);
  at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
  at.write(handle, new Array(16).fill(0x11));
  at.dma.syncSingleForDevice(handle, 16, FROM_DEVICE);
  at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
  assertEquals([...buffer], new Array(16).fill(0), "the device's bytes are lost");
});

Deno.test("C6: a partial sync copies its part, the unmap the whole", () => {
  const at = pSwi();
  const buffer = at.fill(HIGH, 16, 0);
  const handle = at.dma.mapSingle(HIGH, 16, FROM_DEVICE);
  at.write(handle, new Array(16).fill(0x22));
  at.dma.syncSingleForCpu(handle + 4n, 8, FROM_DEVICE);
  assertEquals([...buffer], [0, 0, 0, 0, ...new Array(8).fill(0x22), 0, 0, 0, 0]);
  at.dma.unmapSingle(handle, 16, FROM_DEVICE);
  assertEquals([...buffer], new Array(16).fill(0x22));
});

Deno.test("C6: what the CPU writes after a sync, and syncs back, the device reads", () => {
  const at = pSwi();
  const buffer = at.fill(HIGH, 16, 0);
  const handle = at.dma.mapSingle(HIGH, 16, BIDIRECTIONAL);
  at.dma.syncSingleForCpu(handle, 16, BIDIRECTIONAL);
  buffer.fill(0x33);
  assertEquals(at.read(handle, 16), new Array(16).fill(0), "not before it is synced");
  at.dma.syncSingleForDevice(handle, 16, BIDIRECTIONAL);
  assertEquals(at.read(handle, 16), new Array(16).fill(0x33));
});

Deno.test("C7: 128 slots take 128 mappings; then full, fragmented, and slot 0 again", () => {
  const { dma, tlb, world } = pSwi({ slots: 128 });
  const handles = Array.from({ length: 128 }, () => dma.mapSingle(HIGH, 2048, TO_DEVICE));
  assertEquals([handles[0], handles[127]], [0x0400_0000n, 0x0403_f800n]);
  assertEquals(dma.mapSingle(HIGH, 2048, TO_DEVICE), FAIL);
  assertEquals(world.warnings, [{ id: "swiotlb-full", message: FULL(2048, 128, 128), device: "dev" }]);
  for (let i = 0; i < 128; i += 2) dma.unmapSingle(handles[i], 2048, TO_DEVICE);
  assertEquals(tlb.used, 64);
  assertEquals(dma.mapSingle(HIGH, 2049, TO_DEVICE), FAIL, "64 are free, but no two together");
  assertEquals(world.warnings[1].message, FULL(2049, 128, 64));
  assertEquals(dma.mapSingle(HIGH, 2048, TO_DEVICE), 0x0400_0000n);
});

Deno.test("C7: a list that does not fit is given back whole, and nothing is copied back", () => {
  const { dma, tlb, stats, world } = pSwi({ slots: 128 });
  for (let i = 0; i < 126; i++) dma.mapSingle(HIGH, 2048, TO_DEVICE);
  const list: ScatterEntry[] = [0x1000, 0x2000, 0x3000].map((offset) => ({ cpu: HIGH + offset, length: 2048 }));
  const log = world.record();
  assertEquals(dma.mapSg(list, FROM_DEVICE), 0);
  assertEquals(tlb.used, 126);
  assertEquals(dma.mapSgTable(list, FROM_DEVICE), -5);
  assertEquals(list.map(({ cpu, length }) => [cpu - HIGH, length]), [[0x1000, 2048], [0x2000, 2048], [0x3000, 2048]]);
  assertEquals(log.filter(({ type, to }) => type === "bounce" && to === "buffer"), []);
  assertEquals(stats.maps, 126 + 4);
  assertEquals(stats.unmaps, 4);
});

Deno.test("C7: NO_WARN suppresses the report, not the failure", () => {
  const { dma, world } = pSwi({ slots: 128 });
  for (let i = 0; i < 128; i++) dma.mapSingle(HIGH, 1, TO_DEVICE);
  assertEquals(dma.mapSingle(HIGH, 1, TO_DEVICE, DmaAttr.NO_WARN), FAIL);
  assertEquals(world.warnings, []);
});

Deno.test("C10: three entries of a list stay three segments", () => {
  const { dma } = pSwi();
  const list = [[0x10000, 4096], [0x30000, 4096], [0x50000, 2048]].map(([cpu, length]) => ({ cpu, length }));
  assertEquals(dma.mapSg(list, TO_DEVICE), 3);
});

Deno.test("E9: 1 GiB is 524288 slots, and 256 KiB do not fit when 523564 are used", () => {
  // Nothing is copied before there is a place: the gigabyte itself need not be there.
  const { world } = pSwi();
  const memory = { start: 0x4000_0000, bus: 0x4000_0000n, bytes: 1024 ** 3 };
  const tlb = new IoTlb(world.guest, world.events, memory);
  const dma = new SwiotlbDmaOps(world.dmaContext("dev", 8), tlb, { force: true, rules: new CopyRules("none"), cpu: 0 });
  const request = new BufferRequest();
  request.buffer(HIGH, 2048, 0);
  for (let slot = 0; slot < 524_288; slot++) {
    const pool = tlb.take(request)!;
    assertEquals(tlb.slot, slot);
    pool.enter(slot, 1, 1);
  }
  for (let i = 0; i < 724; i++) tlb.release(tlb.pools[0], i * 700 + 3);
  assertEquals([tlb.total, tlb.used, tlb.highWater], [524_288, 523_564, 524_288]);
  assertEquals(dma.mapSingle(HIGH, 262_144, TO_DEVICE), FAIL);
  assertEquals(world.warnings, [{
    id: "swiotlb-full",
    message: "swiotlb buffer is full (sz: 262144 bytes), total 524288 (slots), used 523564 (slots)",
    device: "dev",
  }]);
});

Deno.test("E9: a guest that keeps its memory to itself has a pool of 6 % of it, from 64 MiB to 1 GiB", () => {
  const gib = 1024 ** 3;
  assertEquals([1, 4, 16, 17, 64].map((ram) => encryptedPool(ram * gib)), [
    67_108_864,
    257_698_037,
    1_030_792_151,
    gib,
    gib,
  ]);
  assertEquals(slotsFor(encryptedPool(64 * gib)), 524_288);
});

Deno.test("E9: used 4 of 32768 with 512 KiB asked for is an oversized request, in the same words", () => {
  const { dma, world } = pSwi({ slots: 32_768 });
  for (let i = 0; i < 4; i++) dma.mapSingle(HIGH, 100, TO_DEVICE);
  assertEquals(dma.mapSingle(HIGH, 524_288, TO_DEVICE), FAIL);
  assertEquals(world.warnings[0].message.slice(0, 78), FULL(524_288, 32_768, 4));
});

Deno.test("C2: without force, only what the mask does not reach is bounced", () => {
  const { dma, stats, tlb, world } = pSwi({ force: false });
  assertEquals(dma.maxMappingSize(), 262_144, "the device does not reach all memory");
  assertEquals(dma.mapSingle(0x1_2345, 100, TO_DEVICE), 0x1_2345n);
  assertEquals([stats.bounces, dma.needSync(0x1_2345n)], [0, false]);
  const handle = dma.mapSingle(HIGH, 100, TO_DEVICE);
  assertEquals([handle, stats.bounces, dma.needSync(handle)], [0x0400_0000n, 1, true]);
  assertEquals(dma.needSync(0x1_2345n), false);
  assertEquals(dma.setMask(dmaBitMask(64)), 0);
  assertEquals(dma.maxMappingSize(), Number.MAX_SAFE_INTEGER);
  assertEquals(dma.mapSingle(HIGH, 100, TO_DEVICE), BigInt(HIGH));
  assertEquals([tlb.used, world.warnings.length], [1, 0]);
});
