import { assert, assertEquals } from "@std/assert";
import { AddressSpace, BusStatus, RamRegion } from "@iova/core";
import fc from "fast-check";
import { Chain } from "./device_chain.ts";
import { Pop, RingFault } from "./device_queue.ts";
import { RingPart } from "./device_ring_part.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { bufferNames as buffers, RAM, type RingWorld as World, ringWorld as world } from "./testdata/ring_world.ts";
import { type MockDesc, MockRing } from "./testing.ts";

function queueOver(w: World, ring: MockRing, indirect = true, eventIndex = false): SplitDeviceQueue {
  const [desc, avail, used] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used };
  return new SplitDeviceQueue({ size: ring.size, port: w.port, addresses, indirect, eventIndex });
}

for (const checked of [false, true]) {
  Deno.test(`a ring scattered over memory is served as one that is not (checked leases: ${checked})`, () => {
    const w = world({ checked });
    // Bus pages 0x40 … lie backwards in memory from 0x80 on.
    for (let i = 0; i < 16; i++) w.pages.set(0x40 + i, 0x80 - 2 * i);
    const plain = new AddressSpace();
    plain.addRam(new RamRegion(0, new ArrayBuffer(RAM)));
    const ring = new MockRing(plain, { size: 1024, base: 0x40000 });
    const scatter = (page: number) => w.space.bytes(w.pages.get(page)! << 12, 4096);
    const toMemory = () => w.pages.forEach((_, page) => scatter(page).set(plain.bytes(page << 12, 4096)));
    const queue = queueOver(w, ring);
    const chain = new Chain(1024);
    for (let i = 0; i < 1000; i++) ring.chain(i, [{ addr: BigInt(i) << 33n, len: i + 1, flags: 2 }]);
    toMemory();
    for (let i = 0; i < 1000; i++) {
      assertEquals(queue.pop(chain), Pop.CHAIN);
      assertEquals(buffers(chain), [`${(i * 2 ** 33).toString(16)}+${i + 1}w`]);
      queue.push(chain.id, i + 1);
    }
    assertEquals(queue.pop(chain), Pop.EMPTY);
    assertEquals(queue.publish(), true);
    w.pages.forEach((_, page) => plain.bytes(page << 12, 4096).set(scatter(page)));
    assertEquals(ring.usedIdx, 1000);
    for (let i = 0; i < 1000; i++) assertEquals(ring.used(i), [i, i + 1]);
  });
}

Deno.test("a lease that is revoked is taken again, and the ring is then read where it has gone", () => {
  const w = world();
  const ring = new MockRing(w.space, { size: 8, base: 0x10000 });
  const queue = queueOver(w, ring);
  const chain = new Chain(8);
  ring.chain(0, [{ addr: 0x1n, len: 1 }]);
  assertEquals(queue.pop(chain), Pop.CHAIN);
  queue.push(0, 0);
  // The driver moves the ring elsewhere behind the same bus addresses, and the translator says so.
  w.space.bytes(0x20000, 0x2000).set(w.space.bytes(0x10000, 0x2000));
  w.pages.set(0x10, 0x20).set(0x11, 0x21);
  let done = false;
  w.host.invalidate({ first: 0x10000n, last: 0x11fffn }, () => done = true);
  assertEquals([done, w.leases.leases.size], [true, 0]);
  assertEquals(queue.publish(), true);
  assertEquals([ring.usedIdx, w.space.read(0x21002, 2)], [0, 1], "the old place is not written");
  queue.release();
  assertEquals(w.leases.leases.size, 0);
});

Deno.test("under policy wait the queue lets its lease go, so that an invalidation completes at once", () => {
  const w = world({ policy: "wait" });
  const ring = new MockRing(w.space, { size: 8, base: 0x10000 });
  const queue = queueOver(w, ring);
  assertEquals(queue.pop(new Chain(8)), Pop.EMPTY);
  assertEquals(w.leases.leases.size, 1);
  let done = false;
  w.host.invalidate({ first: 0x10000n, last: 0x11fffn }, () => done = true);
  assertEquals([done, w.leases.leases.size], [true, 0]);
});

Deno.test("a chain that is put back comes again", () => {
  const w = world();
  const ring = new MockRing(w.space, { size: 8, base: 0x10000 });
  const queue = queueOver(w, ring);
  const chain = new Chain(8);
  ring.chain(3, [{ addr: 0x1n, len: 1 }]);
  for (let i = 0; i < 20; i++) {
    assertEquals([queue.pop(chain), chain.id], [Pop.CHAIN, 3]);
    queue.unpop();
  }
});

Deno.test("more chains in flight than the ring has entries are refused", () => {
  const w = world();
  const ring = new MockRing(w.space, { size: 4, base: 0x10000 });
  const queue = queueOver(w, ring);
  const chain = new Chain(4);
  ring.desc(0, { addr: 1n, len: 1 });
  for (let i = 0; i < 4; i++) ring.offer(0);
  for (let i = 0; i < 4; i++) assertEquals(queue.pop(chain), Pop.CHAIN);
  ring.offer(0);
  assertEquals([queue.pop(chain), queue.fault], [Pop.BROKEN, RingFault.TOO_MANY]);
});

Deno.test("kicks are wanted or not through used.flags without EVENT_IDX, and through avail_event with it", () => {
  const w = world();
  const flags = new MockRing(w.space, { size: 8, base: 0x10000 });
  const queue = queueOver(w, flags);
  assertEquals([queue.wantKicks(false), flags.usedFlags], [Pop.EMPTY, 1]);
  assertEquals([queue.wantKicks(true), flags.usedFlags, flags.availEvent], [Pop.EMPTY, 0, 0]);
  flags.chain(0, [{ addr: 1n, len: 1 }]);
  assertEquals(queue.wantKicks(true), Pop.CHAIN);

  const event = new MockRing(w.space, { size: 8, base: 0x20000 });
  const withEvents = queueOver(w, event, true, true);
  event.chain(0, [{ addr: 1n, len: 1 }]);
  withEvents.pop(new Chain(8));
  assertEquals([withEvents.wantKicks(false), event.availEvent, event.usedFlags], [Pop.EMPTY, 0, 0]);
  assertEquals([withEvents.wantKicks(true), event.availEvent, event.usedFlags], [Pop.EMPTY, 1, 0]);
});

Deno.test("without EVENT_IDX the last two bytes of each ring need not be there", () => {
  const w = world();
  // The used ring ends two bytes before the end of RAM.
  const addresses = { descHi: 0, descLo: 0x1000, driverHi: 0, driverLo: RAM - 20, deviceHi: 0, deviceLo: RAM - 68 };
  const make = (eventIndex: boolean) =>
    new SplitDeviceQueue({ size: 8, port: w.port, addresses, indirect: false, eventIndex });
  assertEquals(make(false).pop(new Chain(8)), Pop.EMPTY);
  assertEquals(make(true).pop(new Chain(8)), Pop.BROKEN);
});

Deno.test("indices wrap at 2^16 on both sides", () => {
  const w = world();
  const ring = new MockRing(w.space, { size: 4, base: 0x10000 });
  const queue = queueOver(w, ring, true, true);
  const chain = new Chain(4);
  ring.desc(0, { addr: 1n, len: 1, flags: 2 });
  let interrupts = 0;
  for (let i = 0; i < 70000; i++) {
    ring.usedEvent = i & 0xffff;
    ring.offer(0);
    if (queue.pop(chain) !== Pop.CHAIN) throw new Error(`chain ${i}`);
    queue.push(0, 1);
    if (queue.publish()) interrupts++;
  }
  assertEquals([ring.usedIdx, ring.availIdx, interrupts], [70000 & 0xffff, 70000 & 0xffff, 70000]);
});

interface Expected {
  addr: bigint;
  len: number;
}

const anyBuffer: fc.Arbitrary<Expected> = fc.record({
  addr: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  len: fc.integer({ min: 1, max: 0x0fff_ffff }),
});

Deno.test("any sane chain is read as it was written: direct, indirect, or direct and then indirect, in any places", () => {
  fc.assert(
    fc.property(
      fc.array(anyBuffer, { maxLength: 8 }),
      fc.array(anyBuffer, { maxLength: 8 }),
      fc.nat(16),
      fc.uniqueArray(fc.nat(15), { minLength: 16, maxLength: 16 }),
      (reads, writes, cut, places) => {
        fc.pre(reads.length + writes.length > 0);
        const w = world();
        const ring = new MockRing(w.space, { size: 16, base: 0x10000 });
        const all: MockDesc[] = [...reads, ...writes.map((buffer) => ({ ...buffer, flags: 2 }))];
        const direct = all.slice(0, cut);
        const table = all.slice(cut);
        if (table.length > 0 && direct.length === 16) return;
        // The table's entries stand in the order of `places`, entry 0 first, as far as they fit.
        const link = (list: MockDesc[], at: (i: number) => number, write: (i: number, desc: MockDesc) => void) =>
          list.forEach((desc, i) => {
            const more = i < list.length - 1;
            write(at(i), { ...desc, flags: (desc.flags ?? 0) | (more ? 1 : 0), next: more ? at(i + 1) : 0 });
          });
        link(table, (i) => i === 0 ? 0 : table.length - i, (i, desc) => ring.entry(0x20000 + 16 * i, desc));
        const main = [...direct];
        if (table.length > 0) main.push({ addr: 0x20000n, len: 16 * table.length, flags: 4 });
        link(main, (i) => places[i], (i, desc) => ring.desc(i, desc));
        ring.offer(places[0]);
        const chain = new Chain(16);
        assertEquals(queueOver(w, ring).pop(chain), Pop.CHAIN);
        const name = (writable: boolean) => ({ addr, len }: Expected) =>
          `${addr.toString(16)}+${len}${writable ? "w" : ""}`;
        assertEquals(buffers(chain), [...reads.map(name(false)), ...writes.map(name(true))]);
        const sum = (list: Expected[]) => list.reduce((total, { len }) => total + len, 0);
        assertEquals([chain.id, chain.readBytes, chain.writeBytes], [places[0], sum(reads), sum(writes)]);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a part of a ring in pieces of any size reads and writes as one in a single piece", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 8, maxLength: 16 }), fc.nat(), (sizes, seed) => {
      const length = sizes.reduce((sum, size) => sum + size, 0) & ~3;
      const whole = Uint8Array.from({ length }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);
      let at = 0;
      const pieces = sizes.map((size) => {
        const bytes = whole.slice(at, at + size);
        const piece = { at, bytes, view: new DataView(bytes.buffer) };
        at += size;
        return piece;
      }).filter(({ bytes }) => bytes.length > 0);
      const part = new RingPart();
      part.bind(pieces);
      const view = new DataView(whole.buffer);
      for (let i = 0; i < length; i += 2) assertEquals(part.u16(i), view.getUint16(i, true));
      for (let i = 0; i < length; i += 4) assertEquals(part.i32(i), view.getInt32(i, true));
      for (let i = length - 4; i >= 0; i -= 4) part.setI32(i, view.getInt32(i, true) ^ -1);
      assertEquals(pieces.flatMap(({ bytes }) => [...bytes]), [...whole].map((byte) => byte ^ 0xff));
    }),
  );
});

Deno.test("an indirect table may lie at any address, and across pages that are not neighbours", () => {
  for (const at of [0x20000, 0x20ff0, 0x20ff8, 0x20ffd]) {
    const w = world();
    const ring = new MockRing(w.space, { size: 8, base: 0x10000 });
    const table = [
      { addr: 0x1122334455667788n, len: 1, flags: 1, next: 1 },
      { addr: 0x99aabbccddeeff00n, len: 2, flags: 2 },
    ];
    table.forEach((desc, i) => ring.entry(0x40000 + 16 * i, desc));
    // Bus pages 0x20 and 0x21 lie backwards in memory.
    w.pages.set(0x20, 0x51).set(0x21, 0x50);
    for (let i = 0; i < 32; i++) {
      const page = w.pages.get((at + i) >> 12)!;
      w.space.bytes(page * 4096 + ((at + i) & 4095), 1).set(w.space.bytes(0x40000 + i, 1));
    }
    ring.chain(0, [{ addr: BigInt(at), len: 32, flags: 4 }]);
    const chain = new Chain(8);
    assertEquals(queueOver(w, ring).pop(chain), Pop.CHAIN);
    assertEquals(buffers(chain), ["1122334455667788+1", "99aabbccddeeff00+2w"]);
  }
});

Deno.test("the streams of a chain are copied and lent across its buffers", () => {
  const w = world();
  const chain = new Chain(8);
  const add = (address: number, length: number, writable: boolean) => {
    chain.lo[chain.count] = address;
    chain.length[chain.count++] = length;
    if (!writable) chain.readable++;
  };
  w.space.bytes(0x1000, 3).set([1, 2, 3]);
  w.space.bytes(0x2ffe, 4).set([4, 5, 6, 7]);
  w.pages.set(3, 9);
  w.space.bytes(0x9000, 2).set([60, 70]);
  add(0x1000, 3, false);
  add(0x2ffe, 4, false);
  add(0x5000, 2, true);
  add(0x6000, 5, true);
  const into = new Uint8Array(8);
  assertEquals(chain.read(w.port, 1, into, 1, 6), BusStatus.OK);
  assertEquals([...into], [0, 2, 3, 4, 5, 60, 70, 0]);
  assertEquals(chain.write(w.port, 1, into, 1, 5), BusStatus.OK);
  assertEquals([...w.space.bytes(0x5000, 2), ...w.space.bytes(0x6000, 5)], [0, 2, 3, 4, 5, 60, 0]);
  const lent: string[] = [];
  const visitor = {
    piece: (_: Uint8Array, offset: number, length: number, at: number) => lent.push(`${offset}+${length}@${at}`),
  };
  assertEquals(chain.visitRead(w.port, 2, 5, visitor), BusStatus.OK);
  assertEquals(lent, [`${0x1002}+1@0`, `${0x2ffe}+2@1`, `${0x9000}+2@3`]);
  assertEquals(chain.visitWrite(w.port, 0, 0, visitor), BusStatus.OK);
  assertEquals(lent.length, 3);
  assert(w.port.stats.faults === 0);
});
