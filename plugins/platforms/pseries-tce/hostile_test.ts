import { assert, assertEquals } from "@std/assert";
import { BusStatus, Direction, dmaBitMask, DmaHandle, HypercallRegisters, Random } from "@iova/core";
import { testPlatform, type TestWorld } from "@iova/core/testing";
import type { ProfileName } from "./hardware.ts";
import platform from "./mod.ts";
import type { PseriesPlatform } from "./platform.ts";

const CASES = 100_000;
const PROFILES: ProfileName[] = ["lopar", "qemu-tcg", "kvm"];
const CALLS = [0x1c, 0x20, 0x138, 0x13c, 0xf000];
const STATUSES = new Set([0, 5, -1, -2, -4, -44, -57]);
const EDGES = [0n, 1n, 8n, 0xfffn, 0x1000n, 0x2000n, 512n, 513n, 0x3fff_f000n, 0x4000_0000n, 0x8000_0000n, 0x8000_0001n]
  .concat([0x8000_0100n, 0xffff_ffffn, 1n << 32n, 1n << 59n, (1n << 59n) + 0x1000n, 1n << 63n, (1n << 64n) - 1n]);

/** Memory that tables take: 16 MiB, so that windows of chance stay small enough to be stuffed. */
const SMALL = { ddw: true, tableMemory: "16MiB" } as const;

function pick(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 5) return EDGES[random.below(EDGES.length)];
  if (kind === 5) return BigInt(random.below(1 << 24)) << 12n;
  if (kind === 6) return BigInt(random.below(700));
  return BigInt(random.next()) << 32n | BigInt(random.next());
}

/** Random RTAS buffers and random lists, at places that calls then name. */
function scribble(world: TestWorld, random: Random): void {
  const { view } = world.space.ram(0x1000)!;
  const token = random.below(4) === 0 ? random.next() : 0x2020 + random.below(10);
  const shifts = [12, 16, 21, 24, 34, 13, 0, 63][random.below(8)];
  const cells = [
    token,
    random.below(7),
    random.below(7),
    0,
    0x0800_0000,
    0x2000_0000,
    shifts,
    shifts + random.below(24),
  ];
  if (random.below(3) === 0) cells[3] = 0x8000_0000 + random.below(3);
  cells.forEach((cell, i) => view.setUint32(0x1000 + i * 4, cell));
  for (let i = 0; i < 8; i++) view.setBigUint64(0x2000 + i * 8, pick(random) & ~0xfffn | BigInt(random.below(4)));
}

for (const profile of PROFILES) {
  const seed = 0x7ce + profile.length;
  Deno.test(`${CASES} hypercalls of chance have a status each, and break nothing (${profile}, seed ${seed})`, () => {
    const { world, platform: made, device } = testPlatform(platform, { with: { ...SMALL, profile } });
    const { port } = device();
    const { phb } = made as PseriesPlatform;
    const random = new Random(seed);
    const registers = new HypercallRegisters();
    const bytes = new Uint8Array(64);
    const seen = new Set<number>();
    for (let i = 0; i < CASES; i++) {
      if (i % 8 === 0) scribble(world, random);
      const number = CALLS[random.below(CALLS.length)];
      for (let r = 0; r < 4; r++) registers.set(r, pick(random));
      if (number === 0xf000 && random.below(4) !== 0) registers.set(0, 0x1000);
      if (number !== 0xf000 && random.below(3) !== 0) registers.set(0, 0x8000_0000 + random.below(2));
      const status = world.guest.hypercall(number, registers);
      assert(STATUSES.has(status), `case ${i}: hypercall 0x${number.toString(16)} gave ${status}`);
      seen.add(status);
      const { hi, lo } = new DmaHandle().set(pick(random));
      port.readAt(hi, lo, bytes, 0, 64);
      if (phb.endpoint.dmaStopped && random.below(4) === 0) phb.endpoint.thaw();
    }
    assert(seen.has(0) && seen.has(-4), "nothing worked, or nothing was refused");
    assert(phb.tableMemory.left >= 0);
    assertEquals(phb.windows.length, 2);
  });
}

Deno.test(`${CASES} entries of chance let no device reach memory outside the partition (LoPAR, seed 59)`, () => {
  const ram = [[0, 0x10_0000], [0x10_0000, 0x10_0000]] as const;
  const { world, platform: made, device } = testPlatform(platform, { ram, with: { partition: "1MiB", eeh: false } });
  const { port } = device();
  const { phb } = made as PseriesPlatform;
  world.bytes(0x10_0000, 0x10_0000).fill(0x77);
  const random = new Random(59);
  const registers = new HypercallRegisters();
  const bytes = new Uint8Array(16).fill(0xee);
  let reached = 0;
  for (let i = 0; i < CASES; i++) {
    const page = random.below(0x240) * 0x1000 + (random.below(16) === 0 ? 2 ** 32 * random.below(4) : 0);
    const ioba = random.below(64) * 0x1000;
    if (random.below(2) === 0) {
      registers.set(0, 0x8000_0000).set(1, ioba).set(2, page + random.below(4));
      world.guest.hypercall(0x20, registers);
    } else {
      const count = 1 + random.below(8);
      const { view } = world.space.ram(0x2000)!;
      for (let k = 0; k < count; k++) view.setBigUint64(0x2000 + k * 8, BigInt(page + k * 0x1000 + random.below(4)));
      registers.set(0, 0x8000_0000).set(1, ioba).set(2, 0x2000).set(3, count);
      world.guest.hypercall(0x13c, registers);
    }
    // The list page is spared: a device that writes it is not what is tested here.
    const target = phb.windows[0]!.table.lo(ioba / 0x1000) >>> 12;
    if (target !== 2 && port.writeAt(0, ioba + random.below(0xff0), bytes, 0, 16) === BusStatus.OK) reached++;
  }
  assert(reached > CASES / 100, "no device reached anything");
  assertEquals(world.bytes(0x10_0000, 0x10_0000).every((byte) => byte === 0x77), true);
});

Deno.test("lists at bad addresses: above memory, across its end, in registers, unaligned", () => {
  const { world, device } = testPlatform(platform);
  device();
  const base = world.reserveRegisters(0x1000, "a peer", { read: () => 0xffff_ffff, write: () => {} });
  const registers = new HypercallRegisters();
  for (const list of [0x100_0000, 0xff_f008, base, 0x1_ffff_f800, 2 ** 52, 0xffff_ffff_ffff_f000n]) {
    registers.set(0, 0x8000_0000).set(1, 0x1000).set(2, list).set(3, 512);
    assertEquals(world.guest.hypercall(0x13c, registers), -4, list.toString(16));
  }
});

Deno.test("a table that is full gives failure values, and after giving back it is empty", () => {
  for (const options of [{}, { ddw: true, partition: "64GiB", largestBlock: 65536, pageSizes: "4KiB" }]) {
    const { platform: made, device } = testPlatform(platform, { with: { windowSize: "64MiB", ...options } });
    const { dma, stats } = device();
    dma.setMask(dmaBitMask(64));
    const live: [handle: bigint, size: number][] = [];
    for (let failures = 0, i = 0; failures < 100; i++) {
      const size = 4096 * (1 + i % 20);
      const handle = dma.mapSingle(0x10_0000, size, Direction.BIDIRECTIONAL);
      if (dma.mappingError(handle) !== 0) failures++;
      else live.push([handle, size]);
    }
    const { table } = (made as PseriesPlatform).guest!.service(dmaBitMask(64));
    assert(live.length > 500);
    assertEquals(table!.ranges.used, live.reduce((sum, [, size]) => sum + size / 4096, 0));
    for (const [handle, size] of live) dma.unmapSingle(handle, size, Direction.BIDIRECTIONAL);
    assertEquals([table!.ranges.used, stats.mapFailures, stats.maps, stats.unmaps], [0, 100, live.length, live.length]);
  }
});
