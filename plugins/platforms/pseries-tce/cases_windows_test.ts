import { assert, assertEquals } from "@std/assert";
import { BusStatus, Direction, dmaBitMask, type RegisterBlock } from "@iova/core";
import { CreateWindow, QueryWindow, RemoveWindow, ResetWindows } from "./layout.ts";
import { LIOBN, TceWorld } from "./testdata/world.ts";

const { BIDIRECTIONAL } = Direction;
const OK = BusStatus.OK;
const ABORT = BusStatus.COMPLETER_ABORT;
const QEMU = { profile: "qemu-tcg", ddw: true } as const;
const LOPAR = { profile: "lopar", ddw: true } as const;

function query(tce: TceWorld): number[] {
  const { rtas } = tce.guest;
  const { status, windows, largestBlock, pageSizes, migration } = rtas.call(QueryWindow, 0x2026, 5, rtas.pe);
  return [status, windows, largestBlock, pageSizes, migration];
}

function create(tce: TceWorld, pageShift: number, windowShift: number): number[] {
  const { rtas } = tce.guest;
  const made = rtas.call(CreateWindow, 0x2027, 4, { ...rtas.pe, pageShift, windowShift });
  return made.status === 0 ? [0, made.liobn, made.baseHi, made.baseLo] : [made.status];
}

function remove(tce: TceWorld, liobn: number): number {
  return tce.guest.rtas.call(RemoveWindow, 0x2028, 1, { liobn }).status;
}

Deno.test("case 12: firmware says what it has, and makes a second window at 2^59", () => {
  const tce = new TceWorld(QEMU);
  assertEquals(query(tce), [0, 1, 0x8000_0000, 0x107, 0]);
  assertEquals(create(tce, 21, 33), [0, 0x8000_0001, 0x0800_0000, 0]);
  assertEquals(query(tce), [0, 0, 0x8000_0000, 0x107, 0]);
});

Deno.test("case 12: the guest maps 8 GiB in 8 lists, once; from then on a buffer costs no hypercall", () => {
  const tce = new TceWorld({ ...QEMU, pageSizes: "4KiB,64KiB,2MiB" });
  const { dma, stats } = tce.device;
  assertEquals(dma.setMask(dmaBitMask(64)), 0);
  assertEquals(tce.calls.map(({ number }) => number), [0xf000, 0xf000, ...new Array(8).fill(0x13c)]);
  assertEquals(tce.entry(0x91a, 1), "0000000123400003");
  tce.calls.length = 0;
  assertEquals(dma.mapSingle(0x1_2345_6000, 4096, BIDIRECTIONAL), 0x0800_0001_2345_6000n);
  assertEquals(tce.translate(0x0800_0001_2345_6000n), 0x1_2345_6000n);
  dma.unmapSingle(0x0800_0001_2345_6000n, 4096, BIDIRECTIONAL);
  assertEquals(tce.calls, []);
  assertEquals([stats.maps, stats.unmaps, stats.hypercalls], [1, 1, 0]);
});

for (const [pages, entries, lists] of [["64KiB", 131072, 256], ["2MiB", 4096, 8], ["16MiB", 512, 1]] as const) {
  Deno.test(`a window of 8 GiB in pages of ${pages} is ${entries} entries in ${lists} lists`, () => {
    const tce = new TceWorld({ ...LOPAR, pageSizes: `4KiB,${pages}` });
    tce.device.dma.setMask(dmaBitMask(64));
    assertEquals(tce.phb.windows[1]!.entries, entries);
    assertEquals(tce.calls.filter(({ number }) => number === 0x13c).length, lists);
    assertEquals(tce.translate(0x0800_0001_ffff_ffffn), 0x1_ffff_ffffn);
    assertEquals(tce.translate(0x0800_0002_0000_0000n), null);
  });
}

Deno.test("every I/O page size, from 4 KiB to 16 GiB, makes a window, and an entry names a page of that size", () => {
  const shifts = [12, 16, 21, 24, 25, 26, 27, 28, 34];
  for (const shift of shifts) {
    const tce = new TceWorld({ ...QEMU, pageSizes: "4KiB,64KiB,2MiB,16MiB,32MiB,64MiB,128MiB,256MiB,16GiB" });
    assertEquals(query(tce)[3], 0x1ff);
    assertEquals(create(tce, shift, shift + 3), [0, 0x8000_0001, 0x0800_0000, 0]);
    const page = 1n << BigInt(shift);
    const base = 1n << 59n;
    assertEquals(tce.hcall(0x20, 0x8000_0001, base + 5n * page, 3n * page + 3n), 0);
    assertEquals(tce.entry(5, 1), (3n * page + 3n).toString(16).padStart(16, "0"));
    assertEquals(tce.translate(base + 6n * page - 1n), 4n * page - 1n, `2^${shift}`);
    assertEquals([tce.translate(base + 5n * page - 1n), tce.translate(base + 6n * page)], [null, null]);
    assertEquals(tce.hcall(0x20, 0x8000_0001, base + 8n * page, 3), -4, "it has eight entries");
  }
});

Deno.test("case 13: a third window, a bad page size, and a window smaller than a page", () => {
  for (const [options, none] of [[QEMU, -1], [LOPAR, -3]] as const) {
    const tce = new TceWorld(options);
    create(tce, 21, 33);
    assertEquals([create(tce, 21, 33), create(tce, 13, 30), create(tce, 21, 20)], [[none], [-3], [-3]]);
    assertEquals([remove(tce, 0x8000_0001), remove(tce, 0x8000_0001)], [0, -3]);
    // 2^32 entries are none in a number of 32 bits.
    assertEquals(create(tce, 12, 44), [none]);
    assertEquals(create(tce, 21, 33), [0, 0x8000_0001, 0x0800_0000, 0]);
  }
});

Deno.test("case 13: removing the last other window brings the default one back, empty (LoPAR only)", () => {
  const defaults = (tce: TceWorld) =>
    tce.phb.windows.map((window) => window && [window.liobn >>> 0, window.base, window.entries]);
  for (const [options, back] of [[LOPAR, [0x8000_0000, 0n, 262144]], [QEMU, null]] as const) {
    const tce = new TceWorld(options);
    tce.hcall(0x20, LIOBN, 0x1000, 0x5003);
    assertEquals(remove(tce, 0x8000_0000), 0);
    assertEquals(tce.reads(0x1000n), BusStatus.UNSUPPORTED_REQUEST);
    // With no other window there, the first one lies at the default one's place.
    assertEquals(create(tce, 21, 33), [0, 0x8000_0000, 0, 0]);
    assertEquals(remove(tce, 0x8000_0000), 0);
    assertEquals(defaults(tce), [back as never, null]);
    if (back !== null) assertEquals(tce.entry(1), "0000000000000000");
  }
});

Deno.test("case 13: resetting brings the default window back, empty, and nothing else", () => {
  const tce = new TceWorld(QEMU);
  tce.hcall(0x20, LIOBN, 0x1000, 0x5003);
  create(tce, 21, 33);
  assertEquals(tce.guest.rtas.call(ResetWindows, 0x2029, 1, tce.guest.rtas.pe).status, 0);
  assertEquals([tce.entry(1), tce.phb.windows[1]], ["0000000000000000", null]);
});

Deno.test("windows cannot be asked for where firmware does not offer them, with another unit id, or six results", () => {
  const tce = new TceWorld({ ...QEMU, ddw: false });
  assertEquals([query(tce)[0], create(tce, 21, 33), remove(tce, 0x8000_0000)], [-3, [-3], -3]);
  const other = new TceWorld(QEMU);
  const { rtas } = other.guest;
  assertEquals(rtas.call(QueryWindow, 0x2026, 5, { ...rtas.pe, buidLo: 7 }).status, -3);
  const buffer = other.world.world.bytes(0x4000, 48);
  buffer.set(QueryWindow.encode({ ...rtas.pe, token: 0x2026, nargs: 3, nret: 6 }));
  assertEquals(other.hcall(0xf000, 0x4000), 0);
  assertEquals(QueryWindow.decode(buffer).status | 0, -3);
});

Deno.test("a token that RTAS does not know, or a buffer outside memory, is a bad parameter", () => {
  const tce = new TceWorld(QEMU);
  assertEquals(tce.guest.rtas.call(RemoveWindow, 0x2abc, 1, { liobn: 0 }).status, -3);
  assertEquals([tce.hcall(0xf000, 0x3_0000_0000), tce.hcall(0xf000, 0xff_fffc)], [-4, -4]);
});

/** A register of a device behind the bridge. */
function register(tce: TceWorld): { block: RegisterBlock; stores: number[] } {
  const stores: number[] = [];
  const block = { read: () => 0x1234, write: (_at: number, _width: number, value: number) => void stores.push(value) };
  return { block: tce.world.bus.gate(tce.device.port, block), stores };
}

Deno.test("case 14: a fault stops the endpoint, and the guest lifts one stop after the other", () => {
  const tce = new TceWorld();
  const { rtas } = tce.guest;
  const { block, stores } = register(tce);
  tce.hcall(0x20, LIOBN, 0x2000, 0x5003);
  assertEquals([tce.reads(0x2000n), rtas.readState()], [OK, 0]);
  assertEquals([tce.writes(0x1000n), rtas.readState()], [ABORT, 2]);
  assertEquals(tce.reads(0x2000n), ABORT);
  block.write(0, 4, 1);
  assertEquals([block.read(0, 4), stores], [0xffff_ffff, []]);
  assertEquals([rtas.setEehOption(2), rtas.readState()], [0, 4]);
  assertEquals([block.read(0, 4), tce.reads(0x2000n)], [0x1234, ABORT]);
  assertEquals([rtas.setEehOption(3), rtas.readState(), tce.reads(0x2000n)], [0, 0, OK]);
});

Deno.test("case 14: on QEMU nothing is stopped", () => {
  const tce = new TceWorld({ profile: "qemu-tcg" });
  tce.hcall(0x20, LIOBN, 0x2000, 0x5003);
  assertEquals([tce.writes(0x1000n), tce.reads(0x2000n), tce.guest.rtas.readState()], [ABORT, OK, 0]);
});

Deno.test("one fault is one record: what a stopped endpoint's devices do is refused and not logged", () => {
  const tce = new TceWorld();
  const log = tce.world.world.record();
  for (let i = 0; i < 3; i++) tce.writes(0x1000n);
  const records = log.filter(({ type }) => type === "fault-record");
  assertEquals(records.map(({ cause, address, detail }) => [cause, address, detail]), [
    ["TCE_PAGE_FAULT", "0x1000", "liobn 0x80000000 index 0x1 tce 0000000000000000; PE frozen"],
  ]);
  assertEquals(tce.phb.counters(), { TCE_PAGE_FAULT: 1, "refused while stopped": 2, "EEH freezes": 1 });
});

Deno.test("deactivating the reset lifts both stops, and error handling can be switched off", () => {
  const tce = new TceWorld();
  const { rtas } = tce.guest;
  tce.hcall(0x20, LIOBN, 0x2000, 0x5003);
  tce.writes(0x1000n);
  assertEquals([rtas.setSlotReset(0), rtas.readState(), tce.reads(0x2000n)], [0, 0, OK]);
  assertEquals(rtas.setEehOption(0), 0);
  assertEquals([tce.writes(0x1000n), tce.reads(0x2000n), rtas.readState()], [ABORT, OK, 0]);
});

Deno.test("a bridge that is asked for its only window gives it up, and gets it back when that was in vain", () => {
  const tce = new TceWorld({ ...QEMU, windows: 1, tableMemory: "4MiB", pageSizes: "4KiB" });
  const { dma } = tce.device;
  // 8 GiB in pages of 4 KiB need a table of 16 MiB.
  assertEquals(dma.setMask(dmaBitMask(64)), 0);
  assertEquals(tce.phb.windows.map((window) => window?.liobn), [0x8000_0000 | 0]);
  assertEquals(dma.mapSingle(0x5000, 16, BIDIRECTIONAL), 0x1000n);
  assertEquals(tce.reads(0x1000n), OK);
});

Deno.test("a direct window that the hypervisor does not let the guest fill is given back, and the table serves", () => {
  // Memory in pieces smaller than a page of 16 MiB: the page is not all the partition's.
  const tce = new TceWorld({ ...LOPAR, partition: undefined });
  const { dma } = tce.device;
  assertEquals(dma.setMask(dmaBitMask(64)), 0);
  assertEquals(tce.calls.filter(({ number, status }) => number === 0x13c || status !== 0).at(-1)!.status, -4);
  assertEquals(tce.phb.windows[1], null);
  assertEquals(dma.mapSingle(0x5000, 16, BIDIRECTIONAL), 0x1000n);
  assertEquals(tce.reads(0x1000n), OK);
});

Deno.test("memory at the end that fills no whole page of a direct window goes through the table", () => {
  const tce = new TceWorld({ ...LOPAR, partition: 0x1_ff80_0000 });
  const { dma } = tce.device;
  dma.setMask(dmaBitMask(64));
  assert(tce.phb.windows[1] !== null);
  assertEquals(dma.mapSingle(0x5000, 16, BIDIRECTIONAL), 0x0800_0000_0000_5000n);
  assertEquals(dma.mapSingle(0x1_ff00_0000, 16, BIDIRECTIONAL), 0x1000n);
  dma.unmapSingle(0x1000n, 16, BIDIRECTIONAL);
  assertEquals(tce.guest.defaultTable!.ranges.used, 0);
});

Deno.test("a 64-bit window that cannot hold all memory is a larger table", () => {
  const tce = new TceWorld({ ...LOPAR, eeh: false, largestBlock: 65536, pageSizes: "4KiB,64KiB" });
  const { dma } = tce.device;
  dma.setMask(dmaBitMask(64));
  assertEquals(dma.mapSingle(0x1_2345, 16, BIDIRECTIONAL), 0x0800_0000_0000_2345n);
  assertEquals(tce.entry(0, 1), "0000000000010003");
  assertEquals(tce.reads(0x0800_0000_0000_2345n), OK);
  dma.unmapSingle(0x0800_0000_0000_2345n, 16, BIDIRECTIONAL);
  assertEquals(tce.reads(0x0800_0000_0000_2345n), ABORT);
});
