import { assert, assertEquals } from "@std/assert";
import { HypercallRegisters, Random } from "@iova/core";
import { Exchange, GrantCalls, Hypervisor, MachineMap, MapRequest, MemoryCalls, UnmapRequest } from "./hardware.ts";
import { GntMap, GntTabOp } from "./layout.ts";
import { ARGUMENTS, STATUS_TABLE, TABLE, XenWorld } from "./testing.ts";

const CASES = 100_000;
const SEED = 20_260;

/** Numbers that go wrong first. */
function odd(random: Random): number {
  const choices = [0, 1, 2, 8, 9, 255, 256, 511, 512, 0x7ff0, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  return random.below(3) === 0 ? random.next() : choices[random.below(choices.length)];
}

/** Random bytes in which small fields are often plausible. */
function scribble(world: XenWorld, random: Random, address: number, length: number): void {
  for (let at = address; at < address + length; at += 4) {
    world.space.write(at, 4, random.below(4) === 0 ? odd(random) : random.below(16));
  }
}

Deno.test(`${CASES} grant hypercalls with random registers, structures and entries break nothing (seed ${SEED})`, () => {
  const random = new Random(SEED);
  const world = new XenWorld({
    granter: { kind: "pv", maxGrantFrames: 4 },
    backend: { kind: "pv", maxMaptrackFrames: 4 },
  });
  const callers = [world.granter, world.backend].map((domain) => new GrantCalls(world.hv, domain, () => {}));
  const registers = new HypercallRegisters();
  const results = new Set<number>();
  const sentinel = world.bytes(0x1234_8000, 0x1000).fill(0x3c).slice();
  for (let i = 0; i < CASES; i++) {
    scribble(world, random, TABLE + 8 * random.below(64), 16);
    scribble(world, random, ARGUMENTS, 160);
    registers.set(0, random.below(12) > 0 ? random.below(14) : odd(random));
    registers.set(1, random.below(8) > 0 ? ARGUMENTS : odd(random));
    registers.set(2, random.below(8) > 0 ? 1 + random.below(4) : odd(random));
    if (random.below(64) === 0) registers.hi[1] = odd(random) | 0;
    results.add(callers[random.below(2)].call(registers));
  }
  assert(results.has(0) && results.has(-22) && results.has(-14) && results.has(-38), [...results].join());
  // Lists and copies go where structures say; this page is in none of their reach, for frames are small numbers.
  assertEquals(world.bytes(0x1234_8000, 0x1000), sentinel);
  assert(world.backend.maptrack.live <= 1024 && world.granter.table.frames <= 4);
});

Deno.test(`${CASES} maps of random entries: what is mapped was granted to the mapper at that moment (seed ${SEED + 1})`, () => {
  const random = new Random(SEED + 1);
  for (const version of [1, 2]) {
    const world = new XenWorld({ backend: { maxMaptrackFrames: 2 } });
    if (version === 2) {
      world.granter.table.switchTo(2);
      world.addToPhysmap(0x8000_0000, STATUS_TABLE);
    }
    const op = new MapRequest();
    const unmap = new UnmapRequest();
    let mapped = 0;
    for (let i = 0; i < CASES / 2; i++) {
      const ref = 8 + random.below(4);
      const at = TABLE + ref * 8 * version;
      scribble(world, random, at, 8 * version);
      if (version === 2) world.space.write(STATUS_TABLE + 2 * ref, 2, random.next() & 0xffff);
      const header = world.space.read(at, 4);
      const frame = world.granter.table.frameOf(ref);
      op.ref = ref;
      op.dom = 1;
      op.flags = GntMap.HOST_MAP | (random.below(2) === 0 ? GntMap.READONLY : 0);
      op.hostFrame = 0x100;
      world.hv.map(world.backend, op);
      const permits = (header & 0x103) === 1 && header >>> 16 === 0 && (op.flags & 4 || (header & 4) === 0);
      const isRam = frame < 0x400 || (frame >= 0x1_2340 && frame < 0x1_2440);
      assertEquals(op.status === 0, Boolean(permits && isRam), `entry ${world.entry(ref)}: ${op.status}`);
      if (op.status !== 0) continue;
      mapped++;
      assertEquals(op.mfn, frame);
      unmap.hasHost = true;
      unmap.hostFrame = 0x100;
      unmap.handle = op.handle;
      world.hv.unmap(world.backend, unmap);
      assertEquals([unmap.status, world.granter.table.active.pin[ref]], [0, 0]);
    }
    assert(mapped > 300, `${mapped}`);
  }
});

Deno.test(`${CASES} memory hypercalls with random values break nothing (seed ${SEED + 2})`, () => {
  const random = new Random(SEED + 2);
  const world = new XenWorld({ granter: { maxGrantFrames: 4 } });
  const map = new MachineMap(world.space, 0, 0x300);
  const hv = new Hypervisor({ space: world.space, frames: map });
  const guest = hv.createDomain({ id: 1, kind: "pv" });
  for (let frame = 0; frame < 0x200; frame++) map.assign(0x1ff - frame, 1, frame);
  const calls = [
    new MemoryCalls(hv, guest, () => {}, new Exchange(hv, map, guest, 9, () => {})),
    new MemoryCalls(world.hv, world.granter, () => {}),
  ];
  const registers = new HypercallRegisters();
  const results = new Set<number>();
  for (let i = 0; i < CASES; i++) {
    scribble(world, random, ARGUMENTS, 72);
    if (random.below(2) === 0) {
      for (const at of [0, 8, 16, 24, 32, 40, 48, 56, 64]) world.space.write(ARGUMENTS + at + 4, 4, 0);
      for (const at of [0, 32]) world.space.write(ARGUMENTS + at, 4, ARGUMENTS + 0x100 + at * 8);
      for (const at of [24, 56]) world.space.write(ARGUMENTS + at, 4, 0x7ff0);
      world.space.write(ARGUMENTS + 64, 4, 0);
    }
    registers.set(0, random.below(8) > 0 ? [7, 11][random.below(2)] : odd(random));
    registers.set(1, random.below(8) > 0 ? ARGUMENTS : odd(random));
    results.add(calls[random.below(2)].call(registers));
  }
  assert(results.has(0) && results.has(-22) && results.has(-14), [...results].join());
  let owned = 0;
  for (let mfn = 0; mfn < 0x300; mfn++) owned += map.ownerOf(mfn) === 1 ? 1 : 0;
  assertEquals([owned, map.free], [0x200, 0x100], "no frame is lost and none is made");
});

Deno.test("GntTabOp names every command that the dispatcher knows", () => {
  assertEquals(Object.keys(GntTabOp).length, 13);
});
