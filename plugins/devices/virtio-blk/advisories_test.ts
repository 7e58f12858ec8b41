/** Published mistakes of block devices and of transports, each by its number: what made others fail, and what it does here. */

import { assert, assertEquals } from "@std/assert";
import type { Width } from "@iova/core";
import { MockRing } from "@iova/virtio/testing";
import { BlockConfig } from "./layout.ts";
import { SLOT, TRANSPORTS, type TransportWorld, transportWorld } from "./testdata/transports.ts";
import { blkWorld, DATA, HDR, header, HOLE, request, ST } from "./testdata/world.ts";

const HEADER = { addr: BigInt(HDR), len: 16 };
const READ = { addr: BigInt(DATA), len: 512, flags: 2 };
const STATUS = { addr: BigInt(ST), len: 1, flags: 2 };

Deno.test("CVE-2011-1750: a length that is no multiple of a sector moves nothing past the end of a buffer", () => {
  for (const type of [0, 1]) {
    for (const length of [1, 511, 513, 1023]) {
      const w = blkWorld();
      const medium = w.disk.bytes.slice();
      w.space.bytes(DATA, 2048).fill(0xcc);
      request(w, type, 3, length);
      w.go();
      assertEquals([w.hex(ST, 1), w.disk.bytes], ["01", medium]);
      assert(w.space.bytes(DATA, 2048).every((byte) => byte === 0xcc));
    }
  }
});

/** Where a transport is kicked. */
function kick(w: TransportWorld, queue: number, width: Width): void {
  if (w.name.startsWith("mmio")) return w.guest.write(SLOT + 0x50, width, queue);
  const fn = w.pci.function(8);
  if (fn.bars.has(0)) fn.write(0, 0x10, width, queue);
  if (fn.bars.has(4)) fn.write(4, 0x3000 + 4 * queue & 0x3fff, width, queue);
}

Deno.test("CVE-2011-2512: a kick for a queue that does not exist, or for a negative one, is no kick", () => {
  for (const name of TRANSPORTS) {
    for (const personality of ["spec", "qemu"] as const) {
      const w = transportWorld(name, { personality });
      for (const queue of [1, 64, 1023, 1024, 0x7fff, 0x8000, 0xffff, 0xffff_ffff]) {
        for (const width of [1, 2, 4] as const) kick(w, queue, width);
      }
      w.scheduler.settle();
      assertEquals([w.plug.device.breakdown, w.plug.port.stats.reads], ["", 0], name);
    }
  }
});

Deno.test("CVE-2013-2016: the configuration is read and written within its bounds, whatever offset and width add up to", () => {
  for (const name of TRANSPORTS) {
    for (const personality of ["spec", "qemu"] as const) {
      const { plug: { device }, model } = transportWorld(name, { personality });
      const before = model.config.slice();
      device.writeStatus(3, name.includes("legacy"));
      for (let offset = model.config.length - 4; offset < model.config.length + 8; offset++) {
        for (const width of [1, 2, 4] as const) {
          const value = device.readConfig(offset, width);
          const beyond = personality === "qemu" ? 2 ** (8 * width) - 1 : 0;
          if (offset >= model.config.length) assertEquals(value, beyond, `${name} ${offset}`);
          device.writeConfig(offset, width, 0xffff_ffff, name.includes("legacy"));
        }
      }
      for (const offset of [0xffc, 0x7fff_ffff, 0xffff_fffc]) device.readConfig(offset, 4);
      assertEquals(model.config, before);
      assertEquals(model.config.length, personality === "qemu" ? 57 : BlockConfig.size);
    }
  }
});

Deno.test("CVE-2016-7422: a length as long as the address space breaks the device or fails the request", () => {
  for (const len of [0x7fff_fe00, 0xffff_fe00]) {
    const w = blkWorld();
    w.put(HDR, header(0, 0));
    w.ring.chain(0, [HEADER, { ...READ, len }, STATUS]);
    w.go();
    assertEquals([w.hex(ST, 1), w.driver.status], ["01", 0x0f], `${len}`);
  }
});

Deno.test("CVE-2021-3748 and CVE-2022-26353: on no way out of a request does a lease stay, or memory change afterwards", () => {
  const ends: Record<string, (w: ReturnType<typeof blkWorld>) => void> = {
    "data leads nowhere": (w) => w.ring.chain(0, [HEADER, { ...READ, addr: HOLE }, STATUS]),
    "half of the data leads nowhere": (w) => w.ring.chain(0, [HEADER, READ, { ...READ, addr: HOLE }, STATUS]),
    "the status leads nowhere": (w) => w.ring.chain(0, [HEADER, READ, { ...STATUS, addr: HOLE }]),
    "a reset in the middle": (w) => {
      w.ring.chain(0, [HEADER, READ, STATUS]);
      w.driver.kick();
      w.scheduler.advance(w.scheduler.now + 10);
      w.driver.transport.writeStatus(0);
    },
  };
  for (const [name, offer] of Object.entries(ends)) {
    const w = blkWorld({ latency: 100 });
    w.put(HDR, header(0, 3));
    offer(w);
    w.driver.kick();
    w.scheduler.advance(w.scheduler.now + 1000);
    w.driver.transport.writeStatus(0);
    assertEquals(w.context.leases.leases.size, 0, name);
    const after = w.hex(DATA, 512);
    w.scheduler.advance(w.scheduler.now + 1000);
    assertEquals(w.hex(DATA, 512), after, name);
  }
});

Deno.test("CVE-2024-3446: a request that aims at its own device's registers re-enters nothing", () => {
  // Common configuration, interrupt status, device configuration, kicks.
  for (const offset of [0, 0x14, 0x1000, 0x2000, 0x3000]) {
    for (const type of [0, 1, 8]) {
      const w = blkWorld();
      const own = BigInt(w.pci.function(8).bar(4).address + offset);
      w.put(HDR, header(type, 3));
      w.ring.chain(0, [HEADER, { addr: own, len: 512, flags: type === 1 ? 0 : 2 }, STATUS]);
      w.go();
      // Data is not lent from registers. A serial number is written there byte by byte, as a bus would: what it does to the
      // device, a reset at worst, is done before the next request.
      if (type !== 8) assertEquals([w.hex(ST, 1), w.driver.status], ["01", 0x0f], `type ${type} at ${offset}`);
      new MockRing(w.space, { size: 16, base: 0x130000 });
      w.driver.start();
      request(w, 0, 3, 512, 4);
      w.go();
      assertEquals([w.hex(ST, 1), w.hex(DATA, 4)], ["00", "03000000"]);
    }
  }
});

Deno.test("CVE-2024-8612: the used length never covers what was not written; QEMU's always covers everything", () => {
  for (const [personality, used] of [["spec", 0], ["qemu", 513]] as const) {
    const w = blkWorld({ personality });
    w.space.bytes(DATA, 512).fill(0xcc);
    request(w, 0, 4096, 512);
    w.go();
    assertEquals([w.ring.used(0), w.hex(DATA, 2), w.hex(ST, 1)], [[0, used], "cccc", "01"]);
  }
});

Deno.test("CVE-2026-48914: SCSI commands are unsupported, and nothing of them is read or written", () => {
  for (const type of [2, 3]) {
    const w = blkWorld();
    w.put(HDR, header(type));
    w.space.bytes(DATA, 0x200).fill(0xcc);
    // Header, command; sense data, the length that was trusted, status.
    w.ring.chain(0, [
      HEADER,
      { addr: BigInt(DATA), len: 16 },
      { addr: BigInt(DATA) + 0x40n, len: 96, flags: 2 },
      { addr: BigInt(DATA) + 0x100n, len: 16, flags: 2 },
      STATUS,
    ]);
    w.go();
    assertEquals([w.hex(ST, 1), w.ring.used(0)], ["02", [0, 0]]);
    assert(w.space.bytes(DATA, 0x200).every((byte) => byte === 0xcc));
  }
});

Deno.test("robustness 19: a buffer over several translations is moved in pieces, and stops at the first that is missing", () => {
  const w = blkWorld({ translated: true });
  w.put(HDR, header(0, 0));
  w.unmapped.add((DATA + 0x2000) >>> 12);
  w.space.bytes(DATA, 0x3000).fill(0xcc);
  w.ring.chain(0, [HEADER, { addr: BigInt(DATA), len: 0x3000, flags: 2 }, STATUS]);
  w.go();
  assertEquals([w.hex(ST, 1), w.ring.used(0)], ["01", [0, 0x2000]]);
  assertEquals(w.space.bytes(DATA, 0x2000).slice(), w.disk.bytes.slice(0, 0x2000));
  assert(w.space.bytes(DATA + 0x2000, 0x1000).every((byte) => byte === 0xcc));
  assertEquals(w.faults.length, 1);
});
