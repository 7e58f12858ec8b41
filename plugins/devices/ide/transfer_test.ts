/** Transfers: holes and what becomes of them, leases and their end, time, and starts and stops. */

import { assert, assertEquals } from "@std/assert";
import { type DmaAddr, toDmaAddr } from "@iova/core";
import {
  BAR,
  diskOptions,
  type IdeWorld,
  ideWorld,
  type IdeWorldOptions,
  PageTable,
  testDisk,
} from "./testdata/world.ts";

const C0 = BAR;
const C2 = BAR + 2;
const C4 = BAR + 4;
const READ = 0xc8;
const WRITE = 0xca;

/** Three sectors of 01, 02 and 03 at LBA 0, a table at bus address 4000h, and bus pages 1, 3 and 4. */
function holeWorld(options: IdeWorldOptions = {}): IdeWorld & { table: PageTable } {
  const table = new PageTable({ 0x1000: 0x5000, 0x3000: 0x6000, 0x4000: 0x7000 });
  const w = ideWorld({ translate: table.translate, ...options });
  for (let n = 0; n < 3; n++) w.disk.bytes.fill(n + 1, 512 * n, 512 * (n + 1));
  w.put(0x7000, "00100000 00020000  00200000 00020000  00300000 00020080");
  w.ol(C4, 0x4000);
  w.fresh();
  return { ...w, table };
}

/** Arms a command of `count` sectors from `lba` on and starts the engine. */
function start(w: IdeWorld, command: number, lba: number, count: number): void {
  w.lba28(lba, count);
  w.o(0x1f7, command);
  w.o(C0, command === READ ? 9 : 1);
}

/** The byte that fills a sector of memory; −1 when it is not one. */
function filled(w: IdeWorld, address: number): number {
  const bytes = w.space.bytes(address, 512);
  return bytes.every((byte) => byte === bytes[0]) ? bytes[0] : -1;
}

Deno.test("C15: a hole under `pretend` keeps the position, and the command completes", () => {
  const w = holeWorld({ faultPolicy: "pretend" });
  const accesses: string[] = [];
  w.events.listen(({ type, access, address, length, status }) => {
    if (type === "dma" || type === "fault") accesses.push(`${access} ${address} ${length ?? status}`);
  });
  start(w, READ, 0, 3);
  assertEquals([filled(w, 0x5000), filled(w, 0x6000)], [1, 3]);
  assertEquals(w.state(), "50 00 00 03 00 00 e0 09/04 irq");
  assertEquals(w.table.faults, [0x2000], "one fault record");
  assertEquals([w.ide.holes, w.ide.busErrors], [1, 0]);
  assertEquals(accesses, [
    "read 0x4000 8",
    "read 0x4008 8",
    "read 0x4010 8",
    "write 0x1000 512",
    "write 0x2000 completer abort",
    "write 0x3000 512",
  ]);
});

Deno.test("C15: under `abort` the hole is a bus error, and nothing behind it is touched", () => {
  const w = holeWorld();
  start(w, READ, 0, 3);
  assertEquals([filled(w, 0x5000), filled(w, 0x6000)], [1, 0]);
  assertEquals(w.state().split(" ").slice(-2), ["09/02", "-"]);
  assertEquals(w.ide.fn.config.read(6, 2), 0x1280, "target abort");
});

Deno.test("C15: the patch as it was posted gives memory behind the hole the data of the hole", () => {
  const w = holeWorld({ faultPolicy: "patch-2010" });
  start(w, READ, 0, 3);
  assertEquals([filled(w, 0x5000), filled(w, 0x6000)], [1, 2]);
  assertEquals(w.state(), "50 00 00 03 00 00 e0 09/04 irq");
});

Deno.test("C15: a write through a hole: kept, zeros, displaced, or not at all", () => {
  const outcome = (options: IdeWorldOptions) => {
    const w = holeWorld(options);
    w.space.bytes(0x5000, 512).fill(0xa1);
    w.space.bytes(0x6000, 512).fill(0xa3);
    start(w, WRITE, 0, 3);
    return [0, 1, 2].map((n) => w.disk.bytes[512 * n]);
  };
  assertEquals(outcome({ faultPolicy: "pretend" }), [0xa1, 2, 0xa3]);
  assertEquals(outcome({ personality: "qemu" }), [0xa1, 0, 0xa3]);
  assertEquals(outcome({ faultPolicy: "patch-2010" }), [0xa1, 0xa3, 3]);
  assertEquals(outcome({ faultPolicy: "abort" }), [1, 2, 3], "all of it or nothing");
});

Deno.test("a hole inside a region is as long as its page, on both sides of it data moves", () => {
  for (const burstTime of [0, 100]) {
    const table = new PageTable({ 0x1000: 0x5000, 0x3000: 0x6000, 0x4000: 0x7000 });
    const w = ideWorld({ translate: table.translate, faultPolicy: "pretend", burstTime });
    // 9 KiB from 1200h on: the rest of page 1, page 2, a part of page 3.
    w.put(0x7000, "00120000 00240080");
    w.ol(C4, 0x4000);
    start(w, READ, 0, 18);
    w.run();
    const all = w.disk.bytes;
    assertEquals(w.space.bytes(0x5200, 0xe00), all.subarray(0, 0xe00));
    assertEquals(w.space.bytes(0x6000, 0x600), all.subarray(0x1e00, 0x2400));
    assertEquals([w.i(C2), w.ide.holes], [4, 1]);
  }
});

Deno.test("a hole that begins inside a page ends with it", () => {
  for (const burstTime of [0, 100]) {
    const table = new PageTable({ 0x3000: 0x6000, 0x4000: 0x7000 });
    const w = ideWorld({ translate: table.translate, faultPolicy: "pretend", burstTime });
    // 4 KiB from 2A00h on: 600h bytes of page 2, the rest of page 3.
    w.put(0x7000, "002a0000 00100080");
    w.ol(C4, 0x4000);
    start(w, READ, 0, 8);
    w.run();
    assertEquals(w.space.bytes(0x6000, 0xa00), w.disk.bytes.subarray(0x600, 0x1000));
    assertEquals(w.ide.holes, 1);
  }
});

Deno.test("under `abort` nothing behind the first hole is asked for", () => {
  for (const burstTime of [0, 100]) {
    const w = holeWorld({ burstTime });
    w.table.pages.delete(3);
    start(w, READ, 0, 3);
    w.run();
    assertEquals(w.table.faults, [0x2000]);
  }
});

Deno.test("an engine that was under way when the drive was reset serves no command before it is started again", () => {
  const w = ideWorld({ burst: 512, burstTime: 100 });
  w.put(0x10000, "00000200 00080000  00000300 00080080");
  w.ol(C4, 0x10000);
  start(w, READ, 0, 4);
  w.scheduler.step();
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
  w.lba28(9, 1);
  w.o(0x1f7, READ);
  w.run();
  assertEquals([w.state().slice(0, 2), w.get(0x20200, 1), w.get(0x30000, 1)], ["58", "00", "00"]);
  w.o(C0, 0);
  w.o(C0, 9);
  w.run();
  assertEquals([w.state().slice(0, 2), w.get(0x20000, 1)], ["50", "09"]);
});

Deno.test("a table that cannot be read: nothing there, or zeros that lead to address 0", () => {
  const outcome = (options: IdeWorldOptions) => {
    const w = holeWorld(options);
    w.table.pages.set(0, 8);
    w.ol(C4, 0x9000);
    start(w, READ, 0, 1);
    return [w.state().slice(0, 2), w.i(C2), w.space.read(0x8000, 1)];
  };
  assertEquals(outcome({ faultPolicy: "abort" }), ["58", 2, 0]);
  assertEquals(outcome({ faultPolicy: "pretend" }), ["50", 4, 0]);
  assertEquals(outcome({ faultPolicy: "patch-2010" }), ["50", 5, 1]);
  assertEquals(outcome({ personality: "qemu" }), ["50", 5, 1]);
});

Deno.test("a table whose second entry cannot be read: what the first describes is in memory already", () => {
  const w = holeWorld();
  w.put(0x7ff8, "00100000 00020000");
  w.ol(C4, 0x4ff8);
  start(w, READ, 0, 2);
  assertEquals([filled(w, 0x5000), w.i(C2)], [1, 2]);
  assertEquals(w.table.faults, [0x5000]);
});

Deno.test("an answer that is pending, for table or data, delays a transfer and changes nothing else", () => {
  for (const burstTime of [0, 50]) {
    for (const page of [4, 1, 3]) {
      const w = holeWorld({ faultPolicy: "pretend", burstTime });
      w.table.pending.add(page);
      start(w, READ, 0, 3);
      for (let i = 0; i < 50; i++) w.scheduler.step();
      assertEquals(w.state().slice(0, 2), "58", `page ${page}`);
      w.table.pending.delete(page);
      w.host.resume();
      w.run();
      assertEquals([filled(w, 0x5000), filled(w, 0x6000), w.i(C2)], [1, 3, 4]);
    }
  }
});

const invalidate = (w: IdeWorld & { table: PageTable }, page: number): boolean => {
  w.table.pages.delete(page);
  let done = false;
  const first: DmaAddr = toDmaAddr(0, page << 12);
  w.host.invalidate({ first, last: first + 4095n }, () => done = true);
  return done;
};

/** Runs until `bytes` of the region at 6000h are there. */
function runUntil(w: IdeWorld, ready: () => boolean): void {
  while (!ready()) assert(w.scheduler.step(), "it never comes");
}

Deno.test("C15: a page revoked after the first burst of its segment gets no byte more", () => {
  for (const faultPolicy of ["pretend", "abort", "patch-2010"] as const) {
    const w = holeWorld({ faultPolicy, burst: 256, burstTime: 1000 });
    w.table.pages.set(2, 9);
    start(w, READ, 0, 3);
    runUntil(w, () => w.space.read(0x6000, 1) !== 0);
    assertEquals(w.space.read(0x6100, 1), 0, "half of it is there");
    assert(invalidate(w, 3), "nothing moves between bursts: the invalidation completes at once");
    w.run();
    assertEquals([w.space.read(0x60ff, 1), w.space.read(0x6100, 1)], [3, 0]);
    assertEquals(w.i(C2), faultPolicy === "abort" ? 2 : 4);
    assertEquals(w.context.leases.leases.size, 0);
  }
});

Deno.test("a page that moves in the middle of a transfer: each burst goes to where the page is then", () => {
  const w = holeWorld({ burst: 256, burstTime: 1000 });
  w.table.pages.set(2, 9);
  start(w, READ, 0, 3);
  runUntil(w, () => w.space.read(0x6000, 1) !== 0);
  invalidate(w, 3);
  w.table.pages.set(3, 10);
  w.run();
  assertEquals([w.space.read(0x60ff, 1), w.space.read(0x6100, 1), w.space.read(0xa100, 1)], [3, 0, 3]);
  assertEquals(w.state().slice(0, 2), "50");
});

Deno.test("under the policy `wait` a transfer gives its lease back at once", () => {
  const w = holeWorld({ burst: 256, burstTime: 1000 });
  w.table.pages.set(2, 9);
  Object.assign(w.context.leases, { policy: { policy: "wait", deadline: 1e9, checked: false } });
  start(w, READ, 0, 3);
  runUntil(w, () => w.space.read(0x6000, 1) !== 0);
  assert(invalidate(w, 3));
  w.run();
  assertEquals([w.space.read(0x6100, 1), w.i(C2)], [0, 2]);
});

Deno.test("with lent copies that are checked, a transfer in bursts keeps no view", () => {
  const w = holeWorld({ burst: 512, burstTime: 10 });
  w.table.pages.set(2, 9);
  Object.assign(w.context.leases, { policy: { policy: "revoke", deadline: 0, checked: true } });
  start(w, READ, 0, 3);
  w.run();
  assertEquals([filled(w, 0x5000), filled(w, 0x9000), filled(w, 0x6000)], [1, 2, 3]);
  assertEquals(w.warnings, []);
});

Deno.test("a transfer in bursts holds a lease for every page of its list until it is over", () => {
  const w = ideWorld({ burst: 4096, burstTime: 1000 });
  w.put(0x10000, "00000200 00000000  00200400 00000080");
  w.ol(C4, 0x10000);
  start(w, READ, 0, 128);
  assertEquals(w.context.leases.leases.size, 16);
  w.run();
  assertEquals([w.context.leases.leases.size, w.i(C2)], [0, 5]);
  assertEquals(w.scheduler.now, 16 * 1000);
});

Deno.test("losing bus mastering in the middle: the engine waits and goes on, or finds holes", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality, burst: 512, burstTime: 1000 });
    w.put(0x10000, "00000200 00080080");
    w.ol(C4, 0x10000);
    start(w, READ, 0, 4);
    w.scheduler.step();
    w.ide.fn.config.write(4, 2, 1);
    w.run();
    assertEquals(w.i(C2), personality === "spec" ? 1 : 4);
    assertEquals(w.get(0x20204, 1), "00");
    w.ide.fn.config.write(4, 2, 5);
    w.run();
    assertEquals([w.i(C2), w.get(0x20600, 1)], [4, personality === "spec" ? "03" : "00"]);
  }
});

Deno.test("stopping a transfer on its way: hardware drops the rest, QEMU lets it finish", () => {
  for (const personality of ["spec", "qemu"] as const) {
    for (const command of [READ, WRITE]) {
      const w = ideWorld({ personality, burst: 512, burstTime: 1000 });
      w.put(0x10000, "00000200 00040080");
      w.space.bytes(0x20000, 1024).fill(0xaa);
      w.ol(C4, 0x10000);
      start(w, command, 0, 2);
      w.scheduler.step();
      w.o(C0, 0);
      const qemu = personality === "qemu";
      assertEquals(w.state().slice(0, 2) + w.state().split(" ").slice(-2), qemu ? "5000/04,irq" : "5800/00,-");
      w.run();
      const last = command === READ ? w.get(0x203ff, 1) : w.disk.bytes[1023].toString(16);
      const moved = command === READ ? "06" : "aa";
      assertEquals(last, qemu ? moved : command === READ ? "aa" : "6", "a write is never torn");
      assertEquals(w.context.leases.leases.size, 0);
    }
  }
});

Deno.test("a start that is stopped in the same breath has moved everything on QEMU and nothing on hardware", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    w.put(0x10000, "00000200 00020080");
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(0x1f7, READ);
    w.guest.ioWrite(C0, 1, 9);
    w.guest.ioWrite(C0, 1, 0);
    w.run();
    assertEquals([w.i(C2), w.get(0x20000, 1)], personality === "qemu" ? [4, "05"] : [0, "00"]);
  }
});

Deno.test("starting the engine before the command is given is the same transfer", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    w.put(0x10000, "00000200 00020080");
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(C0, 9);
    assertEquals(w.i(C2), 1);
    w.o(0x1f7, READ);
    assertEquals([w.i(C2), w.get(0x20000, 1)], [4, "05"]);
  }
});

Deno.test("a start in the wrong direction: an error by the data sheet, the command's by QEMU", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    w.put(0x10000, "00000200 00020080");
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(0x1f7, READ);
    w.o(C0, 1);
    assertEquals([w.i(C2), w.get(0x20000, 1)], personality === "qemu" ? [4, "05"] : [2, "00"]);
    assertEquals(w.warnings.length, personality === "qemu" ? 0 : 1);
  }
});

Deno.test("regions and tables across 64 KiB: refused with a warning, or linear", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const region = ideWorld({ personality });
    region.put(0x10000, "00fe0200 00040080");
    region.ol(C4, 0x10000);
    start(region, READ, 0, 2);
    const table = ideWorld({ personality });
    table.put(0x1fff8, "00000300 00020000  00020300 00020080");
    table.ol(C4, 0x1fff8);
    start(table, READ, 0, 2);
    const qemu = personality === "qemu";
    assertEquals([region.i(C2), region.get(0x30000, 1)], qemu ? [4, "01"] : [2, "00"]);
    assertEquals([table.i(C2), table.get(0x30000, 1), table.get(0x30200, 1)], qemu ? [4, "00", "01"] : [2, "00", "00"]);
    assertEquals(
      [...region.warnings, ...table.warnings],
      qemu ? [] : [
        "ide-prd: the region descriptor table: a region crosses 64 KiB",
        "ide-prd: the region descriptor table: the table crosses 64 KiB",
      ],
    );
  }
});

Deno.test("odd addresses, odd counts, reserved bits, and regions that cut a sector", () => {
  const outcome = (personality: "spec" | "qemu", table: string) => {
    const w = ideWorld({ personality });
    w.put(0x10000, table);
    w.ol(C4, 0x10000);
    start(w, READ, 5, 1);
    return [w.i(C2), w.get(0x20000, 2), w.get(0x201fe, 3), w.get(0x30000, 2)];
  };
  assertEquals(outcome("spec", "01000200 00020080"), [4, "0500", "212200", "0000"]);
  assertEquals(outcome("qemu", "01000200 00020080"), [4, "0005", "202122", "0000"]);
  for (const personality of ["spec", "qemu"] as const) {
    assertEquals(outcome(personality, "00000200 0002ffff"), [4, "0500", "212200", "0000"], "reserved bits");
    assertEquals(outcome(personality, "00000200 01020080"), [4, "0500", "212200", "0000"], "an odd count");
    assertEquals(outcome(personality, "00000200 01000080"), [5, "0500", "212200", "0000"], "1 is 0 is 64 KiB");
    assertEquals(outcome(personality, "00000200 fe010000 00000300 02000080"), [4, "0500", "000000", "2122"]);
  }
});

Deno.test("a table without an end: 512 entries on QEMU, and what is needed on hardware", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    for (let n = 0; n < 1024; n++) w.put(0x10000 + 8 * n, "00000200 02000000");
    w.ol(C4, 0x10000);
    start(w, READ, 0, 3);
    const { reads } = w.ide.fn.port.stats;
    if (personality === "qemu") assertEquals([w.i(C2), reads, w.state().slice(0, 2)], [0, 512, "50"]);
    else assertEquals([w.i(C2), reads, w.state().slice(0, 2)], [5, 768, "50"]);
  }
});

Deno.test("a write whose table is short: whole sectors that were described reach the disk, or none", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    w.put(0x10000, "00000200 02020080");
    w.space.bytes(0x20000, 1024).fill(0xaa);
    w.ol(C4, 0x10000);
    start(w, WRITE, 0, 2);
    const spec = personality === "spec";
    assertEquals([w.disk.bytes[511], w.disk.bytes[512]], spec ? [0xaa, 1] : [0xff, 1]);
    assertEquals(w.state().slice(0, 2), spec ? "58" : "50");
  }
});

Deno.test("a host that cannot read or write: the drive's error, and nothing of a bus error", () => {
  for (const personality of ["spec", "qemu"] as const) {
    for (const command of [READ, WRITE]) {
      const disk = testDisk(4096, false);
      disk.read = disk.write = () => false;
      const w = ideWorld({ personality, drives: [diskOptions(disk)] });
      w.put(0x10000, "00000200 00020080");
      w.ol(C4, 0x10000);
      start(w, command, 5, 1);
      const error = personality === "spec" && command === READ ? "40" : "04";
      assertEquals(w.state().slice(0, 5), `41 ${error}`);
      assertEquals([w.i(C2), w.ide.errors], [personality === "spec" ? 5 : 4, 1]);
    }
  }
});

Deno.test("a failing list mixed with good pieces gives everything back, whenever it is stopped", () => {
  for (const faultPolicy of ["pretend", "abort"] as const) {
    for (let steps = 0; steps < 12; steps++) {
      const table = new PageTable({ 0x1000: 0x5000, 0x3000: 0x6000, 0x4000: 0x7000 });
      const w = ideWorld({ translate: table.translate, faultPolicy, burst: 100, burstTime: 10 });
      w.put(0x7000, "00100000 fe030000  00200000 04000000  00300000 fe010080");
      w.ol(C4, 0x4000);
      start(w, READ, 0, 3);
      for (let i = 0; i < steps; i++) w.scheduler.step();
      w.o(C0, 0);
      w.run();
      assertEquals(w.context.leases.leases.size, 0);
      assertEquals(w.i(C2) & 1, 0);
      w.o(0x3f6, 4);
      w.o(0x3f6, 0);
      w.run();
      assertEquals(w.state().slice(0, 20), "50 01 01 01 00 00 a0");
    }
  }
});
