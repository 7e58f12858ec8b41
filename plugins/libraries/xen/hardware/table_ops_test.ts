import { assertEquals } from "@std/assert";
import {
  GetStatusFrames,
  GetVersion,
  GntTabOp,
  MapGrantRef,
  QuerySize,
  SetupTable,
  SetVersion,
  SwapGrantRef,
} from "../layout.ts";
import { STATUS_TABLE, XenWorld } from "../testing.ts";

function setVersion(world: XenWorld, version: number) {
  const [{ version: inForce }] = world.grantCall(world.granter, GntTabOp.SET_VERSION, SetVersion, [{ version }]);
  return [world.returned, inForce];
}

function map(world: XenWorld, ref: number) {
  return world.grantCall(world.backend, GntTabOp.MAP_GRANT_REF, MapGrantRef, [{ flags: 2, ref, dom: 1 }])[0];
}

Deno.test("case 13: while reference 20 is mapped the version stays, with -EBUSY", () => {
  const world = new XenWorld();
  world.writeEntry(20, "01000000 45230100");
  map(world, 20);
  assertEquals(setVersion(world, 2), [-16, 1]);
  assertEquals(world.entry(20), "1900000045230100");
});

Deno.test("case 13: an idle table is switched: reserved entries carried over, everything else zero, 256 entries", () => {
  const world = new XenWorld();
  world.writeEntry(0, "01000000 34120000");
  world.writeEntry(1, "05000000 78560000");
  world.writeEntry(20, "01000000 45230100");
  assertEquals(setVersion(world, 2), [0, 2]);
  assertEquals(world.entry(0), "01000000000000003412000000000000");
  assertEquals(world.entry(1), "05000000000000007856000000000000");
  assertEquals(world.bytes(0x10_0000 + 8 * 16, 4096 - 8 * 16), new Uint8Array(4096 - 8 * 16));
  assertEquals(map(world, 300).status, -3);
  assertEquals(map(world, 20).status, -1);
});

Deno.test("case 13: version 3 does not exist, and Arm has no version 2", () => {
  assertEquals(setVersion(new XenWorld(), 3), [-22, 1]);
  assertEquals(setVersion(new XenWorld(), 0), [-22, 1]);
  assertEquals(setVersion(new XenWorld({ granter: { arch: "arm" } }), 2), [-38, 1]);
  assertEquals(setVersion(new XenWorld({ hypervisor: { maxVersion: 1 } }), 2), [-38, 1]);
});

Deno.test("from version 2 to 1 the status of reserved entries goes into their flags; what has no such form forbids it", () => {
  const world = new XenWorld();
  world.writeEntry(0, "01000000 45230100");
  setVersion(world, 2);
  world.addToPhysmap(0x8000_0000, STATUS_TABLE);
  map(world, 0);
  assertEquals(world.status(0), 0x18);
  world.writeEntry(1, "0300000002000000 0800000000000000");
  assertEquals(setVersion(world, 1), [-34, 2]);
  world.writeEntry(1, "0000000000000000 0000000000000000");
  assertEquals(setVersion(world, 1), [0, 1]);
  assertEquals(world.entry(0), "1900000045230100");
});

Deno.test("setup_table grows up to the limit and no further, and lists where the frames are", () => {
  const world = new XenWorld({ granter: { maxGrantFrames: 3 } });
  const setup = (nr_frames: number, frame_list = 0x30_0000n) =>
    world.grantCall(world.granter, GntTabOp.SETUP_TABLE, SetupTable, [{ dom: 0x7ff0, nr_frames, frame_list }])[0]
      .status;
  assertEquals(setup(2), 0);
  const list = new BigUint64Array(world.bytes(0x30_0000, 16).slice().buffer);
  assertEquals([...list], [0x100n, 0xffff_ffff_ffff_ffffn]);
  assertEquals(setup(4), -1);
  assertEquals([setup(3, 0xffff_0000_0000n), world.returned], [0x7777, -14]);
  const [size] = world.grantCall(world.backend, GntTabOp.QUERY_SIZE, QuerySize, [{ dom: 1 }]);
  assertEquals([size.nr_frames, size.max_nr_frames, size.status], [3, 3, 0]);
  assertEquals(world.grantCall(world.backend, GntTabOp.QUERY_SIZE, QuerySize, [{ dom: 9 }])[0].status, -2);
});

Deno.test("XSA-382: more status frames than there are cannot be had", () => {
  const world = new XenWorld({ granter: { maxGrantFrames: 16 } });
  world.granter.table.grow(16);
  setVersion(world, 2);
  const get = (nr_frames: number, dom = 1) =>
    world.grantCall(world.granter, GntTabOp.GET_STATUS_FRAMES, GetStatusFrames, [
      { nr_frames, dom, frame_list: 0x30_0000n },
    ])[0].status;
  assertEquals([get(2), get(3), get(0xffff_ffff), get(1, 77)], [0, -1, -1, -2]);
});

Deno.test("get_version of a domain that is not there: -ESRCH", () => {
  const world = new XenWorld();
  const [{ version }] = world.grantCall(world.backend, GntTabOp.GET_VERSION, GetVersion, [{ dom: 1 }]);
  assertEquals([world.returned, version], [0, 1]);
  world.grantCall(world.backend, GntTabOp.GET_VERSION, GetVersion, [{ dom: 77 }]);
  assertEquals(world.returned, -3);
});

Deno.test("swapping two references exchanges their entries, unless one of them is in use", () => {
  const world = new XenWorld();
  world.writeEntry(8, "01000000 45230100");
  world.writeEntry(9, "05000000 01020000");
  const swap = (ref_a: number, ref_b: number) =>
    world.grantCall(world.granter, GntTabOp.SWAP_GRANT_REF, SwapGrantRef, [{ ref_a, ref_b }])[0].status;
  assertEquals(swap(8, 9), 0);
  assertEquals([world.entry(8), world.entry(9)], ["0500000001020000", "0100000045230100"]);
  map(world, 9);
  assertEquals([swap(8, 9), swap(8, 512)], [-12, -3]);
});

Deno.test("calls: negative counts, bad arrays, unknown commands, and none at all", () => {
  const world = new XenWorld();
  assertEquals(world.call(world.granter, GntTabOp.MAP_GRANT_REF, 0x20_0000, -1), -22);
  assertEquals(world.call(world.granter, GntTabOp.MAP_GRANT_REF, 0x3f_fff8, 1), -14);
  assertEquals(world.call(world.granter, GntTabOp.MAP_GRANT_REF, 0, 0x7fff_ffff), -14);
  assertEquals(world.call(world.granter, GntTabOp.DUMP_TABLE, 0x20_0000, 1), -38);
  assertEquals(world.call(world.granter, 99, 0x20_0000, 1), -38);
  assertEquals(world.call(world.granter, GntTabOp.MAP_GRANT_REF, 0xffff_ffff_ffff, 0), 0);
  assertEquals(world.call(world.granter, GntTabOp.QUERY_SIZE, 0x20_0000, 2), -22);
});

Deno.test("a table frame can be put into RAM only, and only as many as the limit allows", () => {
  const world = new XenWorld({ granter: { maxGrantFrames: 2 } });
  assertEquals(world.addToPhysmap(1, 0x1234_1000), 0);
  assertEquals(world.addToPhysmap(2, 0x1234_2000), -22);
  assertEquals(world.addToPhysmap(0, 0x9000_0000), -22);
  assertEquals(world.addToPhysmap(0x8000_0000, 0x1234_2000), -22, "version 1 has no status frames");
});
