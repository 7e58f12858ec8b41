import { assert, assertEquals } from "@std/assert";
import { BusStatus, Direction, type DmaAddr, HypercallRegisters, Random } from "@iova/core";
import { GrantWorld } from "./testdata/world.ts";

const CASES = 100_000;
const SEED = 77;
const { TO_DEVICE, BIDIRECTIONAL } = Direction;

interface Live {
  handle: DmaAddr;
  page: number;
  direction: Direction;
}

for (const options of [{}, { version: 2 }, { policy: "cached" }, { policy: "copy" }]) {
  const name = Object.values(options).join() || "version 1";
  Deno.test(`${name}: in ${CASES / 4} steps no access reaches a page whose grant has ended (seed ${SEED})`, () => {
    const random = new Random(SEED);
    const at = new GrantWorld({ maxGrantFrames: 2, ...options });
    const { dma, port } = at.device;
    const bytes = new Uint8Array(8);
    const live: Live[] = [];
    const ended: DmaAddr[] = [];
    let reached = 0;
    for (let step = 0; step < CASES / 4; step++) {
      const what = random.below(5);
      if (what === 0 && live.length < 200) {
        const page = 0x20_0000 + 4096 * random.below(256);
        const direction = random.below(3) as Direction;
        live.push({ handle: dma.mapSingle(page, 4096, direction), page, direction });
      } else if (what === 1 && live.length > 0) {
        const [{ handle, direction }] = live.splice(random.below(live.length), 1);
        dma.unmapSingle(handle, 4096, direction);
        if (ended.push(handle) > 64) ended.shift();
      } else if (what === 2 && ended.length > 0) {
        const handle = ended[random.below(ended.length)];
        if (live.some((other) => other.handle === handle)) continue;
        assertEquals(port.read(handle + 8n, bytes) === BusStatus.OK, false);
        assertEquals(port.write(handle + 8n, bytes) === BusStatus.OK, false);
      } else if (live.length > 0) {
        const { handle, page, direction } = live[random.below(live.length)];
        const mark = random.below(256);
        bytes.fill(mark);
        const allowed = direction !== TO_DEVICE;
        assertEquals(port.write(handle + 16n, bytes) === BusStatus.OK, allowed);
        if (allowed) assertEquals(at.made.world.bytes(page + 16, 1)[0], mark);
        reached++;
      }
      if (step % 16 === 0) at.made.world.scheduler.settle();
    }
    assert(reached > 1000);
    assertEquals(at.made.world.warnings, []);
    for (const { handle, direction } of live) dma.unmapSingle(handle, 4096, direction);
    at.made.world.scheduler.settle();
    assertEquals(at.hv.domain(0)!.maptrack.live, 0);
  });
}

Deno.test(`${CASES} accesses at random addresses to a table of random bytes: only granted RAM is reached (seed ${SEED + 1})`, () => {
  const random = new Random(SEED + 1);
  const at = new GrantWorld();
  const { dma, port } = at.device;
  dma.mapSingle(0x20_0000, 16, TO_DEVICE);
  const table = at.table.placeOf(0);
  const secret = at.made.world.bytes(0x80_0000, 4096).fill(0x3c).slice();
  const bytes = new Uint8Array(32);
  let done = 0;
  for (let i = 0; i < CASES; i++) {
    const entry = table + 8 * (8 + random.below(8));
    const choices = [1, 5, 0x101, 2, 3, random.next() & 0xffff];
    at.made.world.space.write(entry, 2, choices[random.below(choices.length)]);
    at.made.world.space.write(entry + 2, 2, random.below(4) === 0 ? random.next() & 0xffff : 0);
    // Every frame of the first 8 MiB, and what is no memory.
    at.made.world.space.write(entry + 4, 4, random.below(4) === 0 ? random.next() | 0x2000 : random.below(0x800));
    const ref = random.below(8) === 0 ? random.next() : 8 + random.below(8);
    const hi = 1 << 31 | ref >>> 20 | (random.below(16) === 0 ? random.next() : 0);
    if (random.below(2) === 0) done += port.readAt(hi, ref << 12 | random.below(4096), bytes, 0, 32) === 0 ? 1 : 0;
    else {
      // Writing anywhere in those 8 MiB could hit the table: a read stands for it where it would.
      const frame = at.table.frameOf(Math.min(ref, 511));
      if (frame * 4096 >= 0x20_0000) port.writeAt(hi, ref << 12 | random.below(4064), bytes, 0, 32);
    }
  }
  assert(done > 1000, `${done}`);
  assertEquals(at.made.world.bytes(0x80_0000, 4096), secret);
  assertEquals(at.hv.domain(0)!.maptrack.live, 0);
});

Deno.test(`${CASES} hypercalls of the guest with random registers leave the platform working (seed ${SEED + 2})`, () => {
  const random = new Random(SEED + 2);
  const at = new GrantWorld({ maxGrantFrames: 4 });
  const { guest } = at.made.world;
  const { dma, port } = at.device;
  const scratch = guest.heap.require(8192, "scratch", 4096);
  const registers = new HypercallRegisters();
  for (let i = 0; i < CASES; i++) {
    for (let at = 0; at < 64; at += 4) {
      guest.write(scratch + at, 4, random.below(3) === 0 ? random.next() : random.below(16));
    }
    const command = [0, 1, 4, 5, 6, 9, 10, 12, 99][random.below(9)];
    registers.set(0, command).set(1, random.below(8) === 0 ? random.next() : scratch);
    registers.set(2, random.below(8) === 0 ? random.next() : random.below(3));
    // Lists may only go to the scratch page here: a guest that overwrites its own memory has itself to blame.
    if (command === 9) guest.write(scratch + 12, 4, 0xffff_ffff);
    guest.hypercall(random.below(16) === 0 ? random.below(40) : 20, registers);
  }
  const handle = dma.mapSingle(0x20_0000, 64, BIDIRECTIONAL);
  assertEquals(port.write(handle, new Uint8Array(64).fill(1)), BusStatus.OK);
  dma.unmapSingle(handle, 64, BIDIRECTIONAL);
  assertEquals(port.write(handle, new Uint8Array(64)) === BusStatus.OK, false);
});
