/**
 * Conformance: lending a mapped buffer back and forth.
 *
 * @module
 */

import { Direction } from "./dma_ops.ts";
import { expectBytes, pattern, type PlatformCase, repeated } from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** The cases. */
export const syncCases: readonly PlatformCase[] = [
  {
    id: "polling",
    name: "a driver that polls (sync for CPU, look, sync for device) loses nothing that the device writes between (C6)",
    run: (at) => {
      const cpu = at.holding(new Uint8Array(16));
      const handle = at.map(cpu, 16, FROM_DEVICE);
      at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
      expectBytes(at.cpuSees(cpu, 16), new Uint8Array(16), "before the device wrote");
      at.deviceWrites(handle, repeated(0x11, 16));
      at.dma.syncSingleForDevice(handle, 16, FROM_DEVICE);
      at.dma.syncSingleForCpu(handle, 16, FROM_DEVICE);
      expectBytes(at.cpuSees(cpu, 16), repeated(0x11, 16), "after the device wrote");
      at.dma.unmapSingle(handle, 16, FROM_DEVICE);
      expectBytes(at.cpuSees(cpu, 16), repeated(0x11, 16), "after unmapping");
    },
  },
  {
    id: "partial-sync",
    name: "a sync of a part shows that part, and unmapping shows the rest (C6)",
    run: (at) => {
      const cpu = at.holding(new Uint8Array(16));
      const handle = at.map(cpu, 16, FROM_DEVICE);
      at.deviceWrites(handle, repeated(0x22, 16));
      at.dma.syncSingleForCpu(handle + 4n, 8, FROM_DEVICE);
      expectBytes(at.cpuSees(cpu + 4, 8), repeated(0x22, 8), "the part");
      at.dma.unmapSingle(handle, 16, FROM_DEVICE);
      expectBytes(at.cpuSees(cpu, 16), repeated(0x22, 16), "the whole");
    },
  },
  {
    id: "partial-sync-pages",
    name: "parts of a mapping of many pages are synced where they lie",
    run: (at) => {
      const cpu = at.holding(new Uint8Array(20_000), 0x234);
      const handle = at.map(cpu, 20_000, BIDIRECTIONAL);
      at.deviceWrites(handle, pattern(20_000));
      for (const [from, length] of [[19_999, 1], [0, 1], [4095, 2], [8000, 9000]]) {
        at.dma.syncSingleForCpu(handle + BigInt(from), length, BIDIRECTIONAL);
        expectBytes(at.cpuSees(cpu + from, length), pattern(20_000).slice(from, from + length), `bytes from ${from}`);
        at.dma.syncSingleForDevice(handle + BigInt(from), length, BIDIRECTIONAL);
      }
      at.dma.unmapSingle(handle, 20_000, BIDIRECTIONAL);
      expectBytes(at.cpuSees(cpu, 20_000), pattern(20_000), "the whole");
      at.expectUntouchedAround(cpu, 20_000);
    },
  },
  {
    id: "hand-back",
    name: "what the CPU writes between the two syncs of a bidirectional mapping is what the device reads (C6)",
    run: (at) => {
      const cpu = at.holding(new Uint8Array(16));
      const handle = at.map(cpu, 16, BIDIRECTIONAL);
      at.deviceWrites(handle, repeated(0x22, 16));
      at.dma.syncSingleForCpu(handle, 16, BIDIRECTIONAL);
      at.cpuWrites(cpu, repeated(0x33, 8));
      at.dma.syncSingleForDevice(handle, 16, BIDIRECTIONAL);
      const expected = new Uint8Array([...repeated(0x33, 8), ...repeated(0x22, 8)]);
      expectBytes(at.deviceReads(handle, 16), expected, "what the device reads");
      at.dma.unmapSingle(handle, 16, BIDIRECTIONAL);
      expectBytes(at.cpuSees(cpu, 16), expected, "the buffer afterwards");
    },
  },
  {
    id: "refill",
    name: "a buffer for the device can be filled again while it stays mapped",
    run: (at) => {
      const cpu = at.holding(pattern(128));
      const handle = at.map(cpu, 128, TO_DEVICE);
      for (let round = 2; round < 5; round++) {
        at.dma.syncSingleForCpu(handle, 128, TO_DEVICE);
        at.cpuWrites(cpu, pattern(128, round));
        at.dma.syncSingleForDevice(handle, 128, TO_DEVICE);
        expectBytes(at.deviceReads(handle, 128), pattern(128, round), `round ${round}`);
      }
      at.dma.unmapSingle(handle, 128, TO_DEVICE);
      expectBytes(at.cpuSees(cpu, 128), pattern(128, 4), "the buffer afterwards");
    },
  },
  {
    id: "need-sync",
    name: "where no sync is needed, the CPU sees the device's bytes without one",
    run: (at) => {
      const cpu = at.holding(new Uint8Array(32));
      const handle = at.map(cpu, 32, FROM_DEVICE);
      at.deviceWrites(handle, pattern(32));
      if (!at.dma.needSync(handle)) expectBytes(at.cpuSees(cpu, 32), pattern(32), "without a sync");
      at.dma.unmapSingle(handle, 32, FROM_DEVICE);
    },
  },
];
