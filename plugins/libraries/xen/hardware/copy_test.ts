import { assertEquals } from "@std/assert";
import { Copy, DomId, GntTabOp, MapGrantRef } from "../layout.ts";
import { STATUS_TABLE, XenWorld } from "../testing.ts";

type Fields = Parameters<typeof Copy.encode>[0];

/** The backend owns no memory here, so both sides are references; the granter may use its own frames. */
function copy(world: XenWorld, ...elements: Fields[]) {
  return world.grantCall(world.backend, GntTabOp.COPY, Copy, elements).map(({ status }) => status);
}

const BOTH = { source: 8n, source_domid: 1, dest: 9n, dest_domid: 1, flags: 3, len: 0x100 } as const;
const PAGE = 0x1234_5000;
const TARGET = 0x20_1000;

function v1() {
  const world = new XenWorld();
  world.writeEntry(8, "05000000 45230100");
  world.writeEntry(9, "01000000 01020000");
  world.bytes(PAGE, 4096).forEach((_, i, bytes) => bytes[i] = i * 7);
  return world;
}

function v2(entry: string) {
  const world = new XenWorld();
  world.granter.table.switchTo(2);
  world.addToPhysmap(0x8000_0000, STATUS_TABLE);
  world.writeEntry(8, entry);
  world.writeEntry(9, "0100000000000000 0102000000000000");
  return world;
}

Deno.test("case 11: a copy moves the bytes, and no flag stays set", () => {
  const world = v1();
  assertEquals(copy(world, { ...BOTH, source_offset: 0xe00, dest_offset: 0x10 }), [0]);
  assertEquals(world.bytes(TARGET + 0x10, 0x100), world.bytes(PAGE + 0xe00, 0x100));
  assertEquals([world.bytes(TARGET + 0xf, 1)[0], world.bytes(TARGET + 0x110, 1)[0]], [0, 0]);
  assertEquals([world.flags(8), world.flags(9)], [0x0005, 0x0001]);
});

Deno.test("case 11: offset 0xf00 with 0x200 bytes crosses the page: -10", () => {
  const world = v1();
  assertEquals(copy(world, { ...BOTH, source_offset: 0xf00, len: 0x200 }), [-10]);
  assertEquals(copy(world, { ...BOTH, dest_offset: 0xf00, len: 0x200 }), [-10]);
  assertEquals([world.flags(8), world.flags(9)], [0x0005, 0x0001]);
});

Deno.test("case 11: no bytes are no error, whatever else is wrong", () => {
  assertEquals(copy(v1(), { ...BOTH, source: 9999n, len: 0 }), [0]);
});

Deno.test("case 11: a frame of another domain may not be named: -8", () => {
  assertEquals(copy(v1(), { ...BOTH, source: 0x44n, flags: 2 }), [-8]);
});

Deno.test("case 11: into a read-only entry: -1; an absent domain: -2; a reference beyond the table: -3", () => {
  const world = v1();
  assertEquals(copy(world, { ...BOTH, dest: 8n }), [-1]);
  assertEquals(copy(world, { ...BOTH, source_domid: 77 }), [-2]);
  assertEquals(copy(world, { ...BOTH, source: 512n }), [-3]);
  assertEquals([world.flags(8), world.flags(9)], [0x0005, 0x0001]);
});

Deno.test("case 11: in a batch of three the bad one has its own status and the others are done", () => {
  const world = v1();
  const good = { ...BOTH, len: 4 };
  assertEquals(copy(world, good, { ...good, source_offset: 0xfff }, { ...good, dest_offset: 8 }), [0, -10, 0]);
  assertEquals(Array.from(world.bytes(TARGET, 12)), [0, 7, 14, 21, 0, 0, 0, 0, 0, 7, 14, 21]);
});

Deno.test("case 11: the window of a sub-page grant holds, and it cannot be mapped", () => {
  const world = v2("0101000000010002 4523010000000000");
  assertEquals(copy(world, { ...BOTH, source_offset: 0x180 }), [0]);
  assertEquals(copy(world, { ...BOTH, source_offset: 0x80 }), [-1]);
  assertEquals(copy(world, { ...BOTH, source_offset: 0x300 }), [-1]);
  const [map] = world.grantCall(world.backend, GntTabOp.MAP_GRANT_REF, MapGrantRef, [{ flags: 6, ref: 8, dom: 1 }]);
  assertEquals([map.status, world.status(8)], [-1, 0]);
});

Deno.test("the caller's own frames need no grant", () => {
  const world = v1();
  const own = { source: 0x12345n, source_domid: DomId.SELF, dest: 0x201n, dest_domid: DomId.SELF, flags: 0, len: 16 };
  const [{ status }] = world.grantCall(world.granter, GntTabOp.COPY, Copy, [own]);
  assertEquals(status, 0);
  assertEquals(world.bytes(TARGET, 16), world.bytes(PAGE, 16));
  const [bad] = world.grantCall(world.granter, GntTabOp.COPY, Copy, [{ ...own, source: 0x3_0000n }]);
  assertEquals(bad.status, -9);
});

/** Domain 1 passes on to domain 0 what domain 2 granted to it: reference 8 of domain 1 stands for reference 8 of domain 2. */
function transitive(allowTransitive = true) {
  const world = new XenWorld({ hypervisor: { allowTransitive } });
  world.granter.table.switchTo(2);
  world.addToPhysmap(0x8000_0000, STATUS_TABLE);
  const source = world.hv.createDomain({ id: 2, kind: "hvm" });
  const resolve = world.frames.resolve.bind(world.frames);
  world.frames.resolve = (domid, gfn) => domid === 2 ? gfn : resolve(domid, gfn);
  const words = source.table.words(8);
  words[source.table.at(8)] = 0x0001_0001;
  words[source.table.at(8) + 1] = 0x12345;
  world.writeEntry(8, "0300000002000000 0800000000000000");
  world.writeEntry(9, "0100000000000000 0102000000000000");
  world.bytes(PAGE, 1)[0] = 0x5c;
  return { world, source };
}

Deno.test("a transitive grant is followed one step, both are pinned meanwhile, and both are free afterwards", () => {
  const { world, source } = transitive();
  const pins: number[] = [];
  const result = world.during(
    () => void pins.push(source.table.active.pin[8]),
    () => copy(world, { ...BOTH, len: 4 }),
  );
  assertEquals([result, world.bytes(TARGET, 1)[0]], [[0], 0x5c]);
  assertEquals(Math.max(...pins), 0x100);
  assertEquals([source.table.active.pin[8], world.granter.table.active.pin[8], world.status(8)], [0, 0, 0]);
  assertEquals(source.table.words(8)[source.table.at(8)], 0x0001_0001);
});

Deno.test("a transitive grant to oneself, of a chain, or where the command line forbids it is refused", () => {
  const { world, source } = transitive();
  world.writeEntry(8, "0300000001000000 0800000000000000");
  assertEquals(copy(world, BOTH), [-1]);
  source.table.switchTo(2);
  source.table.words(8)[source.table.at(8)] = 0x0001_0003;
  world.writeEntry(8, "0300000002000000 0800000000000000");
  assertEquals(copy(world, BOTH), [-1]);
  assertEquals(copy(transitive(false).world, BOTH), [-1]);
});
