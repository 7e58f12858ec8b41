import { assertEquals } from "@std/assert";
import { MockPackedRing } from "@iova/virtio/testing";
import { Chain } from "./device_chain.ts";
import { PackedDeviceQueue } from "./device_packed.ts";
import { type DeviceRingOptions, Pop, RingFault } from "./device_queue.ts";
import { bufferNames, type RingWorld, ringWorld } from "./testdata/ring_world.ts";
import { EventFlag } from "./layout_packed.ts";

interface World extends RingWorld {
  ring: MockPackedRing;
  queue: PackedDeviceQueue;
  chain: Chain;
  /** Takes the next chain, finishes it with `written` bytes and publishes; whether an interrupt is wanted. */
  serve(written: number): boolean;
}

function world(options: Partial<DeviceRingOptions> = {}, checked = false): World {
  const w = ringWorld({ checked });
  const { size = 4 } = options;
  const ring = new MockPackedRing(w.space, { size, base: 0x10000 });
  const [desc, driver, device] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device };
  const queue = new PackedDeviceQueue({ size, port: w.port, addresses, indirect: true, ...options });
  const chain = new Chain(Math.max(size, 1024));
  return {
    ...w,
    ring,
    queue,
    chain,
    serve(written) {
      assertEquals(queue.pop(chain), Pop.CHAIN);
      queue.push(chain.id, written);
      return queue.publish();
    },
  };
}

Deno.test("a list that wrote nothing is used without the WRITE flag", () => {
  const w = world();
  w.ring.chain(3, [{ addr: 1n, len: 8 }]);
  w.serve(0);
  assertEquals(w.ring.used(0), [3, 0, 0x8080]);
});

Deno.test("rings of any size wrap: every buffer comes in order over many laps", () => {
  for (const size of [1, 2, 3, 5, 7, 100]) {
    const w = world({ size });
    let slot = 0;
    let wrap = 1;
    for (let i = 0; i < 1000; i++) {
      const length = 1 + i % Math.min(size, 3);
      w.ring.chain(i & 0xffff, Array.from({ length }, (_, j) => ({ addr: BigInt(i), len: j + 1, flags: 2 })));
      w.serve(length);
      assertEquals(bufferNames(w.chain).length, length);
      assertEquals(w.ring.used(slot), [i & 0xffff, length, wrap === 1 ? 0x8082 : 2], `${size}: ${i}`);
      slot += length;
      if (slot >= size) [slot, wrap] = [slot - size, wrap ^ 1];
    }
  }
});

Deno.test("chains finish in any order, each under its buffer id; the first slot of a batch is written last", () => {
  const w = world({ size: 8 });
  for (const id of [10, 11, 12]) w.ring.chain(id, [{ addr: 1n, len: 8 }, { addr: 2n, len: 8, flags: 2 }]);
  const ids: number[] = [];
  for (let i = 0; i < 3; i++) {
    w.queue.pop(w.chain);
    ids.push(w.chain.id);
  }
  for (const i of [2, 0, 1]) w.queue.push(ids[i], 100 + i);
  assertEquals(w.queue.unpublished, 3);
  w.queue.publish();
  assertEquals([0, 2, 4].map((slot) => w.ring.used(slot)), [[12, 102, 0x8082], [10, 100, 0x8082], [11, 101, 0x8082]]);
});

Deno.test("a buffer id that is in flight twice is served twice", () => {
  const w = world({ size: 8 });
  w.ring.chain(5, [{ addr: 1n, len: 1, flags: 2 }]);
  w.ring.chain(5, [{ addr: 2n, len: 1, flags: 2 }, { addr: 3n, len: 1, flags: 2 }]);
  w.queue.pop(w.chain);
  const first = w.chain.id;
  w.queue.pop(w.chain);
  w.queue.push(first, 1);
  w.queue.push(w.chain.id, 2);
  w.queue.publish();
  assertEquals([w.ring.used(0), w.ring.used(1)], [[5, 1, 0x8082], [5, 2, 0x8082]]);
  w.ring.chain(6, [{ addr: 4n, len: 1 }]);
  w.serve(0);
  assertEquals(w.ring.used(3), [6, 0, 0x8080], "the second took two slots");
});

Deno.test("a chain that is put back comes again, across the wrap and after another one has finished", () => {
  const w = world({ size: 4 });
  for (let lap = 0; lap < 20; lap++) {
    w.ring.chain(1, [{ addr: 1n, len: 1 }]);
    w.ring.chain(2, [{ addr: 2n, len: 2 }, { addr: 3n, len: 3 }]);
    w.queue.pop(w.chain);
    const first = w.chain.id;
    for (let i = 0; i < 3; i++) {
      assertEquals(w.queue.pop(w.chain), Pop.CHAIN);
      assertEquals(bufferNames(w.chain), ["2+2", "3+3"]);
      if (i === 1) {
        w.queue.push(first, 0);
        w.queue.publish();
      }
      w.queue.unpop();
    }
    w.serve(0);
  }
});

Deno.test("an indirect list is a table of descriptors in a row, under the id of its slot; WRITE of the slot is ignored", () => {
  for (const flags of [4, 6]) {
    const w = world();
    // NEXT and ids in a table mean nothing.
    w.ring.entry(0x20000, { addr: 0x100000n, len: 16, id: 99 });
    w.ring.entry(0x20010, { addr: 0x110000n, len: 512, flags: 3 });
    w.ring.entry(0x20020, { addr: 0x120000n, len: 1, flags: 2 });
    w.ring.chain(7, [{ addr: 0x20000n, len: 48, flags }]);
    w.serve(513);
    assertEquals(bufferNames(w.chain), ["100000+16", "110000+512w", "120000+1w"]);
    assertEquals(w.ring.used(0), [7, 513, 0x8082]);
    w.ring.chain(8, [{ addr: 1n, len: 1 }]);
    w.serve(0);
    assertEquals(w.ring.used(1), [8, 0, 0x8080], "an indirect list takes one slot");
  }
});

/** Mistakes of a driver, with what the ring says about them. */
const BROKEN: Record<string, [RingFault, (w: World) => void, Partial<DeviceRingOptions>?]> = {
  "a list that goes on all around": [RingFault.LOOP, (w) => {
    for (let i = 0; i < 4; i++) w.ring.desc(i, { addr: 1n, len: 1, flags: 0x81 });
  }],
  "a buffer of no bytes": [RingFault.EMPTY_BUFFER, (w) => w.ring.chain(0, [{ addr: 1n }])],
  "a buffer to read after one to write": [
    RingFault.ORDER,
    (w) => w.ring.chain(0, [{ len: 1, flags: 2 }, { len: 1 }]),
  ],
  "2^32 bytes": [RingFault.TOO_LONG, (w) => w.ring.chain(0, [{ len: 0xffffffff }, { len: 1 }])],
  "an indirect list that goes on": [
    RingFault.INDIRECT_NEXT,
    (w) => w.ring.chain(0, [{ len: 16, flags: 4 }, { len: 1 }]),
  ],
  "a direct list that ends indirect": [RingFault.MIXED, (w) => w.ring.chain(0, [{ len: 1 }, { len: 16, flags: 4 }])],
  "a table of 40 bytes": [RingFault.TABLE_SIZE, (w) => w.ring.chain(0, [{ len: 40, flags: 4 }])],
  "a table of no bytes": [RingFault.TABLE_SIZE, (w) => w.ring.chain(0, [{ len: 0, flags: 4 }])],
  "a table longer than the ring": [RingFault.TABLE_SIZE, (w) => w.ring.chain(0, [{ len: 80, flags: 4 }])],
  "a table where nothing is": [
    RingFault.TABLE_UNREACHABLE,
    (w) => w.ring.chain(0, [{ addr: 0x7000_0000n, len: 16, flags: 4 }]),
  ],
  "a table in a table": [RingFault.NESTED, (w) => {
    w.ring.entry(0x20000, { addr: 0x20000n, len: 16, flags: 4 });
    w.ring.chain(0, [{ addr: 0x20000n, len: 16, flags: 4 }]);
  }],
  "an indirect list without the feature": [
    RingFault.NOT_NEGOTIATED,
    (w) => w.ring.chain(0, [{ addr: 0x20000n, len: 16, flags: 4 }]),
    { indirect: false },
  ],
};

for (const [mistake, [fault, offer, options]] of Object.entries(BROKEN)) {
  Deno.test(`${mistake} breaks a packed ring`, () => {
    const w = world(options);
    offer(w);
    assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, fault]);
    assertEquals([w.queue.pop(w.chain), w.queue.wantKicks(true)], [Pop.BROKEN, Pop.BROKEN]);
  });
}

Deno.test("CVE-2016-5403: more descriptors in flight than the ring has are refused, chain by chain", () => {
  const w = world();
  w.ring.chain(0, [{ len: 1 }, { len: 1 }, { len: 1 }]);
  assertEquals(w.queue.pop(w.chain), Pop.CHAIN);
  // The driver overwrites what it has not got back.
  w.ring.chain(1, [{ len: 1 }, { len: 1 }]);
  assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, RingFault.TOO_MANY]);
});

Deno.test("CVE-2026-16457: a malformed list ends the work; the ring does not ask whether it is empty", () => {
  const w = world();
  w.ring.chain(0, [{ len: 0 }]);
  for (let i = 0; i < 3; i++) assertEquals([w.queue.pop(w.chain), w.queue.wantKicks(true)], [Pop.BROKEN, Pop.BROKEN]);
  assertEquals(w.ring.deviceEvent, "00000000");
});

Deno.test("a ring that is misaligned, or partly where nothing is, is dead at its first use", () => {
  const make = (change: Partial<DeviceRingOptions["addresses"]>) => {
    const w = world();
    const addresses = { descHi: 0, descLo: 0x10000, driverHi: 0, driverLo: 0x11000, deviceHi: 0, deviceLo: 0x12000 };
    const queue = new PackedDeviceQueue({ size: 4, port: w.port, addresses: { ...addresses, ...change } });
    queue.pop(w.chain);
    return queue.fault;
  };
  assertEquals([make({ descLo: 0x10008 }), make({ driverLo: 2 }), make({ deviceLo: 2 })], [
    RingFault.MISALIGNED,
    RingFault.MISALIGNED,
    RingFault.MISALIGNED,
  ]);
  assertEquals([make({ descHi: 1 }), make({ driverHi: 1 }), make({ deviceHi: 1 })], [
    RingFault.UNREACHABLE,
    RingFault.UNREACHABLE,
    RingFault.UNREACHABLE,
  ]);
});

Deno.test("interrupts follow the driver's event structure: always, never, or at a slot of a lap", () => {
  const w = world({ size: 4, eventIndex: true });
  const offer = () => w.ring.chain(0, [{ len: 1 }]);
  const next = () => (offer(), w.serve(0));
  assertEquals(next(), true, "slot 0: every one is wanted");
  w.ring.noInterrupts();
  assertEquals(next(), false, "slot 1: none");
  w.ring.wantInterrupts(EventFlag.DESC, 3, 1);
  assertEquals([next(), next(), next()], [false, true, false], "slots 2, 3, and 0 of the next lap");
  w.ring.wantInterrupts(EventFlag.DESC, 2, 0);
  offer();
  offer();
  w.queue.pop(w.chain);
  w.queue.push(w.chain.id, 0);
  w.queue.pop(w.chain);
  w.queue.push(w.chain.id, 0);
  assertEquals(w.queue.publish(), true, "slots 1 and 2 together");
  w.ring.wantInterrupts(3);
  assertEquals(next(), true, "a reserved value asks for all");
});

Deno.test("without EVENT_IDX a slot in the driver's event structure means nothing", () => {
  const w = world();
  for (let i = 0; i < 4; i++) {
    w.ring.wantInterrupts(EventFlag.DESC, 3, 0);
    w.ring.chain(0, [{ len: 1 }]);
    assertEquals(w.serve(0), true);
  }
});

Deno.test("kicks are wanted or not through the device's event structure, with a slot under EVENT_IDX", () => {
  const plain = world();
  assertEquals([plain.queue.wantKicks(false), plain.ring.deviceEvent], [Pop.EMPTY, "00000100"]);
  assertEquals([plain.queue.wantKicks(true), plain.ring.deviceEvent], [Pop.EMPTY, "00000000"]);
  plain.ring.chain(0, [{ len: 1 }]);
  assertEquals(plain.queue.wantKicks(true), Pop.CHAIN);

  const event = world({ size: 3, eventIndex: true });
  assertEquals([event.queue.wantKicks(true), event.ring.deviceEvent], [Pop.EMPTY, "00800200"]);
  for (let i = 0; i < 4; i++) {
    event.ring.chain(0, [{ len: 1 }]);
    event.serve(0);
  }
  assertEquals([event.queue.wantKicks(true), event.ring.deviceEvent], [Pop.EMPTY, "01000200"]);
  assertEquals([event.queue.wantKicks(false), event.ring.deviceEvent], [Pop.EMPTY, "00000100"]);
});

for (const checked of [false, true]) {
  Deno.test(`a packed ring scattered over pages is served as one that is not (checked leases: ${checked})`, () => {
    const size = 700;
    const w = world({ size }, checked);
    // Bus pages 0x10 … lie backwards in memory from 0x80 on, with gaps.
    const pages = [0x80, 0x7e, 0x7c];
    pages.forEach((page, i) => w.pages.set(0x10 + i, page));
    const sync = (toDevice: boolean) =>
      pages.forEach((page, i) => {
        const plain = w.space.bytes((0x10 + i) << 12, 4096);
        const scattered = w.space.bytes(page << 12, 4096);
        if (toDevice) scattered.set(plain);
        else plain.set(scattered);
      });
    for (let i = 0; i < 600; i++) w.ring.chain(i, [{ addr: BigInt(i) << 33n, len: i + 1, flags: 2 }]);
    sync(true);
    for (let i = 0; i < 600; i++) {
      assertEquals(w.queue.pop(w.chain), Pop.CHAIN);
      assertEquals(bufferNames(w.chain), [`${(i * 2 ** 33).toString(16)}+${i + 1}w`]);
      w.queue.push(w.chain.id, i + 1);
    }
    assertEquals(w.queue.publish(), true);
    sync(false);
    for (let i = 0; i < 600; i++) assertEquals(w.ring.used(i), [i, i + 1, 0x8082]);
  });
}
