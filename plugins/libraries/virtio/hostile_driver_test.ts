/** Hostile drivers against the device's rings. `deno test … -- --seed=N` makes a run come again. */

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { Chain } from "./device_chain.ts";
import { PackedDeviceQueue } from "./device_packed.ts";
import { type DeviceQueue, type DeviceRingOptions, Pop, RingFault, type RingStats } from "./device_queue.ts";
import { MANNERS } from "./device_manners.ts";
import type { RingRules } from "./device_rules.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { descBytes, usedEventAt } from "./layout_ring.ts";
import { packedBytes } from "./layout_packed.ts";
import { ringWorld } from "./testdata/ring_world.ts";
import { HostileDriver, MockPackedRing, MockRing, testSeed } from "./testing.ts";

const CASES = 100_000;
const RING = 0x10000;
const TABLES = [0x20000, 0x20ff8];
const DATA = 0x30000n;
/** A page that is not translated yet, now and then. */
const LATE = 0x20;
const HOLE = 0x7000_0000n;
const SPLIT_SIZES = [1, 2, 4, 8, 16];
const PACKED_SIZES = [1, 2, 3, 4, 5, 7, 8, 16];

/** One kind of ring under test. */
interface Kind {
  readonly size: number;
  make(options: Omit<DeviceRingOptions, "addresses">, shift: number, hi: number): DeviceQueue;
  /** Writes something hostile before the device looks, or while it does. */
  fill(): void;
  meddle(): void;
  /** The bytes that the device must not write, as a text. */
  untouchable(): string;
}

const w = ringWorld();
const seed = testSeed();
const random = new Random(seed);
const addresses = [
  ...TABLES.map(BigInt),
  ...TABLES.map(BigInt),
  DATA,
  DATA + 0xff8n,
  BigInt(RING),
  HOLE,
  2n ** 64n - 8n,
];
const hostile = new HostileDriver(w.space, random, { addresses, tables: TABLES, tableEntries: 4 });
const chain = new Chain(1024);
const stats: RingStats = { reads: 0, writes: 0 };

function pick<T>(list: readonly T[]): T {
  return list[random.below(list.length)];
}

/** A random bit that is set once in `n` times. */
function rarely(n: number): boolean {
  return random.below(n) === 0;
}

function splitKind(): Kind {
  const size = pick(SPLIT_SIZES);
  const ring = new MockRing(w.space, { size, base: RING });
  const { desc, avail, used } = ring.at;
  return {
    size,
    make: (options, shift, hi) =>
      new SplitDeviceQueue({
        ...options,
        addresses: { descHi: hi, descLo: desc + shift, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used },
      }),
    fill: () => hostile.fillSplit(ring),
    meddle: () => rarely(2) ? hostile.advance(ring, ring.availIdx) : hostile.scribble(desc, descBytes(size)),
    untouchable: () => sum(desc, descBytes(size)) + sum(avail, usedEventAt(size) + 2),
  };
}

function packedKind(): Kind {
  const size = pick(PACKED_SIZES);
  const ring = new MockPackedRing(w.space, { size, base: RING });
  const { desc, driver, device } = ring.at;
  return {
    size,
    make: (options, shift, hi) =>
      new PackedDeviceQueue({
        ...options,
        addresses: { descHi: hi, descLo: desc + shift, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device },
      }),
    fill: () => hostile.fillPacked(ring),
    meddle: () =>
      rarely(2)
        ? hostile.fillPacked(ring, random.below(size), random.below(2))
        : hostile.scribble(desc, packedBytes(size)),
    // The device writes length, id and flags, never an address, and not the driver's event structure.
    untouchable() {
      let text = sum(driver, 4);
      for (let i = 0; i < size; i++) text += sum(desc + 16 * i, 8);
      return text;
    },
  };
}

const words = w.space.ram(0)!.words!;

function sum(at: number, bytes: number): string {
  let hash = bytes;
  for (let i = at >> 2, end = (at + bytes + 3) >> 2; i < end; i++) hash = Math.imul(hash ^ words[i], 0x01000193);
  return `${hash} `;
}

/** One case: a ring, and some dozen calls in a random order. Returns what the ring found wrong. */
function run(kind: Kind): RingFault {
  const options = {
    size: kind.size,
    port: w.port,
    indirect: !rarely(4),
    eventIndex: rarely(2),
    inOrder: rarely(2),
    notifyOnEmpty: rarely(4),
    rules: MANNERS[rarely(16) ? "qemu" : "spec"].rings,
    stats,
  };
  kind.fill();
  const queue = kind.make(options, rarely(64) ? 1 + random.below(15) : 0, rarely(64) ? 1 : 0);
  const taken: number[] = [];
  let before = kind.untouchable();
  w.onTranslate = () => {
    if (!rarely(16)) return;
    hostile.scribble(pick(TABLES) & ~1, 64);
  };
  if (rarely(32)) w.pending.add(LATE);
  const steps = 4 + random.below(20);
  for (let step = 0; step < steps; step++) {
    switch (random.below(10)) {
      case 0:
        kind.meddle();
        before = kind.untouchable();
        break;
      case 1:
        queue.wantKicks(rarely(2));
        break;
      case 2:
        queue.publish();
        break;
      case 3:
        if (taken.length > 0) queue.push(taken.splice(random.below(taken.length), 1)[0], random.below(1024));
        break;
      case 4:
        w.host.invalidate({ first: BigInt(RING), last: BigInt(RING + 0xfff) });
        break;
      case 5:
        w.pending.clear();
        break;
      default:
        pop(queue, options.rules, taken);
    }
  }
  w.pending.clear();
  assertEquals(kind.untouchable(), before, "the device wrote what only the driver may write");
  const { fault } = queue;
  if (fault !== RingFault.NONE) assertEquals([queue.pop(chain), queue.wantKicks(true)], [Pop.BROKEN, Pop.BROKEN]);
  queue.release();
  assertEquals([w.leases.leases.size, queue.pop(chain), queue.fault], [0, Pop.BROKEN, RingFault.RELEASED]);
  return fault;
}

function pop(queue: DeviceQueue, rules: RingRules, taken: number[]): void {
  const longest = Math.max(queue.size, rules.tableEntries);
  const reads = stats.reads;
  const found = queue.pop(chain);
  assert(stats.reads - reads <= queue.size + 3, "more work than the ring has descriptors");
  if (found !== Pop.CHAIN) return;
  let readable = 0;
  let writable = 0;
  for (let i = 0; i < chain.count; i++) {
    assert(chain.length[i] > 0);
    if (i < chain.readable) readable += chain.length[i];
    else writable += chain.length[i];
  }
  assert(chain.count > 0 && chain.count <= longest && chain.readable <= chain.count);
  assert(chain.readBytes === readable && chain.writeBytes === writable);
  assert(readable + writable < 2 ** 32 || !rules.boundedChains);
  if (rarely(8)) return queue.unpop();
  taken.push(chain.id);
  assert(taken.length <= queue.size, "more chains in flight than descriptors");
}

for (const [name, make] of [["split", splitKind], ["packed", packedKind]] as const) {
  Deno.test(`${CASES} hostile ${name} rings: no exception, bounded work, nothing written that is not the device's`, () => {
    const found = new Map<RingFault, number>();
    for (let i = 0; i < CASES; i++) {
      let fault: RingFault;
      try {
        fault = run(make());
      } catch (error) {
        throw new Error(`seed ${seed}, ${name} case ${i}`, { cause: error });
      }
      found.set(fault, (found.get(fault) ?? 0) + 1);
    }
    console.log(`seed ${seed}`);
    for (const [fault, count] of [...found].sort((a, b) => b[1] - a[1])) {
      console.log(`  ${String(count).padStart(7)}  ${fault || "nothing wrong"}`);
    }
    assertEquals(missing(found, name), [], "faults that no case has reached");
  });
}

/** Faults that a kind of ring knows and that were not found. */
function missing(found: Map<RingFault, number>, name: "split" | "packed"): RingFault[] {
  // A packed ring has no indices, heads or links.
  const foreign: RingFault[] = name === "packed" ? [RingFault.AVAIL_JUMP, RingFault.HEAD, RingFault.NEXT] : [];
  return Object.values(RingFault).filter((fault) =>
    fault !== RingFault.RELEASED && !foreign.includes(fault) && !found.has(fault)
  );
}
