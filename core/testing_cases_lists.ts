/**
 * Conformance: scatterlists, coherent memory, registers of peers.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Direction, DMA_MAPPING_ERROR, dmaBitMask, Errno, type ScatterEntry } from "./dma_ops.ts";
import { DmaApiError } from "./errors.ts";
import {
  type CaseWorld,
  DIRECTIONS,
  expectBytes,
  expectStatus,
  pattern,
  type PlatformCase,
  repeated,
} from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** A list of buffers of these sizes and page offsets, filled one after another from one pattern. */
function makeList(at: CaseWorld, shapes: readonly (readonly [size: number, offset: number])[]): ScatterEntry[] {
  let done = 0;
  const total = shapes.reduce((sum, [size]) => sum + size, 0);
  return shapes.map(([length, offset]) => {
    const cpu = at.holding(pattern(total).slice(done, done + length), offset);
    done += length;
    return { cpu, length };
  });
}

const MIXED = [[4096, 0], [512, 0xe00], [4096, 0], [100, 0x10], [2048, 0]] as const;
const MIXED_BYTES = MIXED.reduce((sum, [size]) => sum + size, 0);

function cpuFields(list: ScatterEntry[]): [number, number][] {
  return list.map(({ cpu, length }) => [cpu, length]);
}

/** What the device reads through the first `count` segments. */
function throughSegments(at: CaseWorld, list: ScatterEntry[], count: number): Uint8Array {
  return new Uint8Array(
    list.slice(0, count).flatMap((entry) => [...at.deviceReads(entry.dmaAddress!, entry.dmaLength!)]),
  );
}

/** The cases. */
export const listCases: readonly PlatformCase[] = [
  {
    id: "sg",
    name: "a device that follows the returned segments reads the list's bytes in order, merged or not (C10)",
    run: (at) => {
      const list = makeList(at, MIXED);
      const before = cpuFields(list);
      const count = at.dma.mapSg(list, TO_DEVICE);
      assert(count >= 1 && count <= list.length, `${count} segments`);
      const bytes = list.slice(0, count).reduce((sum, entry) => sum + entry.dmaLength!, 0);
      assertEquals(bytes, MIXED_BYTES, "bytes in all segments");
      for (const rest of list.slice(count)) {
        assertEquals([rest.dmaAddress, rest.dmaLength], [DMA_MAPPING_ERROR, 0], "an entry beyond the count");
      }
      expectBytes(throughSegments(at, list, count), pattern(MIXED_BYTES), "through the segments");
      at.dma.unmapSg(list, TO_DEVICE);
      assertEquals(cpuFields(list), before, "the driver's fields are the driver's");
    },
  },
  {
    id: "sg-write",
    name: "what a device writes through segments is in the list's buffers after unmapping",
    run: (at) => {
      const list = makeList(at, MIXED);
      const count = at.dma.mapSg(list, FROM_DEVICE);
      let done = 0;
      for (const { dmaAddress, dmaLength } of list.slice(0, count)) {
        at.deviceWrites(dmaAddress!, pattern(MIXED_BYTES, 5).slice(done, done += dmaLength!));
      }
      at.dma.syncSgForCpu(list, FROM_DEVICE);
      at.dma.syncSgForDevice(list, FROM_DEVICE);
      at.dma.unmapSg(list, FROM_DEVICE);
      done = 0;
      for (const { cpu, length } of list) {
        expectBytes(at.cpuSees(cpu, length), pattern(MIXED_BYTES, 5).slice(done, done += length), "an entry");
        at.expectUntouchedAround(cpu, length);
      }
    },
  },
  {
    id: "sg-limits",
    name: "merging respects the device's segment size and boundary (C10)",
    run: (at) => {
      const { params } = at.dma;
      params.maxSegmentSize = 8192;
      params.segmentBoundaryMask = 0x3fffn;
      const list = makeList(at, Array.from({ length: 12 }, () => [4096, 0] as const));
      const count = at.dma.mapSg(list, TO_DEVICE);
      for (const { dmaAddress, dmaLength } of list.slice(0, count)) {
        assert(dmaLength! <= 8192, `a segment of ${dmaLength} bytes`);
        const last = dmaAddress! + BigInt(dmaLength! - 1);
        assertEquals((dmaAddress! ^ last) & ~0x3fffn, 0n, `a segment across the boundary`);
      }
      expectBytes(throughSegments(at, list, count), pattern(12 * 4096), "through the segments");
      at.dma.unmapSg(list, TO_DEVICE);
    },
  },
  {
    id: "sg-again",
    name: "a list can be mapped again after it was unmapped",
    run: (at) => {
      const list = makeList(at, MIXED);
      for (const direction of DIRECTIONS) {
        const count = at.dma.mapSg(list, direction);
        assert(count > 0);
        if (direction !== FROM_DEVICE) expectBytes(throughSegments(at, list, count), pattern(MIXED_BYTES), "reading");
        at.dma.unmapSg(list, direction);
      }
    },
  },
  {
    id: "sg-bad",
    name: "a list that is empty or ends before its end stops the driver",
    run: (at) => {
      const [cpu, length] = [at.buffer(64), 64];
      assertThrows(() => at.dma.mapSg([], TO_DEVICE), DmaApiError);
      assertThrows(() => at.dma.mapSg([{ cpu, length, end: true }, { cpu, length }], TO_DEVICE), DmaApiError);
      const list = [{ cpu, length }, { cpu, length, end: true }];
      assert(at.dma.mapSg(list, TO_DEVICE) > 0);
      at.dma.unmapSg(list, TO_DEVICE);
    },
  },
  {
    id: "sg-failure",
    name: "a list that cannot be mapped whole is not mapped at all, and copies nothing back (C7)",
    run: (at) => {
      const { dma } = at;
      const list = makeList(at, [[512, 0], [512, 0x100]]);
      // Nothing is at this address: whoever maps it can only name it, and above 32 bits the device cannot.
      if (dma.setMask(dmaBitMask(32)) !== 0) return;
      list.push({ cpu: 0x1_0000_0000, length: 512 });
      const result = dma.mapSgTable(list, BIDIRECTIONAL);
      if (result > 0) return dma.unmapSg(list, BIDIRECTIONAL);
      const known = [-Errno.EINVAL, -Errno.ENOMEM, -Errno.EIO, -Errno.EREMOTEIO];
      assert(known.includes(result), `mapSgTable answered ${result}`);
      assertEquals(dma.mapSg(list, BIDIRECTIONAL), 0, "the public form says 0");
      for (const { dmaAddress, dmaLength } of list) assertEquals([dmaAddress, dmaLength], [DMA_MAPPING_ERROR, 0]);
      at.expectBalance();
      expectBytes(at.cpuSees(list[0].cpu, 512), pattern(1536).slice(0, 512), "the first buffer");
    },
  },
  {
    id: "coherent",
    name: "coherent memory is zeroed, and both sides see it at once (C11)",
    run: (at) => {
      const { cpu, handle, size } = at.dma.allocCoherent(10_246)!;
      assertEquals(size, 10_246);
      expectBytes(at.deviceReads(handle, size), new Uint8Array(size), "fresh memory");
      at.cpuWrites(cpu, pattern(size));
      expectBytes(at.deviceReads(handle, size), pattern(size), "what the CPU wrote");
      at.deviceWrites(handle + 8192n, repeated(0xee, 100));
      expectBytes(at.cpuSees(cpu + 8192, 100), repeated(0xee, 100), "what the device wrote");
      at.dma.freeCoherent(size, cpu, handle);
    },
  },
  {
    id: "coherent-aligned",
    name: "both addresses of coherent memory are aligned to the power of two of pages that holds it (C11)",
    run: ({ dma }) => {
      for (const [size, order] of [[1, 0x1000], [4096, 0x1000], [10_246, 0x4000], [0x1_0001, 0x2_0000]]) {
        const { cpu, handle } = dma.allocCoherent(size)!;
        assertEquals([cpu % order, Number(handle % BigInt(order))], [0, 0], `${size} bytes`);
      }
    },
  },
  {
    id: "coherent-zeroed",
    name: "coherent memory that is used again is zeroed again",
    run: (at) => {
      for (let round = 0; round < 3; round++) {
        const { cpu, handle } = at.dma.allocCoherent(4096)!;
        expectBytes(at.cpuSees(cpu, 4096), new Uint8Array(4096), "the CPU's view");
        at.deviceWrites(handle, repeated(0xff, 4096));
        at.dma.freeCoherent(4096, cpu, handle);
      }
    },
  },
  {
    id: "coherent-none",
    name: "when there is no room for coherent memory the answer is null",
    run: ({ dma, stats }) => {
      assertEquals(dma.allocCoherent(2 ** 33), null);
      assertEquals(stats.coherentBytes, 0);
    },
  },
  {
    id: "coherent-apart",
    name: "pieces of coherent memory do not overlap, and freeing one leaves the others",
    run: (at) => {
      const sizes = [1, 4096, 5000, 16_384];
      const buffers = sizes.map((size) => at.dma.allocCoherent(size)!);
      buffers.forEach(({ cpu, size }, i) => at.cpuWrites(cpu, repeated(i + 1, size)));
      at.dma.freeCoherent(sizes[1], buffers[1].cpu, buffers[1].handle);
      for (const i of [0, 2, 3]) {
        expectBytes(at.deviceReads(buffers[i].handle, sizes[i]), repeated(i + 1, sizes[i]), `piece ${i}`);
      }
    },
  },
  {
    id: "resource",
    name: "registers of a peer can be mapped and reached, memory cannot be mapped as registers",
    run: (at) => {
      const { world, dma } = at;
      const writes: number[] = [];
      const block = {
        read: () => 0xcafe,
        write: (_offset: number, _width: number, value: number) => writes.push(value),
      };
      const base = world.reserveRegisters(0x1000, "peer", block);
      at.platform.bus.claim(base, 0x1000, world.space.registers(base)!);
      assertThrows(() => dma.mapResource(at.buffer(64), 64, BIDIRECTIONAL), DmaApiError);
      const handle = dma.mapResource(base, 0x1000, BIDIRECTIONAL);
      if (dma.mappingError(handle) !== 0) return;
      expectStatus(at.port.write(handle + 0x10n, new Uint8Array([1, 2, 0, 0])), "the device's write to a peer");
      assertEquals(writes, [0x201]);
      dma.unmapResource(handle, 0x1000, BIDIRECTIONAL);
    },
  },
];
