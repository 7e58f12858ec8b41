import { assertEquals } from "@std/assert";
import { AddressSpace, HypercallRegisters, RamRegion } from "@iova/core";
import { DomId, GntTabOp, MemoryExchange, Transfer, XenMem } from "../layout.ts";
import { DOMU_MAX_ORDER, Exchange } from "./exchange.ts";
import { GrantCalls } from "./grant_calls.ts";
import { Hypervisor } from "./hypervisor.ts";
import { MachineMap } from "./machine_map.ts";
import { MemoryCalls } from "./memory_calls.ts";
import { YieldPoint } from "./schedule.ts";

const ARGUMENTS = 0x1_0000;
const IN_LIST = 0x2_0000;
const OUT_LIST = 0x3_0000;
const SPARE = 0x6000;

/** A PV domain with 1024 frames: frame n is machine frame 0x5000 + 1023 − n. 256 machine frames from 0x6000 are free. */
function pv() {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(0x40_0000)));
  const map = new MachineMap(space, 0x5000, 0x1100);
  const hv = new Hypervisor({ space, frames: map });
  const guest = hv.createDomain({ id: 1, kind: "pv" });
  for (let pfn = 0; pfn < 1024; pfn++) map.assign(0x5000 + 1023 - pfn, 1, pfn);
  for (let mfn = 0x5400; mfn < SPARE; mfn++) map.assign(mfn, 3, Infinity);
  const exchange = new Exchange(hv, map, guest, DOMU_MAX_ORDER, () => {});
  const memory = new MemoryCalls(hv, guest, () => {}, exchange);
  const list = (address: number, frames: number[]) =>
    frames.forEach((frame, i) => {
      space.write(address + 8 * i, 4, frame);
      space.write(address + 8 * i + 4, 4, 0);
    });
  type Fields = Parameters<typeof MemoryExchange.encode>[0];
  const call = (given: number[], wanted: number[], fields: Fields) => {
    list(IN_LIST, given);
    list(OUT_LIST, wanted);
    const bytes = space.bytes(ARGUMENTS, MemoryExchange.size);
    bytes.set(MemoryExchange.encode({
      in_extent_start: BigInt(IN_LIST),
      in_nr_extents: BigInt(given.length),
      in_domid: DomId.SELF,
      out_extent_start: BigInt(OUT_LIST),
      out_nr_extents: BigInt(wanted.length),
      out_domid: DomId.SELF,
      ...fields,
    }));
    const status = memory.call(new HypercallRegisters().set(0, XenMem.EXCHANGE).set(1, ARGUMENTS));
    return { status, done: MemoryExchange.decode(bytes).nr_exchanged };
  };
  const outList = (count: number) => Array.from({ length: count }, (_, i) => space.read(OUT_LIST + 8 * i, 4));
  return { space, map, hv, guest, call, outList };
}

Deno.test("two scattered frames for an extent of two: consecutive machine frames, m2p updated, the old ones free", () => {
  const { map, call, outList } = pv();
  const { free } = map;
  assertEquals(call([0x53ff, 0x53fe], [0], { out_extent_order: 1, out_mem_flags: 32 }), { status: 0, done: 2n });
  assertEquals(outList(1), [SPARE]);
  assertEquals([map.pfnOf(SPARE), map.pfnOf(SPARE + 1)], [0, 1]);
  assertEquals([map.ownerOf(0x53ff), map.ownerOf(0x53fe)], [-1, -1]);
  assertEquals(map.free, free);
  assertEquals(map.pfnOf(0x53fd), 2, "others are untouched");
});

Deno.test("an extent goes back for single frames", () => {
  const { map, call, outList } = pv();
  call([0x53ff, 0x53fe], [0], { out_extent_order: 1 });
  assertEquals(call([SPARE], [0, 1], { in_extent_order: 1 }), { status: 0, done: 1n });
  assertEquals(outList(2).map((mfn) => map.pfnOf(mfn)), [0, 1]);
  assertEquals([map.ownerOf(SPARE), map.ownerOf(SPARE + 1)], [-1, -1]);
});

Deno.test("address bits that no free extent has: no memory, and nothing has changed", () => {
  const { map, call } = pv();
  const { free } = map;
  assertEquals(call([0x53ff, 0x53fe], [0], { out_extent_order: 1, out_mem_flags: 24 }).status, -12);
  assertEquals([map.free, map.pfnOf(0x53ff), map.pfnOf(0x53fe)], [free, 0, 1]);
});

Deno.test("unequal totals, other domains, orders above the limit, frames that are not one's own or named twice", () => {
  const { call } = pv();
  assertEquals(call([0x53ff], [0], { out_extent_order: 1 }).status, -22);
  assertEquals(call([0x53ff], [0], { in_domid: 3 }).status, -22);
  assertEquals(call([0x53ff], [0], { in_domid: 3, out_domid: 3 }).status, -1);
  assertEquals(call([0x53ff], [0], { in_extent_order: 10, out_extent_order: 10 }).status, -1);
  assertEquals(call([0x5500], [0], {}).status, -22);
  assertEquals(call([0x53ff, 0x53ff], [0], { out_extent_order: 1 }).status, -22);
  assertEquals(call([0x53ff], [0], { out_extent_start: 0xffff_0000_0000n }).status, -14);
  assertEquals(call([0x53ff], [0], { in_nr_extents: 1n << 40n, out_nr_extents: 1n << 40n }).status, -22);
});

Deno.test("what has been done before a failure is told, and is done", () => {
  const { map, call } = pv();
  // 256 free frames hold one extent of order 8 and, once single frames come back, no other.
  const given = Array.from({ length: 512 }, (_, i) => 0x53ff - i * 2);
  assertEquals(call(given, [0, 256], { out_extent_order: 8 }), { status: -12, done: 256n });
  assertEquals(map.pfnOf(SPARE + 255), 255);
});

Deno.test("a frame that somebody uses through a grant cannot be exchanged", () => {
  const { guest, call } = pv();
  guest.table.active.pin[8] = 1;
  guest.table.active.mfn[8] = 0x53ff;
  assertEquals(call([0x53ff], [0], {}).status, -12);
});

Deno.test("translations through a frame that goes away are announced", () => {
  const { map, call } = pv();
  const moved: number[] = [];
  map.onMoved = (mfn) => moved.push(mfn);
  call([0x53ff], [0], {});
  assertEquals(moved, [0x53ff]);
});

Deno.test("the m2p array reads as 64-bit frames, all ones for nobody's, and cannot be written", () => {
  const { map } = pv();
  const at = 0x53fe * 8;
  assertEquals([map.read(at, 4), map.read(at + 4, 4), map.read(at, 1), map.read(at, 2)], [1, 0, 1, 1]);
  assertEquals([map.read(0, 4), map.read(4, 4), map.read(2, 2)], [0xffff_ffff, 0xffff_ffff, 0xffff]);
  map.write();
  assertEquals(map.read(at, 4), 1);
});

function transferring() {
  const world = pv();
  const receiver = world.hv.createDomain({ id: 2, kind: "pv" });
  const { table } = receiver;
  const entry = (header: number) => table.words(9)[table.at(9)] = header;
  const calls = new GrantCalls(world.hv, world.guest, () => {});
  const transfer = (fields: Parameters<typeof Transfer.encode>[0] = {}) => {
    const bytes = world.space.bytes(ARGUMENTS, Transfer.size);
    bytes.set(Transfer.encode({ mfn: 0x53ffn, domid: 2, ref: 9, status: 0x7777, ...fields }));
    calls.call(new HypercallRegisters().set(0, GntTabOp.TRANSFER).set(1, ARGUMENTS).set(2, 1));
    return Transfer.decode(bytes).status << 16 >> 16;
  };
  const words = () => [table.words(9)[table.at(9)], table.words(9)[table.at(9) + 1]];
  return { ...world, entry, transfer, words };
}

Deno.test("a transfer: committed, moved, the machine frame written, completed", () => {
  const { hv, map, entry, transfer, words } = transferring();
  entry(0x0001_0002);
  const seen: number[] = [];
  hv.schedule = (point) => void (point === YieldPoint.TRANSFER_COMMITTED && seen.push(words()[0], map.ownerOf(0x53ff)));
  assertEquals(transfer(), 0);
  assertEquals(seen, [0x0001_0006, 1]);
  assertEquals(words(), [0x0001_000e, 0x53ff]);
  assertEquals([map.ownerOf(0x53ff), map.pfnOf(0x53ff)], [2, -1]);
  assertEquals(transfer(), -9, "it is the caller's no longer");
});

Deno.test("a transfer into an entry that does not accept it, to nobody, beyond the table, or one that never settles", () => {
  const { hv, map, entry, transfer } = transferring();
  assertEquals(transfer(), -1);
  entry(0x0003_0002);
  assertEquals(transfer(), -1);
  entry(0x0001_0006);
  assertEquals(transfer(), -1);
  assertEquals([transfer({ domid: 77 }), transfer({ ref: 512 }), transfer({ mfn: 0x5500n })], [-2, -3, -9]);
  entry(0x0001_0002);
  // Somebody else's transfer commits in between.
  hv.schedule = () => entry(0x0001_0006);
  assertEquals(transfer(), -1);
  assertEquals(map.ownerOf(0x53ff), 1);
});
