// Cases 1 to 4, 7 to 9 and 14 of Xen's fact sheet, and the grants' part of the DMA API's case C2: real bytes.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  Access,
  BusStatus,
  Direction,
  DMA_MAPPING_ERROR,
  dmaBitMask,
  Errno,
  InputError,
  loadMachine,
} from "@iova/core";
import { GntTabOp, MapGrantRef, MapRequest, UnmapRequest } from "@iova/xen";
import { GrantWorld } from "./testdata/world.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;
const PAGE = 0x1234_5000;

Deno.test("C2: P-xen refuses a 32-bit mask; 8 KiB at 0x12345678 are three read-only grants, and unmapping ends exactly those", () => {
  const at = new GrantWorld();
  const { dma, port } = at.device;
  assertEquals(dma.setMask(dmaBitMask(32)), -Errno.EIO);
  assertEquals(dma.setMask(dmaBitMask(63)), -Errno.EIO);
  assertEquals(dma.setCoherentMask(dmaBitMask(44)), -Errno.EIO, "a legacy device's queue addresses cannot be granted");
  const handle = dma.mapSingle(0x1234_5678, 0x2000, TO_DEVICE);
  assertEquals(handle, 0x8000_0000_0000_8678n);
  assertEquals([8, 9, 10, 11].map((ref) => at.entry(ref)), [
    "0500000045230100",
    "0500000046230100",
    "0500000047230100",
    "0000000000000000",
  ]);
  assertEquals(port.read(handle, new Uint8Array(0x2000)), BusStatus.OK);
  assertEquals(port.write(handle, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  dma.unmapSingle(handle, 0x2000, TO_DEVICE);
  assertEquals([8, 9, 10].map((ref) => at.flags(ref)), [0, 0, 0]);
  assertEquals(port.read(handle, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  const writable = dma.mapSingle(0x1234_5678, 0x2000, FROM_DEVICE);
  // A run comes from the end of the list, where the last one ended.
  assertEquals([writable, ...[11, 12, 13].map((ref) => at.flags(ref))], [0x8000_0000_0000_b678n, 1, 1, 1]);
  dma.unmapSingle(writable, 0x2000, FROM_DEVICE);
});

Deno.test("case 1: a buffer for the device is a read-only grant of its page", () => {
  const at = new GrantWorld();
  assertEquals(at.device.dma.mapPage(PAGE, 0x678, 0x100, TO_DEVICE), 0x8000_0000_0000_8678n);
  assertEquals(at.entry(8), "0500000045230100");
});

Deno.test("case 2: a buffer from the device is a writable grant, and the backend can read it as well", () => {
  const at = new GrantWorld();
  const { dma, port } = at.device;
  const handle = dma.mapPage(PAGE, 0x678, 0x100, FROM_DEVICE);
  assertEquals([handle, at.entry(8)], [0x8000_0000_0000_8678n, "0100000045230100"]);
  at.made.world.bytes(PAGE + 0x678, 1)[0] = 0x5a;
  const byte = new Uint8Array(1);
  assertEquals([port.read(handle, byte), byte[0]], [BusStatus.OK, 0x5a]);
});

Deno.test("case 3: pages of one buffer have consecutive references, and an access in the third leads to reference 10", () => {
  const at = new GrantWorld();
  const { dma, port } = at.device;
  const handle = dma.mapPage(0x20_0000, 0x800, 0x2000, BIDIRECTIONAL);
  assertEquals(handle, 0x8000_0000_0000_8800n);
  assertEquals([8, 9, 10].map((ref) => at.entry(ref)), ["0100000000020000", "0100000001020000", "0100000002020000"]);
  assertEquals(handle + 0x1900n, 0x8000_0000_0000_a100n);
  at.made.world.bytes(0x20_2100, 1)[0] = 0x77;
  const byte = new Uint8Array(1);
  assertEquals([port.read(handle + 0x1900n, byte), byte[0]], [BusStatus.OK, 0x77]);
});

Deno.test("case 4: a ring of 10246 bytes is three writable references at offset 0, one of 5126 bytes two", () => {
  const at = new GrantWorld();
  const ring = at.device.dma.allocCoherent(10_246)!;
  assertEquals(ring.handle, 0x8000_0000_0000_8000n);
  assertEquals([8, 9, 10, 11].map((ref) => at.flags(ref)), [1, 1, 1, 0]);
  const small = at.device.dma.allocCoherent(5126)!;
  assertEquals(small.handle, 0x8000_0000_0000_b000n);
  assertEquals([11, 12, 13].map((ref) => at.flags(ref)), [1, 1, 0]);
});

/** A device that keeps a page: a lease over what is mapped. */
function holding(options: Record<string, unknown> = {}) {
  const at = new GrantWorld(options);
  const handle = at.device.dma.mapPage(PAGE, 0x678, 0x100, FROM_DEVICE);
  const result = at.device.port.map([{ hi: 1 << 31, lo: 0x8678, length: 0x100, access: Access.WRITE }]);
  if (!result.ok) throw new Error("the device got no lease");
  return { at, handle, lease: result.lease };
}

Deno.test("case 7: a page that is mapped cannot be taken back: the flags stay and the device is broken", () => {
  const { at, handle, lease } = holding();
  const { dma } = at.device;
  assertEquals(at.flags(8), 0x0019);
  dma.unmapSingle(handle, 0x100, FROM_DEVICE);
  assertEquals(at.flags(8), 0x0019);
  assertEquals(at.made.world.warnings.map(({ message }) => message), [
    "xen-grant: reference 8 is still in use by the backend; the device is broken: nothing can be mapped for it any more",
  ]);
  assertEquals(dma.mapPage(PAGE, 0, 16, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(dma.allocCoherent(4096), null);
  const list = [{ cpu: PAGE, length: 16 }];
  assertEquals(dma.mapSgTable(list, TO_DEVICE), -Errno.EIO);
  lease.release();
  assertEquals(at.flags(8), 0x0001, "the backend lets go, but nobody tries again");
  const other = at.made.device("other", 16);
  other.dma.setMaskAndCoherent(dmaBitMask(64));
  assertEquals(other.dma.mapPage(PAGE, 0, 16, TO_DEVICE), 0x8000_0000_0000_9000n, "reference 8 is not used again");
});

Deno.test("case 7: of several pages the first that is in use stops the revocation; earlier ones have ended", () => {
  const at = new GrantWorld();
  const handle = at.device.dma.mapSingle(0x20_0000, 0x3000, FROM_DEVICE);
  const result = at.device.port.map([{ hi: 1 << 31, lo: 0x9000, length: 16, access: Access.READ }]);
  assert(result.ok);
  at.device.dma.unmapSingle(handle, 0x3000, FROM_DEVICE);
  assertEquals([8, 9, 10].map((ref) => at.flags(ref)), [0x0000, 0x0009, 0x0001]);
});

Deno.test("case 8: after unmapping the reference is the next to be used, and the old one cannot be mapped before that", () => {
  const at = new GrantWorld();
  const { dma } = at.device;
  const handle = dma.mapPage(PAGE, 0x678, 0x100, FROM_DEVICE);
  dma.unmapSingle(handle, 0x100, FROM_DEVICE);
  assertEquals(at.flags(8), 0);
  const op = new MapRequest();
  op.flags = 2;
  op.ref = 8;
  op.dom = 1;
  at.hv.map(at.hv.domain(0)!, op);
  assertEquals(op.status, -1);
  assertEquals(dma.mapPage(PAGE, 0, 16, TO_DEVICE), 0x8000_0000_0000_8000n);
});

Deno.test("case 9: in version 2 a failed revocation has killed the entry all the same, and the pinned page is mapped again", () => {
  const { at, handle, lease } = holding({ version: 2 });
  assertEquals(at.entry(8), "01000000000000004523010000000000");
  assertEquals(at.table.statusBits(8), 0x0018);
  at.device.dma.unmapSingle(handle, 0x100, FROM_DEVICE);
  assertEquals([at.flags(8), at.table.statusBits(8)], [0x0000, 0x0018]);
  assertEquals(at.made.world.warningIds, ["grant-in-use"]);
  const backend = at.hv.domain(0)!;
  const op = new MapRequest();
  Object.assign(op, { flags: 2, ref: 8, dom: 1, hostFrame: 0x77 });
  at.hv.map(backend, op);
  assertEquals(op.status, 0, "it is pinned: the entry is not consulted");
  const unmap = new UnmapRequest();
  Object.assign(unmap, { hasHost: true, hostFrame: 0x77, handle: op.handle });
  at.hv.unmap(backend, unmap);
  lease.release();
  assertEquals(at.table.statusBits(8), 0);
  at.hv.map(backend, op);
  assertEquals(op.status, -1);
});

Deno.test("case 14: one frame holds 504 single maps, references 8 to 511, and the 505th fails", () => {
  const at = new GrantWorld();
  const { dma } = at.device;
  for (let i = 0; i < 504; i++) {
    assertEquals(dma.mapPage(PAGE, 0, 16, TO_DEVICE), 0x8000_0000_0000_0000n | BigInt(8 + i) << 12n);
  }
  assertEquals(dma.mapPage(PAGE, 0, 16, TO_DEVICE), DMA_MAPPING_ERROR);
});

Deno.test("case 14: a list of three with two references left: -EIO, and both are given back", () => {
  const at = new GrantWorld();
  const { dma } = at.device;
  for (let i = 0; i < 502; i++) dma.mapPage(PAGE, 0, 16, TO_DEVICE);
  const list = [PAGE, PAGE + 0x1000, PAGE + 0x2000].map((cpu) => ({ cpu, length: 64 }));
  assertEquals(dma.mapSgTable(list, TO_DEVICE), -Errno.EIO);
  assertEquals([at.flags(510), at.flags(511)], [0, 0]);
  const both = [dma.mapPage(PAGE, 0, 16, TO_DEVICE), dma.mapPage(PAGE, 0, 16, TO_DEVICE)];
  assertEquals(new Set(both), new Set([0x8000_0000_001f_e000n, 0x8000_0000_001f_f000n]));
});

Deno.test("case 14: with references 8, 10 and 12 free two pages need a new frame, and fail where there is none", () => {
  for (const [maxGrantFrames, expected] of [[2, 0x8000_0000_0020_0000n], [1, DMA_MAPPING_ERROR]] as const) {
    const at = new GrantWorld({ maxGrantFrames });
    const { dma } = at.device;
    const handles = Array.from({ length: 504 }, () => dma.mapPage(PAGE, 0, 16, TO_DEVICE));
    for (const i of [0, 2, 4]) dma.unmapSingle(handles[i], 16, TO_DEVICE);
    assertEquals(dma.mapPage(PAGE, 0, 0x2000, TO_DEVICE), expected);
    assertEquals(dma.mapPage(PAGE, 0, 16, TO_DEVICE) & 0xff_ffffn, 0x8000n, "single ones are still there");
  }
});

Deno.test("the guest can call the hypervisor as it likes; what it maps of its own it may not", () => {
  const at = new GrantWorld();
  at.device.dma.mapPage(PAGE, 0, 16, FROM_DEVICE);
  const { guest } = at.made.world;
  const args = guest.heap.require(32, "arguments");
  guest.memory.bytes(args, 32).set(
    MapGrantRef.encode({ host_addr: 0x1000n, flags: 2, ref: 8, dom: 1, status: 0x7777 }),
  );
  const registers = {
    hi: new Int32Array(12),
    lo: Int32Array.from([GntTabOp.MAP_GRANT_REF, args, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  };
  assertEquals(guest.hypercall(20, registers as never), 0);
  assertEquals(MapGrantRef.decode(guest.memory.bytes(args, 32)).status, 0xffff);
});

Deno.test("a flaw that is none is told with the nearest that is, and a guest lives with all of them", async () => {
  const machine = (flaws: string) => ({
    memory: "16MiB",
    platform: { use: "xen-grant", with: { flaws } },
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randread", count: 16 } }],
  });
  const error = await assertRejects(() => loadMachine(machine("XSA-218, XSA-223")), InputError);
  assertMatch(error.message, /"XSA-223".*advisories such as XSA-218, or all; did you mean "XSA-22\d"/);
  assertEquals((await (await loadMachine(machine("all"))).run()).verified, true);
});
