import { assert, assertEquals } from "@std/assert";
import { BusStatus, Direction, DMA_MAPPING_ERROR } from "@iova/core";
import { LIOBN, TceWorld } from "./testdata/world.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** What is left of a list page's address is not the cases' affair. */
function withoutList(log: [number, ...bigint[]][]): unknown[][] {
  return log.map(([number, ...args]) => number === 0x13c ? [number, args[0], args[1], args[3]] : [number, ...args]);
}

Deno.test("case 1: a buffer of one page is one H_PUT_TCE, and its entry names the page for reading", () => {
  const tce = new TceWorld();
  assertEquals(tce.device.dma.mapSingle(0x1234_5678, 0x100, TO_DEVICE), 0x1678n);
  assertEquals(tce.log, [[0x20, LIOBN, 0x1000n, 0x1234_5001n]]);
  assertEquals(tce.entry(1), "0000000012345001");
  assertEquals(tce.device.stats.hypercalls, 1);
});

Deno.test("case 2: FROM_DEVICE gives both rights, so the device can read as well", () => {
  const tce = new TceWorld();
  assertEquals(tce.device.dma.mapSingle(0x1234_5678, 0x100, FROM_DEVICE), 0x1678n);
  assertEquals(tce.log, [[0x20, LIOBN, 0x1000n, 0x1234_5003n]]);
  assertEquals([tce.hcall(0x1c, LIOBN, 0x1000), tce.r4], [0, 0x1234_5003n]);
  tce.world.world.bytes(0x1234_5678, 4).set([1, 2, 3, 4]);
  const bytes = new Uint8Array(4);
  assertEquals(tce.device.port.read(0x1678n, bytes), BusStatus.OK);
  assertEquals(bytes, new Uint8Array([1, 2, 3, 4]));
  assertEquals(tce.writes(0x1678n), BusStatus.OK);
  assertEquals(tce.world.world.bytes(0x1234_5678, 4), new Uint8Array(4).fill(0xa5));
});

Deno.test("case 2, strict: FROM_DEVICE gives the right to write only, and a read is a fault", () => {
  const tce = new TceWorld({ strict: true, eeh: false });
  assertEquals(tce.device.dma.mapSingle(0x1234_5678, 0x100, FROM_DEVICE), 0x1678n);
  assertEquals(tce.entry(1), "0000000012345002");
  assertEquals(tce.reads(0x1678n), BusStatus.COMPLETER_ABORT);
  assertEquals(tce.writes(0x1678n), BusStatus.OK);
});

Deno.test("case 3: 600 pages are two lists, of 512 and 88 entries, and two calls that clear them", () => {
  const tce = new TceWorld();
  const { dma, stats } = tce.device;
  assertEquals(dma.mapSingle(0x1000_0000, 0x25_8000, BIDIRECTIONAL), 0x3000_0000n);
  assertEquals(withoutList(tce.log), [
    [0x13c, LIOBN, 0x3000_0000n, 512n],
    [0x13c, LIOBN, 0x3020_0000n, 88n],
  ]);
  assertEquals(tce.calls.map(({ list }) => [list.length, list[0]]), [
    [512, "0000000010000003"],
    [88, "0000000010200003"],
  ]);
  assertEquals([tce.entry(0x3_0000), tce.entry(0x3_0257)], ["0000000010000003", "0000000010257003"]);
  tce.calls.length = 0;
  dma.unmapSingle(0x3000_0000n, 0x25_8000, BIDIRECTIONAL);
  assertEquals(tce.log, [
    [0x138, LIOBN, 0x3000_0000n, 0n, 512n],
    [0x138, LIOBN, 0x3020_0000n, 0n, 88n],
  ]);
  assertEquals(tce.entry(0x3_0257), "0000000000000000");
  assertEquals(stats.hypercalls, 4);
});

Deno.test("case 3: without the calls on many entries it is one H_PUT_TCE for each of 600 pages, both ways", () => {
  const tce = new TceWorld({ multiTce: false });
  const { dma, stats } = tce.device;
  assertEquals(dma.mapSingle(0x1000_0000, 0x25_8000, BIDIRECTIONAL), 0x3000_0000n);
  assertEquals(stats.hypercalls, 600);
  assert(tce.calls.every(({ number }) => number === 0x20));
  dma.unmapSingle(0x3000_0000n, 0x25_8000, BIDIRECTIONAL);
  assertEquals(stats.hypercalls, 1200);
  assertEquals(tce.log[1199], [0x20, LIOBN, 0x3025_7000n, 0n]);
});

Deno.test("case 4: two pages far apart become one segment, because their entries are neighbours", () => {
  const tce = new TceWorld();
  const list = [{ cpu: 0x1000_0000, length: 0x1000 }, { cpu: 0x2000_0000, length: 0x1000 }];
  assertEquals(tce.device.dma.mapSg(list, TO_DEVICE), 1);
  assertEquals(list.map((entry) => Object.values(entry)), [
    [0x1000_0000, 0x1000, 0x1000n, 0x2000],
    [0x2000_0000, 0x1000, DMA_MAPPING_ERROR, 0],
  ]);
  assertEquals([tce.entry(1), tce.entry(2)], ["0000000010000001", "0000000020000001"]);
  assertEquals(tce.calls.map(({ number }) => number), [0x20, 0x20]);
});

Deno.test("case 4: without merging the same list is two segments", () => {
  const tce = new TceWorld({ merge: false });
  const list = [{ cpu: 0x1000_0000, length: 0x1000 }, { cpu: 0x2000_0000, length: 0x1000 }];
  assertEquals(tce.device.dma.mapSg(list, TO_DEVICE), 2);
  assertEquals(list.map((entry) => Object.values(entry).slice(2)), [[0x1000n, 0x1000], [0x2000n, 0x1000]]);
});

Deno.test("case 5: addresses come in Linux's order, from the pool of the CPU", () => {
  const tce = new TceWorld();
  const { dma } = tce.device;
  const map = (pages: number) => dma.mapSingle(0x1000_0000, pages * 0x1000, BIDIRECTIONAL);
  assertEquals([1, 1, 1, 2, 16, 16, 600].map(map), [
    0x1000n,
    0x1_0000n,
    0x2_0000n,
    0x3_0000n,
    0x3000_0000n,
    0x3001_0000n,
    0x3002_0000n,
  ]);
  tce.guest.defaultTable!.ranges.cpu = 1;
  assertEquals(map(1), 0x0c00_0000n);
});

Deno.test("case 5: a guest with 64 KiB pages takes 16 entries for each, from the pool for large requests", () => {
  const { device: { dma } } = new TceWorld({ guestPage: "64KiB" });
  assertEquals(dma.mapSingle(0x1000_0000, 0x1_0000, BIDIRECTIONAL), 0x3000_0000n);
});

Deno.test("case 15: a refusal for lack of resources is undone and is a failed mapping", () => {
  const tce = new TceWorld({ entitlement: 512 * 4096 });
  const { dma, stats } = tce.device;
  assertEquals(dma.mapSingle(0x1000_0000, 0x25_8000, BIDIRECTIONAL), DMA_MAPPING_ERROR);
  assertEquals(tce.calls.map(({ number, status }) => [number, status]), [[0x13c, 0], [0x13c, -44], [0x138, 0]]);
  assertEquals(tce.log[2], [0x138, LIOBN, 0x3000_0000n, 0n, 512n]);
  assertEquals(tce.guest.defaultTable!.ranges.used, 0);
  assertEquals([stats.maps, stats.mapFailures, tce.phb.entitlement.mapped], [0, 1, 0]);
});

/** Every H_PUT_TCE is refused from now on. */
function refusePuts(tce: TceWorld): void {
  const { guest } = tce.world.world;
  const call = guest.hypercall.bind(guest);
  guest.hypercall = (number, registers) => number === 0x20 ? -4 : call(number, registers);
}

Deno.test("case 15: Linux hands out an address whose entry was refused; the device finds out", () => {
  const tce = new TceWorld();
  const { dma } = tce.device;
  refusePuts(tce);
  assertEquals(dma.mapSingle(0x1234_5000, 0x100, BIDIRECTIONAL), 0x1000n);
  assertEquals(tce.world.world.warnings, [{ id: "tce-put", message: "plpar_tce_put failed. rc=-4", device: "dev" }]);
  assertEquals(tce.writes(0x1000n), BusStatus.COMPLETER_ABORT);
  dma.unmapSingle(0x1000n, 0x100, BIDIRECTIONAL);
  assertEquals(tce.guest.defaultTable!.ranges.used, 0);
});

Deno.test("case 15, strict: every refusal is a failed mapping", () => {
  const tce = new TceWorld({ strict: true });
  const { dma } = tce.device;
  refusePuts(tce);
  assertEquals(dma.mapSingle(0x1234_5000, 0x100, BIDIRECTIONAL), DMA_MAPPING_ERROR);
  assertEquals(tce.guest.defaultTable!.ranges.used, 0);
  assertEquals(tce.world.world.warnings, []);
});

Deno.test("without a page for the list each entry is a call of its own", () => {
  const tce = new TceWorld();
  const { heap } = tce.world.world.guest;
  for (let size = 2 ** 24; size >= 16; size /= 2) while (heap.alloc(size) !== null);
  assertEquals(tce.device.dma.mapSingle(0x1000_0000, 0x3000, BIDIRECTIONAL), 0x1000n);
  assertEquals(tce.log, [
    [0x20, LIOBN, 0x1000n, 0x1000_0003n],
    [0x20, LIOBN, 0x2000n, 0x1000_1003n],
    [0x20, LIOBN, 0x3000n, 0x1000_2003n],
  ]);
});

Deno.test("strict: what a list stored before it failed is cleared again", () => {
  // QEMU stores one entry after the other, so a call that fails may have stored some.
  const tce = new TceWorld({ strict: true, profile: "qemu-tcg" });
  const { guest } = tce.world.world;
  const call = guest.hypercall.bind(guest);
  guest.hypercall = (number, registers) => {
    const status = call(number, registers);
    return number === 0x13c ? -1 : status;
  };
  assertEquals(tce.device.dma.mapSingle(0x1000_0000, 0x3000, BIDIRECTIONAL), DMA_MAPPING_ERROR);
  assertEquals([1, 2, 3].map((index) => tce.entry(index)), new Array(3).fill("0000000000000000"));
  assertEquals(tce.guest.defaultTable!.ranges.used, 0);
});

Deno.test("a list of many entries is one call an entry, and its undoing clears every one", () => {
  const tce = new TceWorld({ entitlement: "8KiB" });
  const list = [0x1000_0000, 0x2000_0000, 0x3000_0000].map((cpu) => ({ cpu, length: 0x1000 }));
  assertEquals(tce.device.dma.mapSgTable(list, TO_DEVICE), -5);
  assertEquals(tce.calls.map(({ number, status }) => [number, status]), [[0x20, 0], [0x20, 0], [0x20, -44], [
    0x138,
    0,
  ]]);
  assertEquals([tce.guest.defaultTable!.ranges.used, tce.phb.entitlement.mapped], [0, 0]);
});
