import { assertEquals } from "@std/assert";
import { GntMap, GntTabOp, MapGrantRef, UnmapGrantRef } from "../layout.ts";
import { STATUS_TABLE, XenWorld } from "../testing.ts";
import { YieldPoint } from "./schedule.ts";

const WRITABLE = "01000000 45230100";
const READ_ONLY = "05000000 45230100";
const HOST = 0x5000_0000n;

type MapFields = Parameters<typeof MapGrantRef.encode>[0];

function map(world: XenWorld, fields: MapFields, mapper = world.backend) {
  const [op] = world.grantCall(mapper, GntTabOp.MAP_GRANT_REF, MapGrantRef, [
    { host_addr: HOST, flags: GntMap.HOST_MAP, ref: 8, dom: 1, ...fields },
  ]);
  return op;
}

function unmap(world: XenWorld, handle: number, host_addr = HOST, mapper = world.backend) {
  return world.grantCall(mapper, GntTabOp.UNMAP_GRANT_REF, UnmapGrantRef, [{ host_addr, handle }])[0].status;
}

function granted(entry: string, options: ConstructorParameters<typeof XenWorld>[0] = {}) {
  const world = new XenWorld(options);
  world.writeEntry(8, entry);
  return world;
}

Deno.test("case 5: a map for writing sets reading and writing in the entry, and unmapping clears them", () => {
  const world = granted(WRITABLE);
  const { status, handle, dev_bus_addr } = map(world, { flags: 2 });
  assertEquals([status, handle, dev_bus_addr], [0, 0, 0x1234_5000n]);
  assertEquals(world.entry(8), "1900000045230100");
  assertEquals(unmap(world, handle), 0);
  assertEquals(world.entry(8), "0100000045230100");
});

Deno.test("case 5: a map for reading sets reading only", () => {
  const world = granted(WRITABLE);
  assertEquals(map(world, { flags: 6 }).status, 0);
  assertEquals(world.flags(8), 0x0009);
});

Deno.test("case 5: both host maps give pin 0x00000101, and unmapping the writable one leaves reading", () => {
  const world = granted(WRITABLE);
  const reader = map(world, { flags: 6, host_addr: HOST });
  const writer = map(world, { flags: 2, host_addr: HOST + 0x1000n });
  assertEquals([reader.status, writer.status], [0, 0]);
  assertEquals(world.granter.table.active.pin[8], 0x0101);
  assertEquals(world.flags(8), 0x0019);
  assertEquals(unmap(world, writer.handle, HOST + 0x1000n), 0);
  assertEquals(world.flags(8), 0x0009);
  assertEquals(unmap(world, reader.handle), 0);
  assertEquals(world.flags(8), 0x0001);
});

Deno.test("case 6: a read-only entry cannot be mapped for writing, and its flags stay", () => {
  const world = granted(READ_ONLY);
  assertEquals(map(world, { flags: 2 }).status, -1);
  assertEquals(world.flags(8), 0x0005);
});

Deno.test("case 6: another domain than the entry names is refused with -1", () => {
  const world = granted(WRITABLE);
  const stranger = world.hv.createDomain({ id: 2, kind: "hvm" });
  assertEquals(map(world, {}, stranger).status, -1);
});

Deno.test("case 6: references beyond the table, no flags, an absent domain, a translated mapper's device map", () => {
  const world = granted(WRITABLE);
  assertEquals(map(world, { ref: 512 }).status, -3);
  assertEquals(map(world, { ref: 0xffff_ffff }).status, -3);
  assertEquals(map(world, { flags: 0 }).status, -3);
  assertEquals(map(world, { dom: 77 }).status, -2);
  assertEquals(map(world, { flags: 1 }).status, -1);
  assertEquals(map(world, { flags: 2 | 8 }).status, -1);
  assertEquals(map(world, { flags: 2 | 16 }).status, -1);
  assertEquals(world.flags(8), 0x0001);
});

Deno.test("case 6: with one maptrack frame 255 maps get handles 0 to 254, and the 256th finds no space", () => {
  const world = granted(WRITABLE, { backend: { maxMaptrackFrames: 1 } });
  world.writeEntry(9, WRITABLE);
  const handles: number[] = [];
  for (let i = 0; i < 255; i++) {
    const { status, handle } = map(world, { ref: 8 + (i & 1), host_addr: HOST + BigInt(i) * 0x1000n });
    assertEquals(status, 0);
    handles.push(handle);
  }
  assertEquals(handles, Array.from({ length: 255 }, (_, i) => i));
  const last = map(world, { host_addr: HOST + 0x100_0000n });
  assertEquals([last.status, last.handle], [-13, 0xffff_ffff]);
});

Deno.test("case 6: a frame that is no RAM is a bad page, one that is paged out means try again; no bit stays set", () => {
  const world = granted("01000000 00000300");
  assertEquals(map(world, {}).status, -9);
  assertEquals(world.flags(8), 0x0001);
  world.writeEntry(8, WRITABLE);
  world.frames.pagedOut.add(0x12345);
  assertEquals(map(world, {}).status, -12);
  assertEquals(world.flags(8), 0x0001);
});

Deno.test("case 6: 128 maps of one reference succeed, the 129th is refused", () => {
  const world = granted(WRITABLE);
  for (let i = 0; i < 128; i++) assertEquals(map(world, { host_addr: HOST + BigInt(i) * 0x1000n }).status, 0);
  assertEquals(map(world, { host_addr: HOST + 0x100_0000n }).status, -1);
  assertEquals(map(world, { flags: 6, host_addr: HOST + 0x100_0000n }).status, 0, "the readers have their own counter");
});

Deno.test("a security policy that forbids it: permission denied", () => {
  const world = granted(WRITABLE);
  world.hv.policy = (mapper, granter) => mapper !== 0 || granter !== 1;
  assertEquals(map(world, {}).status, -8);
});

Deno.test("an entry that is pinned by one domain cannot be mapped by another, whatever it says by now", () => {
  const world = granted(WRITABLE);
  const other = world.hv.createDomain({ id: 2, kind: "hvm" });
  map(world, {});
  world.writeEntry(8, "01000200 45230100");
  assertEquals(map(world, {}, other).status, -1);
});

Deno.test("a pin of sufficient strength is enough: the entry is not looked at again, in version 1 either", () => {
  const world = granted(WRITABLE);
  map(world, { flags: 2 });
  // The granter breaks the rules and overwrites an entry in use.
  world.writeEntry(8, "00000000 00000000");
  const second = map(world, { flags: 6, host_addr: HOST + 0x1000n });
  assertEquals([second.status, second.dev_bus_addr, world.flags(8)], [0, 0x1234_5000n, 0]);
  const reader = granted(WRITABLE);
  map(reader, { flags: 6 });
  reader.writeEntry(8, "00000000 00000000");
  assertEquals(map(reader, { flags: 2, host_addr: HOST + 0x1000n }).status, -1, "writing has to be asked for");
});

Deno.test("case 10: flags that change at each of five compare-exchanges end the map with -1", () => {
  const world = granted(WRITABLE);
  let changes = 0;
  const toggle = () => {
    changes++;
    world.setFlags(8, world.flags(8) ^ 4);
  };
  const { status } = world.during(
    (point) => point === YieldPoint.ENTRY_EXCHANGE && toggle(),
    () => map(world, { flags: 6 }),
  );
  assertEquals([status, changes], [-1, 5]);
  assertEquals(world.flags(8) & 0x18, 0);
});

Deno.test("case 10: flags that change four times let the fifth attempt through", () => {
  const world = granted(WRITABLE);
  let changes = 0;
  const toggle = () => changes < 4 && (changes++, world.setFlags(8, world.flags(8) ^ 4));
  const { status } = world.during(
    (point) => point === YieldPoint.ENTRY_EXCHANGE && toggle(),
    () => map(world, { flags: 6 }),
  );
  assertEquals([status, changes, world.flags(8)], [0, 4, 0x0009]);
});

/** A version 2 table with one entry, and its status frame in the granter's memory. */
function version2(entry: string): XenWorld {
  const world = new XenWorld();
  world.granter.table.switchTo(2);
  assertEquals(world.addToPhysmap(0x8000_0000, STATUS_TABLE), 0);
  world.writeEntry(8, entry);
  return world;
}

Deno.test("case 9: in version 2 the status word says what is mapped, the header stays", () => {
  const world = version2("0100000000000000 4523010000000000");
  const first = map(world, {});
  assertEquals([first.status, world.flags(8), world.status(8)], [0, 0x0001, 0x0018]);
  assertEquals(unmap(world, first.handle), 0);
  assertEquals(world.status(8), 0);
});

Deno.test("case 9: after the granter has zeroed the header a pinned entry is still mapped again, and no longer when it is free", () => {
  const world = version2("0100000000000000 4523010000000000");
  const first = map(world, {});
  world.setFlags(8, 0);
  assertEquals(world.status(8) & 0x18, 0x18, "the granter sees that it is in use");
  const second = map(world, { host_addr: HOST + 0x1000n });
  assertEquals(second.status, 0);
  // The frame is the one of the first pin, whatever the entry says now.
  world.writeEntry(8, "0000000000000000 0002000000000000");
  const third = map(world, { host_addr: HOST + 0x2000n });
  assertEquals([third.status, third.dev_bus_addr], [0, 0x1234_5000n]);
  unmap(world, first.handle);
  unmap(world, second.handle, HOST + 0x1000n);
  assertEquals(world.status(8), 0x0018);
  unmap(world, third.handle, HOST + 0x2000n);
  assertEquals(world.status(8), 0);
  assertEquals(map(world, {}).status, -1);
});

Deno.test("version 2: a header that stops permitting between the two looks leaves no status bit", () => {
  const world = version2("0100000000000000 4523010000000000");
  const { status } = world.during(() => world.setFlags(8, 0), () => map(world, {}));
  assertEquals([status, world.status(8)], [-1, 0]);
});

Deno.test("version 2: an upgrade to writing looks at readonly and at nothing else", () => {
  const world = version2("0100000000000000 4523010000000000");
  map(world, { flags: 6 });
  world.setFlags(8, 0);
  assertEquals(map(world, { flags: 2, host_addr: HOST + 0x1000n }).status, 0, "the dead entry is not read-only");
  world.setFlags(8, 4);
  const readers = version2("0100000000000000 4523010000000000");
  map(readers, { flags: 6 });
  readers.setFlags(8, 4);
  assertEquals(map(readers, { flags: 2, host_addr: HOST + 0x1000n }).status, -1);
  assertEquals(readers.status(8), 0x0008);
});
