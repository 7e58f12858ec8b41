/**
 * Hostile drivers: any register traffic, any table, any packet. Work stays bounded, nothing throws, memory that was not
 * named stays as it is, and a software reset brings the same state whatever was before.
 */

import { assert, assertEquals } from "@std/assert";
import { BusStatus, Random } from "@iova/core";
import {
  BAR,
  discOptions,
  diskOptions,
  type IdeWorld,
  ideWorld,
  type IdeWorldOptions,
  PageTable,
  testDisc,
  testDisk,
} from "./testdata/world.ts";

const SEED = 20_261_127;
/** Cases of each kind of world: 6 worlds, 204,000 cases in all. */
const CASES = 34_000;
const DISK_SECTORS = 512;
/** Bus pages that lead to memory: 32, in a window of 64. */
const WINDOW = 0x10_0000;
const TABLES = 0x2000;

type Hostile = IdeWorld & { table: PageTable; random: Random; seen: Map<string, number>; failing: { now: boolean } };

function hostileWorld(seed: number, options: IdeWorldOptions): Hostile {
  const random = new Random(seed);
  const table = new PageTable();
  for (let page = 0; page < 64; page += 2) table.pages.set((WINDOW >>> 12) + page, 0x80 + page / 2);
  for (let page = TABLES >>> 12; page <= 0x10; page++) table.pages.set(page, page);
  const failing = { now: false };
  const disks = [testDisk(DISK_SECTORS), testDisk(64, true)];
  for (const disk of disks) {
    const { read, write } = disk;
    disk.read = (...of) => !failing.now && read.apply(disk, of);
    disk.write = (...of) => !failing.now && write.apply(disk, of);
    disk.flush = () => !failing.now;
  }
  const disc = testDisc(32);
  const { read } = disc;
  disc.read = (...of) => !failing.now && read.apply(disc, of);
  const drives = [diskOptions(disks[0]), discOptions(disc), diskOptions(disks[1]), null];
  const w = ideWorld({ memory: 0x10_0000, drives, translate: table.translate, ...options });
  table.faults.push = () => 0;
  return { ...w, table, random, failing, seen: new Map() };
}

const note = ({ seen }: Hostile, what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
const pick = <T>({ random }: Hostile, list: readonly T[]): T => list[random.below(list.length)];

/** Commands that lead somewhere more often than chance would. */
const COMMANDS = [
  0x20,
  0x24,
  0x25,
  0x27,
  0x29,
  0x30,
  0x34,
  0x35,
  0x39,
  0x40,
  0x42,
  0xc4,
  0xc5,
  0xc6,
  0xc8,
  0xca,
  0x06,
  0x91,
  0xe5,
  0xe7,
  0xec,
  0xef,
  0xf8,
  0x08,
  0x90,
  0xa0,
  0xa0,
  0xa0,
  0xa1,
  0xc8,
  0xc8,
  0xca,
  0x25,
  0x35,
  0x06,
];
const PACKETS = [0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x5a, 0xa8, 0xbb, 0xff];

/** A table of 1 to 8 entries, most of them nearly sane; where it is. */
function anyTable(w: Hostile): number {
  const { random, space } = w;
  const at = random.below(64) === 0 ? 0xfff8 : TABLES + 8 * random.below(0x300);
  const { view } = space.ram(0)!;
  const entries = 1 + random.below(8);
  for (let n = 0; n < entries && at + 8 * n + 8 <= 0x10000; n++) {
    const wild = random.below(8) === 0;
    view.setUint32(
      at + 8 * n,
      wild ? random.next() : WINDOW + random.below(64) * 0x1000 + random.below(8) * 0x200,
      true,
    );
    const length = wild ? random.next() & 0xffff : 0x200 * random.below(random.below(4) === 0 ? 129 : 9);
    const last = random.below(entries) === 0 || (n === entries - 1 && random.below(16) !== 0);
    view.setUint32(at + 8 * n + 4, (length & 0xffff | (last ? 0x8000_0000 : 0) | (wild ? 0x1234_0000 : 0)) >>> 0, true);
  }
  return random.below(32) === 0 ? random.next() : at;
}

function anyAddress(w: Hostile, base: number): void {
  const { random, guest } = w;
  const write = (register: number, value: number) => guest.ioWrite(base + register, 1, value & 0xff);
  for (let twice = 0; twice < 1 + random.below(2); twice++) {
    write(1, random.below(4) === 0 ? random.next() : pick(w, [0, 1, 2, 3, 0x82]));
    write(2, random.below(3) === 0 ? random.next() : twice === 0 && random.below(2) === 0 ? 0 : random.below(9));
    write(3, random.next());
    write(4, random.below(8) === 0 ? random.next() : random.below(3));
    write(5, random.below(16) === 0 ? random.next() : 0);
  }
  write(6, random.below(8) === 0 ? random.next() : pick(w, [0xe0, 0xe0, 0xe0, 0xf0, 0xf0, 0xa0]));
}

function packet(w: Hostile, base: number): void {
  const { random, guest } = w;
  const bytes = Array.from({ length: 12 }, () => random.below(3) === 0 ? random.next() & 0xff : random.below(3));
  bytes[0] = random.below(8) === 0 ? random.next() & 0xff : pick(w, PACKETS);
  if (random.below(2) === 0) bytes.fill(0, 2, 5);
  guest.ioWrite(base + 4, 1, random.next() & 0xff);
  for (let i = 0; i < 12; i += 2) guest.ioWrite(base, 2, bytes[i] | bytes[i + 1] << 8);
}

/** A whole transfer as a driver begins it, with something odd in it now and then. */
function transfer(w: Hostile, base: number, master: number): void {
  const { guest, random } = w;
  const toMemory = random.below(2) === 0;
  guest.ioWrite(master, 1, 0);
  guest.ioWrite(master + 4, 4, anyTable(w));
  guest.ioRead(base + 7, 1);
  anyAddress(w, base);
  guest.ioWrite(base + 7, 1, pick(w, toMemory ? [0xc8, 0x25, 0xc9, 0xa0] : [0xca, 0x35, 0xcb, 0x06]));
  if (random.below(4) === 0) packet(w, base);
  const direction = (random.below(16) === 0) !== toMemory;
  guest.ioWrite(master, 1, direction ? 9 : 1);
  if (random.below(4) !== 0) w.scheduler.settle();
}

/** A packet for the CD-ROM, by PIO or by the bus master. */
function discCommand(w: Hostile, base: number, master: number): void {
  const { guest, random } = w;
  guest.ioRead(base + 7, 1);
  guest.ioWrite(base + 6, 1, 0xf0);
  const dma = random.below(2);
  guest.ioWrite(master, 1, 0);
  if (dma === 1) guest.ioWrite(master + 4, 4, anyTable(w));
  guest.ioWrite(base + 1, 1, dma);
  guest.ioWrite(base + 4, 1, random.next() & 0xff);
  guest.ioWrite(base + 5, 1, random.below(3) === 0 ? 0 : random.next() & 0xff);
  guest.ioWrite(base + 7, 1, 0xa0);
  packet(w, base);
  if (dma === 1) guest.ioWrite(master, 1, 9);
}

/** One action of a driver. */
const ACTIONS: readonly ((w: Hostile, base: number, master: number) => void)[] = [
  (w, base) => anyAddress(w, base),
  (w, base) => w.guest.ioWrite(base + 7, 1, w.random.below(8) === 0 ? w.random.next() & 0xff : pick(w, COMMANDS)),
  (w, base) => w.guest.ioWrite(base + 7, 1, pick(w, COMMANDS)),
  (w, _base, master) => w.guest.ioWrite(master, 1, pick(w, [0, 1, 8, 9, 9, 1, 0xff])),
  (w, _base, master) => w.guest.ioWrite(master + 4, 4, anyTable(w)),
  (w, _base, master) => w.guest.ioWrite(master + 2, 1, w.random.next() & 0xff),
  (w, base) => packet(w, base),
  transfer,
  transfer,
  discCommand,
  (w, base) => {
    const words = pick(w, [1, 6, 256, 256, 512, 1024]);
    for (let n = 0; n < words; n++) w.guest.ioRead(base, 2);
  },
  (w, base) => {
    for (let n = 0; n < 256; n++) w.guest.ioWrite(base, 2, n);
  },
  (w) => void w.scheduler.settle(),
  (w) => void w.scheduler.step(),
  (w, base) => void w.guest.ioRead(base + w.random.below(8), pick(w, [1, 1, 2, 4] as const)),
  (w, base) => w.guest.ioWrite(base + w.random.below(8), pick(w, [1, 2, 4] as const), w.random.next()),
  (w, base) => w.random.below(4) === 0 && w.guest.ioWrite(base + 0x206, 1, w.random.next() & 0xff),
  (w, _base, master) => w.guest.ioWrite(master + w.random.below(8), pick(w, [1, 2, 4] as const), w.random.next()),
  (w) => w.random.below(8) === 0 && w.ide.fn.config.write(4, 2, pick(w, [1, 5, 5, 7])),
  (w) => void (w.failing.now = w.random.below(16) === 0),
  (w) => {
    const page = (WINDOW >>> 12) + w.random.below(64);
    if (w.table.pending.size > 0) w.table.pending.clear();
    else if (w.random.below(16) === 0) w.table.pending.add(page);
    w.host.resume();
  },
  (w) => {
    // A page goes away, and comes back: leases over it end.
    const page = (WINDOW >>> 12) + 2 * w.random.below(32);
    const first = BigInt(page) << 12n;
    w.host.invalidate({ first, last: first + 4095n });
  },
];

function look(w: Hostile, base: number, master: number): void {
  const status = w.guest.ioRead(base + 0x206, 1);
  note(w, `status ${status.toString(16)}`);
  if ((status & 1) !== 0) note(w, `error ${w.guest.ioRead(base + 1, 1).toString(16)}`);
  note(w, `engine ${(w.guest.ioRead(master + 2, 1) & 7).toString()}`);
}

/** What a reset must bring, whatever was before. */
function afterReset(w: Hostile, base: number): string {
  w.table.pending.clear();
  w.host.resume();
  w.failing.now = false;
  w.guest.ioWrite(base + 0x206, 1, 4);
  w.scheduler.settle();
  w.guest.ioWrite(base + 0x206, 1, 0);
  w.scheduler.settle();
  // QEMU's reset leaves the selection.
  w.guest.ioWrite(base + 6, 1, 0xa0);
  w.guest.ioRead(base + 7, 1);
  return [1, 2, 3, 4, 5, 6, 7].map((register) => w.guest.ioRead(base + register, 1).toString(16)).join(" ");
}

const KINDS: [name: string, options: IdeWorldOptions][] = [
  ["spec", {}],
  ["spec in bursts", { burst: 512, burstTime: 1 }],
  ["spec, pretend", { faultPolicy: "pretend" }],
  ["qemu", { personality: "qemu" }],
  ["qemu in bursts", { personality: "qemu", burst: 4096, burstTime: 1 }],
  ["the patch of 2010", { faultPolicy: "patch-2010", burst: 1024, burstTime: 1 }],
];

/** What must have been reached in all worlds together: every way that a command can end badly, or at all. */
const REACHED = [
  "status 50",
  "status 58",
  "status 41",
  "status 0",
  "status c0",
  "error 4",
  "error 10",
  "error 40",
  "error 20",
  "error 30",
  "error 50",
  "engine 0",
  "engine 1",
  "engine 2",
  "engine 4",
  "engine 5",
  "engine 6",
  "warning ide-direction",
  "warning ide-prd: the region descriptor table: a region crosses 64 KiB",
  "warning ide-prd: the region descriptor table: the table crosses 64 KiB",
  "bus errors",
  "holes",
  "bytes",
  "errors",
  "leases",
];

Deno.test(`hostile drivers: ${KINDS.length * CASES} sequences of register writes, tables and packets`, () => {
  console.log(`seed ${SEED}`);
  const seen = new Map<string, number>();
  for (const [index, [name, options]] of KINDS.entries()) {
    const w = hostileWorld(SEED + index, options);
    const canary = w.space.bytes(0xa0000, 0x60000);
    const before = canary.slice();
    const { stats } = w.ide.fn.port;
    const signature = afterReset(w, 0x1f0);
    for (let n = 0; n < CASES; n++) {
      const secondary = w.random.below(8) === 0;
      const [base, master] = secondary ? [0x170, BAR + 8] : [0x1f0, BAR];
      const accesses = stats.reads + stats.writes;
      const length = 4 + w.random.below(8);
      try {
        for (let i = 0; i < length; i++) ACTIONS[w.random.below(ACTIONS.length)](w, base, master);
        if (w.context.leases.leases.size > 0) note(w, "leases");
        look(w, base, master);
        let turns = 0;
        while (w.scheduler.step()) assert(++turns < 3000, "it never rests");
        look(w, base, master);
        // Up to two transfers of a whole table, region by region and page by page.
        assert(stats.reads + stats.writes - accesses < 60_000, "bounded work on the bus");
        if (n % 3 === 0) {
          w.guest.ioWrite(master, 1, 0);
          const after = afterReset(w, base);
          if (w.ide.channels[secondary ? 1 : 0].engine.isRunning) throw new Error("the engine outlives a reset");
          if (!secondary) assertEquals(after, signature);
        }
        if (n % 64 === 0) assertEquals(w.context.leases.leases.size, leasesOf(w));
        w.ide.fn.config.write(4, 2, 5);
      } catch (error) {
        throw new Error(`${name}: case ${n} of seed ${SEED + index}: ${error}`, { cause: error });
      }
    }
    assertEquals(canary, before, "memory that no translation reaches");
    for (const [what, count] of w.seen) seen.set(what, (seen.get(what) ?? 0) + count);
    for (const warning of w.warnings) seen.set(`warning ${warning}`, 1);
    const { busErrors, holes, bytes, errors } = w.ide;
    for (const [what, count] of Object.entries({ "bus errors": busErrors, holes, bytes, errors })) {
      seen.set(what, (seen.get(what) ?? 0) + count);
    }
  }
  const reached = (what: string) => [...seen.keys()].some((key) => key.startsWith(what));
  console.log(REACHED.map((what) => `${what}: ${seen.get(what) ?? (reached(what) ? "yes" : "no")}`).join(", "));
  assertEquals(REACHED.filter((what) => !reached(what)), []);
});

/** After a pause everything that is not under way has given its leases back. */
function leasesOf(w: Hostile): number {
  return w.ide.channels.some(({ engine }) => engine.isRunning) ? w.context.leases.leases.size : 0;
}

Deno.test("a table that describes nothing of what is needed ends, whatever its entries say", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = ideWorld({ personality });
    // 2 bytes an entry, 8192 entries: CVE-2014-9718's shape.
    for (let n = 0; n < 8192; n++) w.put(0x10000 + 8 * n, "00000200 02000000");
    w.ol(BAR + 4, 0x10000);
    w.lba28(0, 0);
    w.o(0x1f7, 0xc8);
    w.o(BAR, 9);
    assert(w.ide.fn.port.stats.reads <= 8192);
    assertEquals(w.i(BAR + 2) & 1, 0);
  }
  assertEquals(BusStatus.OK, 0);
});
