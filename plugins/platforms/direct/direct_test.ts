import { assertEquals, assertThrows } from "@std/assert";
import {
  BusStatus,
  Direction,
  DMA_MAPPING_ERROR,
  dmaBitMask,
  DmaHandle,
  Errno,
  InputError,
  type ScatterEntry,
} from "@iova/core";
import { platformConformance, type PlatformQuirks, testPlatform } from "@iova/core/testing";
import direct from "./mod.ts";

const { TO_DEVICE } = Direction;

const NO_TRANSLATION = "nothing translates: all memory is in reach of every device at all times";
const EXCUSES: PlatformQuirks["leftOut"] = {
  "fault-after-unmap": NO_TRANSLATION,
  "fault-outside": NO_TRANSLATION,
  "fault-write": NO_TRANSLATION,
  "fault-read": NO_TRANSLATION,
  "fault-other": NO_TRANSLATION,
  "fault-recorded": NO_TRANSLATION,
  "lease": NO_TRANSLATION,
  "misuse-reported": "there is nothing to look a handle up in; the check dma-debug does",
};

const MISALIGNED = {
  ...EXCUSES,
  "coherent-aligned": "the offset is a multiple of 4 KiB only, and so are the differences of addresses",
};

for (
  const cases of [
    platformConformance(direct, {}, { leftOut: EXCUSES }),
    platformConformance(direct, { offset: "0x80000000" }, { leftOut: EXCUSES }),
    platformConformance(direct, { offset: "0x8000000000001000" }, { leftOut: MISALIGNED }),
    platformConformance(direct, { offset: "0x1000" }, {
      leftOut: EXCUSES,
      below: { plugin: direct, with: { offset: "0x7ffff000" } },
    }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}

/** P-dir of the DMA API's conformance cases: the reference machine, offset 0. */
function pDir(options: Record<string, unknown> = {}) {
  const made = testPlatform(direct, { with: options });
  return { ...made, ...made.device() };
}

Deno.test("C1: a handle is the physical address, twice the same for the same buffer, and syncs change no byte", () => {
  const { dma, world } = pDir();
  dma.setMask(dmaBitMask(64));
  world.bytes(0x1_2345, 100).fill(7);
  const handle = dma.mapSingle(0x1_2345, 100, TO_DEVICE);
  assertEquals(handle, 0x1_2345n);
  assertEquals([dma.mappingError(handle), dma.needSync(handle)], [0, false]);
  assertEquals(dma.mapSingle(0x1_2345, 100, TO_DEVICE), handle);
  const before = world.bytes(0, 0x2_0000).slice();
  dma.syncSingleForDevice(handle, 100, TO_DEVICE);
  dma.syncSingleForCpu(handle, 100, TO_DEVICE);
  dma.unmapSingle(handle, 100, TO_DEVICE);
  dma.unmapSingle(handle, 100, TO_DEVICE);
  assertEquals(world.bytes(0, 0x2_0000), before);
});

Deno.test("C1: neighbours in a scatterlist are not merged, and the limits are those of an identity", () => {
  const { dma } = pDir();
  const list = [{ cpu: 0x10000, length: 4096 }, { cpu: 0x11000, length: 4096 }];
  assertEquals(dma.mapSg(list, TO_DEVICE), 2);
  assertEquals(dma.maxMappingSize(), Number.MAX_SAFE_INTEGER);
  assertEquals(dma.mergeBoundary(), 0);
  assertEquals(dma.requiredMask(), 0x1_ffff_ffffn);
});

Deno.test("C2: the last byte of a mapping must be below the mask, and a refused mask changes nothing", () => {
  const { dma, stats } = pDir();
  assertEquals(dma.setMask(dmaBitMask(32)), 0);
  assertEquals(dma.mapSingle(0xffff_fff0, 16, TO_DEVICE), 0xffff_fff0n);
  assertEquals(dma.mapSingle(0xffff_fff0, 17, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.mapSingle(0x1_0000_0000, 1, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.mappingError(DMA_MAPPING_ERROR), -Errno.ENOMEM);
  assertEquals([stats.maps, stats.mapFailures], [1, 2]);
  assertEquals(dma.setMask(0xff_ffffn), 0);
  assertEquals(dma.setMask(0xffffn), -Errno.EIO);
  assertEquals(dma.mapSingle(0xff_fff0, 16, TO_DEVICE), 0xff_fff0n);
  assertEquals(dma.mapSingle(0xff_fff0, 17, TO_DEVICE), DMA_MAPPING_ERROR);
});

Deno.test("C2: the default mask is 32 bits, for coherent memory too", () => {
  const { dma } = pDir();
  assertEquals(dma.mapSingle(0xffff_ffff, 1, TO_DEVICE), 0xffff_ffffn);
  assertEquals(dma.mapSingle(0xffff_ffff, 2, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.allocCoherent(0xff_0000), null, "there is room above 4 GiB only");
});

Deno.test("C10: three entries stay three segments", () => {
  const { dma } = pDir();
  const list: ScatterEntry[] = [
    { cpu: 0x10000, length: 4096 },
    { cpu: 0x30000, length: 4096 },
    { cpu: 0x50000, length: 2048 },
  ];
  assertEquals(dma.mapSg(list, TO_DEVICE), 3);
  assertEquals(list.map(({ dmaAddress, dmaLength }) => [dmaAddress, dmaLength]), [
    [0x10000n, 4096],
    [0x30000n, 4096],
    [0x50000n, 2048],
  ]);
});

Deno.test("C11: ring memory of 10246 bytes is a multiple of 16 KiB, zeroed, and its address is the physical one", () => {
  const { dma, port } = pDir();
  const { cpu, handle, size } = dma.allocCoherent(10_246)!;
  assertEquals([handle, handle % 0x4000n, size], [BigInt(cpu), 0n, 10_246]);
  const seen = new Uint8Array(10_246).fill(1);
  assertEquals(port.read(handle, seen), BusStatus.OK);
  assertEquals(seen, new Uint8Array(10_246));
});

Deno.test("with an offset, handles are that much higher and masks count the bus address", () => {
  const { dma } = pDir({ offset: "0x80000000" });
  assertEquals(dma.mapSingle(0x1_2345, 100, TO_DEVICE), 0x8001_2345n);
  assertEquals(dma.mapSingle(0x7fff_fff0, 16, TO_DEVICE), 0xffff_fff0n);
  assertEquals(dma.mapSingle(0x7fff_fff0, 17, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.setMask(0xff_ffffn), -Errno.EIO, "24 bits do not reach the DMA zone any more");
  assertEquals(dma.requiredMask(), 0x3_ffff_ffffn);
});

Deno.test("an offset above 2^53 is exact to the byte", () => {
  const { dma, world, port } = pDir({ offset: "0xffffffff00000000" });
  assertEquals(dma.mapSingle(0x1_2345, 1, TO_DEVICE), DMA_MAPPING_ERROR, "32 bits do not reach");
  dma.setMask(dmaBitMask(64));
  assertEquals(dma.mapSingle(0x1_2345, 1, TO_DEVICE), 0xffff_ffff_0001_2345n);
  assertEquals(dma.mapSingle(0xffff_ffff, 1, TO_DEVICE), 0xffff_ffff_ffff_ffffn, "the last byte there is");
  assertEquals(dma.mapSingle(0xffff_ffff, 2, TO_DEVICE), DMA_MAPPING_ERROR);
  world.bytes(0x1_2345, 1)[0] = 0x99;
  const byte = new Uint8Array(1);
  port.read(0xffff_ffff_0001_2345n, byte);
  assertEquals(byte[0], 0x99);
});

Deno.test("the bridge subtracts the offset, in blocks as large as its alignment allows", () => {
  const { port, world, translator } = pDir({ offset: "0x80003000" });
  const log = world.record();
  world.bytes(0x2000, 4).set([1, 2, 3, 4]);
  const bytes = new Uint8Array(4);
  assertEquals(port.read(0x8000_5000n, bytes), BusStatus.OK);
  assertEquals(bytes, new Uint8Array([1, 2, 3, 4]));
  const before = port.stats.translations;
  assertEquals(port.read(0x8000_3000n, new Uint8Array(0x3000)), BusStatus.OK);
  assertEquals(port.stats.translations - before, 3, "the offset is a multiple of 4 KiB only");
  assertEquals(translator?.name, "direct");
  assertEquals(log.filter(({ type }) => type === "fault"), []);
});

Deno.test("an aligned offset takes a long access in one piece", () => {
  const { port } = pDir({ offset: "0x80000000" });
  assertEquals(port.read(0x8000_0000n, new Uint8Array(0x10_0000)), BusStatus.OK);
  assertEquals(port.stats.translations, 1);
});

Deno.test("what is below the offset is an unsupported request, and is recorded", () => {
  const { port, world } = pDir({ offset: "0x80000000" });
  const log = world.record();
  assertEquals(port.write(0x7fff_fffen, new Uint8Array([9, 9, 9, 9])), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(log.map(({ type, cause, address }) => [type, cause, address]), [
    ["fault-record", "BELOW_OFFSET", "0x7ffffffe"],
    ["fault", undefined, "0x7ffffffe"],
  ]);
  assertEquals(world.bytes(0, 2), new Uint8Array(2));
});

Deno.test("without an offset there is no translator at all", () => {
  assertEquals(pDir().translator, null);
});

Deno.test("an offset that is no multiple of the page size is refused", () => {
  const error = assertThrows(() => pDir({ offset: "0x80000010" }), InputError);
  assertEquals(error.message, "test: platform.with.offset: found 0x80000010, expected a multiple of 4096");
});

Deno.test("in a nested bridge the offset is added to what the platform above hands out", () => {
  const above = testPlatform(direct, { with: { offset: "0x40000000" } });
  const nested = testPlatform(direct, { with: { offset: "0x20000000" }, below: above });
  const { dma, port } = nested.device();
  const handle = dma.mapSingle(0x5000, 16, TO_DEVICE);
  assertEquals(handle, 0x6000_5000n);
  above.world.bytes(0x5000, 1)[0] = 0x77;
  const bytes = new Uint8Array(1);
  assertEquals(port.read(handle, bytes), BusStatus.OK);
  assertEquals([bytes[0], port.stats.translations], [0x77, 2]);
  assertEquals(dma.mapSingle(0x9fff_ffff, 1, TO_DEVICE), 0xffff_ffffn, "the mask counts on the device's bus");
  assertEquals(dma.mapSingle(0x9fff_ffff, 2, TO_DEVICE), DMA_MAPPING_ERROR);
});

Deno.test("an identity in a nested bridge is the platform above", () => {
  const above = testPlatform(direct, { with: { offset: "0x40000000" } });
  const { dma } = testPlatform(direct, { below: above }).device();
  assertEquals(dma.mapInto(new DmaHandle(), 0x5000, 16, TO_DEVICE), true);
  assertEquals(dma.mapSingle(0x5000, 16, TO_DEVICE), 0x4000_5000n);
});
