import { assertEquals } from "@std/assert";
import { BusStatus, Direction, DMA_MAPPING_ERROR, dmaBitMask, type ScatterEntry } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import amdIommu from "./mod.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** P-iom of the DMA API's conformance cases: a device at 00:01.0 with a 64-bit mask. */
function world(options: Record<string, unknown> = {}) {
  const platform = testPlatform(amdIommu, { with: options });
  const device = platform.device();
  device.dma.setMaskAndCoherent(dmaBitMask(64));
  const counters = () => platform.translator!.counters!();
  /** Lets virtual time reach `time`, with everything that is due until then. */
  const until = (time: number) => {
    platform.world.scheduler.after(time - platform.world.scheduler.now, () => {});
    while (platform.world.scheduler.now < time) platform.world.scheduler.step();
  };
  return { ...device, world: platform.world, platform, counters, until };
}

const page = (dma: ReturnType<typeof world>["dma"], pages = 1) => dma.mapSingle(0x1_0000, pages * 4096, TO_DEVICE);

Deno.test("C8: the first addresses, and a freed one again at once when strict", () => {
  const { dma } = world({ mode: "strict" });
  assertEquals([page(dma), page(dma), page(dma, 3)], [0xffff_f000n, 0xffff_e000n, 0xffff_8000n]);
  dma.unmapSingle(0xffff_e000n, 4096, TO_DEVICE);
  assertEquals(page(dma), 0xffff_e000n);
});

Deno.test("C8: when lazy, the freed address is still queued and the next lower one comes", () => {
  const { dma } = world({ mode: "lazy" });
  assertEquals([page(dma), page(dma), page(dma, 3)], [0xffff_f000n, 0xffff_e000n, 0xffff_8000n]);
  dma.unmapSingle(0xffff_e000n, 4096, TO_DEVICE);
  assertEquals(page(dma), 0xffff_7000n);
});

Deno.test("C8: the offset in the page is kept, and 17 pages are aligned to 32", () => {
  assertEquals(world().dma.mapSingle(0x1_2345, 100, TO_DEVICE), 0xffff_f345n);
  assertEquals(page(world().dma, 17), 0xfffe_0000n);
});

Deno.test("C8: address 0 is never handed out: a mask of 13 bits holds one page, the one at 0x1000", () => {
  const { dma } = world();
  dma.setMask(dmaBitMask(13));
  assertEquals([page(dma), page(dma)], [0x1000n, DMA_MAPPING_ERROR]);
});

Deno.test("below 4 GiB first: the window of the host bridge and the message window are passed over", () => {
  const { dma } = world();
  const handles = Array.from({ length: 0x1101 }, () => page(dma));
  assertEquals(handles.slice(-2), [0xfef0_0000n, 0xbfff_f000n]);
});

Deno.test("when 32 bits are exhausted the device goes over to its whole mask for good", () => {
  const platform = testPlatform(amdIommu, { ram: [[0, 0x400_0000]], with: { pageTableLevels: 3 } });
  const { dma } = platform.device();
  dma.setMask(dmaBitMask(64));
  const log = platform.world.record();
  // Four blocks of 512 MiB do not fit below 4 GiB beside the reserved windows once more.
  const handles = Array.from({ length: 8 }, () => dma.mapSingle(0x1_0000, 0x2000_0000, TO_DEVICE));
  assertEquals(handles.slice(0, 5), [0xa000_0000n, 0x8000_0000n, 0x6000_0000n, 0x4000_0000n, 0x2000_0000n]);
  assertEquals(handles.slice(5, 7), [0xffff_ffff_e000_0000n, 0xffff_ffff_c000_0000n]);
  assertEquals(log.filter(({ type }) => type === "iova-above-4g").length, 1);
  assertEquals(dma.mapSingle(0x1_0000, 4096, TO_DEVICE) > 0xffff_ffffn, true, "even a page that would fit below");
});

Deno.test("forceDac uses the whole mask from the start", () => {
  assertEquals(page(world({ forceDac: true }).dma), 0xffff_ffff_ffff_f000n);
});

Deno.test("C9: lazy: what the device has used before unmapping it can go on using until the timer flushes", () => {
  const { dma, port, world: { bytes }, world: at, until } = world({ mode: "lazy" });
  const handle = dma.mapSingle(0x1_0000, 4096, FROM_DEVICE);
  assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.OK);
  dma.unmapSingle(handle, 4096, FROM_DEVICE);
  const due = at.scheduler.now + 10_000_000;
  assertEquals(port.write(handle, new Uint8Array([2])), BusStatus.OK, "the cached translation is stale");
  assertEquals(bytes.call(at, 0x1_0000, 1)[0], 2);
  until(due - 300);
  assertEquals(port.write(handle, new Uint8Array([3])), BusStatus.OK);
  until(due + 1);
  assertEquals(port.write(handle, new Uint8Array([4])), BusStatus.COMPLETER_ABORT);
  assertEquals(bytes.call(at, 0x1_0000, 1)[0], 3);
});

Deno.test("C9: lazy: what the device has never used faults at once after unmapping: the entry is cleared", () => {
  const { dma, port } = world({ mode: "lazy" });
  const handle = dma.mapSingle(0x1_0000, 4096, FROM_DEVICE);
  dma.unmapSingle(handle, 4096, FROM_DEVICE);
  assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.COMPLETER_ABORT);
});

Deno.test("C9: lazy: 255 unmaps flush nothing, the 256th flushes once before it is queued", () => {
  const { dma, counters } = world({ mode: "lazy" });
  const handles = Array.from({ length: 256 }, () => page(dma));
  const before = counters().commands;
  for (const handle of handles.slice(0, 255)) dma.unmapSingle(handle, 4096, TO_DEVICE);
  assertEquals(counters().commands - before, 0);
  assertEquals(page(dma), 0xfff0_0000n - 0x1000n, "none of them is reusable");
  dma.unmapSingle(handles[255], 4096, TO_DEVICE);
  assertEquals(counters().commands - before, 2, "one invalidation, one completion wait");
  const again = Array.from({ length: 255 }, () => page(dma));
  assertEquals(new Set(again), new Set(handles.slice(0, 255)), "255 are reusable, one is queued");
});

Deno.test("C9: strict: each unmap is one invalidation and one wait, and the device faults at once", () => {
  const { dma, port, counters } = world({ mode: "strict" });
  const handle = dma.mapSingle(0x1_0000, 4096, FROM_DEVICE);
  assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.OK);
  const before = counters().commands;
  dma.unmapSingle(handle, 4096, FROM_DEVICE);
  assertEquals(counters().commands - before, 2);
  assertEquals(port.write(handle, new Uint8Array([2])), BusStatus.COMPLETER_ABORT);
});

Deno.test("C9: memory lent for reading cannot be written at any time", () => {
  for (const mode of ["strict", "lazy"]) {
    const { dma, port } = world({ mode });
    const handle = dma.mapSingle(0x1_0000, 4096, TO_DEVICE);
    assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.COMPLETER_ABORT);
    assertEquals(port.read(handle, new Uint8Array([1])), BusStatus.OK);
    assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.COMPLETER_ABORT);
  }
});

/** Maps a list in a fresh world; the segments that come out. */
function mapList(entries: [number, number][]) {
  const at = world();
  const list: ScatterEntry[] = entries.map(([cpu, length]) => ({ cpu, length }));
  const count = at.dma.mapSg(list, TO_DEVICE);
  return { ...at, list, count, segments: list.slice(0, count).map((entry) => [entry.dmaAddress, entry.dmaLength]) };
}

Deno.test("C10 (a): three pages are one segment, the rest of the list is empty, and unmapping frees one block", () => {
  const { dma, list, segments, stats } = mapList([[0x1_0000, 4096], [0x3_0000, 4096], [0x5_0000, 2048]]);
  assertEquals(segments, [[0xffff_c000n, 10240]]);
  assertEquals(list.slice(1).map((entry) => [entry.dmaAddress, entry.dmaLength]), [
    [DMA_MAPPING_ERROR, 0],
    [DMA_MAPPING_ERROR, 0],
  ]);
  dma.unmapSg(list, TO_DEVICE);
  assertEquals([stats.maps, stats.unmaps], [1, 1]);
  assertEquals(dma.mapSingle(0x1_0000, 16384, TO_DEVICE), 0xffff_c000n, "the four pages are free again");
});

Deno.test("C10 (b): the device reads the merged segment across the seam", () => {
  const at = mapList([[0x1_0e00, 512], [0x3_0000, 4096]]);
  assertEquals(at.segments, [[0xffff_ee00n, 4608]]);
  at.world.bytes(0x1_0e00, 512).fill(0xaa);
  at.world.bytes(0x3_0000, 4096).fill(0xbb);
  const bytes = new Uint8Array(4608);
  assertEquals(at.port.read(0xffff_ee00n, bytes), BusStatus.OK);
  assertEquals(bytes, new Uint8Array(4608).fill(0xaa, 0, 512).fill(0xbb, 512));
});

Deno.test("C10 (c): an entry that ends within its page cannot be merged with the next", () => {
  const { segments } = mapList([[0x1_0000, 100], [0x3_0000, 4096]]);
  assertEquals(segments, [[0xffff_e000n, 100], [0xffff_f000n, 4096]]);
});

Deno.test("C10 (d): seventeen pages are two segments of at most 64 KiB", () => {
  const { segments } = mapList(Array.from({ length: 17 }, (_, i) => [0x1_0000 + i * 0x2000, 4096]));
  assertEquals(segments, [[0xfffe_0000n, 65536], [0xffff_0000n, 4096]]);
});

Deno.test("a list that cannot be mapped whole leaves no page mapped and no address taken", () => {
  const platform = testPlatform(amdIommu);
  const { dma, stats } = platform.device();
  const { heap } = platform.world.guest;
  while (heap.allocPages(1) !== null);
  const list: ScatterEntry[] = [{ cpu: 0x1_0000, length: 4096 }, { cpu: 0x3_0000, length: 4096 }];
  assertEquals(dma.mapSgTable(list, BIDIRECTIONAL), -12);
  assertEquals([stats.maps, stats.mapFailures], [0, 1]);
  assertEquals(list.map((entry) => [entry.dmaAddress, entry.dmaLength]), [
    [DMA_MAPPING_ERROR, 0],
    [DMA_MAPPING_ERROR, 0],
  ]);
});

Deno.test("limits are those of the IOMMU layer", () => {
  const { dma } = world();
  assertEquals(dma.optMappingSize(), 131072);
  assertEquals(dma.mergeBoundary(), 4095);
  assertEquals(dma.requiredMask(), 0xffff_ffffn);
  assertEquals(dma.maxMappingSize(), Number.MAX_SAFE_INTEGER);
  assertEquals([dma.setMask(0xfffn), dma.setMask(3n)], [0, 0], "every mask is taken");
  assertEquals(page(dma), DMA_MAPPING_ERROR, "though nothing fits below this one");
  assertEquals(dma.needSync(0n), false);
});

Deno.test("lazily freed addresses need a bounded number of page tables", () => {
  const { dma, world: { guest } } = world({ mode: "lazy" });
  const rounds = () => {
    for (let i = 0; i < 2000; i++) dma.unmapSingle(page(dma, 1 + i % 10), (1 + i % 10) * 4096, TO_DEVICE);
  };
  rounds();
  const { used } = guest.heap;
  rounds();
  assertEquals(guest.heap.used, used);
});

Deno.test("misuse is reported, and takes nothing from anybody", () => {
  const { dma, world: at } = world();
  const handle = dma.mapSingle(0x1_0000, 8192, TO_DEVICE);
  dma.unmapSingle(handle + 4096n, 4096, TO_DEVICE);
  dma.unmapSingle(handle, 4096, FROM_DEVICE);
  dma.unmapSingle(handle, 8192, TO_DEVICE);
  dma.syncSingleForCpu(handle, 8192, TO_DEVICE);
  assertEquals(at.warnings.map(({ id, message }) => `${id}: ${message}`), [
    "unmap-unknown: iommu: unmap of 0xfffff000: nothing is mapped there",
    "unmap-size: iommu: unmap of 0xffffe000: 4096 bytes, but 2 pages are mapped",
    "unmap-direction: iommu: unmap of 0xffffe000: in another direction than it was mapped in",
    "unmap-unknown: iommu: unmap of 0xffffe000: nothing is mapped there",
    "sync-unknown: iommu: sync of 0xffffe000, where nothing is mapped",
  ]);
});
