// The lifecycle rules behind Xen's published advisories, each replayed as a schedule. What the fixed hypervisor must show
// is asserted; the number of the advisory stands in the name.

import { assertEquals } from "@std/assert";
import { Copy, GntTabOp, MapGrantRef, SetVersion, UnmapGrantRef } from "../layout.ts";
import { STATUS_TABLE, XenWorld } from "../testing.ts";
import { MapRequest } from "./map.ts";
import { YieldPoint } from "./schedule.ts";

const HOST = 0x5000_0000n;
const BUS = 0x1234_5000n;

function granted(kind: "pv" | "hvm" = "hvm") {
  const world = new XenWorld({ backend: { kind } });
  world.writeEntry(8, "01000000 45230100");
  world.writeEntry(9, "01000000 01020000");
  return world;
}

type Map = Parameters<typeof MapGrantRef.encode>[0];
type Unmap = Parameters<typeof UnmapGrantRef.encode>[0];

const map = (world: XenWorld, fields: Map = {}, mapper = world.backend) =>
  world.grantCall(mapper, GntTabOp.MAP_GRANT_REF, MapGrantRef, [
    { host_addr: HOST, flags: 2, ref: 8, dom: 1, ...fields },
  ])[0];
const unmap = (world: XenWorld, ...elements: Unmap[]) =>
  world.grantCall(world.backend, GntTabOp.UNMAP_GRANT_REF, UnmapGrantRef, elements).map(({ status }) => status);
const copy = (world: XenWorld, ...elements: Parameters<typeof Copy.encode>[0][]) =>
  world.grantCall(world.backend, GntTabOp.COPY, Copy, elements).map(({ status }) => status);
const COPY = { source: 8n, source_domid: 1, dest: 9n, dest_domid: 1, flags: 3, len: 16 } as const;

function version2(world: XenWorld) {
  world.granter.table.switchTo(2);
  world.addToPhysmap(0x8000_0000, STATUS_TABLE);
  world.writeEntry(8, "0100000000000000 4523010000000000");
  world.writeEntry(9, "0100000000000000 0102000000000000");
}

Deno.test("XSA-26, XSA-255: after a switch back to version 1 nothing is written to where status frames were", () => {
  const world = granted();
  version2(world);
  world.grantCall(world.granter, GntTabOp.SET_VERSION, SetVersion, [{ version: 1 }]);
  world.bytes(STATUS_TABLE, 4096).fill(0xa5);
  world.writeEntry(8, "01000000 45230100");
  const { handle } = map(world);
  unmap(world, { handle, host_addr: HOST });
  assertEquals(world.bytes(STATUS_TABLE, 4096), new Uint8Array(4096).fill(0xa5));
});

Deno.test("XSA-218: while a mapping can still be used the granter never sees the entry free", () => {
  const world = granted();
  const { handle } = map(world);
  const seen: string[] = [];
  const look = (point: string) => seen.push(`${point} ${world.flags(8).toString(16)}`);
  world.during(look, () => unmap(world, { handle, host_addr: HOST }));
  assertEquals(seen, [`${YieldPoint.MAPPING_CLEARED} 19`]);
});

Deno.test("XSA-218: one handle twice in a batch is given back once", () => {
  const world = granted();
  const first = map(world).handle;
  map(world, { host_addr: HOST + 0x1000n });
  const element = { handle: first, host_addr: HOST };
  assertEquals(unmap(world, element, element), [0, -4]);
  assertEquals([world.flags(8), world.granter.table.active.pin[8]], [0x0019, 1]);
  const handles = [map(world).handle, map(world, { host_addr: HOST + 0x2000n }).handle];
  assertEquals(new Set(handles).size, 2);
});

Deno.test("XSA-224: host and device half of one handle are counted apart, and a zero address leaves its half", () => {
  const world = granted("pv");
  const { handle } = map(world, { flags: 3 });
  unmap(world, { handle, host_addr: HOST }, { handle, host_addr: HOST }, { handle });
  assertEquals(world.granter.table.active.pin[8], 0x0001_0000);
  assertEquals(world.flags(8), 0x0019);
  unmap(world, { handle, dev_bus_addr: BUS });
  assertEquals(world.granter.table.active.pin[8], 0);
});

Deno.test("XSA-226: a transitive grant that changes while it is resolved leaks no pin", () => {
  const world = granted();
  version2(world);
  const other = world.hv.createDomain({ id: 2, kind: "hvm" });
  const resolve = world.frames.resolve.bind(world.frames);
  world.frames.resolve = (domid, gfn) => domid === 2 ? gfn : resolve(domid, gfn);
  other.table.words(8)[other.table.at(8)] = 0x0001_0001;
  other.table.words(8)[other.table.at(8) + 1] = 0x12345;
  world.writeEntry(8, "0300000002000000 0800000000000000");
  const change = (point: string) => {
    if (point !== YieldPoint.TRANSITIVE_UNLOCKED) return;
    world.writeEntry(8, "0300000002000000 0a00000000000000");
    world.setFlags(8, 0);
  };
  world.during(change, () => copy(world, COPY));
  assertEquals([other.table.active.pin[8], world.granter.table.active.pin[8]], [0, 0]);
  assertEquals([world.status(8), other.table.words(8)[other.table.at(8)]], [0, 0x0001_0001]);
});

Deno.test("XSA-228: no two live mappings have one handle", () => {
  const world = granted();
  const live = new Set<number>();
  for (let i = 0; i < 120; i++) {
    const { handle } = map(world, { host_addr: HOST + BigInt(i) * 0x1000n });
    assertEquals(live.has(handle), false);
    live.add(handle);
    if (i % 3 !== 2) continue;
    unmap(world, { handle, host_addr: HOST + BigInt(i) * 0x1000n });
    live.delete(handle);
  }
});

Deno.test("XSA-230: a copy that ends leaves the flags that a device mapping needs", () => {
  const world = granted("pv");
  map(world, { flags: 1, ref: 9, host_addr: 0n });
  assertEquals(world.flags(9), 0x0019);
  assertEquals(copy(world, COPY), [0]);
  assertEquals([world.flags(8), world.flags(9)], [0x0001, 0x0019]);
});

Deno.test("XSA-236: a page is pinned for as long as a copy uses it", () => {
  const world = granted();
  const pins: number[][] = [];
  const look = (point: string) => {
    if (point !== YieldPoint.COPY_PINNED && point !== YieldPoint.COPY_DONE) return;
    pins.push([world.granter.table.active.pin[8], world.granter.table.active.pin[9]]);
  };
  world.during(look, () => copy(world, COPY));
  assertEquals(pins, [[0x100, 1], [0x100, 1]]);
});

Deno.test("XSA-268: Arm has no version 2 tables", () => {
  const world = new XenWorld({ granter: { arch: "arm" } });
  const [{ version }] = world.grantCall(world.granter, GntTabOp.SET_VERSION, SetVersion, [{ version: 2 }]);
  assertEquals([world.returned, version], [-38, 1]);
});

Deno.test("XSA-295: an entry that never stays the same costs five attempts and no more", () => {
  const world = granted();
  let attempts = 0;
  const change = (point: string) => {
    if (point !== YieldPoint.ENTRY_EXCHANGE) return;
    attempts++;
    world.setFlags(8, world.flags(8) ^ 0x20);
  };
  assertEquals(world.during(change, () => map(world)).status, -1);
  assertEquals(attempts, 5);
});

Deno.test("XSA-316: every status of a failed map is negative", () => {
  const world = granted();
  for (let flags = 0; flags < 64; flags++) {
    for (const ref of [8, 20, 511, 512, 0xffff_ffff]) {
      for (const dom of [0, 1, 2, 0x7ff0, 0xffff]) {
        const { status, handle } = map(world, { flags, ref, dom });
        assertEquals(status === 0 ? handle !== 0xffff_ffff : status < 0 && handle === 0xffff_ffff, true, `${status}`);
        if (status === 0) unmap(world, { handle, host_addr: HOST });
      }
    }
  }
});

Deno.test("XSA-318: a long batch leaves no status untouched", () => {
  const world = granted();
  // Not into the array itself.
  world.writeEntry(9, "01000000 46230100");
  const elements = Array.from({ length: 3000 }, (_, i) => i % 3 === 1 ? { ...COPY, source: 600n } : COPY);
  assertEquals(new Set(copy(world, ...elements)), new Set([0, -3]));
});

Deno.test("XSA-380, XSA-394: what devices reach is counted per frame, also through partial unmaps", () => {
  const world = granted("pv");
  const first = map(world, { flags: 3 }).handle;
  const second = map(world, { flags: 3, host_addr: HOST + 0x1000n }).handle;
  assertEquals(world.backend.deviceMappings.get(0x12345), 2);
  unmap(world, { handle: first, host_addr: HOST });
  assertEquals(world.backend.deviceMappings.get(0x12345), 2);
  unmap(world, { handle: first, dev_bus_addr: BUS }, { handle: first, dev_bus_addr: BUS });
  assertEquals(world.backend.deviceMappings.get(0x12345), 1);
  unmap(world, { handle: second, dev_bus_addr: BUS, host_addr: HOST + 0x1000n });
  assertEquals([world.backend.deviceMappings.get(0x12345), world.flags(8)], [-1, 0x0001]);
});

Deno.test("XSA-500: a copy from an entry that is pinned uses the frame of the pin, not what the entry says by now", () => {
  const world = granted();
  world.bytes(Number(BUS), 1)[0] = 0x11;
  world.bytes(0x20_2000, 1)[0] = 0x22;
  map(world, { flags: 6 });
  world.writeEntry(8, "01000000 02020000");
  assertEquals(copy(world, COPY), [0]);
  assertEquals(world.bytes(0x20_1000, 1)[0], 0x11);
});

Deno.test("XSA-501: the version cannot change while an operation counts on the layout", () => {
  const world = granted();
  const results: number[] = [];
  const switchNow = (point: string) => {
    if (point !== YieldPoint.ENTRY_EXCHANGE) return;
    const at = 0x3f_0000;
    world.space.write(at, 4, 2);
    results.push(world.call(world.granter, GntTabOp.SET_VERSION, at, 1));
  };
  assertEquals(world.during(switchNow, () => map(world)).status, 0);
  assertEquals([results, world.granter.table.version], [[-11], 1]);
});

Deno.test("of two domains that map one reference at the same moment one gets it, and no pin is lost", () => {
  const world = granted();
  const other = world.hv.createDomain({ id: 2, kind: "hvm" });
  const statuses: number[] = [];
  let once = true;
  const alsoMap = (point: string) => {
    if (point !== YieldPoint.ENTRY_EXCHANGE || !once) return;
    once = false;
    world.writeEntry(8, "01000200 45230100");
    const op = new MapRequest();
    Object.assign(op, { flags: 2, ref: 8, dom: 1, hostFrame: 0x77 });
    world.hv.map(other, op);
    statuses.push(op.status);
  };
  statuses.push(world.during(alsoMap, () => map(world)).status);
  assertEquals(statuses, [0, -1]);
  once = true;
  const again = granted();
  const twice = (point: string) => {
    if (point !== YieldPoint.ENTRY_EXCHANGE || !once) return;
    once = false;
    const op = new MapRequest();
    Object.assign(op, { flags: 6, ref: 8, dom: 1, hostFrame: 0x77 });
    again.hv.map(again.backend, op);
    // The word is what it was when the first one read it.
    again.setFlags(8, 0x0001);
  };
  assertEquals(again.during(twice, () => map(again)).status, -12);
  assertEquals([again.granter.table.active.pin[8], again.backend.maptrack.live], [0x100, 1]);
});

Deno.test("version 2, revocation against mapping: in every order one of the two fails or sees the other", () => {
  for (const when of [YieldPoint.ENTRY_EXCHANGE, YieldPoint.STATUS_SET]) {
    const world = granted();
    version2(world);
    let free = true;
    const revoke = (point: string) => {
      if (point !== when) return;
      world.setFlags(8, 0);
      free = (world.status(8) & 0x18) === 0;
    };
    const { status } = world.during(revoke, () => map(world));
    assertEquals(status === 0 && free, false, when);
    assertEquals(
      when === YieldPoint.STATUS_SET ? [status, free] : [status, free],
      status === 0 ? [0, false] : [-1, true],
    );
  }
});
