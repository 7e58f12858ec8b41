import { assertEquals } from "@std/assert";
import { PLACE, World } from "../testdata/world.ts";

const R = PLACE.ROOT;
const WAIT: readonly [bigint, bigint] = [0x1000000000600001n, 0x99n];
const NO_WALK_CACHE = { walkCache: 0 };

/** A world whose device has a one-level table with pages 1 and 2 cached, and both entries changed since. */
function stale(options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World(options).start();
  world.dte(0x6000000000700203n);
  world.poke(R + 8, 0x6000000000201001n);
  world.poke(R + 16, 0x6000000000202001n);
  world.where(0x1000n);
  world.where(0x2000n);
  world.poke(R + 8, 0x6000000000301001n);
  world.poke(R + 16, 0x6000000000302001n);
  return world;
}

const frames = (world: World, ...pages: bigint[]) => pages.map((page) => world.where(page));

Deno.test("case 16: one page is invalidated, its neighbour stays stale", () => {
  const world = stale();
  world.execute([0x3000000500000000n, 0x1000n]);
  assertEquals(frames(world, 0x1000n, 0x2000n), [0x301000n, 0x202000n]);
});

Deno.test("case 17: the all-ones code drops a whole domain and no other", () => {
  const world = stale();
  world.dte(0x6000000000710203n, 6n, 0x30);
  world.poke(0x710008, 0x6000000000401001n);
  const other = () => world.ask(0x1000n, 1, 0, { requester: 0x30 }).address;
  other();
  world.poke(0x710008, 0x6000000000501001n);
  world.execute([0x3000000500000000n, 0x7ffffffffffff003n]);
  assertEquals(frames(world, 0x1000n, 0x2000n), [0x301000n, 0x302000n]);
  assertEquals(other(), 0x401000n);
  world.execute([0x3000000600000000n, 0xfffffffffffff003n]);
  assertEquals(other(), 0x501000n);
});

Deno.test("case 17: a code of 8 KiB drops its two pages only", () => {
  const world = stale();
  world.poke(R + 24, 0x6000000000203001n);
  world.poke(R + 32, 0x6000000000204001n);
  world.where(0x3000n);
  world.where(0x4000n);
  world.poke(R + 24, 0x6000000000303001n);
  world.poke(R + 32, 0x6000000000304001n);
  world.execute([0x3000000500000000n, 0x2001n]);
  assertEquals(frames(world, 0x1000n, 0x2000n, 0x3000n, 0x4000n), [0x201000n, 0x302000n, 0x303000n, 0x204000n]);
});

Deno.test("case 17: a code of 2 MiB drops 0x400000 to 0x5fffff", () => {
  const world = new World(NO_WALK_CACHE).start();
  world.dte(0x6000000000700403n);
  const pages = [0x3ff000n, 0x400000n, 0x5ff000n, 0x600000n];
  for (const table of [1, 2, 3]) world.poke(R + table * 8, 0x6000000000700201n | BigInt(table) << 12n);
  const map = (frame: bigint) => {
    for (const page of pages) {
      const at = R + Number(page >> 21n) * 0x1000 + Number(page >> 12n & 511n) * 8;
      world.poke(at, 0x6000000000000001n | frame + page);
    }
  };
  map(0x100000n);
  assertEquals(frames(world, ...pages), pages.map((page) => page + 0x100000n));
  map(0x200000n);
  world.execute([0x3000000500000000n, 0x4ff001n]);
  assertEquals(frames(world, ...pages), [0x4ff000n, 0x600000n, 0x7ff000n, 0x700000n]);
});

Deno.test("case 18: naming one page of a cached 2 MiB page drops all of it", () => {
  const world = new World().start();
  world.dte(0x6000000000700403n);
  world.poke(R, 0x6000000000800001n);
  assertEquals(world.where(0x1000n), 0x801000n);
  world.poke(R, 0x6000000000a00001n);
  assertEquals(world.where(0x1ff000n), 0x9ff000n);
  world.execute([0x3000000500000000n, 0x5000n]);
  assertEquals(frames(world, 0x1000n, 0x1ff000n), [0xa01000n, 0xbff000n]);
});

Deno.test("case 19: an illegal command stops the ring where it stands; a toggled enable starts it again", () => {
  const world = new World().start();
  world.execute([0x2000000000000028n], [0x2000000000000028n], [0xf000000000000000n], [0x1000000000600011n, 0x99n]);
  assertEquals(world.log(), [[0x5000000000000000n, 0x400020n]]);
  assertEquals(world.read(0x2020) & 0x10n, 0n);
  assertEquals(world.read(0x2000), 0x20n);
  assertEquals(world.peek(0x600010), 0n);
  world.poke(PLACE.COMMANDS + 0x20, 0x2000000000000028n);
  world.write(0x18, 0xdn);
  world.write(0x18, 0x100dn);
  world.run();
  assertEquals(world.peek(0x600010), 0x99n);
  assertEquals(world.read(0x2000), 0x40n);
});

Deno.test("case 20: COMPLETION_WAIT stores its data, little-endian", () => {
  const world = new World().start();
  world.execute([0x1000000000600009n, 0x1122334455667788n]);
  assertEquals([...world.ram.bytes.subarray(0x600008, 0x600010)], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
});

Deno.test("case 21: COMPLETION_WAIT sets its status bit always and interrupts only when enabled", () => {
  const world = new World().start();
  world.enableMessages();
  world.execute([0x1000000000000002n]);
  assertEquals([world.read(0x2020), world.messages.length], [0x1cn, 0]);
  world.write(0x2020, 4n);
  assertEquals(world.read(0x2020), 0x18n);
  world.write(0x18, 0x101dn);
  world.execute([0x1000000000000002n]);
  assertEquals([world.read(0x2020), world.messages], [0x1cn, [0x77]]);
});

Deno.test("case 28: a tail beyond the ring is ignored", () => {
  const world = new World().start();
  world.write(0x2008, 0x2000n);
  assertEquals(world.read(0x2008), 0n);
  assertEquals(world.iommu.step!(), false);
});

Deno.test("case 29: a changed device table entry counts after INVALIDATE_DEVTAB_ENTRY", () => {
  const world = new World().start();
  world.dte(0x6000000000700203n);
  world.poke(R + 8, 0x6000000000201001n);
  world.poke(0x710008, 0x6000000000301001n);
  assertEquals(world.where(0x1000n), 0x201000n);
  world.dte(0x6000000000710203n, 6n);
  assertEquals(world.where(0x1000n), 0x201000n);
  world.execute([0x2000000000000028n]);
  assertEquals(world.where(0x1000n), 0x301000n);
});

Deno.test("without a cache of device table entries a change counts at once", () => {
  const world = new World({ dteCache: false, iotlb: 0 }).start();
  world.dte(0x6000000000700203n);
  world.poke(R + 8, 0x6000000000201001n);
  world.poke(0x710008, 0x6000000000301001n);
  assertEquals(world.where(0x1000n), 0x201000n);
  world.dte(0x6000000000710203n, 6n);
  assertEquals(world.where(0x1000n), 0x301000n);
});

Deno.test("without an IOTLB nothing is stale", () => {
  assertEquals(frames(stale({ iotlb: 0 }), 0x1000n, 0x2000n), [0x301000n, 0x302000n]);
});

Deno.test("INVALIDATE_IOMMU_ALL drops everything", () => {
  const world = stale();
  world.dte(0x6000000000710203n);
  world.poke(0x710008, 0x6000000000401001n);
  world.execute([0x8000000000000000n]);
  assertEquals(world.where(0x1000n), 0x401000n);
});

Deno.test("INVALIDATE_DEVTAB_ENTRY and INVALIDATE_IOTLB_PAGES leave the IOMMU's own translations alone", () => {
  const world = stale();
  world.execute([0x2000000000000028n], [0x4000002820000028n, 0x1000n]);
  assertEquals(frames(world, 0x1000n, 0x2000n), [0x201000n, 0x202000n]);
});

Deno.test("a cached directory entry is stale until an invalidation with PDE names it", () => {
  const world = new World().start();
  world.dte(0x6000000000700403n);
  world.poke(R, 0x6000000000701201n);
  world.poke(0x701008, 0x6000000000201001n);
  world.poke(0x702008, 0x6000000000301001n);
  assertEquals(world.where(0x1000n), 0x201000n);
  world.poke(R, 0x6000000000702201n);
  world.execute([0x3000000500000000n, 0x1000n]);
  assertEquals(world.where(0x1000n), 0x201000n);
  world.execute([0x3000000500000000n, 0x1002n]);
  assertEquals(world.where(0x1000n), 0x301000n);
});

Deno.test("with NpCache a page that was not present stays so until it is invalidated", () => {
  for (const npCache of [false, true]) {
    const world = new World({ npCache }).start();
    world.dte(0x6000000000700203n);
    world.where(0x1000n);
    world.poke(R + 8, 0x6000000000201001n);
    assertEquals(world.where(0x1000n), npCache ? "completer abort" : 0x201000n);
    world.execute([0x3000000500000000n, 0x1000n]);
    assertEquals(world.where(0x1000n), 0x201000n);
  }
});

Deno.test("256 commands go through a ring of 256 and the head comes back to zero", () => {
  const world = new World().start();
  for (let i = 0; i < 256; i++) world.execute([0x2000000000000028n]);
  assertEquals([world.read(0x2000), world.read(0x2008)], [0n, 0n]);
  assertEquals(world.iommu.counters!().commands, 256);
});

Deno.test("each reserved bit of each command is illegal, and each other bit is not", () => {
  // Bits that a command has, from the figure of each in the specification.
  const defined: Record<number, (bit: number) => boolean> = {
    1: (bit) => bit <= 51 || bit >= 64,
    2: (bit) => bit <= 15,
    3: (bit) => bit <= 19 || (bit >= 32 && bit <= 47) || (bit >= 64 && bit <= 66) || bit >= 76,
    4: (bit) => bit <= 59 || bit === 64 || bit === 66 || bit >= 76,
    5: (bit) => bit <= 15,
    6: (bit) => bit <= 15 || (bit >= 24 && bit <= 51) || [64, 66, 68].includes(bit) || bit >= 76,
    7: (bit) =>
      bit <= 15 || (bit >= 32 && bit <= 51) || bit === 66 || (bit >= 96 && bit <= 104) ||
      (bit >= 108 && bit <= 111),
    8: () => false,
  };
  for (const [opcode, isDefined] of Object.entries(defined)) {
    for (let bit = 0; bit < 128; bit++) {
      if (bit >= 60 && bit <= 63) continue;
      const word = BigInt(opcode) << 60n | 1n << BigInt(bit);
      // A store needs a place: any bit of COMPLETION_WAIT but s is harmless alone.
      if (opcode === "1" && bit === 0) continue;
      const world = new World().start();
      world.execute([BigInt.asUintN(64, word), word >> 64n]);
      const legal = (world.read(0x2020) & 0x10n) !== 0n;
      assertEquals(legal, isDefined(bit), `opcode ${opcode}, bit ${bit}`);
    }
  }
});

Deno.test("unknown opcodes, and those of features that are off, are illegal", () => {
  for (const opcode of [0n, 9n, 10n, 11n, 12n, 13n, 14n, 15n]) {
    const world = new World().start();
    world.execute([opcode << 60n]);
    assertEquals(world.log(), [[0x5000000000000000n, 0x400000n]]);
  }
  const world = new World({ ats: false }).start();
  world.execute([0x4000002820000028n, 0x1000n]);
  assertEquals(world.log(), [[0x5000000000000000n, 0x400000n]]);
  const other = new World({ pri: false }).start();
  other.execute([0x7000000000000028n, 0n]);
  assertEquals(other.log(), [[0x5000000000000000n, 0x400000n]]);
});

Deno.test("a ring or a store where no memory is stops the ring with a hardware error", () => {
  const world = new World().start();
  world.execute([0x1000000002000001n, 1n]);
  assertEquals(world.log(), [[0x6200000000000000n, 0x2000000n]]);
  assertEquals([world.read(0x2020) & 0x10n, world.read(0x2000)], [0n, 0n]);
  const other = new World();
  other.write(0x8, 0x3000000n | 8n << 56n);
  other.write(0x10, BigInt(PLACE.EVENTS) | 8n << 56n);
  other.write(0x18, 0x100dn);
  other.write(0x2008, 0x10n);
  other.run();
  assertEquals(other.log(), [[0x6200000000000000n, 0x3000000n]]);
});

Deno.test("while the ring runs its base and head cannot be written; a ring with an illegal length never runs", () => {
  const world = new World().start();
  world.write(0x8, 0x450000n | 9n << 56n);
  world.write(0x2000, 0x10n);
  assertEquals([world.read(0x8), world.read(0x2000)], [0x0800000000400000n, 0n]);
  world.write(0x18, 0xdn);
  world.write(0x2000, 0x10n);
  world.write(0x2008, 0x20n);
  assertEquals([world.read(0x2000), world.read(0x2008)], [0x10n, 0x20n]);
  world.write(0x8, 0x450000n | 9n << 56n);
  assertEquals([world.read(0x8), world.read(0x2000), world.read(0x2008)], [0x0900000000450000n, 0n, 0n]);
  world.write(0x8, 0x450000n | 7n << 56n);
  world.write(0x18, 0x100dn);
  world.write(0x2008, 0x10n);
  assertEquals([world.read(0x2020), world.read(0x2008)], [0x8n, 0n]);
});

Deno.test("a lease is revoked by the invalidation that covers it, and by no other", () => {
  const world = new World().start();
  world.dte(0x6000000000700203n);
  for (const page of [1, 2]) world.poke(R + page * 8, 0x6000000000200001n | BigInt(page) << 12n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  const lease = (lo: number) => {
    const result = port.map([{ hi: 0, lo, length: 4096, access: 2 }]);
    if (!result.ok) throw new Error("not leased");
    return result.lease;
  };
  const [first, second] = [lease(0x1000), lease(0x2000)];
  world.execute([0x3000000600000000n, 0x7ffffffffffff003n]);
  world.execute([0x3000000500000000n, 0x2000n]);
  assertEquals([first.live, second.live], [true, false]);
  world.execute([0x2000000000000030n]);
  assertEquals(first.live, true);
  world.execute([0x2000000000000028n]);
  assertEquals(first.live, false);
});

Deno.test("COMPLETION_WAIT waits for a lease that is still in use", () => {
  const world = new World({}, "wait").start();
  world.dte(0x6000000000700203n);
  world.poke(R + 8, 0x6000000000201001n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 64, access: 2 }]);
  if (!result.ok) throw new Error("not leased");
  world.execute([0x3000000500000000n, 0x1000n], WAIT);
  assertEquals(world.completed(), false);
  result.lease.release();
  world.run();
  assertEquals(world.completed(), true);
});

Deno.test("switching translation on or off revokes every lease", () => {
  const world = new World();
  const port = world.bus.attach("dev", PLACE.DEVICE);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 64, access: 2 }]);
  if (!result.ok) throw new Error("not leased");
  world.start();
  assertEquals(result.lease.live, false);
});

Deno.test("the replacement policy decides which entry of a set goes", () => {
  for (const [iotlbPolicy, survivor] of [["lru", 0x1000n], ["fifo", 0x2000n]] as const) {
    const world = new World({ iotlb: 2, iotlbWays: 2, iotlbPolicy }).start();
    world.dte(0x6000000000700203n);
    for (const page of [1, 2, 3]) world.poke(R + page * 8, 0x6000000000200001n | BigInt(page) << 12n);
    frames(world, 0x1000n, 0x2000n, 0x1000n, 0x3000n);
    for (const page of [1, 2, 3]) world.poke(R + page * 8, 0n);
    const left = [0x1000n, 0x2000n].filter((page) => typeof world.where(page) === "bigint");
    assertEquals(left, [survivor], iotlbPolicy);
  }
});
