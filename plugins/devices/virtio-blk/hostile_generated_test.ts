/**
 * Hostile drivers, generated: rings against the whole device, and traffic on the registers of every transport.
 * `deno test … -- --seed=N` makes a run come again.
 */

import { assert, assertEquals } from "@std/assert";
import { Random, type Width } from "@iova/core";
import { HostileDriver, MockPackedRing, MockRing, testSeed } from "@iova/virtio/testing";
import { BlockFeature } from "./layout.ts";
import {
  LINE,
  SLOT,
  type TransportName,
  TRANSPORTS,
  type TransportWorld,
  transportWorld,
} from "./testdata/transports.ts";

const RINGS = 60_000;
const BURSTS = 60_000;
const RING = 0x130000;
const TABLES = [0x140000, 0x140ff8];
const HDR = 0x100000;
const DATA = 0x110000;
const HOLE = 0x7000_0000n;

const seed = testSeed();
const random = new Random(seed);
const pick = <T>(list: readonly T[]): T => list[random.below(list.length)];
const rarely = (n: number) => random.below(n) === 0;

/** Runs until the device rests. */
function settle({ scheduler }: TransportWorld): void {
  for (let steps = 0; scheduler.step(); steps++) assert(steps < 500, "the machine never rests");
}

function report(seen: Map<string, number>): void {
  console.log(`seed ${seed}`);
  for (const [what, count] of [...seen].sort((a, b) => b[1] - a[1])) {
    console.log(`  ${String(count).padStart(7)}  ${what}`);
  }
}

const count = (seen: Map<string, number>, what: string) => void seen.set(what, (seen.get(what) ?? 0) + 1);

/** A device with a hostile driver's rings. */
interface Ringed extends TransportWorld {
  readonly packed: boolean;
  readonly hostile: HostileDriver;
  readonly features: readonly number[];
}

function ringed(packed: boolean, options: Parameters<typeof transportWorld>[1]): Ringed {
  const w = transportWorld("modern", { ...options, packed });
  const addresses = [...TABLES, HDR, HDR, DATA, DATA, DATA + 0xff8, RING].map(BigInt).concat(HOLE, 2n ** 64n - 8n);
  const hostile = new HostileDriver(w.space, random, { addresses, tables: TABLES, tableEntries: 4 });
  const { DISCARD, WRITE_ZEROES, SECURE_ERASE, FLUSH } = BlockFeature;
  const features = [32, 33, 28, 29, FLUSH, DISCARD, WRITE_ZEROES, SECURE_ERASE, ...(packed ? [34] : [])];
  return { ...w, packed, hostile, features };
}

/** Reset, negotiation, queue 0 over a ring that a hostile driver has filled, DRIVER_OK, a kick. */
function offer(w: Ringed): void {
  const { device } = w.plug;
  device.writeStatus(0);
  device.writeStatus(3);
  for (const bit of w.features) {
    if (!rarely(24)) device.acceptWord(bit >> 5, device.accepted.word(bit >> 5) | 1 << (bit & 31));
  }
  device.writeStatus(0x0b);
  const [queue] = device.queues;
  const size = w.packed ? 1 + random.below(8) : pick([1, 2, 4, 8]);
  device.resize(queue, size);
  const ring = w.packed
    ? new MockPackedRing(w.space, { size, base: RING })
    : new MockRing(w.space, { size, base: RING });
  [queue.descLo, queue.driverLo, queue.deviceLo] = ring.addresses.map(Number);
  w.space.write(HDR, 4, pick([0, 1, 4, 8, 11, 13, 14, 99, random.next()]));
  w.space.write(HDR + 8, 4, random.below(3000));
  w.space.write(HDR + 12, 4, 0);
  if (ring instanceof MockRing) w.hostile.fillSplit(ring);
  else w.hostile.fillPacked(ring);
  device.enable(queue);
  device.writeStatus(0x0f);
  device.kick(0);
}

Deno.test(`${RINGS} hostile rings: bounded work, no exception, and the device serves again after a reset`, () => {
  const worlds = [
    ringed(false, {}),
    ringed(true, {}),
    ringed(false, { personality: "qemu" }),
    ringed(true, { personality: "qemu" }),
    ringed(false, { latency: 100, inOrder: true }),
    ringed(true, { latency: 100, inOrder: true }),
  ];
  const seen = new Map<string, number>();
  for (let i = 0; i < RINGS; i++) {
    try {
      const w = pick(worlds);
      const { device } = w.plug;
      w.disk.failing = rarely(16);
      const { reads, writes } = w.plug.port.stats;
      offer(w);
      if (rarely(8)) w.hostile.scribble(RING, 256);
      settle(w);
      const { stats } = w.plug.port;
      assert(stats.reads + stats.writes - reads - writes < 64 * 64, "unbounded work");
      count(seen, device.breakdown || ((device.status & 8) === 0 ? "features refused" : "served"));
      device.writeStatus(0);
      assertEquals([device.status, w.context.leases.leases.size], [0, 0]);
    } catch (error) {
      throw new Error(`seed ${seed}, ring ${i}`, { cause: error });
    }
  }
  report(seen);
  const expected = [
    ...["request header too short", "no room for the status", "request header leads nowhere", "status leads nowhere"],
    ...["descriptor loop", "buffer of zero length", "readable buffer after a writable one"],
    ...["indirect table of a wrong length", "indirect table leads nowhere", "chain of 2^32 bytes or more"],
    ...["available index ahead by more than the ring", "head beyond the descriptor table", "next beyond its table"],
    ...["indirect descriptor in an indirect table", "indirect descriptor without the feature"],
    ...["indirect descriptor that goes on", "served", "features refused"],
  ];
  assertEquals(expected.filter((what) => !seen.has(what)), [], "ends that no case has reached");
});

/** Offsets worth an access, by transport: around every register, and beyond. */
const REGISTERS: Record<TransportName, number> = {
  modern: 0x60,
  transitional: 0x60,
  legacy: 0x70,
  mmio: 0x160,
  "mmio-legacy": 0x160,
};
const VALUES = [0, 0, 1, 1, 2, 3, 7, 8, 0x0b, 0x0f, 0x40, 0x80, 0xff, 0xffff, 0x1000, 0x130, 0x130000, 0xffff_ffff];

/** One access by the CPU: registers of either interface, configuration space, the interrupt table. */
function access(w: TransportWorld): void {
  const { name, guest } = w;
  const width = pick<Width>([1, 2, 2, 4, 4, 4]);
  const value = rarely(4) ? random.next() : pick(VALUES);
  const write = !rarely(3);
  const offset = random.below(REGISTERS[name]) & (rarely(4) ? -1 : -width);
  if (name.startsWith("mmio")) {
    const at = SLOT + (rarely(16) ? random.below(0x200 - 4) : offset);
    return void (write ? guest.write(at, width, value) : guest.read(at, width));
  }
  const fn = w.pci.function(8);
  const kind = random.below(16);
  if (kind === 0) {
    // Capabilities, the access window among them; not the BARs, which would only move away.
    const at = 0x40 + random.below(0xc0 - 4) & -width;
    return void (write ? fn.configWrite(at, width, value) : fn.configRead(at, width));
  }
  if (kind === 1) return fn.configWrite(4, 2, 3 | (rarely(4) ? 0 : 4) | (rarely(4) ? 0x400 : 0));
  if (kind === 2) return fn.write(1, random.below(48) & -width, width, value);
  const legacy = name === "legacy" || (name === "transitional" && rarely(2));
  const bar = legacy ? 0 : 4;
  const at = legacy ? random.below(fn.bar(0).size - 4) & (rarely(4) ? -1 : -width) : region() + offset;
  if (write) fn.write(bar, at, width, value);
  else fn.read(bar, at, width);
}

const region = () => pick([0, 0, 0, 0, 0x1000, 0x2000, 0x3000]);

/** The state that every register shows after a reset. */
function powerOn({ plug: { device } }: TransportWorld): unknown[] {
  return [
    device.status,
    device.accepted.value,
    device.breakdown,
    device.queues.map(({ size, enabled, ring, descLo, descHi, driverLo, deviceLo }) => [
      size,
      enabled,
      ring,
      descLo,
      descHi,
      driverLo,
      deviceLo,
    ]),
  ];
}

/** Brings a device as far as a driver that then goes mad may have brought it. */
function bringUp(w: TransportWorld): void {
  const { device } = w.plug;
  const legacy = w.name.includes("legacy");
  device.writeStatus(3, legacy);
  if (rarely(4)) return;
  if (legacy) device.acceptLegacy(0x3000_0200);
  else {
    device.acceptWord(0, 0x3000_0200);
    device.acceptWord(1, device.offered.word(1) & 3);
    device.writeStatus(0x0b);
  }
  if (rarely(4)) return;
  w.space.bytes(RING, 0x3000).fill(0);
  for (const queue of device.queues) {
    if (legacy) device.placeLegacyRing(queue, RING >> 12, 12, 4096);
    else {
      [queue.descLo, queue.driverLo, queue.deviceLo] = [RING, RING + 0x1000, RING + 0x2000];
      device.enable(queue);
    }
  }
  // A flush, offered in each ring.
  w.space.write(HDR, 4, 4);
  const ring = RING + (legacy ? 0x80 : 0x1000);
  for (const [at, value] of [[0, HDR], [8, 16], [12, 0x1_0001], [16, DATA], [24, 1], [28, 2]]) {
    w.space.write(RING + at, 4, value);
  }
  w.space.write(ring + 2, 2, 1);
  device.writeStatus(legacy ? 7 : 0x0f, legacy);
  if (rarely(2)) device.kick(random.below(2));
}

Deno.test(`${BURSTS} bursts of register traffic on five transports: no exception, and a reset is a reset`, () => {
  const worlds = TRANSPORTS.flatMap((name) =>
    (["spec", "qemu"] as const).map((personality) => transportWorld(name, { personality, queues: 2 }))
  );
  const fresh = powerOn(worlds[0]);
  const seen = new Map<string, number>();
  for (let i = 0; i < BURSTS; i++) {
    const w = pick(worlds);
    try {
      const { device } = w.plug;
      if (!rarely(3)) bringUp(w);
      for (let n = 4 + random.below(12); n > 0; n--) access(w);
      settle(w);
      count(
        seen,
        `${w.name}: ${device.breakdown || ["no queue", "a live queue"][Number(device.queues.some((q) => q.enabled))]}`,
      );
      device.writeStatus(0);
      settle(w);
      assertEquals(powerOn(w), fresh);
      assertEquals(w.context.leases.leases.size, 0);
      assert(!w.interrupts.isAsserted(LINE) && ![16, 17, 18, 19].some((line) => w.interrupts.isAsserted(line)));
    } catch (error) {
      throw new Error(`seed ${seed}, burst ${i} on ${w.name}`, { cause: error });
    }
  }
  report(seen);
  for (const name of TRANSPORTS) assert(seen.has(`${name}: a live queue`), `${name}: no queue was ever enabled`);
});
