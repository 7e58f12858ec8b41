import { assert, assertEquals } from "@std/assert";
import { AddressType, BusStatus, Random } from "@iova/core";
import { walk } from "../testdata/reference.ts";
import { PLACE, World } from "../testdata/world.ts";

const SEED = 20260101;
const CASES = 100_000;
const { OK } = BusStatus;

const word64 = (random: Random) => BigInt(random.next()) << 32n | BigInt(random.next());

function hostile(name: string, body: (random: Random) => void): void {
  Deno.test(`${name} (${CASES} cases, seed ${SEED})`, () => body(new Random(SEED)));
}

/** Tables that entries point to: sixteen pages from 0x800000 on. */
const TABLES = 16;
const tableAt = (index: number) => 0x80_0000 + index * 4096;

/** An entry that is right more often than not. */
function entry(random: Random): bigint {
  const kind = random.below(64);
  if (kind === 0) return word64(random);
  const next = random.below(3) === 0 ? random.below(8) : 1 + random.below(5);
  let address = BigInt(next === 0 || next === 7 ? random.below(0x1000) << 12 : tableAt(random.below(TABLES)));
  if (next === 7 || kind < 8) address |= (1n << BigInt(12 + random.below(40))) - 0x1000n;
  const rights = random.below(4) === 0 ? BigInt(random.below(4)) : 3n;
  const reserved = kind === 1 ? 1n << BigInt(52 + random.below(12)) : 0n;
  return rights << 61n | reserved | address | BigInt(next) << 9n | (kind === 2 ? 0n : 1n);
}

/** An address whose indices are small at some levels, so that skipped levels have a chance. */
function address(random: Random): bigint {
  let iova = word64(random);
  for (let low = 12; low < 64; low += 9) {
    if (random.below(2) === 0) iova &= ~(511n << BigInt(low));
  }
  return BigInt.asUintN(64, random.below(4) === 0 ? iova : iova & (1n << BigInt(12 + 9 * (1 + random.below(6)))) - 1n);
}

/**
 * Compares with the reference for random tables; `cached` asks twice, after everything was invalidated: the replicas of a
 * large page do not agree here, so that one answer says nothing about the next page.
 */
function compareWalks(random: Random, options: ConstructorParameters<typeof World>[0], cached: boolean): void {
  const world = new World({ ...options, htRangeIgnore: true }).start();
  for (let i = 0; i < TABLES * 512; i++) world.poke(tableAt(0) + i * 8, entry(random));
  const read = (at: bigint) => at < 0x100_0000n ? world.peek(Number(at)) : null;
  const sizes = new Set<number>();
  const faults = new Set<bigint>();
  for (let i = 0; i < CASES;) {
    const mode = 1 + random.below(6);
    const granted = random.below(8) === 0 ? random.below(4) : 3;
    world.dte(BigInt(granted) << 61n | BigInt(tableAt(random.below(TABLES))) | BigInt(mode) << 9n | 3n);
    const root = BigInt(world.ram.view.getUint32(PLACE.DEVICE_TABLE + PLACE.DEVICE * 32, true) & ~0xfff);
    for (let j = 0; j < 8; j++) world.poke(tableAt(0) + random.below(TABLES * 512) * 8, entry(random));
    world.execute([0x8000000000000000n]);
    for (let j = 0; j < 10; j++, i++) {
      const iova = address(random);
      const access = (1 + random.below(3)) as 1 | 2 | 3;
      if (iova >> 20n === 0xfeen) continue;
      if (cached) world.execute([0x8000000000000000n]);
      let unreadable = false;
      const expected = walk(
        (at) => read(at) ?? (unreadable = true, 0n),
        root,
        mode,
        granted,
        iova,
        access,
      );
      for (let turn = 0; turn < (cached ? 2 : 1); turn++) {
        world.write(0x2010, world.read(0x2018));
        const got = world.ask(iova, access);
        const what = `case ${i}: mode ${mode}, address ${iova.toString(16)}, turn ${turn}`;
        if (unreadable) {
          assertEquals([got.status, world.log()[0][0] >> 60n], [BusStatus.COMPLETER_ABORT, 4n], what);
        } else if (expected.ok) {
          assertEquals([got.status, got.address, got.shift, got.rights, world.log().length], [
            OK,
            expected.address,
            expected.shift,
            expected.rights,
            0,
          ], what);
        } else {
          const q0 = 0x2000000500000028n | expected.flags << 48n;
          assertEquals([got.status, world.log()], [BusStatus.COMPLETER_ABORT, [[q0, iova]]], what);
        }
        if (expected.ok) sizes.add(expected.shift);
        else faults.add(expected.flags);
      }
    }
  }
  assert(sizes.size > 20 && faults.size === 8, `${sizes.size} sizes, ${faults.size} kinds of fault`);
}

hostile("random page tables give what a second reading of the specification gives", (random) => {
  compareWalks(random, { iotlb: 0, walkCache: 0, dteCache: false }, false);
});

hostile("caches change nothing while tables do not change", (random) => {
  compareWalks(random, { iotlb: 64, walkCache: 16 }, true);
});

hostile("random device table entries have one defined outcome each", (random) => {
  const world = new World().start();
  const codes = new Map<bigint, number>();
  for (let i = 0; i < CASES; i++) {
    const flip = () => random.below(3) === 0 ? word64(random) : 0n;
    const q0 = BigInt.asUintN(64, 0x6000000000700003n ^ flip() & (random.below(2) === 0 ? -1n : 0x600ffffffffffe03n));
    const q1 = random.below(2) === 0 ? 5n : word64(random);
    world.dte(q0, q1, PLACE.DEVICE, flip(), flip());
    world.execute([0x8000000000000000n]);
    world.write(0x2010, world.read(0x2018));
    const type = random.below(3) as AddressType;
    const { status, rights } = world.ask(word64(random), (1 + random.below(3)) as 1 | 2 | 3, type);
    const events = world.log();
    assert(events.length <= 1 && status <= 2 && rights <= 3);
    if (status === OK) assertEquals(events, []);
    if ((q0 & 1n) === 0n && type === AddressType.UNTRANSLATED) assertEquals(status, OK);
    for (const [event] of events) codes.set(event >> 60n, (codes.get(event >> 60n) ?? 0) + 1);
  }
  assertEquals([...codes.keys()].sort(), [1n, 2n, 4n, 8n]);
});

hostile("every register with random values, in every order", (random) => {
  const world = new World();
  const offsets = [0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x50, 0x1a0, 0x2000, 0x2008, 0x2010, 0x2018, 0x2020];
  offsets.push(0x2030, 0x2038, 0x2040, 0x2080, 0x3ffc, 0x2084);
  random.fill(world.ram.bytes.subarray(0, 1 << 20));
  for (let i = 0; i < CASES; i++) {
    const offset = random.below(4) === 0
      ? random.below(0x4000)
      : offsets[random.below(offsets.length)] + random.below(2) * 4;
    const width = ([4, 4, 4, 4, 1, 2] as const)[random.below(6)];
    // Half of the values keep rings and tables in memory.
    const value = random.below(2) === 0 ? random.next() : random.next() & 0x08ff_ffff;
    world.space.write(PLACE.MMIO + offset, width, value);
    world.space.write(world.configuration + 0x40 + random.below(0x30), 1, random.below(256));
    assert(world.space.read(PLACE.MMIO + offset, width) <= 0xffffffff);
    if (i % 8 === 0) world.ask(word64(random), 3, random.below(3) as AddressType, { requester: random.below(0x10000) });
    if (i % 4 === 0) world.run();
    if (i % 512 === 0) random.fill(world.ram.bytes.subarray(0, 1 << 16));
  }
  for (const pointer of [0x2000, 0x2008, 0x2010, 0x2018, 0x2030, 0x2038]) {
    assertEquals(world.read(pointer) & ~0x7fff0n, 0n);
  }
});

hostile("command rings of random commands, with tails anywhere", (random) => {
  const world = new World().start(0x902dn | 1n << 13n);
  world.iommu.ats!.attach(PLACE.DEVICE, { invalidate: () => {}, pageResponse: () => {} });
  world.dte(0x6000000000700203n, 0x0000000100000005n);
  for (let i = 0; i < CASES; i++) {
    if ((world.read(0x2020) & 0x10n) === 0n) {
      // Stopped: the log says why, and software starts it again.
      const [event] = world.log().filter(([q0]) => q0 >> 60n === 5n || q0 >> 60n === 6n).slice(-1);
      assert(event !== undefined, `case ${i}: stopped without an event`);
      world.write(0x18, 0x802dn | 1n << 13n);
      world.write(0x2000, 0n);
      world.write(0x2008, 0n);
      world.write(0x2010, world.read(0x2018));
      world.write(0x18, 0x902dn | 1n << 13n);
    }
    const opcode = BigInt(1 + random.below(random.below(8) === 0 ? 15 : 8));
    const noise = random.below(4) === 0;
    const q0 = opcode << 60n | (noise ? word64(random) >> 4n : BigInt(random.below(0x10000)));
    const q1 = noise ? word64(random) : word64(random) & 0xfffffffffffff000n | BigInt(random.below(8));
    const at = random.below(256) * 16;
    world.poke(PLACE.COMMANDS + at, q0);
    world.poke(PLACE.COMMANDS + at + 8, opcode === 7n ? q1 & 0xf1ffn << 32n : q1);
    world.write(0x2008, random.below(8) === 0 ? word64(random) : BigInt(random.below(256) * 16));
    let steps = 0;
    while (world.iommu.step!()) assert(++steps <= 256, `case ${i}: the ring does not end`);
    assert(world.read(0x2000) < 0x1000n && world.read(0x2008) < 0x1000n);
    if (i % 64 === 0) { while (world.scheduler.step()); }
    if ((world.read(0x2020) & 0x10n) !== 0n) world.write(0x2010, world.read(0x2018));
  }
  assert(world.iommu.counters!().commands > CASES / 10);
});

hostile("page requests of chance, from anybody, while the log is full, stopped or nowhere", (random) => {
  const world = new World().start(0x100dn | 1n << 13n | 1n << 14n | 1n << 15n);
  const service = world.iommu.ats!;
  world.dte(0x6000000000700203n | 1n << 52n, 0x0000000100000005n);
  const seen = new Set<number>();
  service.attach(PLACE.DEVICE, { invalidate: () => {}, pageResponse: () => {} });
  for (let i = 0; i < CASES; i++) {
    const status = service.pageRequest!({
      requester: random.below(4) === 0 ? random.below(0x10000) : PLACE.DEVICE,
      pasid: random.below(3) === 0 ? random.below(1 << 20) : -1,
      address: word64(random) & ~0xfffn,
      group: random.below(512),
      last: random.below(2) === 0,
      rights: random.below(4),
    });
    seen.add(status);
    const tail = world.read(0x2038);
    assert(tail < 0x8_0000n, `case ${i}: beyond the longest log`);
    if (random.below(8) === 0) world.write(0x2030, random.below(2) === 0 ? tail : word64(random));
    if (random.below(64) === 0) world.write(0x18, 0x100dn | BigInt(random.below(8)) << 13n);
    if (random.below(64) === 0) world.write(0x38, BigInt(PLACE.PAGE_REQUESTS) | BigInt(random.below(16)) << 56n);
    if (random.below(256) === 0) world.write(0x2020, word64(random));
    if (random.below(16) === 0) service.invalidateCompletion(random.below(0x100), random.next(), random.below(8));
    if (random.below(64) === 0) { while (world.scheduler.step()) { /* what was put off */ } }
  }
  const { pageRequests } = world.iommu.counters!();
  assert(pageRequests > CASES / 1000, `${pageRequests} requests were logged`);
  assertEquals([...seen].every((status) => status <= BusStatus.COMPLETER_ABORT), true);
});
