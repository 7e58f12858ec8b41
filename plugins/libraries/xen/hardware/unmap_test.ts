import { assertEquals } from "@std/assert";
import { GntTabOp, MapGrantRef, UnmapAndReplace, UnmapGrantRef } from "../layout.ts";
import { XenWorld } from "../testing.ts";
import { YieldPoint } from "./schedule.ts";

const WRITABLE = "01000000 45230100";
const HOST = 0x5000_0000n;
const BUS = 0x1234_5000n;

type Unmap = Parameters<typeof UnmapGrantRef.encode>[0];

function mapped(kind: "pv" | "hvm" = "hvm", flags = 2) {
  const world = new XenWorld({ backend: { kind } });
  world.writeEntry(8, WRITABLE);
  const map = (host_addr = HOST) =>
    world.grantCall(world.backend, GntTabOp.MAP_GRANT_REF, MapGrantRef, [{ host_addr, flags, ref: 8, dom: 1 }])[0];
  const unmap = (...elements: Unmap[]) =>
    world.grantCall(world.backend, GntTabOp.UNMAP_GRANT_REF, UnmapGrantRef, elements).map(({ status }) => status);
  return { world, map, unmap, handle: map().handle };
}

Deno.test("case 12: with both addresses 0 nothing changes and the handle stays", () => {
  const { world, unmap, handle } = mapped();
  assertEquals(unmap({ handle }), [0]);
  assertEquals(world.flags(8), 0x0019);
  assertEquals(unmap({ handle, host_addr: HOST }), [0]);
  assertEquals(world.flags(8), 0x0001);
});

Deno.test("case 12: a handle that was given back is a bad handle", () => {
  const { unmap, handle } = mapped();
  assertEquals(unmap({ handle, host_addr: HOST }), [0]);
  assertEquals(unmap({ handle, host_addr: HOST }), [-4]);
  assertEquals(unmap({ handle: 0xffff_ffff, host_addr: HOST }), [-4]);
  assertEquals(unmap({ handle: 17, host_addr: HOST }), [-4]);
});

Deno.test("case 12: map, map, unmap the first, map: handles 0, 1 and then 2", () => {
  const { map, unmap, handle } = mapped();
  const second = map(HOST + 0x1000n).handle;
  unmap({ handle, host_addr: HOST });
  assertEquals([handle, second, map().handle], [0, 1, 2]);
});

Deno.test("case 12: of a device and host map the host half can go alone; the handle lives on and writing stays", () => {
  const { world, unmap, handle } = mapped("pv", 3);
  assertEquals(world.granter.table.active.pin[8], 0x0001_0001);
  assertEquals(unmap({ handle, host_addr: HOST }), [0]);
  assertEquals(world.flags(8), 0x0019);
  assertEquals(world.granter.table.active.pin[8], 0x0001_0000);
  assertEquals(unmap({ handle, dev_bus_addr: BUS + 0x1000n }), [-6]);
  assertEquals(unmap({ handle, dev_bus_addr: BUS }), [0]);
  assertEquals(world.flags(8), 0x0001);
  assertEquals(unmap({ handle, dev_bus_addr: BUS }), [-4]);
});

Deno.test("an address where nothing of the kind is mapped is a general error", () => {
  const { world, unmap, handle } = mapped();
  assertEquals(unmap({ handle, host_addr: HOST + 0x1000n }), [-1]);
  assertEquals(world.flags(8), 0x0019);
});

Deno.test("a batch of 40 is flushed twice, and between mapping and flush the granter still sees it in use", () => {
  const { world, map, unmap, handle } = mapped();
  const handles = [handle];
  for (let i = 1; i < 40; i++) handles.push(map(HOST + BigInt(i) * 0x1000n).handle);
  const seen: [string, number, number][] = [];
  const flushes = world.hv.counters.flushes;
  world.during(
    (point) => seen.push([point, world.flags(8), world.backend.hostMappings.size]),
    () => unmap(...handles.map((handle, i) => ({ handle, host_addr: HOST + BigInt(i) * 0x1000n }))),
  );
  assertEquals(world.hv.counters.flushes - flushes, 2);
  assertEquals(seen, [
    [YieldPoint.MAPPING_CLEARED, 0x0019, 8],
    [YieldPoint.MAPPING_CLEARED, 0x0019, 0],
  ]);
  assertEquals(world.flags(8), 0x0001);
});

Deno.test("a mapper that unmaps a grant of a domain that is gone is crashed", () => {
  const { world, unmap, handle } = mapped();
  world.hv.destroyDomain(world.granter);
  assertEquals(unmap({ handle, host_addr: HOST }), [-2]);
  assertEquals(world.backend.crashed, "unmap of a grant of domain 1, which is gone");
});

Deno.test("a mapper that dies lets go of everything", () => {
  const { world, map } = mapped();
  map(HOST + 0x1000n);
  world.hv.destroyDomain(world.backend);
  assertEquals([world.flags(8), world.granter.table.active.pin[8], world.backend.maptrack.live], [0x0001, 0, 0]);
});

Deno.test("unmap and replace moves the second mapping to the first's place, for PV mappers only", () => {
  const { world, map, handle } = mapped("pv");
  map(HOST + 0x1000n);
  const replace = (caller = world.backend) =>
    world.grantCall(caller, GntTabOp.UNMAP_AND_REPLACE, UnmapAndReplace, [
      { host_addr: HOST, new_addr: HOST + 0x1000n, handle },
    ])[0].status;
  assertEquals(replace(world.granter), -1);
  assertEquals(replace(), 0);
  assertEquals(world.backend.hostMappings.get(Number(HOST / 4096n)), 0x12345);
  assertEquals(world.backend.hostMappings.get(Number(HOST / 4096n) + 1), -1);
  assertEquals(replace(), -4);
});
