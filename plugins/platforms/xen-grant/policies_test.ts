import { assert, assertEquals, assertThrows } from "@std/assert";
import { Access, BusStatus, Direction, DmaHandle, InputError } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { checkVectors, toHex } from "@iova/fields/testing";
import xenGrant from "./mod.ts";
import { GrantAddress } from "./layout.ts";
import { GrantWorld } from "./testdata/world.ts";
import address from "./vectors/grant_dma_address.json" with { type: "json" };

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;
const PAGE = 0x1234_5000;

/** What the hypervisor did for the backend. */
function counts(at: GrantWorld) {
  const { grantMaps, grantUnmaps, grantCopies, flushes, hypercalls, cacheHits } = at.made.translator!.counters!();
  return { grantMaps, grantUnmaps, grantCopies, flushes, hypercalls, cacheHits };
}

/** Four reads and a write of one page, in one turn of the device. */
function fiveAccesses(at: GrantWorld): bigint {
  const { dma, port } = at.device;
  const handle = dma.mapSingle(PAGE, 4096, BIDIRECTIONAL);
  for (let i = 0; i < 4; i++) assertEquals(port.read(handle, new Uint8Array(64)), BusStatus.OK);
  assertEquals(port.write(handle, new Uint8Array(64)), BusStatus.OK);
  return handle;
}

Deno.test("grant_dma_address: bytes and fields agree with the golden vectors", () =>
  checkVectors(GrantAddress, address));

Deno.test("policy map: each access maps and unmaps, with a flush of its own", () => {
  const at = new GrantWorld({ policy: "map" });
  fiveAccesses(at);
  assertEquals(counts(at), {
    grantMaps: 5,
    grantUnmaps: 5,
    grantCopies: 0,
    flushes: 5,
    hypercalls: 10,
    cacheHits: 0,
  });
});

Deno.test("policy cached: one map for reading, one for writing, and both are gone before the driver has its page back", () => {
  const at = new GrantWorld({ policy: "cached" });
  const handle = fiveAccesses(at);
  assertEquals(at.flags(8), 0x0019);
  assertEquals(counts(at), { grantMaps: 2, grantUnmaps: 1, grantCopies: 0, flushes: 1, hypercalls: 3, cacheHits: 3 });
  at.device.dma.unmapSingle(handle, 4096, BIDIRECTIONAL);
  assertEquals(at.flags(8), 0x0000);
  assertEquals(at.made.world.warnings, []);
  assertEquals(counts(at).grantUnmaps, 2);
});

Deno.test("policy cached: 40 pages of one turn are unmapped in two calls with a flush each", () => {
  const at = new GrantWorld({ policy: "cached" });
  const { dma, port } = at.device;
  const handle = dma.mapSingle(0x20_0000, 40 * 4096, TO_DEVICE);
  port.read(handle, new Uint8Array(40 * 4096));
  at.made.world.scheduler.settle();
  assertEquals(counts(at), {
    grantMaps: 40,
    grantUnmaps: 40,
    grantCopies: 0,
    flushes: 2,
    hypercalls: 42,
    cacheHits: 0,
  });
});

Deno.test("policy cached: a full cache lets the oldest go", () => {
  const at = new GrantWorld({ policy: "cached", cacheEntries: 4 });
  const { dma, port } = at.device;
  const handle = dma.mapSingle(0x20_0000, 6 * 4096, TO_DEVICE);
  for (let i = 0n; i < 6n; i++) port.read(handle + i * 4096n, new Uint8Array(4));
  assertEquals([8, 9, 10, 11, 12, 13].map((ref) => at.flags(ref) & 8), [0, 0, 0, 0, 8, 8]);
});

Deno.test("policy copy: nothing is mapped, each access is one copy operation", () => {
  const at = new GrantWorld({ policy: "copy" });
  fiveAccesses(at);
  assertEquals(counts(at), { grantMaps: 0, grantUnmaps: 0, grantCopies: 5, flushes: 0, hypercalls: 5, cacheHits: 0 });
  assertEquals(at.flags(8), 0x0001);
});

Deno.test("policy copy: into what was lent for reading only: refused", () => {
  const at = new GrantWorld({ policy: "copy" });
  const handle = at.device.dma.mapSingle(PAGE, 64, TO_DEVICE);
  assertEquals(at.device.port.write(handle, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
});

Deno.test("policy persistent: the pool is granted once, later requests map nothing, and data is copied", () => {
  const at = new GrantWorld({ policy: "persistent", maxGrantFrames: 4, persistentPages: 16 });
  const { dma, port, stats } = at.device;
  at.made.world.bytes(PAGE, 64).fill(0x31);
  for (let i = 0; i < 20; i++) {
    const handle = dma.mapSingle(PAGE, 64, TO_DEVICE);
    const seen = new Uint8Array(64);
    assertEquals([port.read(handle, seen), seen[63]], [BusStatus.OK, 0x31]);
    dma.unmapSingle(handle, 64, TO_DEVICE);
  }
  const { grantMaps, grantUnmaps, cacheHits } = counts(at);
  assertEquals([grantMaps, grantUnmaps, cacheHits], [16, 0, 4]);
  assertEquals([stats.bounces, stats.bouncedBytes], [20, 20 * 64]);
});

Deno.test("policy persistent: a page that nobody uses is let go after the idle time", () => {
  const at = new GrantWorld({ policy: "persistent", persistentPages: 16, idle: "60s" });
  const { dma, port } = at.device;
  const read = () => {
    const handle = dma.mapSingle(PAGE, 64, TO_DEVICE);
    port.read(handle, new Uint8Array(64));
    dma.unmapSingle(handle, 64, TO_DEVICE);
  };
  read();
  assertEquals(at.flags(8), 0x0019);
  at.made.world.scheduler.spend(59e9);
  read();
  assertEquals(at.flags(8), 0x0019);
  at.made.world.scheduler.spend(2e9);
  read();
  assertEquals([at.flags(8), at.flags(9), at.flags(10)], [0x0001, 0x0019, 0x0019]);
});

Deno.test("policy persistent: when the machine stops the backend lets go and every grant ends", () => {
  const at = new GrantWorld({ policy: "persistent", persistentPages: 16 });
  at.device.port.read(at.device.dma.mapSingle(PAGE, 64, TO_DEVICE), new Uint8Array(64));
  at.made.platform.stop!();
  assertEquals(Array.from({ length: 16 }, (_, i) => at.flags(8 + i)), new Array(16).fill(0));
});

Deno.test("a page that a device keeps stays mapped under every policy, until its lease ends", () => {
  for (const policy of ["map", "cached", "copy"]) {
    const at = new GrantWorld({ policy });
    const { cpu, handle } = at.device.dma.allocCoherent(8192)!;
    const result = at.device.port.map([{ hi: 1 << 31, lo: 0x8000, length: 8192, access: Access.WRITE }]);
    if (!result.ok) throw new Error(policy);
    at.made.world.scheduler.settle();
    assertEquals([at.flags(8), at.flags(9)], [0x0019, 0x0019], policy);
    result.lease.release();
    assertEquals([at.flags(8), at.flags(9)], [0x0001, 0x0001], policy);
    at.device.dma.freeCoherent(8192, cpu, handle);
    assertEquals(at.made.world.warnings, []);
  }
});

Deno.test("a lease that cannot be had in full gives back the pages that it had", () => {
  const at = new GrantWorld();
  at.device.dma.allocCoherent(4096);
  const result = at.device.port.map([{ hi: 1 << 31, lo: 0x8000, length: 8192, access: Access.WRITE }]);
  assertEquals([result.ok, at.flags(8)], [false, 0x0001]);
});

Deno.test("inUse defer: page and reference wait, ten tries a second, until the backend lets go", () => {
  const at = new GrantWorld({ inUse: "defer" });
  const { dma, port } = at.device;
  const { cpu, handle } = dma.allocCoherent(4096)!;
  const result = port.map([{ hi: 1 << 31, lo: 0x8000, length: 4096, access: Access.WRITE }]);
  if (!result.ok) throw new Error("no lease");
  const { heap } = at.made.world.guest;
  dma.freeCoherent(4096, cpu, handle);
  assertEquals([at.flags(8), heap.kindOf(cpu)], [0x0019, "heap"]);
  const { scheduler } = at.made.world;
  for (let i = 0; i < 60; i++) scheduler.step();
  assertEquals(scheduler.now >= 60e9, true);
  assertEquals(at.made.world.warnings.map(({ message }) => message), [
    "xen-grant: reference 8 is still in use by the backend; it is freed later",
    "xen-grant: reference 8 still in use by the backend after 60 tries",
  ]);
  assertEquals(dma.mapSingle(PAGE, 64, TO_DEVICE), 0x8000_0000_0000_9000n, "the device is not broken");
  result.lease.release();
  scheduler.step();
  assertEquals([at.flags(8), heap.kindOf(cpu)], [0x0000, "freed"]);
  assertEquals(scheduler.step(), false, "nothing is left to try");
});

Deno.test("XSA-396: a backend that maps between the guest's look and its exchange keeps the page", () => {
  const at = new GrantWorld({ inUse: "defer" });
  const { dma, port } = at.device;
  const handle = dma.mapSingle(PAGE, 64, FROM_DEVICE);
  const { table } = frontend(at);
  let lease: { release(): void } | null = null;
  table.schedule = (point) => {
    if (point !== "revoke-exchange" || lease !== null) return;
    const result = port.map([{ hi: 1 << 31, lo: 0x8000, length: 64, access: Access.WRITE }]);
    if (result.ok) lease = result.lease;
  };
  dma.unmapSingle(handle, 64, FROM_DEVICE);
  table.schedule = null;
  assertEquals([at.flags(8), at.made.world.warningIds], [0x0019, ["grant-in-use"]]);
  lease!.release();
  at.made.world.scheduler.step();
  assertEquals(at.flags(8), 0x0000);
});

Deno.test("XSA-396: a guest that looks first and ends later uses a page again that the backend has mapped between", () => {
  const outcome = (flaws: string) => {
    const at = new GrantWorld({ inUse: "defer", flaws });
    const { dma, port } = at.device;
    const { cpu, handle } = dma.allocCoherent(4096)!;
    const { table } = frontend(at);
    let mapped = false;
    table.schedule = (point) => {
      if (point !== "revoke-read" || mapped) return;
      mapped = port.map([{ hi: 1 << 31, lo: 0x8000, length: 4096, access: Access.WRITE }]).ok;
    };
    dma.freeCoherent(4096, cpu, handle);
    table.schedule = null;
    assertEquals([mapped, at.flags(8)], [true, 0x0019], "the backend has it");
    // Whose the page is now, and which reference is handed out next.
    return [at.made.world.guest.heap.kindOf(cpu), dma.mapSingle(PAGE, 64, TO_DEVICE)];
  };
  assertEquals(outcome(""), ["heap", 0x8000_0000_0000_9000n]);
  assertEquals(outcome("XSA-396"), ["freed", 0x8000_0000_0000_8000n]);
  assertEquals(outcome("XSA-380"), outcome(""), "nobody else's mistake");
});

function frontend(at: GrantWorld) {
  return (at.device.dma as unknown as { frontend: { table: import("./guest/table.ts").GuestGrantTable } }).frontend;
}

Deno.test("a grant for writing becomes one for reading unless it is mapped for writing, and back", () => {
  const at = new GrantWorld();
  const { dma, port } = at.device;
  dma.mapSingle(PAGE, 64, FROM_DEVICE);
  const { table } = frontend(at);
  const result = port.map([{ hi: 1 << 31, lo: 0x8000, length: 64, access: Access.WRITE }]);
  assert(result.ok);
  assertEquals([table.downgrade(8), at.flags(8)], [false, 0x0019]);
  port.revokeAll("test");
  assertEquals([table.downgrade(8), at.flags(8)], [true, 0x0005]);
  table.upgrade(8);
  assertEquals(at.flags(8), 0x0001);
});

Deno.test("addresses without bit 63, with bits above the reference, of devices that nobody serves", () => {
  const at = new GrantWorld();
  const log = at.made.world.record();
  const { port } = at.device;
  const bytes = new Uint8Array(4);
  const stranger = at.made.bus.attach("stranger", 99);
  assertEquals(port.read(0x1234_5000n, bytes), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(port.read(0x8000_1000_0000_8000n, bytes), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(stranger.read(0x8000_0000_0000_8000n, bytes), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(port.read(0x8000_0fff_ffff_f000n, bytes), BusStatus.COMPLETER_ABORT);
  assertEquals(port.read(0x8000_0000_0000_8000n, bytes), BusStatus.COMPLETER_ABORT);
  assertEquals(log.filter(({ type }) => type === "fault-record").map(({ cause }) => cause), [
    "PLAIN_ADDRESS",
    "NOT_A_REFERENCE",
    "NO_BACKEND",
    "GNTST_bad_gntref",
    "GNTST_general_error",
  ]);
});

Deno.test("one domain for each device: what was granted to one cannot be mapped by another", () => {
  const at = new GrantWorld({ backends: "per-device" });
  const other = at.made.device("other", 16);
  const handle = at.device.dma.mapSingle(PAGE, 64, BIDIRECTIONAL);
  assertEquals(other.port.read(handle, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals(at.device.port.read(handle, new Uint8Array(4)), BusStatus.OK);
  const [{ name, bytes }] = at.made.translator!.firmware!();
  assertEquals([name, toHex(bytes)], [
    "iommu-map",
    "00000008" + "00000001" + "00000000" + "00000001" + "00000010" + "00000001" + "00000002" + "00000001",
  ]);
});

Deno.test("a frame beyond 16 TiB does not fit version 1", () => {
  const out = new DmaHandle();
  assertEquals(new GrantWorld().device.dma.mapInto(out, 2 ** 44, 16, TO_DEVICE), false);
  const at = new GrantWorld({ version: 2 });
  assertEquals(at.device.dma.mapInto(out, 2 ** 44, 16, TO_DEVICE), true);
  assertEquals(at.entry(8), "05000000000000000000000001000000");
});

Deno.test("on Arm a guest that asks for version 2 gets version 1", () => {
  const at = new GrantWorld({ version: 2, arch: "arm" });
  at.device.dma.mapSingle(PAGE, 64, TO_DEVICE);
  assertEquals([at.table.version, at.entry(8)], [1, "0500000045230100"]);
});

Deno.test("guest and backend must be two domains, and the platform must be the uppermost", () => {
  const same = assertThrows(() => new GrantWorld({ backendDomain: 1 }), InputError);
  assertEquals(
    same.message,
    "test: platform.with.backendDomain: found domain 1 for guest and backend, expected two domains",
  );
  const above = testPlatform(xenGrant);
  assertThrows(() => testPlatform(xenGrant, { below: above }).device(), InputError, "xen-grant below another platform");
});
