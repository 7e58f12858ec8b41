/** What a device's split ring does with what a driver must not do, and what a ring of QEMU 7.2 does. */

import { assertEquals } from "@std/assert";
import { Chain } from "./device_chain.ts";
import { type DeviceRingOptions, Pop, RingFault } from "./device_queue.ts";
import { isQueueSize } from "./device_rings.ts";
import { MANNERS, type Personality } from "./device_manners.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { FeatureSet } from "./layout_features.ts";
import { bufferNames, type RingWorld, ringWorld } from "./testdata/ring_world.ts";
import { MockRing } from "./testing.ts";

const SIZE = 16;
const TABLE = 0x20000;

interface World extends RingWorld {
  ring: MockRing;
  queue: SplitDeviceQueue;
  chain: Chain;
}

function world(options: Partial<DeviceRingOptions> = {}): World {
  const w = ringWorld();
  const { size = SIZE } = options;
  const ring = new MockRing(w.space, { size, base: 0x10000 });
  const [desc, avail, used] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used };
  const queue = new SplitDeviceQueue({ size, port: w.port, addresses, indirect: true, ...options });
  return { ...w, ring, queue, chain: new Chain(1024) };
}

/** A table of `entries` buffers to read, of one byte each. */
function table({ ring }: World, entries: number): void {
  for (let i = 0; i < entries; i++) {
    ring.entry(TABLE + 16 * i, { addr: BigInt(i), len: 1, flags: i + 1 < entries ? 1 : 0, next: i + 1 });
  }
}

const INDIRECT = { addr: BigInt(TABLE), len: 32, flags: 4 };
const DIRECT = { addr: 0x100n, len: 7 };

/** Rows of the robustness table that rings decide: what is offered, and what comes of it by personality. */
const ROWS: Record<string, [offer: (w: World) => void, spec: RingFault, qemu: RingFault, Partial<DeviceRingOptions>?]> =
  {
    "1: a chain that loops": [
      (w) => (w.ring.desc(0, { ...DIRECT, flags: 1, next: 0 }), w.ring.offer(0)),
      RingFault.LOOP,
      RingFault.LOOP,
    ],
    "2: a head beyond the table": [(w) => w.ring.offer(SIZE), RingFault.HEAD, RingFault.HEAD],
    "3: a next beyond the table": [
      (w) => (w.ring.desc(0, { ...DIRECT, flags: 1, next: 99 }), w.ring.offer(0)),
      RingFault.NEXT,
      RingFault.NEXT,
    ],
    "4: a descriptor of no bytes": [
      (w) => w.ring.chain(0, [{ ...DIRECT, len: 0 }]),
      RingFault.EMPTY_BUFFER,
      RingFault.EMPTY_BUFFER,
    ],
    "5: readable after writable": [
      (w) => w.ring.chain(0, [{ ...DIRECT, flags: 2 }, DIRECT]),
      RingFault.ORDER,
      RingFault.ORDER,
    ],
    "6: INDIRECT in a table": [
      (w) => (table(w, 2), w.ring.entry(TABLE, { ...DIRECT, flags: 5, next: 1 }), w.ring.chain(0, [INDIRECT])),
      RingFault.NESTED,
      RingFault.NONE,
    ],
    "7: a table of no bytes": [
      (w) => w.ring.chain(0, [{ ...INDIRECT, len: 0 }]),
      RingFault.TABLE_SIZE,
      RingFault.TABLE_SIZE,
    ],
    "7: a table of 40 bytes": [
      (w) => w.ring.chain(0, [{ ...INDIRECT, len: 40 }]),
      RingFault.TABLE_SIZE,
      RingFault.TABLE_SIZE,
    ],
    "8: INDIRECT without the feature": [
      (w) => (table(w, 2), w.ring.chain(0, [INDIRECT])),
      RingFault.NOT_NEGOTIATED,
      RingFault.NONE,
      { indirect: false },
    ],
    "9: INDIRECT and NEXT": [
      (w) => (table(w, 2), w.ring.chain(0, [INDIRECT, DIRECT])),
      RingFault.INDIRECT_NEXT,
      RingFault.NONE,
    ],
    "10: direct descriptors, then an indirect one": [
      (w) => (table(w, 2), w.ring.chain(0, [DIRECT, DIRECT, INDIRECT])),
      RingFault.NONE,
      RingFault.MIXED,
    ],
    "11: 2^32 bytes": [
      // QEMU maps such a chain if memory is there: its own test of large transmissions (virtio-net, large_tx) sends one.
      (w) => w.ring.chain(0, [{ ...DIRECT, len: 0xffffffff }, DIRECT]),
      RingFault.TOO_LONG,
      RingFault.NONE,
    ],
    "12: an index ahead by more than the ring": [
      (w) => w.ring.availIdx = SIZE + 1,
      RingFault.AVAIL_JUMP,
      RingFault.AVAIL_JUMP,
    ],
    "a table of 20 in a ring of 16": [
      (w) => (table(w, 20), w.ring.chain(0, [{ ...INDIRECT, len: 320 }])),
      RingFault.TABLE_SIZE,
      RingFault.NONE,
    ],
  };

for (const [row, [offer, spec, qemu, options]] of Object.entries(ROWS)) {
  for (const [personality, fault] of Object.entries({ spec, qemu }) as [Personality, RingFault][]) {
    Deno.test(`robustness ${row} (${personality}): ${fault || "served"}`, () => {
      const w = world({ ...options, rules: MANNERS[personality].rings });
      offer(w);
      const found = w.queue.pop(w.chain);
      assertEquals([found, w.queue.fault], [fault === RingFault.NONE ? Pop.CHAIN : Pop.BROKEN, fault]);
      assertEquals(w.ring.usedIdx, 0, "nothing is published");
    });
  }
}

Deno.test("robustness 10: what is served of direct descriptors and a table is all of them, in order", () => {
  const w = world();
  table(w, 2);
  w.ring.chain(0, [DIRECT, INDIRECT]);
  w.queue.pop(w.chain);
  assertEquals(bufferNames(w.chain), ["100+7", "0+1", "1+1"]);
});

Deno.test("robustness 13: a head that is offered twice is served twice", () => {
  const w = world();
  w.ring.chain(3, [DIRECT]);
  w.ring.offer(3);
  for (let i = 0; i < 2; i++) {
    assertEquals([w.queue.pop(w.chain), w.chain.id], [Pop.CHAIN, 3]);
    w.queue.push(3, i);
  }
  w.queue.publish();
  assertEquals([w.ring.used(0), w.ring.used(1)], [[3, 0], [3, 1]]);
});

Deno.test("robustness 14: a used index that the driver writes is never read", () => {
  const w = world();
  w.ring.usedIdx = 0x5555;
  w.ring.chain(0, [DIRECT]);
  w.queue.pop(w.chain);
  w.queue.push(0, 0);
  w.queue.publish();
  assertEquals([w.ring.usedIdx, w.ring.used(0)], [1, [0, 0]]);
});

Deno.test("robustness 20: sizes that are no power of two are refused, where QEMU takes them", () => {
  const split = new FeatureSet([]);
  assertEquals([0, 3, 16].map((size) => isQueueSize(split, size)), [false, false, true]);
  assertEquals([0, 3, 16].map((size) => isQueueSize(split, size, MANNERS.qemu.rings)), [false, true, true]);
  const w = world({ size: 3, rules: MANNERS.qemu.rings });
  for (let i = 0; i < 10; i++) {
    w.ring.desc(i % 3, DIRECT);
    w.ring.offer(i % 3);
    assertEquals([w.queue.pop(w.chain), w.chain.id], [Pop.CHAIN, i % 3]);
    w.queue.push(i % 3, 0);
    w.queue.publish();
    assertEquals(w.ring.used(i % 3), [i % 3, 0]);
  }
});

Deno.test("case 11: an indirect descriptor serves as its table does, whatever its own WRITE flag says", () => {
  for (const flags of [4, 6]) {
    const w = world();
    table(w, 3);
    w.ring.chain(0, [{ ...INDIRECT, len: 48, flags }]);
    assertEquals([w.queue.pop(w.chain), bufferNames(w.chain)], [Pop.CHAIN, ["0+1", "1+1", "2+1"]]);
  }
});

Deno.test("NOTIFY_ON_EMPTY: when nothing is left an interrupt comes that the driver did not want, and before that none", () => {
  for (const notifyOnEmpty of [true, false]) {
    const w = world({ notifyOnEmpty });
    w.ring.availFlags = 1;
    for (const head of [0, 1, 2]) w.ring.chain(head, [DIRECT]);
    const wanted: boolean[] = [];
    const taken = [0, 1].map(() => (w.queue.pop(w.chain), w.chain.id));
    for (const id of taken) {
      w.queue.push(id, 0);
      wanted.push(w.queue.publish());
    }
    w.queue.pop(w.chain);
    w.queue.push(w.chain.id, 0);
    wanted.push(w.queue.publish());
    assertEquals(wanted, [false, false, notifyOnEmpty]);
  }
});

Deno.test("robustness 12: an index that jumps is noticed wherever it is read", () => {
  const w = world();
  assertEquals(w.queue.pop(w.chain), Pop.EMPTY);
  w.ring.availIdx = SIZE + 1;
  assertEquals(w.queue.wantKicks(true), Pop.CHAIN);
  assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, RingFault.AVAIL_JUMP]);
});
