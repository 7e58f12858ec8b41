import { assert, assertEquals } from "@std/assert";
import { MockRing } from "@iova/virtio/testing";
import fc from "fast-check";
import {
  type BlkWorld,
  blkWorld,
  DATA,
  EVENT_IDX,
  FEATURES,
  HDR,
  header,
  HOLE,
  request,
  ST,
} from "./testdata/world.ts";

const TABLE = 0x140000;
const HEADER = { addr: BigInt(HDR), len: 16 };
const STATUS = { addr: BigInt(ST), len: 1, flags: 2 };
const READ = { addr: BigInt(DATA), len: 512, flags: 2 };

/** Mistakes of a driver, with what the device says about them. */
const BROKEN: Record<string, [reason: string, offer: (w: BlkWorld) => void]> = {
  "a descriptor whose next is itself": ["descriptor loop", (w) => {
    w.ring.desc(0, { ...HEADER, flags: 1, next: 0 });
    w.ring.offer(0);
  }],
  "a loop of two descriptors": ["descriptor loop", (w) => {
    w.ring.desc(0, { ...HEADER, flags: 1, next: 1 });
    w.ring.desc(1, { ...HEADER, flags: 1, next: 0 });
    w.ring.offer(0);
  }],
  "head 16 of 16": ["head beyond the descriptor table", (w) => w.ring.offer(16)],
  "head 65535": ["head beyond the descriptor table", (w) => w.ring.offer(65535)],
  "next 99 of 16": ["next beyond its table", (w) => {
    w.ring.desc(0, { ...HEADER, flags: 1, next: 99 });
    w.ring.offer(0);
  }],
  "a buffer of no bytes": ["buffer of zero length", (w) => w.ring.chain(0, [HEADER, { ...READ, len: 0 }, STATUS])],
  "a buffer to read after one to write": [
    "readable buffer after a writable one",
    (w) => w.ring.chain(0, [HEADER, READ, { addr: BigInt(DATA), len: 512 }, STATUS]),
  ],
  "a header of 8 bytes": ["request header too short", (w) => w.ring.chain(0, [{ ...HEADER, len: 8 }, READ, STATUS])],
  "nothing to write, so no room for the status": ["no room for the status", (w) => w.ring.chain(0, [HEADER])],
  "nothing to read": ["request header too short", (w) => w.ring.chain(0, [READ, STATUS])],
  "17 chains in a ring of 16": ["available index ahead by more than the ring", (w) => w.ring.availIdx = 17],
  "an available index that goes back": ["available index ahead by more than the ring", (w) => w.ring.availIdx = 65535],
  "an indirect table of 40 bytes": [
    "indirect table of a wrong length",
    (w) => w.ring.chain(0, [{ addr: BigInt(TABLE), len: 40, flags: 4 }]),
  ],
  "an indirect table of no bytes": [
    "indirect table of a wrong length",
    (w) => w.ring.chain(0, [{ addr: BigInt(TABLE), len: 0, flags: 4 }]),
  ],
  "an indirect table in an indirect table": ["indirect descriptor in an indirect table", (w) => {
    w.ring.entry(TABLE, { addr: BigInt(TABLE), len: 16, flags: 4 });
    w.ring.chain(0, [{ addr: BigInt(TABLE), len: 16, flags: 4 }]);
  }],
  "next 7 in an indirect table of 3": ["next beyond its table", (w) => {
    w.ring.entry(TABLE, { ...HEADER, flags: 1, next: 7 });
    w.ring.chain(0, [{ addr: BigInt(TABLE), len: 48, flags: 4 }]);
  }],
  "a loop in an indirect table": ["descriptor loop", (w) => {
    w.ring.entry(TABLE, { ...HEADER, flags: 1, next: 1 });
    w.ring.entry(TABLE + 16, { ...HEADER, flags: 1, next: 0 });
    w.ring.chain(0, [{ addr: BigInt(TABLE), len: 32, flags: 4 }]);
  }],
  "an indirect table where nothing is": [
    "indirect table leads nowhere",
    (w) => w.ring.chain(0, [{ addr: HOLE, len: 48, flags: 4 }]),
  ],
  "an indirect table that wraps 2^64": [
    "indirect table leads nowhere",
    (w) => w.ring.chain(0, [{ addr: 2n ** 64n - 16n, len: 48, flags: 4 }]),
  ],
  "an indirect descriptor that goes on": [
    "indirect descriptor that goes on",
    (w) => w.ring.chain(0, [{ addr: BigInt(TABLE), len: 48, flags: 4 }, STATUS]),
  ],
  "2^32 bytes in one chain": [
    "chain of 2^32 bytes or more",
    (w) => w.ring.chain(0, [HEADER, { ...READ, len: 0xffffffff }, STATUS]),
  ],
  "a header where nothing is": [
    "request header leads nowhere",
    (w) => w.ring.chain(0, [{ ...HEADER, addr: HOLE }, READ, STATUS]),
  ],
  "a status where nothing is": [
    "status leads nowhere",
    (w) => w.ring.chain(0, [HEADER, READ, { ...STATUS, addr: HOLE }]),
  ],
};

for (const [mistake, [reason, offer]] of Object.entries(BROKEN)) {
  Deno.test(`case 10: ${mistake} breaks the device until it is reset`, () => {
    const w = blkWorld({ interrupts: false });
    w.put(HDR, header(0, 3));
    offer(w);
    w.go();
    assertEquals([w.driver.status, w.device.breakdown], [0x4f, reason]);
    assertEquals(w.driver.isr(), 3);
    assertEquals(w.ring.usedIdx, 0);
    // Nothing more is worked on, and no memory is touched.
    request(w, 0, 3, 512, 4);
    w.go();
    assertEquals([w.ring.usedIdx, w.context.leases.leases.size], [0, 0]);
    // After a reset the same device serves a good driver.
    w.driver.transport.writeStatus(0);
    assertEquals(w.driver.status, 0);
    new MockRing(w.space, { size: 16, base: 0x130000 });
    w.driver.start();
    request(w, 0, 3, 512);
    w.go();
    assertEquals([w.driver.status, w.ring.usedIdx, w.hex(DATA, 4)], [0x0f, 1, "03000000"]);
  });
}

Deno.test("case 10: an indirect descriptor without the feature breaks the device", () => {
  const w = blkWorld({ features: [32, 33] });
  w.ring.chain(0, [{ addr: BigInt(TABLE), len: 48, flags: 4 }]);
  w.go();
  assertEquals([w.driver.status, w.device.breakdown], [0x4f, "indirect descriptor without the feature"]);
});

Deno.test("a broken device interrupts for its configuration once", () => {
  const w = blkWorld();
  w.ring.offer(99);
  w.go();
  w.go();
  assertEquals([w.driver.configInterrupts, w.device.breakdowns], [1, 1]);
});

Deno.test("requests before a mistake in the same batch are answered", () => {
  const w = blkWorld();
  request(w, 0, 3, 512);
  w.ring.offer(99);
  w.go();
  assertEquals([w.driver.status, w.ring.usedIdx, w.hex(ST, 1)], [0x4f, 1, "00"]);
});

Deno.test("data that wraps 2^64 fails the request only", () => {
  const w = blkWorld();
  w.put(HDR, header(0, 3));
  w.ring.chain(0, [HEADER, { addr: 2n ** 64n - 256n, len: 512, flags: 2 }, STATUS]);
  w.go();
  assertEquals([w.driver.status, w.hex(ST, 1)], [0x0f, "01"]);
});

Deno.test("data aimed at registers, the device's own or the doorbell's, fails the request only", () => {
  const w = blkWorld();
  const own = w.pci.function(8).bar(4).address;
  for (const address of [own, 0xfee00000]) {
    w.put(HDR, header(0, 3));
    w.ring.chain(0, [HEADER, { addr: BigInt(address), len: 512, flags: 2 }, STATUS]);
    w.go();
    assertEquals([w.driver.status, w.hex(ST, 1)], [0x0f, "01"]);
  }
});

Deno.test("a status byte aimed at the device's own status register resets it and harms nothing else", () => {
  const w = blkWorld();
  const own = w.pci.function(8).bar(4).address;
  w.put(HDR, header(0, 3));
  w.ring.chain(0, [HEADER, READ, { addr: BigInt(own + 0x14), len: 1, flags: 2 }]);
  request(w, 0, 3, 512, 4);
  w.go();
  assertEquals([w.driver.status, w.ring.usedIdx, w.context.leases.leases.size], [0, 0, 0]);
  w.driver.start();
  assertEquals(w.driver.status, 0x0f);
});

Deno.test("one head offered twice is answered twice", () => {
  const w = blkWorld();
  request(w, 0, 3, 512);
  w.ring.offer(0);
  w.go();
  assertEquals([w.ring.usedIdx, w.ring.used(0), w.ring.used(1)], [2, [0, 513], [0, 513]]);
});

Deno.test("a ring where nothing is, or at an odd address, breaks the device", () => {
  for (const [offset, reason] of [[HOLE, "ring address leads nowhere"], [8n, "ring address misaligned"]] as const) {
    const w = blkWorld({ start: false });
    const [desc, avail, used] = w.ring.addresses;
    Object.assign(w.ring, { addresses: [desc + offset, avail + offset, used + offset] });
    w.driver.start();
    w.go();
    assertEquals([w.driver.status & 0x40, w.device.breakdown], [0x40, reason]);
  }
});

Deno.test("a device without bus mastering reaches nothing", () => {
  const w = blkWorld();
  w.pci.function(8).disableBusMaster();
  request(w, 0, 3, 512);
  w.go();
  assertEquals([w.ring.usedIdx, w.hex(DATA, 4)], [0, "00000000"]);
});

Deno.test("kicks for an absent queue, before DRIVER_OK, or of an empty ring do nothing", () => {
  const w = blkWorld({ start: false });
  w.driver.negotiate();
  w.driver.enable();
  request(w, 0, 3, 512);
  w.go();
  assertEquals([w.ring.usedIdx, w.driver.status], [0, 0x0b]);
  w.driver.transport.writeStatus(0x0f);
  w.pci.function(8).write(4, 0x3000 + 4 * 7, 2, 7);
  w.pci.function(8).write(4, 0x3ffc, 4, 0xffffffff);
  w.scheduler.settle();
  assertEquals(w.ring.usedIdx, 0);
  w.go();
  w.go();
  assertEquals([w.ring.usedIdx, w.driver.usedInterrupts, w.driver.status], [1, 1, 0x0f]);
});

Deno.test("a queue works on 64 chains in a turn, so that others get theirs", () => {
  const w = blkWorld({ size: 128 });
  w.put(HDR, header(4));
  w.ring.desc(0, { ...HEADER, flags: 1, next: 1 });
  w.ring.desc(1, STATUS);
  for (let i = 0; i < 128; i++) w.ring.offer(0);
  w.driver.kick();
  const seen: number[] = [];
  w.scheduler.post(() => seen.push(w.ring.usedIdx));
  w.scheduler.settle();
  assertEquals([seen, w.ring.usedIdx], [[64], 128]);
});

/** Guest memory that no hostile descriptor may change: all of it, when nothing is writable. */
function checksum(bytes: Uint8Array): string {
  let hash = 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16);
}

/** Any descriptor, most of them nearly sane. */
const anyDesc = fc.record({
  addr: fc.oneof(
    fc.constantFrom(BigInt(HDR), BigInt(DATA), BigInt(ST), BigInt(TABLE), HOLE, 0xfee00000n, 2n ** 64n - 1n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  ),
  len: fc.oneof(fc.constantFrom(0, 1, 16, 32, 48, 64, 512, 513), fc.nat(0xffffffff)),
  flags: fc.oneof(fc.nat(7), fc.nat(0xffff)),
  next: fc.oneof(fc.nat(16), fc.nat(0xffff)),
});

Deno.test("whatever stands in ring, table and header: bounded work, no exception, and the machine goes on", () => {
  fc.assert(
    fc.property(
      fc.array(anyDesc, { minLength: 16, maxLength: 16 }),
      fc.array(anyDesc, { minLength: 4, maxLength: 4 }),
      fc.array(fc.oneof(fc.nat(16), fc.nat(0xffff)), { minLength: 1, maxLength: 16 }),
      fc.record({ type: fc.oneof(fc.constantFrom(0, 1, 4, 8), fc.nat()), sector: fc.nat(4096) }),
      fc.oneof(fc.nat(16), fc.nat(0xffff)),
      fc.boolean(),
      (descs, table, heads, { type, sector }, idx, eventIndex) => {
        const w = blkWorld({ features: eventIndex ? [...FEATURES, EVENT_IDX] : FEATURES });
        w.put(HDR, header(type, sector));
        descs.forEach((desc, i) => w.ring.desc(i, desc));
        table.forEach((desc, i) => w.ring.entry(TABLE + 16 * i, desc));
        heads.forEach((head) => w.ring.offer(head));
        if (idx > 16) w.ring.availIdx = idx;
        w.driver.kick();
        let turns = 0;
        while (w.scheduler.step()) assert(++turns < 100, "the machine never rests");
        // 16 chains of at most 16 descriptors each, and a few accesses for each of those.
        assert(w.device.port.stats.reads + w.device.port.stats.writes < 16 * 64);
        w.driver.transport.writeStatus(0);
        assertEquals(w.driver.status, 0);
        assertEquals(w.context.leases.leases.size, 0);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a chain without writable buffers changes no byte of memory but the used ring", () => {
  fc.assert(
    fc.property(fc.array(anyDesc, { minLength: 1, maxLength: 16 }), fc.nat(15), (descs, head) => {
      const w = blkWorld();
      descs.forEach((desc, i) => w.ring.desc(i, { ...desc, flags: desc.flags & ~6 }));
      w.ring.offer(head);
      const memory = w.space.bytes(0, 0x200000);
      const before = checksum(memory.subarray(0, w.ring.at.used)) + checksum(memory.subarray(w.ring.at.used + 0x1000));
      w.go();
      const after = checksum(memory.subarray(0, w.ring.at.used)) + checksum(memory.subarray(w.ring.at.used + 0x1000));
      assertEquals(after, before);
      assertEquals(w.driver.status, 0x4f);
    }),
    { numRuns: 30 },
  );
});
