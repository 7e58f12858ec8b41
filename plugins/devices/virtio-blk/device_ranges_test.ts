import { assert, assertEquals } from "@std/assert";
import { DATA, FEATURES, HDR, header, HOLE, request, ST } from "./testdata/world.ts";
import { type BlkWorld, blkWorld, type BlkWorldOptions } from "./testdata/world.ts";

const DISCARD = 13;
const WRITE_ZEROES = 14;
const SECURE_ERASE = 16;
const ALL = [...FEATURES, DISCARD, WRITE_ZEROES, SECURE_ERASE];

/** A request with `segments` (16 bytes each in hexadecimal) as its data: status, used length. */
function ranges(w: BlkWorld, type: number, segments: string): [status: number, used: number] {
  w.put(HDR, header(type));
  const length = segments.replaceAll(" ", "").length / 2;
  if (length > 0) w.put(DATA, segments);
  w.space.bytes(ST, 1)[0] = 0xff;
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    ...(length > 0 ? [{ addr: BigInt(DATA), len: length }] : []),
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  w.go();
  return [w.space.bytes(ST, 1)[0], w.ring.used((w.ring.usedIdx - 1) % 16)[1]];
}

const world = (options: BlkWorldOptions = {}) => blkWorld({ features: ALL, secureErase: true, ...options });
const isZero = ({ disk }: BlkWorld, sector: number) =>
  disk.bytes.subarray(sector * 512, sector * 512 + 512).every((byte) => byte === 0);

Deno.test("case 6: the discard matrix", () => {
  const cases: [type: number, segments: string, status: number][] = [
    [13, "1000000000000000 08000000 00000000", 0],
    [13, "1000000000000000 08000000 01000000", 0],
    [11, "1000000000000000 08000000 00000000", 0],
    [11, "1000000000000000 08000000 01000000", 2],
    [13, "1000000000000000 08000000 02000000", 2],
    [13, "ff07000000000000 02000000 00000000", 1],
    [13, "ff07000000000000 02000000 02000000", 1],
    [13, "1000000000000000 08000000 00000000 2000000000000000 08000000 00000000", 2],
    [13, "1000000000000000", 1],
    [13, "", 1],
    [14, "1000000000000000 08000000 00000000", 0],
    [14, "1000000000000000 08000000 01000000", 2],
    [11, "1000000000000000 00004000 00000000", 1],
    [11, "ffffffffffffffff 01000000 00000000", 1],
    [11, "0000000000000000 00000000 00000000", 0],
  ];
  for (const [type, segments, status] of cases) {
    for (const personality of ["spec", "qemu"] as const) {
      const w = world({ personality });
      // QEMU breaks on a short segment.
      if (personality === "qemu" && segments.length <= 16) {
        w.put(HDR, header(type));
        ranges(w, type, segments);
        assertEquals([w.driver.status, w.device.breakdown], [0x4f, "segment too short"]);
        continue;
      }
      assertEquals(ranges(w, type, segments), [status, 1], `type ${type}, ${segments}, ${personality}`);
      const changed = status === 0 && !segments.includes(" 00000000 00000000");
      assertEquals([15, 16, 23, 24].map((sector) => isZero(w, sector)), [false, changed, changed, false]);
    }
  }
});

Deno.test("case 6: several segments are done in order, or none of them when one is wrong", () => {
  const segments = (last: string) => "1000000000000000 01000000 00000000" + "2000000000000000 01000000 00000000" + last;
  const good = world({ maxSegments: 3 });
  assertEquals(ranges(good, 13, segments("3000000000000000 01000000 00000000")), [0, 1]);
  assertEquals([16, 17, 32, 33, 48].map((sector) => isZero(good, sector)), [true, false, true, false, true]);
  const bad = world({ maxSegments: 3 });
  assertEquals(ranges(bad, 13, segments("0008000000000000 01000000 00000000")), [1, 1]);
  assertEquals([16, 32].map((sector) => isZero(bad, sector)), [false, false]);
  assertEquals(ranges(world({ maxSegments: 3 }), 13, segments("30000000")), [1, 1]);
});

Deno.test("ranges without their feature are unsupported, except that QEMU does what it offered", () => {
  for (const [personality, expected] of [["spec", 2], ["qemu", 0]] as const) {
    for (const type of [11, 13, 14]) {
      const w = world({ features: FEATURES, personality });
      assertEquals(ranges(w, type, "1000000000000000 08000000 00000000")[0], expected, `${personality} ${type}`);
    }
  }
  assertEquals(ranges(blkWorld({ features: FEATURES, discard: false }), 11, "1000000000000000 08000000 00000000"), [
    2,
    1,
  ]);
});

Deno.test("a device that refuses writes offers no ranges", () => {
  const w = world({ readOnly: true, features: [...FEATURES, 5] });
  assertEquals(w.driver.transport.offered().word(0) & (1 << 13 | 1 << 14 | 1 << 16), 0);
  assertEquals(ranges(w, 13, "1000000000000000 08000000 00000000"), [2, 1]);
});

Deno.test("segments that lead nowhere, and a medium that fails, fail the request", () => {
  const w = world();
  w.put(HDR, header(13));
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: HOLE, len: 16 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  w.go();
  assertEquals([w.hex(ST, 1), w.driver.status], ["01", 0x0f]);
  w.disk.failing = true;
  assertEquals(ranges(w, 13, "1000000000000000 08000000 00000000"), [1, 1]);
});

Deno.test("segments whose translation is pending are read again when it is there", () => {
  const w = world({ translated: true });
  w.pending.add(DATA >>> 12);
  w.put(HDR, header(13));
  w.put(DATA, "1000000000000000 08000000 00000000");
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: BigInt(DATA), len: 16 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  w.go();
  assertEquals([w.ring.usedIdx, isZero(w, 16)], [0, false]);
  w.pending.clear();
  w.resume();
  w.scheduler.settle();
  assertEquals([w.ring.usedIdx, isZero(w, 16)], [1, true]);
});

Deno.test("with larger blocks only whole ones are read, written and zeroed", () => {
  const w = () => world({ blockSize: 4096, physicalBlockSize: 16384, minIo: 8192, optIo: 65536 });
  const config = w();
  const read = (at: number, width: 1 | 2 | 4) => config.driver.transport.readConfig(at, width);
  assertEquals([read(0, 4), read(20, 4), read(24, 1), read(26, 2), read(28, 4)], [2048, 4096, 2, 2, 16]);
  assertEquals([read(44, 4), read(68, 4)], [8, 8]);
  for (const [sector, length, status] of [[8, 4096, 0], [4, 4096, 1], [8, 512, 1], [2040, 4096, 0], [2041, 4096, 1]]) {
    const one = w();
    request(one, 0, sector, length);
    one.go();
    assertEquals(one.space.bytes(ST, 1)[0], status, `${sector}+${length}`);
  }
  assertEquals(ranges(w(), 13, "0800000000000000 08000000 00000000"), [0, 1]);
  assertEquals(ranges(w(), 13, "0800000000000000 04000000 00000000"), [1, 1]);
});

Deno.test("a flush has a legacy name as well", () => {
  const w = world();
  request(w, 5, 0, 0);
  w.go();
  assertEquals([w.hex(ST, 1), w.disk.flushes], ["00", 1]);
});

Deno.test("the driver turns the cache on and off, a reset turns it back, and turning it off flushes", () => {
  const w = world({ features: [...FEATURES, 11] });
  const { transport } = w.driver;
  assertEquals(transport.readConfig(32, 1), 1);
  transport.writeConfig(32, 1, 0);
  assertEquals([transport.readConfig(32, 1), w.disk.flushes], [0, 1]);
  request(w, 1, 9, 512);
  w.go();
  assertEquals(w.disk.flushes, 2, "a write is on the medium when it completes");
  transport.writeConfig(32, 1, 1);
  request(w, 1, 9, 512);
  w.go();
  assertEquals([transport.readConfig(32, 1), w.disk.flushes], [1, 2]);
  transport.writeConfig(32, 1, 0);
  transport.writeStatus(0);
  assertEquals(transport.readConfig(32, 1), 1);
  const without = world({ features: FEATURES });
  without.driver.transport.writeConfig(32, 1, 0);
  assertEquals(without.driver.transport.readConfig(32, 1), 1, "not without CONFIG_WCE");
});

Deno.test("a driver that can neither flush nor choose writes through, and the configuration says so", () => {
  const w = blkWorld({ features: [32, 33] });
  assertEquals(w.driver.transport.readConfig(32, 1), 0);
  assertEquals(blkWorld({ features: [32, 33, 11] }).driver.transport.readConfig(32, 1), 1);
  assertEquals(blkWorld({ writeCache: false }).driver.transport.readConfig(32, 1), 0);
});

Deno.test("a resize moves the capacity, the generation and an interrupt; what is behind the end is gone", () => {
  const w = world();
  const { transport } = w.driver;
  assertEquals([w.model.resize(100), w.model.resize(0), w.model.resize(2 ** 30)], [false, false, false]);
  const before = transport.generation();
  assert(w.model.resize(1024 * 512));
  w.scheduler.settle();
  assertEquals([transport.readConfig(0, 4), transport.generation(), w.driver.configInterrupts], [1024, before + 1, 1]);
  request(w, 0, 1024, 512);
  w.go();
  assertEquals(w.hex(ST, 1), "01");
  assertEquals(world({ readOnly: true }).model.resize(512), false);
});
