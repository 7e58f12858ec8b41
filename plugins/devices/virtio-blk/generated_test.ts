/**
 * Generated requests: any type, sector, length and cut into buffers, with holes, on devices of several kinds. What memory,
 * medium and used ring must hold afterwards is worked out here, by other means than the device's.
 * `deno test … -- --seed=N` makes a run come again.
 */

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { testSeed } from "@iova/virtio/testing";
import { type BlkWorld, blkWorld, type BlkWorldOptions, FEATURES, SECTORS } from "./testdata/world.ts";

const CASES = 90_000;
const ALL = [...FEATURES, 11, 13, 14, 16];
const SERIAL = "SER-0123";

/** A kind of device. */
interface Kind {
  readonly options: BlkWorldOptions;
  readonly qemu?: boolean;
}

const KINDS: readonly Kind[] = [
  { options: { features: ALL, secureErase: true, maxSegments: 2 } },
  { options: { features: FEATURES } },
  { options: { features: [...FEATURES, 5], readOnly: true } },
  { options: { features: ALL, blockSize: 2048, secureErase: true } },
  { options: { features: [32, 33] } },
  { options: { features: ALL, secureErase: true, personality: "qemu", maxSegments: 2 }, qemu: true },
];

/** Buffers are inside these bytes, which are compared as a whole. */
const AREA = 0x110000;
const AREA_SIZE = 0x3000;
const HOLE = 0x7000_0000;
/** Most requests are about these sectors, and reach a little further. */
const WINDOW = 64;
const REACHED = WINDOW + 16;

/** A buffer of a chain. */
interface Buffer {
  readonly at: number;
  readonly length: number;
  readonly hole: boolean;
}

/** How a request ends: broken for this reason, or with this status and used length. */
interface End {
  readonly what: string;
  readonly broken?: boolean;
  readonly used: number;
}

const seed = testSeed();
const random = new Random(seed);
const pick = <T>(list: readonly T[]): T => list[random.below(list.length)];
const rarely = (n: number) => random.below(n) === 0;

/** Cuts `length` bytes into buffers one behind the other from `at` on, some of them where nothing is. */
function cut(at: number, length: number, holes: boolean): Buffer[] {
  const buffers: Buffer[] = [];
  for (let left = length; left > 0;) {
    const size = buffers.length === 4 || rarely(2) ? left : 1 + random.below(left);
    buffers.push({ at: at + length - left, length: size, hole: holes && rarely(5) });
    left -= size;
  }
  return buffers;
}

/** Bytes of a stream before the first hole that ends at or before `end`, counted from `start`. */
function reachable(buffers: readonly Buffer[], start: number, end: number): number {
  let position = 0;
  for (const { length, hole } of buffers) {
    if (hole && position + length > start && position < end) return Math.max(0, position - start);
    position += length;
  }
  return end - start;
}

interface Case {
  readonly type: number;
  readonly sector: bigint;
  readonly segments: readonly (readonly [sector: number, count: number, flags: number])[];
  readonly out: readonly Buffer[];
  readonly in: readonly Buffer[];
  readonly outBytes: number;
  readonly inBytes: number;
}

const TYPES = [0, 0, 0, 1, 1, 1, 4, 5, 8, 10, 11, 11, 13, 13, 14, 2, 7, 15, 99, 0x8000_0000, 0xffff_ffff];
const LENGTHS = [0, 512, 512, 1024, 2048, 2048, 4096, 1, 511, 513, 20, 16];

function generate(): Case {
  const type = pick(TYPES);
  const ranges = type === 11 || type === 13 || type === 14;
  const segments = Array.from({ length: 3 }, () => {
    const sector = rarely(8) ? SECTORS - 1 : random.below(WINDOW);
    const count = rarely(32) ? 0x40_0000 : pick([0, 1, 4, 4, 8]);
    return [rarely(2) ? sector : sector & ~3, count, rarely(8) ? random.below(4) : random.below(2)] as const;
  });
  const data = ranges
    ? rarely(8) ? random.below(49) : 16 * (1 + random.below(3))
    : type === 1
    ? pick(LENGTHS)
    : pick([0, 0, 0, 7]);
  const room = type === 0 ? pick(LENGTHS) : type === 8 ? random.below(24) : pick([0, 0, 3]);
  const outBytes = rarely(64) ? random.below(16) : 16 + data;
  const inBytes = outBytes > 0 && rarely(64) ? 0 : room + 1;
  const near = rarely(4) ? SECTORS - random.below(10) : random.below(WINDOW) & (rarely(2) ? -1 : ~3);
  const sector = rarely(32) ? 2n ** BigInt(random.below(64)) : BigInt(near);
  const holes = rarely(6);
  return {
    type,
    sector,
    segments,
    out: cut(AREA, outBytes, holes),
    in: cut(AREA + 0x1800, inBytes, holes),
    outBytes,
    inBytes,
  };
}

/** A world with the bytes that its memory and medium must hold. */
class Oracle {
  readonly w: BlkWorld;
  readonly area: Uint8Array;
  readonly expected = new Uint8Array(AREA_SIZE);
  readonly disk: Uint8Array;
  /** The medium as it must be, and as it is, as words. */
  readonly words: readonly [Int32Array, Int32Array];
  readonly block: number;
  readonly accepts: (feature: number) => boolean;

  constructor(readonly kind: Kind) {
    this.w = blkWorld({ ...kind.options, serial: SERIAL });
    this.area = this.w.space.bytes(AREA, AREA_SIZE);
    this.disk = this.w.disk.bytes.slice();
    this.words = [new Int32Array(this.disk.buffer), new Int32Array(this.w.disk.bytes.buffer)];
    this.block = (kind.options.blockSize ?? 512) / 512;
    const features = new Set(kind.options.features);
    this.accepts = (feature) => features.has(feature);
  }

  /** What must come of a case. Writes what must be written into `expected` and `disk`. */
  predict(one: Case): End {
    const { qemu = false } = this.kind;
    if (one.outBytes < 16) return { what: "header too short", broken: true, used: 0 };
    if (one.inBytes < 1) return { what: "no room for the status", broken: true, used: 0 };
    const unread = reachable(one.out, 0, 16) < 16;
    if (unread && !qemu) return { what: "header leads nowhere", broken: true, used: 0 };
    const header = unread ? { ...one, type: 0, sector: 0n } : one;
    const failing = this.w.disk.failing;
    const [what, status, written] = this.execute(header, failing, qemu);
    if (what === "broken") return { what: "segment too short", broken: true, used: 0 };
    const before = one.inBytes - 1;
    if (reachable(one.in, before, one.inBytes) === 0) {
      if (!qemu) return { what: `${what}, status leads nowhere`, broken: true, used: 0 };
    } else this.expected[one.in[0].at - AREA + before] = status;
    return { what, used: qemu || written === before ? one.inBytes : written };
  }

  /** Name, status, and how much of the writable stream was written. */
  execute(one: Case, failing: boolean, qemu: boolean): [what: string, status: number, written: number] {
    const type = qemu ? one.type % 0x8000_0000 : one.type;
    const room = one.inBytes - 1;
    const data = one.outBytes - 16;
    const settled = (what: string, written: number): [string, number, number] => {
      const through = !this.accepts(9) && !this.accepts(11);
      return through && failing ? [`${what}: not durable`, 1, written] : [what, 0, written];
    };
    switch (type) {
      case 0: {
        if (!this.inRange(one.sector, room)) return ["IN: range", 1, 0];
        const reach = reachable(one.in, 0, room);
        if (failing && room > 0 && reach > 0) return ["IN: host error", 1, 0];
        const moved = failing ? 0 : reach;
        const from = Number(one.sector) * 512;
        this.expected.set(this.disk.subarray(from, from + moved), one.in[0].at - AREA);
        return reach < room && !qemu ? ["IN: nowhere", 1, moved] : ["IN", 0, moved];
      }
      case 1: {
        if (this.kind.options.readOnly) return ["OUT: read-only", 1, 0];
        if (!this.inRange(one.sector, data)) return ["OUT: range", 1, 0];
        const reach = reachable(one.out, 16, one.outBytes);
        if (failing && data > 0 && reach > 0) return ["OUT: host error", 1, 0];
        const moved = failing ? 0 : reach;
        this.disk.set(this.expected.subarray(16, 16 + moved), Number(one.sector) * 512);
        return reach < data && !qemu ? ["OUT: nowhere", 1, 0] : settled("OUT", 0);
      }
      case 4:
      case 5:
        return failing ? ["FLUSH: host error", 1, 0] : ["FLUSH", 0, 0];
      case 8: {
        const text = new Uint8Array(qemu ? SERIAL.length + 1 : 20);
        text.set(new TextEncoder().encode(SERIAL));
        const length = Math.min(text.length, room);
        const reach = reachable(one.in, 0, length);
        this.expected.set(text.subarray(0, reach), one.in[0].at - AREA);
        return reach < length && !qemu ? ["GET_ID: nowhere", 1, 0] : ["GET_ID", 0, length];
      }
      case 11:
        return this.range(one, "DISCARD", 13, 0, failing, settled);
      case 13:
        return this.range(one, "WRITE_ZEROES", 14, 1, failing, settled);
      case 14:
        return this.range(one, "SECURE_ERASE", 16, 0, failing, settled);
    }
    const scsi = qemu && (type === 2 || type === 3);
    return scsi && (one.out.length < 2 || one.in.length < 3) ? ["SCSI", 1, 0] : ["unknown type", 2, 0];
  }

  range(
    one: Case,
    name: string,
    feature: number,
    flags: number,
    failing: boolean,
    settled: (what: string, written: number) => [string, number, number],
  ): [string, number, number] {
    const { qemu = false, options } = this.kind;
    const data = one.outBytes - 16;
    if (!this.accepts(feature)) return [`${name}: not negotiated`, 2, 0];
    if (data > 16 * (options.maxSegments ?? 1)) return [`${name}: too many segments`, 2, 0];
    if (qemu && data < 16) return ["broken", 0, 0];
    if (data === 0 || data % 16 !== 0) return [`${name}: half a segment`, 1, 0];
    if (reachable(one.out, 16, one.outBytes) < data) return [`${name}: nowhere`, 1, 0];
    const segments = one.segments.slice(0, data / 16);
    for (const [sector, count, given] of segments) {
      if (count > 0x3fffff || !this.inRange(BigInt(sector), count * 512)) return [`${name}: range`, 1, 0];
      if ((given & ~flags) !== 0) return [`${name}: flags`, 2, 0];
    }
    for (const [sector, count] of segments) {
      if (failing && count > 0) return [`${name}: host error`, 1, 0];
      this.disk.fill(0, sector * 512, (sector + count) * 512);
    }
    return settled(name, 0);
  }

  inRange(sector: bigint, length: number): boolean {
    const { block } = this;
    if (length % (512 * block) !== 0 || sector % BigInt(block) !== 0n) return false;
    return sector + BigInt(length / 512) <= BigInt(SECTORS);
  }

  /** Puts a case into memory and ring, and lets the device work. */
  run(one: Case): void {
    const { w, area, expected } = this;
    for (let i = 0; i < 64; i++) area[i] = random.next();
    const view = new DataView(area.buffer, area.byteOffset);
    if (one.outBytes >= 16) {
      view.setUint32(0, one.type, true);
      view.setBigUint64(8, one.sector, true);
    }
    one.segments.forEach(([sector, count, flags], i) => {
      const at = 16 + 16 * i;
      view.setBigUint64(at, BigInt(sector), true);
      view.setUint32(at + 8, count, true);
      view.setUint32(at + 12, flags, true);
    });
    expected.set(area);
    const { ring } = w;
    const buffers = [...one.out, ...one.in];
    const desc = new DataView(area.buffer, area.byteOffset - AREA + ring.at.desc);
    buffers.forEach(({ at, length, hole }, i) => {
      desc.setBigUint64(16 * i, BigInt(hole ? HOLE : at), true);
      desc.setUint32(16 * i + 8, length, true);
      desc.setUint16(16 * i + 12, (i < one.out.length ? 0 : 2) | (i < buffers.length - 1 ? 1 : 0), true);
      desc.setUint16(16 * i + 14, i + 1, true);
    });
    ring.offer(0);
    w.device.kick(0);
    w.scheduler.settle();
  }

  /** Compares, and repairs a device that broke. */
  check(end: End, before: number): void {
    const { w } = this;
    const used = w.ring.usedIdx;
    if (end.broken) {
      assertEquals([w.device.status & 0x40, used], [0x40, before], end.what);
      w.ring.availIdx = 0;
      w.ring.usedIdx = 0;
      w.driver.start();
    } else {
      assertEquals([w.device.breakdown, (used - before) & 0xffff], ["", 1], end.what);
      assertEquals(w.ring.used(before % 16), [0, end.used], end.what);
    }
    for (let i = 0; i < AREA_SIZE; i++) {
      if (this.area[i] !== this.expected[i]) assertEquals([i, this.area[i]], [i, this.expected[i]], end.what);
    }
    this.#compareDisk(0, REACHED, end);
    this.#compareDisk(SECTORS - 16, SECTORS, end);
  }

  #compareDisk(from: number, to: number, end: End): void {
    const { words } = this;
    for (let i = from * 128; i < to * 128; i++) {
      if (words[0][i] !== words[1][i]) assertEquals([i / 128, words[1][i]], [i / 128, words[0][i]], end.what);
    }
  }
}

/** Ways for a request to end that the cases must reach. */
const EXPECTED = [
  ...["header too short", "no room for the status", "header leads nowhere", "segment too short", "unknown type"],
  ...["IN", "IN: range", "IN: host error", "IN: nowhere", "IN, status leads nowhere"],
  ...["OUT", "OUT: range", "OUT: read-only", "OUT: host error", "OUT: nowhere"],
  ...["FLUSH", "FLUSH: host error", "GET_ID", "GET_ID: nowhere"],
  ...["DISCARD", "WRITE_ZEROES", "SECURE_ERASE"].flatMap((name) =>
    [
      "",
      ": not negotiated",
      ": too many segments",
      ": half a segment",
      ": nowhere",
      ": range",
      ": flags",
      ": host error",
    ]
      .map((end) => name + end)
  ),
];

Deno.test(`${CASES} generated requests end as the specification says, to the last byte`, () => {
  const oracles = KINDS.map((kind) => new Oracle(kind));
  let last: unknown;
  const seen = new Map<string, number>();
  for (let i = 0; i < CASES; i++) {
    try {
      const oracle = pick(oracles);
      const one = last = generate();
      oracle.w.disk.failing = rarely(10);
      const before = oracle.w.ring.usedIdx;
      oracle.run(one);
      const end = oracle.predict(one);
      oracle.w.disk.failing = false;
      oracle.check(end, before);
      seen.set(end.what, (seen.get(end.what) ?? 0) + 1);
    } catch (error) {
      console.log(JSON.stringify(last, (_, v) => typeof v === "bigint" ? String(v) : v));
      throw new Error(`seed ${seed}, case ${i}`, { cause: error });
    }
  }
  console.log(`seed ${seed}`);
  for (const [what, count] of [...seen].sort((a, b) => b[1] - a[1])) {
    console.log(`  ${String(count).padStart(7)}  ${what}`);
  }
  assertEquals(EXPECTED.filter((what) => !seen.has(what)), [], "ends that no case has reached");
  assert(oracles.every(({ w }) => w.context.leases.leases.size <= 1));
});
