/**
 * Conformance: what a device can reach, and what it cannot. Platforms without translation are excused from most of these.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DmaAddr } from "./address.ts";
import { Access, AddressType, BusStatus, Transaction, Translation } from "./bus_translator.ts";
import { Direction } from "./dma_ops.ts";
import { type CaseWorld, expectBytes, expectRefused, pattern, type PlatformCase, repeated } from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** Live mappings at once. */
const LIVE = 64;

/** Maps buffers of many sizes at once, `[cpu, size, handle]`. */
function manyLive(at: CaseWorld): [number, number, DmaAddr][] {
  return Array.from({ length: LIVE }, (_, i) => {
    const size = [1, 16, 100, 512, 4096, 6000][i % 6];
    const cpu = at.holding(pattern(size, i), (i * 0x68) & 0xfff);
    return [cpu, size, at.map(cpu, size, BIDIRECTIONAL)];
  });
}

/** The cases. */
export const accessCases: readonly PlatformCase[] = [
  {
    id: "no-overlap",
    name: "the addresses of mappings that are live together do not overlap, nor do those of coherent memory",
    run: (at) => {
      const ranges = manyLive(at).map(([, size, handle]) => [handle, handle + BigInt(size - 1)]);
      for (const size of [4096, 9000]) {
        const { handle } = at.dma.allocCoherent(size)!;
        ranges.push([handle, handle + BigInt(size - 1)]);
      }
      ranges.sort(([a], [b]) => a < b ? -1 : 1);
      for (let i = 1; i < ranges.length; i++) {
        assert(ranges[i - 1][1] < ranges[i][0], `0x${ranges[i][0].toString(16)} is in two mappings`);
      }
    },
  },
  {
    id: "own-bytes",
    name: "each of many live mappings leads to its own buffer, whatever order they are unmapped in",
    run: (at) => {
      const live = manyLive(at);
      live.forEach(([, size, handle], i) =>
        expectBytes(at.deviceReads(handle, size), pattern(size, i), `mapping ${i}`)
      );
      live.forEach(([, size, handle], i) => at.deviceWrites(handle, pattern(size, i + 100)));
      const order = [...live.keys()].sort((a, b) => (a * 29) % LIVE - (b * 29) % LIVE);
      for (const i of order) {
        const [cpu, size, handle] = live[i];
        at.dma.unmapSingle(handle, size, BIDIRECTIONAL);
        expectBytes(at.cpuSees(cpu, size), pattern(size, i + 100), `buffer ${i}`);
        at.expectUntouchedAround(cpu, size);
      }
      at.expectBalance();
    },
  },
  {
    id: "two-devices",
    name: "two devices can share a buffer, and one that gives it back takes nothing from the other",
    run: (at) => {
      const other = at.another();
      const cpu = at.holding(pattern(5000), 0x321);
      const mine = at.map(cpu, 5000, TO_DEVICE);
      const theirs = at.map(cpu, 5000, TO_DEVICE, other.dma);
      at.dma.unmapSingle(mine, 5000, TO_DEVICE);
      expectBytes(at.deviceReads(theirs, 5000, other.port), pattern(5000), "the other device");
      other.dma.unmapSingle(theirs, 5000, TO_DEVICE);
    },
  },
  {
    id: "fault-after-unmap",
    name: "a device that goes on after unmapping is refused, and its bytes reach no buffer",
    run: (at) => {
      for (const size of [1, 512, 4096, 10_000]) {
        const cpu = at.holding(pattern(size), 0x10);
        const handle = at.map(cpu, size, BIDIRECTIONAL);
        at.deviceWrites(handle, pattern(size));
        at.dma.unmapSingle(handle, size, BIDIRECTIONAL);
        expectRefused(at.port.write(handle, repeated(0xee, size)), "a write after unmapping");
        expectRefused(at.port.read(handle, new Uint8Array(size)), "a read after unmapping");
        expectBytes(at.cpuSees(cpu, size), pattern(size), "the buffer");
      }
    },
  },
  {
    id: "fault-outside",
    name: "a device that goes one byte beyond a mapping is refused",
    run: (at) => {
      for (const size of [1, 100, 4096, 5000]) {
        const handle = at.map(at.holding(pattern(size)), size, BIDIRECTIONAL);
        expectRefused(at.port.read(handle + BigInt(size), new Uint8Array(1)), "a read after the end");
        expectRefused(at.port.write(handle - 1n, new Uint8Array(1)), "a write before the start");
        expectRefused(at.port.write(handle, new Uint8Array(size + 1)), "a write that is one byte too long");
      }
    },
  },
  {
    id: "fault-write",
    name: "a device cannot write what it was lent to read",
    run: (at) => {
      const cpu = at.holding(pattern(600), 0x80);
      const handle = at.map(cpu, 600, TO_DEVICE);
      expectRefused(at.port.write(handle, repeated(0xee, 600)), "a write to memory lent for reading");
      expectBytes(at.deviceReads(handle, 600), pattern(600), "what the device reads afterwards");
      at.dma.unmapSingle(handle, 600, TO_DEVICE);
      expectBytes(at.cpuSees(cpu, 600), pattern(600), "the buffer");
    },
  },
  {
    id: "fault-read",
    name: "a device cannot read what it was lent to write",
    run: (at) => {
      const handle = at.map(at.holding(pattern(600)), 600, FROM_DEVICE);
      expectRefused(at.port.read(handle, new Uint8Array(600)), "a read of memory lent for writing");
    },
  },
  {
    id: "fault-other",
    name: "a device cannot use an address that was made for another one",
    run: (at) => {
      const other = at.another();
      const cpu = at.holding(pattern(64));
      const handle = at.map(cpu, 64, BIDIRECTIONAL);
      expectRefused(other.port.write(handle, repeated(0xee, 64)), "another device's write");
      expectBytes(at.deviceReads(handle, 64), pattern(64), "what the right device reads");
    },
  },
  {
    id: "fault-recorded",
    name: "an access that the platform refuses leaves a fault record that names requester, address and access",
    run: (at) => {
      const cpu = at.holding(pattern(64));
      const handle = at.map(cpu, 64, BIDIRECTIONAL);
      at.dma.unmapSingle(handle, 64, BIDIRECTIONAL);
      const log = at.world.record();
      at.port.write(handle + 8n, new Uint8Array(4));
      const records = log.filter(({ type }) => type === "fault-record");
      assertEquals(records.map(({ requester, address, access }) => [requester, address, access]), [
        [at.port.requester, "0x" + (handle + 8n).toString(16), "write"],
      ]);
    },
  },
  {
    id: "lease",
    name: "unmapping ends the leases that a device holds over the mapping; nothing is written through them any more",
    run: (at) => {
      const cpu = at.holding(pattern(8000), 0x200);
      const handle = at.map(cpu, 8000, BIDIRECTIONAL);
      const hi = Number(BigInt.asIntN(32, handle >> 32n));
      const lo = Number(BigInt.asIntN(32, handle));
      const result = at.port.map([{ hi, lo, length: 8000, access: Access.WRITE }]);
      if (!result.ok) throw new Error("the device got no lease over its mapping");
      result.lease.use(([view]) => view.forEach(({ bytes }) => bytes.fill(0x11)));
      at.dma.unmapSingle(handle, 8000, BIDIRECTIONAL);
      expectBytes(at.cpuSees(cpu, 8000), repeated(0x11, 8000), "what was written while the mapping was live");
      assertEquals(result.lease.live, false, "the lease outlived its mapping");
      assertEquals(result.lease.use(() => "lent"), undefined);
    },
  },
  {
    id: "honest-answers",
    name: "a translation holds for the whole block that it names",
    run: (at) => {
      const { translator } = at.platform;
      if (translator === null) return;
      const tx = new Transaction();
      tx.requester = at.port.requester;
      const out = new Translation();
      const ask = (address: DmaAddr) => {
        tx.hi = Number(BigInt.asIntN(32, address >> 32n));
        tx.lo = Number(BigInt.asIntN(32, address));
        tx.length = 1;
        const status = translator.translate(tx, out);
        assertEquals(status, BusStatus.OK, `0x${address.toString(16)}`);
        return out.shift;
      };
      for (const [, size, handle] of manyLive(at)) {
        for (const address of [handle, handle + BigInt(size >> 1), handle + BigInt(size - 1)]) {
          const block = (1n << BigInt(Math.min(ask(address), 16))) - 1n;
          ask(address & ~block);
          ask(address | block);
        }
      }
    },
  },
  {
    id: "no-ats",
    name: "without ATS a translator refuses translation requests and addresses that claim to be translated",
    run: (at) => {
      const { translator } = at.platform;
      if (translator === null || translator.ats !== undefined) return;
      const handle = at.map(at.buffer(64), 64, BIDIRECTIONAL);
      const tx = new Transaction();
      tx.requester = at.port.requester;
      tx.hi = Number(BigInt.asIntN(32, handle >> 32n));
      tx.lo = Number(BigInt.asIntN(32, handle));
      tx.length = 4;
      for (const type of [AddressType.TRANSLATION_REQUEST, AddressType.TRANSLATED]) {
        tx.addressType = type;
        assertEquals(translator.translate(tx, new Translation()), BusStatus.UNSUPPORTED_REQUEST);
      }
    },
  },
  {
    id: "wild",
    name: "no address that a device makes up breaks the host",
    run: (at) => {
      manyLive(at);
      const random = at.world.services().random;
      const bytes = new Uint8Array(64);
      const pick = () => [0, -1, 1 << 31, 0x7fff_ffff, random.next() | 0, random.below(1 << 24)][random.below(6)];
      for (let i = 0; i < 2000; i++) at.port.readAt(pick(), pick(), bytes, 0, 1 + random.below(64));
    },
  },
];
