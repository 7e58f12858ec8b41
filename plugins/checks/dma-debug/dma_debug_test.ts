import { assert, assertEquals } from "@std/assert";
import {
  BaseDmaOps,
  type Check,
  Direction,
  DMA_MAPPING_ERROR,
  DmaAttr,
  type DmaContext,
  DmaHandle,
  type DmaOps,
  type PhysAddr,
  readOptions,
  type ScatterEntry,
} from "@iova/core";
import { testWorld } from "@iova/core/testing";
import dmaDebug from "./mod.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** P-dir: handles are physical addresses. */
class Identity extends BaseDmaOps {
  protected map(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }
  protected unmap(): void {}
}

/** Merges a whole list into one segment at 0xfffc000, as an IOMMU can. */
class Merging extends Identity {
  override mapSgTable(list: ScatterEntry[]): number {
    list.forEach((entry) => Object.assign(entry, { dmaAddress: DMA_MAPPING_ERROR, dmaLength: 0 }));
    list[0].dmaAddress = 0xfff_c000n;
    list[0].dmaLength = list.reduce((sum, { length }) => sum + length, 0);
    return 1;
  }
  override unmapSg(): void {}
}

function checked(options: Record<string, unknown> = {}, Ops: new (context: DmaContext) => DmaOps = Identity) {
  const world = testWorld();
  const values = readOptions(dmaDebug.options, options, { file: "test", path: "checks[0].with" });
  const check: Check = dmaDebug.create(world.services("check"), values);
  const device = (id: string, requester: number) => {
    const context = world.dmaContext(id, requester);
    return { port: world.root.attach(id, requester), dma: check.wrapDmaOps!(new Ops(context), context) };
  };
  const ids = (what: () => void) => {
    const before = world.warnings.length;
    what();
    return world.warningIds.slice(before);
  };
  return { world, check, device, ids, ...device("disk0", 8) };
}

/** Maps and tests the handle, as a good driver does. */
function map(dma: DmaOps, cpu: PhysAddr, size: number, direction: Direction): bigint {
  const handle = dma.mapSingle(cpu, size, direction);
  assertEquals(dma.mappingError(handle), 0);
  return handle;
}

Deno.test("a driver that keeps the rules is told nothing", () => {
  const { dma, world, check } = checked();
  const handle = map(dma, 0x2_0000, 512, BIDIRECTIONAL);
  dma.syncSingleForCpu(handle, 512, BIDIRECTIONAL);
  dma.syncSingleForDevice(handle, 512, BIDIRECTIONAL);
  dma.unmapSingle(handle, 512, BIDIRECTIONAL);
  const out = new DmaHandle();
  assert(dma.mapInto(out, 0x2_0000, 512, TO_DEVICE));
  dma.unmapFrom(out, 512, TO_DEVICE);
  const list = [{ cpu: 0x3_0000, length: 4096 }, { cpu: 0x5_0000, length: 100 }];
  assertEquals(dma.mapSg(list, FROM_DEVICE), 2);
  dma.syncSgForCpu(list, FROM_DEVICE);
  dma.unmapSg(list, FROM_DEVICE);
  const { cpu, handle: ring } = dma.allocCoherent(10_246)!;
  dma.freeCoherent(10_246, cpu, ring);
  check.finish!();
  assertEquals(world.warnings, []);
});

Deno.test("C14: an unmap with another size and direction, unchecked, is D4, D8, D9 in that order, and ends the mapping", () => {
  const { dma, ids } = checked();
  const handle = dma.mapSingle(0x20000, 128, TO_DEVICE);
  assertEquals(ids(() => dma.unmapSingle(handle, 64, FROM_DEVICE)), ["D4", "D8", "D9"]);
  assertEquals(ids(() => dma.unmapSingle(handle, 64, FROM_DEVICE)), ["D2"]);
  assertEquals(ids(() => dma.unmapSingle(DMA_MAPPING_ERROR, 64, TO_DEVICE)), ["D3"]);
});

Deno.test("C14: coherent memory that is unmapped as a buffer is D5, and freeing it after that D2", () => {
  const { dma, ids } = checked();
  const { cpu, handle } = dma.allocCoherent(4096)!;
  assertEquals(ids(() => dma.unmapSingle(handle, 4096, BIDIRECTIONAL)), ["D5"]);
  assertEquals(ids(() => dma.freeCoherent(4096, cpu, handle)), ["D2"]);
});

Deno.test("C14: a list of three unmapped as two is D7 twice, and one segment leaks", () => {
  const { dma, ids, check, world } = checked();
  const list = [0x10000, 0x30000, 0x50000].map((cpu) => ({ cpu, length: 4096 }));
  assertEquals(dma.mapSg(list, TO_DEVICE), 3);
  assertEquals(ids(() => dma.unmapSg(list.slice(0, 2), TO_DEVICE)), ["D7", "D7"]);
  assertEquals(ids(() => check.finish!()), ["D1"]);
  assertEquals(
    world.warnings.at(-1)!.message,
    "DMA-API: device driver has pending DMA allocations while released from device [count=1]; one of leaked entries " +
      "details: [device address=0x0000000000050000] [size=4096 bytes] [mapped with DMA_TO_DEVICE] [mapped as scatter-gather]",
  );
});

Deno.test("C14: syncs are matched by what holds them, and their direction is judged", () => {
  const { dma, ids } = checked();
  map(dma, 0x30000, 256, FROM_DEVICE);
  assertEquals(ids(() => dma.syncSingleForCpu(0x30040n, 64, FROM_DEVICE)), []);
  assertEquals(ids(() => dma.syncSingleForCpu(0x30080n, 256, FROM_DEVICE)), ["D16"]);
  assertEquals(ids(() => dma.syncSingleForDevice(0x30000n, 256, TO_DEVICE)), ["D18", "D20"]);
  assertEquals(ids(() => dma.syncSingleForCpu(0x30000n, 256, TO_DEVICE)), ["D18"]);
  map(dma, 0x40000, 256, TO_DEVICE);
  assertEquals(ids(() => dma.syncSingleForCpu(0x40000n, 256, FROM_DEVICE)), ["D18", "D19"]);
  map(dma, 0x50000, 256, BIDIRECTIONAL);
  assertEquals(ids(() => dma.syncSingleForCpu(0x50000n, 256, FROM_DEVICE)), []);
});

Deno.test("C14: two mappings that a device writes in one cache line are D14, two that it reads are not", () => {
  const { dma, ids } = checked();
  map(dma, 0x40000, 16, FROM_DEVICE);
  assertEquals(ids(() => map(dma, 0x40020, 16, FROM_DEVICE)), ["D14"]);
  assertEquals(ids(() => dma.mapSingle(0x40030, 16, BIDIRECTIONAL, DmaAttr.SKIP_CPU_SYNC)), []);
  assertEquals(ids(() => map(dma, 0x40040, 16, FROM_DEVICE)), [], "the next line");
  map(dma, 0x50000, 16, TO_DEVICE);
  assertEquals(ids(() => map(dma, 0x50020, 16, TO_DEVICE)), []);
});

Deno.test("C1: two maps of one buffer need two unmaps; the third is D2", () => {
  const { dma, ids } = checked();
  const handle = map(dma, 0x1_2345, 100, TO_DEVICE);
  assertEquals(map(dma, 0x1_2345, 100, TO_DEVICE), handle);
  assertEquals(ids(() => dma.unmapSingle(handle, 100, TO_DEVICE)), []);
  assertEquals(ids(() => dma.unmapSingle(handle, 100, TO_DEVICE)), []);
  assertEquals(ids(() => dma.unmapSingle(handle, 100, TO_DEVICE)), ["D2"]);
});

Deno.test("C11: ring memory of 10246 bytes freed as 12288 is D4, and at another CPU address D6", () => {
  const { dma, ids } = checked();
  const one = dma.allocCoherent(10_246)!;
  assertEquals(ids(() => dma.freeCoherent(12_288, one.cpu, one.handle)), ["D4"]);
  const two = dma.allocCoherent(4096)!;
  assertEquals(ids(() => dma.freeCoherent(4096, two.cpu + 4096, two.handle)).slice(0, 1), ["D6"]);
});

Deno.test("C10: a merged list has one entry, and unmapping it by the returned count is D7", () => {
  const { dma, ids, check } = checked({}, Merging);
  const list = () => [0x10000, 0x30000, 0x50000].map((cpu) => ({ cpu, length: 4096 }));
  const good = list();
  assertEquals(dma.mapSg(good, TO_DEVICE), 1);
  assertEquals(ids(() => dma.unmapSg(good, TO_DEVICE)), []);
  const bad = list();
  dma.mapSg(bad, TO_DEVICE);
  assertEquals(ids(() => dma.unmapSg(bad.slice(0, 1), TO_DEVICE)), ["D7"]);
  assertEquals(ids(() => check.finish!()), []);
});

Deno.test("among several mappings of one address the one that agrees in everything is meant, or none", () => {
  const { dma, ids } = checked();
  map(dma, 0x20000, 64, TO_DEVICE);
  map(dma, 0x20000, 128, TO_DEVICE);
  assertEquals(ids(() => dma.unmapSingle(0x20000n, 96, TO_DEVICE)), ["D2"], "two fit equally badly");
  assertEquals(ids(() => dma.unmapSingle(0x20000n, 128, TO_DEVICE)), []);
  assertEquals(ids(() => dma.unmapSingle(0x20000n, 96, TO_DEVICE)), ["D4"], "only one is left");
});

Deno.test("a sync that begins buckets away from the start of a long mapping finds it", () => {
  const { dma, ids } = checked();
  map(dma, 0x20100, 0x4_0000, FROM_DEVICE);
  for (const offset of [0, 0x1eff, 0x1f00, 0x2000, 0x3_ffff]) {
    assertEquals(ids(() => dma.syncSingleForCpu(0x20100n + BigInt(offset), 1, FROM_DEVICE)), [], `offset ${offset}`);
  }
  assertEquals(ids(() => dma.syncSingleForCpu(0x20100n + 0x4_0000n, 1, FROM_DEVICE)), ["D16"]);
  assertEquals(ids(() => dma.syncSingleForCpu(0x200ffn, 1, FROM_DEVICE)), ["D16"]);
});

Deno.test("messages have Linux's words", () => {
  const { dma, world } = checked();
  dma.unmapSingle(0x8000_0000_0000_1000n, 512, TO_DEVICE);
  dma.unmapSingle(dma.mapSingle(0x20000, 128, TO_DEVICE), 64, TO_DEVICE);
  assertEquals(world.warnings, [
    {
      id: "D2",
      message: "DMA-API: device driver tries to free DMA memory it has not allocated " +
        "[device address=0x8000000000001000] [size=512 bytes]",
      device: "disk0",
    },
    {
      id: "D4",
      message: "DMA-API: device driver frees DMA memory with different size [device address=0x0000000000020000] " +
        "[map size=128 bytes] [unmap size=64 bytes]",
      device: "disk0",
    },
    {
      id: "D9",
      message: "DMA-API: device driver failed to check map error[device address=0x0000000000020000] " +
        "[size=64 bytes] [mapped as single]",
      device: "disk0",
    },
  ]);
});

Deno.test("memory that is a stack, read-only, free or none at all is D10, D11, E8, D12", () => {
  const { dma, ids, world: { guest: { heap } } } = checked();
  const stack = heap.alloc(4096, 64, Infinity, "stack")!;
  const data = heap.alloc(4096, 64, Infinity, "read-only")!;
  const freed = heap.alloc(4096, 64)!;
  heap.free(freed);
  assertEquals(ids(() => map(dma, stack + 100, 16, TO_DEVICE)), ["D10"]);
  assertEquals(ids(() => map(dma, data, 16, TO_DEVICE)), ["D11"]);
  assertEquals(ids(() => map(dma, freed, 16, TO_DEVICE)), ["E8"]);
  assertEquals(ids(() => map(dma, 0x8000_0000, 16, TO_DEVICE)), ["D12"]);
  assertEquals(ids(() => dma.mapSg([{ cpu: stack, length: 16 }], TO_DEVICE)), ["D10"]);
  assertEquals(ids(() => map(dma, heap.alloc(64, 64)!, 64, TO_DEVICE)), []);
});

Deno.test("a list with an old end mark in its middle is NET1, and is not mapped", () => {
  const { dma, ids } = checked();
  const list = () => [{ cpu: 0x10000, length: 64, end: true }, { cpu: 0x20000, length: 64, end: true }];
  assertEquals(ids(() => assertEquals(dma.mapSg(list(), TO_DEVICE), 0)), ["NET1"]);
  assertEquals(ids(() => assertEquals(dma.mapSgTable(list(), TO_DEVICE), -22)), ["NET1"]);
  assertEquals(ids(() => dma.mapSg(list().slice(1), TO_DEVICE)), []);
});

Deno.test("a buffer that is freed while it is mapped is E5", () => {
  const { dma, ids, world: { guest: { heap } } } = checked();
  const buffer = heap.alloc(4096, 64)!;
  const handle = map(dma, buffer, 512, TO_DEVICE);
  heap.free(buffer);
  assertEquals(ids(() => dma.unmapSingle(handle, 512, TO_DEVICE)), ["E5"]);
});

Deno.test("a list entry longer than the device takes is D22, and a segment across its boundary D23", () => {
  const { dma, ids } = checked();
  dma.params.maxSegmentSize = 4096;
  dma.params.segmentBoundaryMask = 0xffffn;
  const mapped = (cpu: number, length: number) => ids(() => dma.mapSg([{ cpu, length }], TO_DEVICE));
  assertEquals(mapped(0x10000, 4097), ["D22"]);
  assertEquals(mapped(0x1fff0, 17), ["D23"]);
  assertEquals(mapped(0x1fff0, 16), []);
});

Deno.test("eight mappings that begin in one cache line are too many: D15", () => {
  const { dma, ids } = checked();
  for (let i = 0; i < 8; i++) map(dma, 0x40000 + i, 1, FROM_DEVICE);
  assertEquals(ids(() => map(dma, 0x40008, 1, FROM_DEVICE)), ["D15", "D14"]);
});

Deno.test("when there are too many mappings to follow, the check says so once and falls silent", () => {
  const { dma, ids, check } = checked({ entries: 2 });
  map(dma, 0x20000, 64, TO_DEVICE);
  map(dma, 0x30000, 64, TO_DEVICE);
  assertEquals(ids(() => map(dma, 0x50000, 64, TO_DEVICE)), ["D24"]);
  assertEquals(ids(() => dma.unmapSingle(0xdead_0000n, 1, FROM_DEVICE)), []);
  assertEquals(ids(() => check.finish!()), []);
});

Deno.test("a map that failed is no mapping, and its value need not be unmapped", () => {
  class Full extends Identity {
    protected override map(): boolean {
      return false;
    }
  }
  const { dma, ids, check } = checked({}, Full);
  assertEquals(dma.mapSingle(0x20000, 64, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.mapSg([{ cpu: 0x20000, length: 64 }], TO_DEVICE), 0);
  assertEquals(ids(() => check.finish!()), []);
});

Deno.test("a device that goes on after unmapping is E1, unless the buffer is mapped again", () => {
  const { dma, port, ids } = checked();
  const handle = map(dma, 0x20000, 512, BIDIRECTIONAL);
  const access = () => port.write(handle + 16n, new Uint8Array(4));
  assertEquals(ids(access), []);
  dma.unmapSingle(handle, 512, BIDIRECTIONAL);
  assertEquals(ids(access), ["E1"]);
  map(dma, 0x20000, 512, BIDIRECTIONAL);
  assertEquals(ids(access), []);
});

Deno.test("a device that writes what it was lent for reading is E2, one that runs past the end E7", () => {
  const { dma, port, ids } = checked();
  const handle = map(dma, 0x20000, 512, TO_DEVICE);
  assertEquals(ids(() => port.read(handle, new Uint8Array(512))), []);
  assertEquals(ids(() => port.write(handle, new Uint8Array(1))), ["E2"]);
  assertEquals(ids(() => port.read(handle + 500n, new Uint8Array(13))), ["E7"]);
});

Deno.test("a device that uses another one's mapping is E4", () => {
  const { dma, device, ids } = checked();
  const other = device("net0", 16);
  const handle = map(dma, 0x20000, 512, BIDIRECTIONAL);
  assertEquals(ids(() => other.port.read(handle, new Uint8Array(4))), ["E4"]);
});

Deno.test("accesses that are nobody's buffer, such as an interrupt, are none of the checker's business", () => {
  const { dma, port, ids } = checked();
  map(dma, 0x20000, 512, BIDIRECTIONAL);
  assertEquals(ids(() => port.write32(0, 0xfee0_0000 | 0, 3)), []);
  assertEquals(ids(() => port.read(0x9_0000n, new Uint8Array(4))), []);
});

Deno.test("with devices: false nobody listens, and the bus builds no events", () => {
  const { world, port, dma, ids } = checked({ devices: false });
  assertEquals(world.events.listening, false);
  const handle = map(dma, 0x20000, 512, TO_DEVICE);
  assertEquals(ids(() => port.write(handle, new Uint8Array(1))), []);
});

Deno.test("one kind of problem is reported as often as asked, and then it says that it stops", () => {
  const { dma, world } = checked({ limit: 3 });
  for (let i = 0; i < 10; i++) dma.unmapSingle(BigInt(i), 1, TO_DEVICE);
  assertEquals(world.warningIds, ["D2", "D2", "D2"]);
  assert(world.warnings[2].message.endsWith("; more of these are not reported"));
});

Deno.test("ended mappings are remembered up to a limit and then forgotten one by one", () => {
  const { dma, port, ids } = checked();
  for (let i = 0; i < 3000; i++) {
    const cpu = 0x10_0000 + i * 4096;
    dma.unmapSingle(map(dma, cpu, 16, BIDIRECTIONAL), 16, BIDIRECTIONAL);
  }
  const access = (i: number) => ids(() => port.read(BigInt(0x10_0000 + i * 4096), new Uint8Array(1)));
  assertEquals([access(2999), access(3000 - 1024), access(3000 - 1025)], [["E1"], ["E1"], []]);
});
