/**
 * Conformance: failure values, masks, limits, counters, and what happens to a driver that breaks the rules.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type DmaAddr, DmaHandle, PAGE_SIZE } from "./address.ts";
import { Direction, DMA_MAPPING_ERROR, dmaBitMask, type DmaOps, Errno } from "./dma_ops.ts";
import { DmaApiError } from "./errors.ts";
import { type CaseWorld, DIRECTIONS, expectBytes, pattern, type PlatformCase, repeated } from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL, NONE } = Direction;

/** Maps may fail, also forever; this many are enough to run out of what can run out. */
const MANY = 20_000;

/** Takes all of the guest's heap, so that a map that needs some fails. Returns the way back. */
function takeHeap({ world: { guest } }: CaseWorld): () => void {
  const taken: number[] = [];
  for (let size = 1 << 24; size >= 16; size /= 2) {
    for (let at = guest.heap.alloc(size); at !== null; at = guest.heap.alloc(size)) taken.push(at);
  }
  return () => taken.forEach((address) => guest.heap.free(address));
}

/** A mapping still carries bytes. */
function expectWorking(at: CaseWorld): void {
  const cpu = at.holding(pattern(600), 0x100);
  const handle = at.map(cpu, 600, TO_DEVICE);
  expectBytes(at.deviceReads(handle, 600), pattern(600), "a mapping made afterwards");
  at.dma.unmapSingle(handle, 600, TO_DEVICE);
}

/** Every address of a mapping is below the mask. */
function expectBelow(dma: DmaOps, handle: DmaAddr, size: number, mask: bigint): void {
  if (dma.mappingError(handle) !== 0) return;
  assert(handle + BigInt(size - 1) <= mask, `0x${handle.toString(16)} + ${size} is above 0x${mask.toString(16)}`);
}

/** Uses an address that was never handed out, or not any more, in every way there is. */
function abuse({ dma }: CaseWorld, handle: DmaAddr): void {
  dma.unmapSingle(handle, 64, TO_DEVICE);
  dma.unmapPage(handle, 4096, FROM_DEVICE);
  dma.unmapFrom(new DmaHandle().set(handle), 64, BIDIRECTIONAL);
  dma.syncSingleForCpu(handle, 64, FROM_DEVICE);
  dma.syncSingleForDevice(handle, 64, TO_DEVICE);
  dma.unmapResource(handle, 64, BIDIRECTIONAL);
  dma.needSync(handle);
}

/** The cases. */
export const ruleCases: readonly PlatformCase[] = [
  {
    id: "failure-value",
    name: "all ones is the failure value and nothing else is: address 0 can be valid",
    run: ({ dma }) => {
      assertEquals(dma.mappingError(DMA_MAPPING_ERROR), -Errno.ENOMEM);
      assertEquals([dma.mappingError(0n), dma.mappingError(1n), dma.mappingError(DMA_MAPPING_ERROR - 1n)], [0, 0, 0]);
    },
  },
  {
    id: "direction-none",
    name: "a direction that cannot be mapped stops the driver, and nothing is mapped",
    run: (at) => {
      const cpu = at.buffer(64);
      for (const direction of [NONE, 4 as Direction, -1 as Direction]) {
        assertThrows(() => at.dma.mapSingle(cpu, 64, direction), DmaApiError);
        assertThrows(() => at.dma.mapInto(new DmaHandle(), cpu, 64, direction), DmaApiError);
        assertThrows(() => at.dma.mapSg([{ cpu, length: 64 }], direction), DmaApiError);
      }
      assertEquals(at.stats.maps, 0);
    },
  },
  {
    id: "size-zero",
    name: "nothing cannot be mapped: a size of 0 gives the failure value or stops the driver",
    run: (at) => {
      const cpu = at.buffer(64);
      try {
        assertEquals(at.dma.mapSingle(cpu, 0, TO_DEVICE), DMA_MAPPING_ERROR);
      } catch (error) {
        assert(error instanceof DmaApiError);
      }
      assertEquals(at.stats.maps, 0);
    },
  },
  {
    id: "mask",
    name: "a mask that was accepted bounds every handle; memory above it is bounced, remapped or refused (C2)",
    run: (at) => {
      const high = at.world.space.ramRegions[1]?.base ?? 0;
      const low = at.holding(pattern(5000), 0x80);
      for (const bits of [20, 24, 30, 31, 32, 33, 40, 44, 48, 52, 63, 64]) {
        const mask = dmaBitMask(bits);
        const result = at.dma.setMask(mask);
        assert(result === 0 || result === -Errno.EIO, `setMask(${bits} bits) answered ${result}`);
        if (result !== 0) continue;
        for (const [cpu, size] of [[low, 5000], [low, 1], [high, 4096]]) {
          const handle = at.dma.mapSingle(cpu, size, TO_DEVICE);
          expectBelow(at.dma, handle, size, mask);
          if (at.dma.mappingError(handle) !== 0) continue;
          expectBytes(at.deviceReads(handle, size), at.cpuSees(cpu, size), `reading below ${bits} bits`);
          at.dma.unmapSingle(handle, size, TO_DEVICE);
        }
      }
      at.expectBalance();
    },
  },
  {
    id: "coherent-mask",
    name: "coherent memory obeys its own mask (C2)",
    run: ({ dma }) => {
      for (const bits of [24, 32, 44, 64]) {
        if (dma.setCoherentMask(dmaBitMask(bits)) !== 0) continue;
        const buffer = dma.allocCoherent(8192);
        if (buffer === null) continue;
        expectBelow(dma, buffer.handle, 8192, dmaBitMask(bits));
        dma.freeCoherent(8192, buffer.cpu, buffer.handle);
      }
    },
  },
  {
    id: "mask-refused",
    name: "a mask that is refused leaves the old one in force (C2)",
    run: (at) => {
      const { dma } = at;
      const kept = dma.setMask(dmaBitMask(32)) === 0 ? dmaBitMask(32) : dmaBitMask(64);
      if (dma.setMask(3n) !== 0) assertEquals(dma.setMask(3n), -Errno.EIO);
      else if (dma.setMask(kept) !== 0) throw new Error("a mask that was accepted before is refused");
      const cpu = at.holding(pattern(4096));
      const handle = dma.mapSingle(cpu, 4096, TO_DEVICE);
      expectBelow(dma, handle, 4096, kept);
      if (dma.mappingError(handle) === 0) dma.unmapSingle(handle, 4096, TO_DEVICE);
    },
  },
  {
    id: "required-mask",
    name: "the mask that the platform says it requires is one that it takes, and it is of the form 2^n − 1",
    run: ({ dma }) => {
      const mask = dma.requiredMask();
      assert(mask > 0n && (mask & (mask + 1n)) === 0n, `0x${mask.toString(16)}`);
      assertEquals(dma.setMask(mask), 0);
    },
  },
  {
    id: "low-bits",
    name: "low address bits that the device asks to keep are kept",
    run: (at) => {
      at.dma.params.minAlignMask = 0xfff;
      for (const [size, offset] of [[100, 0xe23], [512, 0xffe], [4096, 0x345], [1, 0]]) {
        const cpu = at.holding(pattern(size), offset);
        const handle = at.map(cpu, size, BIDIRECTIONAL);
        assertEquals(Number(handle & 0xfffn), offset);
        expectBytes(at.deviceReads(handle, size), pattern(size), "reading");
        at.deviceWrites(handle, pattern(size, 9));
        const half = size >> 1;
        at.dma.syncSingleForCpu(handle + BigInt(half), size - half, BIDIRECTIONAL);
        expectBytes(
          at.cpuSees(cpu + half, size - half),
          pattern(size, 9).slice(half),
          "after a sync of the second half",
        );
        at.dma.unmapSingle(handle, size, BIDIRECTIONAL);
        expectBytes(at.cpuSees(cpu, size), pattern(size, 9), "the buffer afterwards");
        at.expectUntouchedAround(cpu, size);
      }
    },
  },
  {
    id: "sizes",
    name: "the limits on sizes make sense, and a mapping beyond the largest is a failure value",
    run: (at) => {
      const { dma } = at;
      const max = dma.maxMappingSize();
      assert(max >= PAGE_SIZE && dma.optMappingSize() >= 1 && dma.optMappingSize() <= max, `${max}`);
      if (max < 0x8_0000) assertEquals(dma.mapSingle(at.buffer(16), max + 1, TO_DEVICE), DMA_MAPPING_ERROR);
      assertEquals(dma.mergeBoundary() & (dma.mergeBoundary() + 1), 0);
    },
  },
  {
    id: "exhaustion",
    name: "running out is a failure value, and after giving back there is room again (C7)",
    run: (at) => {
      const giveBack = takeHeap(at);
      const cpu = at.holding(pattern(2048));
      const handles: DmaAddr[] = [];
      let failed = false;
      for (let i = 0; i < MANY && !failed; i++) {
        const handle = at.dma.mapSingle(cpu, 2048, TO_DEVICE);
        if (at.dma.mappingError(handle) === 0) handles.push(handle);
        else failed = true;
      }
      const out = new DmaHandle();
      if (at.dma.mapInto(out, cpu, 2048, TO_DEVICE)) {
        assert(!failed, "the two forms of map do not agree");
        handles.push(out.value);
      }
      assertEquals(at.stats.maps, handles.length);
      for (const handle of handles) at.dma.unmapSingle(handle, 2048, TO_DEVICE);
      giveBack();
      expectWorking(at);
    },
  },
  {
    id: "gives-back",
    name: "a thousand rounds of mapping need no more of the guest's memory than one",
    run: (at) => {
      const { heap } = at.world.guest;
      const cpu = at.buffer(40_000);
      const round = () => {
        for (const size of [1, 64, 4096, 40_000]) {
          for (const direction of DIRECTIONS) at.dma.unmapSingle(at.map(cpu, size, direction), size, direction);
        }
        const coherent = at.dma.allocCoherent(5000)!;
        at.dma.freeCoherent(5000, coherent.cpu, coherent.handle);
      };
      round();
      const { used } = heap;
      for (let i = 0; i < 1000; i++) round();
      assertEquals(heap.used, used);
      at.expectBalance();
      assertEquals(at.stats.coherentBytes, 0);
    },
  },
  {
    id: "misuse-survived",
    name: "a driver that unmaps and syncs what it never mapped harms nobody else, and no exception comes of it",
    run: (at) => {
      const cpu = at.holding(repeated(0x42, 64));
      const handle = at.map(cpu, 64, TO_DEVICE);
      for (const wild of [DMA_MAPPING_ERROR, 0n, 0xdead_0000n, 0x8000_0000_0000_0000n]) abuse(at, wild);
      expectBytes(at.deviceReads(handle, 64), repeated(0x42, 64), "a mapping of its own");
      at.dma.unmapSingle(handle, 64, TO_DEVICE);
      abuse(at, handle);
      at.dma.freeCoherent(4096, 0xdead_0000, 0xdead_0000n);
      expectWorking(at);
    },
  },
  {
    id: "misuse-reported",
    name: "unmapping twice, with another size, in another direction, or the failure value is reported",
    run: (at) => {
      const { dma, world } = at;
      const reported = (what: string, misuse: () => void) => {
        const before = world.warnings.length;
        misuse();
        assert(world.warnings.length > before, `${what} was not reported`);
      };
      const cpu = at.buffer(128);
      const handle = at.map(cpu, 128, TO_DEVICE);
      dma.unmapSingle(handle, 128, TO_DEVICE);
      assertEquals(world.warnings, []);
      reported("unmapping twice", () => dma.unmapSingle(handle, 128, TO_DEVICE));
      reported("unmapping the failure value", () => dma.unmapSingle(DMA_MAPPING_ERROR, 128, TO_DEVICE));
      reported("another size", () => dma.unmapSingle(at.map(cpu, 128, TO_DEVICE), 64, TO_DEVICE));
      reported("another direction", () => dma.unmapSingle(at.map(cpu, 128, TO_DEVICE), 128, FROM_DEVICE));
      reported("a sync of nothing", () => dma.syncSingleForCpu(handle, 128, TO_DEVICE));
    },
  },
  {
    id: "counters",
    name: "maps, unmaps, failures and syncs are counted",
    run: (at) => {
      const { dma, stats } = at;
      const cpu = at.buffer(64);
      const handle = at.map(cpu, 64, BIDIRECTIONAL);
      dma.syncSingleForCpu(handle, 64, BIDIRECTIONAL);
      dma.syncSingleForDevice(handle, 64, BIDIRECTIONAL);
      assertEquals([stats.maps, stats.unmaps, stats.mapFailures, stats.syncs], [1, 0, 0, 2]);
      dma.unmapSingle(handle, 64, BIDIRECTIONAL);
      assertEquals([stats.maps, stats.unmaps, stats.mapFailures], [1, 1, 0]);
    },
  },
];
