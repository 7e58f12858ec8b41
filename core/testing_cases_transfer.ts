/**
 * Conformance: the bytes that a driver lends are the bytes that the device sees, and the other way round.
 *
 * @module
 */

import { DmaHandle } from "./address.ts";
import { Direction, DmaAttr } from "./dma_ops.ts";
import {
  type CaseWorld,
  DIRECTIONS,
  expectBytes,
  FOREIGN_BYTE,
  pattern,
  type PlatformCase,
  repeated,
} from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** Sizes and offsets in a page that go wrong first: a byte, odd ones, across a page, whole pages, many. */
const SHAPES: readonly (readonly [size: number, offset: number])[] = [
  [1, 0],
  [1, 0xfff],
  [3, 0x123],
  [64, 0x20],
  [100, 0x345],
  [512, 0xf00],
  [4096, 0],
  [4096, 1],
  [4097, 0],
  [10_000, 0x800],
  [65_536, 0],
];

function everyShape(at: CaseWorld, run: (cpu: number, size: number) => void): void {
  for (const [size, offset] of SHAPES) run(at.holding(pattern(size, size), offset), size);
}

/** The cases. */
export const transferCases: readonly PlatformCase[] = [
  {
    id: "read",
    name: "a device reads exactly the bytes that were mapped for it, whatever their size and place in a page",
    run: (at) =>
      everyShape(at, (cpu, size) => {
        const handle = at.map(cpu, size, TO_DEVICE);
        expectBytes(at.deviceReads(handle, size), pattern(size, size), `reading ${size} bytes`);
        at.dma.unmapSingle(handle, size, TO_DEVICE);
        expectBytes(at.cpuSees(cpu, size), pattern(size, size), "the buffer afterwards");
      }),
  },
  {
    id: "write",
    name: "what a device writes is in the buffer after unmapping, and nothing around it changed",
    run: (at) =>
      everyShape(at, (cpu, size) => {
        const handle = at.map(cpu, size, FROM_DEVICE);
        at.deviceWrites(handle, pattern(size, size + 1));
        at.dma.unmapSingle(handle, size, FROM_DEVICE);
        expectBytes(at.cpuSees(cpu, size), pattern(size, size + 1), `writing ${size} bytes`);
        at.expectUntouchedAround(cpu, size);
      }),
  },
  {
    id: "both-ways",
    name: "a bidirectional mapping carries both ways",
    run: (at) =>
      everyShape(at, (cpu, size) => {
        const handle = at.map(cpu, size, BIDIRECTIONAL);
        expectBytes(at.deviceReads(handle, size), pattern(size, size), "reading");
        at.deviceWrites(handle, pattern(size, size + 1));
        at.dma.unmapSingle(handle, size, BIDIRECTIONAL);
        expectBytes(at.cpuSees(cpu, size), pattern(size, size + 1), "the buffer afterwards");
        at.expectUntouchedAround(cpu, size);
      }),
  },
  {
    id: "parts",
    name: "a device may read and write parts of a mapping, at any offset",
    run: (at) => {
      const cpu = at.holding(pattern(9000), 0x700);
      const handle = at.map(cpu, 9000, BIDIRECTIONAL);
      const expected = pattern(9000);
      for (const [from, length] of [[0, 1], [8999, 1], [2300, 1], [2303, 4100], [2304, 4096], [17, 33]]) {
        expectBytes(
          at.deviceReads(handle + BigInt(from), length),
          expected.slice(from, from + length),
          "reading a part",
        );
        const written = pattern(length, from + 2);
        at.deviceWrites(handle + BigInt(from), written);
        expected.set(written, from);
      }
      at.dma.unmapSingle(handle, 9000, BIDIRECTIONAL);
      expectBytes(at.cpuSees(cpu, 9000), expected, "the buffer afterwards");
    },
  },
  {
    id: "short-write",
    name: "a device that writes less than the whole buffer leaves the rest of it as it was (C5)",
    run: (at) => {
      const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
      const cpu = at.holding(bytes, 0x40);
      const handle = at.map(cpu, 16, FROM_DEVICE);
      at.deviceWrites(handle + 4n, repeated(0xaa, 4));
      at.dma.unmapSingle(handle, 16, FROM_DEVICE);
      expectBytes(
        at.cpuSees(cpu, 16),
        new Uint8Array([0, 1, 2, 3, 0xaa, 0xaa, 0xaa, 0xaa, 8, 9, 10, 11, 12, 13, 14, 15]),
        "the buffer",
      );
      at.expectUntouchedAround(cpu, 16);
    },
  },
  {
    id: "no-leak",
    name: "nothing of an earlier mapping appears in a later one that the device did not write (C5)",
    run: (at) => {
      const secret = at.holding(repeated(0x77, 4096));
      at.dma.unmapSingle(at.map(secret, 4096, TO_DEVICE), 4096, TO_DEVICE);
      for (const direction of [FROM_DEVICE, BIDIRECTIONAL] as const) {
        const cpu = at.holding(new Uint8Array(4096));
        const handle = at.map(cpu, 4096, direction);
        at.dma.unmapSingle(handle, 4096, direction);
        expectBytes(at.cpuSees(cpu, 4096), new Uint8Array(4096), "a buffer that nobody wrote");
      }
    },
  },
  {
    id: "skip-sync",
    name: "a map that skips the CPU's sync still shows the device no foreign bytes, and an unmap leaves none (C5)",
    run: (at) => {
      const bytes = pattern(256);
      const cpu = at.holding(bytes);
      const handle = at.dma.mapSingle(cpu, 256, BIDIRECTIONAL, DmaAttr.SKIP_CPU_SYNC);
      if (at.dma.mappingError(handle) !== 0) throw new Error("mapping failed");
      expectBytes(at.deviceReads(handle, 256), bytes, "what the device reads");
      at.deviceWrites(handle, repeated(0xaa, 8));
      at.dma.unmapSingle(handle, 256, BIDIRECTIONAL, DmaAttr.SKIP_CPU_SYNC);
      // Whether the device's bytes arrived is the platform's affair; the others are the buffer's.
      expectBytes(at.cpuSees(cpu + 8, 248), bytes.slice(8), "what the device did not write");
    },
  },
  {
    id: "halves",
    name: "the form without allocation maps and unmaps as the other does",
    run: (at) => {
      const cpu = at.holding(pattern(300), 0x10);
      const out = new DmaHandle();
      for (const direction of DIRECTIONS) {
        if (!at.dma.mapInto(out, cpu, 300, direction)) throw new Error("mapping failed");
        const { hi, lo, value } = out;
        if (direction === FROM_DEVICE) at.deviceWrites(value, pattern(300));
        else expectBytes(at.deviceReads(value, 300), pattern(300), "reading");
        at.dma.unmapFrom(out, 300, direction);
        if (out.hi !== hi || out.lo !== lo) throw new Error("unmapFrom changed the handle, which is the caller's");
        expectBytes(at.cpuSees(cpu, 300), pattern(300), "the buffer afterwards");
      }
      at.expectBalance();
    },
  },
  {
    id: "page",
    name: "mapping by page and offset is mapping by address",
    run: (at) => {
      const cpu = at.holding(pattern(700), 0x123);
      const handle = at.dma.mapPage(cpu - 0x123, 0x123, 700, TO_DEVICE);
      expectBytes(at.deviceReads(handle, 700), pattern(700), "reading");
      at.dma.unmapPage(handle, 700, TO_DEVICE);
      at.expectBalance();
    },
  },
  {
    id: "large",
    name: "the largest mapping that is said to be cheap, up to 256 KiB, works in one piece",
    run: (at) => {
      const size = Math.min(at.dma.optMappingSize(), at.dma.maxMappingSize(), 0x4_0000);
      const cpu = at.holding(pattern(size));
      const handle = at.map(cpu, size, BIDIRECTIONAL);
      expectBytes(at.deviceReads(handle, size), pattern(size), "reading");
      at.deviceWrites(handle, repeated(FOREIGN_BYTE, size));
      at.dma.unmapSingle(handle, size, BIDIRECTIONAL);
      expectBytes(at.cpuSees(cpu, size), repeated(FOREIGN_BYTE, size), "the buffer afterwards");
    },
  },
];
