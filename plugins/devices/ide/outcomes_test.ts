/** What device tests that were written for QEMU's `pc` machine look at, in the same order of register accesses. */

import { assert, assertEquals } from "@std/assert";
import { BAR, diskOptions, type IdeWorld, ideWorld, testDisk } from "./testdata/world.ts";

const C0 = BAR;
const C2 = BAR + 2;
const ACTIVE = 1;
const INTERRUPT = 4;

interface Request {
  command: number;
  sector: number;
  count: number;
  table: string;
  toMemory: boolean;
  /** Stop at once. */
  stop?: boolean;
  feature?: number;
  at?: number;
}

/** A DMA request as such a test makes it; the bus-master status at its end. */
function request(
  w: IdeWorld,
  { command, sector, count, table, toMemory, stop, feature, at = 0x10000 }: Request,
): number {
  w.o(0x1f6, 0x40);
  w.o(C0, 0);
  w.o(C2, INTERRUPT);
  w.put(at, table);
  w.ol(BAR + 4, at);
  if (feature !== undefined) w.o(0x1f1, feature);
  w.o(0x1f2, count & 0xff);
  w.o(0x1f3, sector & 0xff);
  w.o(0x1f4, sector >>> 8 & 0xff);
  w.o(0x1f5, sector >>> 16 & 0xff);
  w.o(0x1f7, command);
  w.guest.ioWrite(C0, 1, 1 | (toMemory ? 8 : 0));
  if (stop) w.guest.ioWrite(C0, 1, 0);
  w.scheduler.settle();
  const status = w.i(C2);
  assertEquals(w.interrupts.isAsserted(14), (status & INTERRUPT) !== 0);
  assertEquals(w.i(0x1f7) & 0xc8, 0x40, "ready, no BSY, no DRQ");
  assert(!w.interrupts.isAsserted(14), "reading the status drops the interrupt");
  if ((status & ACTIVE) !== 0) w.o(C0, 0);
  return status;
}

function le32(value: number): string {
  return [0, 8, 16, 24].map((shift) => (value >>> shift & 0xff).toString(16).padStart(2, "0")).join("");
}

Deno.test("every size of a region against every power of two of sectors: short, equal, longer; run and stopped", () => {
  for (let sectors = 1; sectors <= 256; sectors *= 2) {
    const w = ideWorld({ personality: "qemu" });
    for (let size = 0; size < 65536; size += 256) {
      const table = le32(0) + le32((size | 0x8000_0000) >>> 0);
      const described = (size & 0xfffe) || 65536;
      const [expected, stopped] = described < sectors * 512
        ? [0, 0]
        : described === sectors * 512
        ? [INTERRUPT, INTERRUPT]
        : [ACTIVE | INTERRUPT, INTERRUPT];
      const one = { command: 0xc8, sector: 0, count: sectors, table, toMemory: true, at: 0x30000 };
      assertEquals(request(w, one), expected, `${sectors} sectors, ${size} bytes`);
      assertEquals(w.i(0x1f7) & 0x21, 0);
      assertEquals(request(w, { ...one, stop: true }), stopped, `${sectors} sectors, ${size} bytes, stopped`);
      assertEquals(w.i(0x1f7) & 0x21, 0);
    }
  }
});

Deno.test("without bus mastering, a table of zeros without an end: active and interrupt, and no error", () => {
  const w = ideWorld({ personality: "qemu" });
  w.ide.fn.config.write(4, 2, 3);
  const table = "00".repeat(4096 * 8);
  assertEquals(request(w, { command: 0xc8, sector: 0, count: 512, table, toMemory: true }), ACTIVE | INTERRUPT);
  assertEquals(w.i(0x1f7) & 0x21, 0);
});

for (const personality of ["spec", "qemu"] as const) {
  Deno.test(`two sectors are written and read back (${personality})`, () => {
    const w = ideWorld({ personality });
    const table = "00000200 00020080";
    const buffer = w.space.bytes(0x20000, 512);
    for (const [sector, value] of [[0, 0x55], [1, 0xaa]]) {
      buffer.fill(value);
      assertEquals(request(w, { command: 0xca, sector, count: 1, table, toMemory: false }), INTERRUPT);
      assertEquals(w.i(0x1f7) & 0x21, 0);
    }
    for (const [sector, value] of [[0, 0x55], [1, 0xaa]]) {
      buffer.fill(0);
      assertEquals(request(w, { command: 0xc8, sector, count: 1, table, toMemory: true }), INTERRUPT);
      assert(buffer.every((byte) => byte === value));
    }
  });

  Deno.test(`a TRIM of good ranges, and one with a range that ends beyond the disk (${personality})`, () => {
    const w = ideWorld({ personality });
    const trim = (ranges: [number, number][]) => {
      const view = new DataView(w.space.ram(0)!.bytes.buffer, 0x20000, 512);
      for (let i = 0; i < 64; i++) view.setBigUint64(8 * i, 0n, true);
      ranges.forEach(([sector, count], i) => view.setBigUint64(8 * i, BigInt(count) << 48n | BigInt(sector), true));
      const table = "00000200 00020080";
      const request06 = { command: 0x06, sector: 0, count: 1, table, toMemory: false, feature: 1 };
      return personality === "qemu"
        ? request(w, request06)
        : (w.o(0x1f2, 0), w.lba28(0, 0), w.o(0x1f2, 0), request(w, request06));
    };
    assertEquals(trim([[0, 2], [6, 8]]), INTERRUPT);
    assertEquals(w.i(0x1f7) & 0x21, 0);
    const status = trim([[10, 1], [4095, 2]]);
    assertEquals(status & INTERRUPT, INTERRUPT);
    assertEquals([w.i(0x1f7) & 1, w.i(0x1f1) & 4], [1, 4]);
  });

  Deno.test(`IDENTIFY, word by word with the status between (${personality})`, () => {
    const disk = testDisk(64);
    const drive = { ...diskOptions(disk), serial: "testdisk", firmware: "version" };
    const w = ideWorld({ personality, drives: [drive, null, null, null] });
    w.o(0x1f6, 0);
    w.o(0x1f7, 0xec);
    assertEquals(w.i(0x1f6) & 0x10, 0);
    const words = Array.from({ length: 256 }, () => {
      const status = w.i(0x1f7);
      assertEquals([status & 0x48, status & 0xa1], [0x48, 0]);
      return w.i(0x1f0, 2);
    });
    assertEquals([w.i(0x1f7) & 0x40, w.i(0x1f7) & 0xa9], [0x40, 0]);
    const text = (first: number, count: number) =>
      words.slice(first, first + count).map((word) => String.fromCharCode(word >>> 8, word & 0xff)).join("");
    assertEquals([text(10, 10), text(23, 4)], ["testdisk            ", "version "]);
    assertEquals(words[85] & 0x20, 0x20);
  });

  Deno.test(`FLUSH CACHE on an empty channel, and on an empty CD-ROM (${personality})`, () => {
    const nothing = ideWorld({ personality, drives: [null, null, null, null] });
    nothing.o(0x1f6, 0);
    nothing.o(0x1f7, 0xe7);
    assertEquals(nothing.interrupts.isAsserted(14), false);
  });
}
