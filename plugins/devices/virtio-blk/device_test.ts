import { assert, assertEquals } from "@std/assert";
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
  SECTORS,
  ST,
} from "./testdata/world.ts";

/** One request on a fresh device: its status byte and used element. */
function outcome(world: BlkWorld): [status: number, id: number, length: number] {
  world.go();
  const slot = (world.ring.usedIdx - 1) % world.ring.size;
  return [world.space.bytes(ST, 1)[0], ...world.ring.used(slot)];
}

Deno.test("case 1: a read of one sector, byte for byte, with one interrupt", () => {
  const w = blkWorld();
  w.ring.desc(0, "0000100000000000 10000000 0100 0100");
  w.ring.desc(1, "0000110000000000 00020000 0300 0200");
  w.ring.desc(2, "0000120000000000 01000000 0200 0000");
  w.put(w.ring.at.avail, "0000 0100 0000");
  w.put(HDR, "00000000 00000000 0300000000000000");
  w.go();
  assertEquals(w.hex(DATA, 4), "03000000");
  assertEquals(w.hex(ST, 1), "00");
  assertEquals(w.hex(w.ring.at.used, 12), "00000100" + "00000000" + "01020000");
  assertEquals([w.driver.usedInterrupts, w.driver.configInterrupts], [1, 0]);
});

Deno.test("case 2: a write, then a flush that reaches the medium", () => {
  const w = blkWorld();
  w.space.bytes(DATA, 512).fill(0xaa);
  request(w, 1, 9, 512);
  assertEquals(outcome(w), [0, 0, 1]);
  assert(w.disk.bytes.subarray(9 * 512, 10 * 512).every((byte) => byte === 0xaa));
  assertEquals(w.disk.bytes[10 * 512], 10);
  assertEquals(w.disk.flushes, 0);
  request(w, 4, 0, 0);
  assertEquals(outcome(w), [0, 0, 1]);
  assertEquals(w.disk.flushes, 1);
});

Deno.test("case 3: a serial number is cut at 20 bytes without NUL, or padded with NUL", () => {
  for (
    const [serial, expected] of [
      ["SER-0123456789ABCDEFGHIJ", "SER-0123456789ABCDEF"],
      ["vhost_user_blk", "vhost_user_blk\0\0\0\0\0\0"],
    ]
  ) {
    const w = blkWorld({ serial });
    w.space.bytes(DATA, 21).fill(0xcc);
    request(w, 8, 0, 20);
    assertEquals(outcome(w), [0, 0, 21]);
    assertEquals(new TextDecoder().decode(w.space.bytes(DATA, 20).slice()), expected);
    assertEquals(w.space.bytes(DATA + 20, 1)[0], 0xcc);
  }
});

Deno.test("case 4: unknown types and types without their feature are unsupported and write no data", () => {
  for (
    const [type, length, used] of [[99, 512, 0], [10, 6, 0], [12, 0, 1], [13, 0, 1], [14, 0, 1], [0x8000_0000, 0, 1]]
  ) {
    const w = blkWorld();
    w.space.bytes(DATA, 512).fill(0xcc);
    request(w, type, 0, length);
    assertEquals(outcome(w), [2, 0, used], `type ${type}`);
    assertEquals(w.hex(DATA, 4), "cccccccc");
  }
});

Deno.test("case 5: a sector beyond the medium and a length of no whole sectors fail; nothing is written", () => {
  const cases: [type: number, sector: bigint, length: number][] = [
    [0, 2048n, 512],
    [0, 2047n, 1024],
    [0, 2n ** 64n - 1n, 512],
    [0, 2n ** 55n, 512],
    [0, 0n, 100],
    [1, 2048n, 512],
    [1, 0n, 100],
  ];
  for (const [type, sector, length] of cases) {
    const w = blkWorld();
    const medium = w.disk.bytes.slice();
    w.space.bytes(DATA, 1024).fill(0xcc);
    request(w, type, sector, length);
    assertEquals(outcome(w), [1, 0, type === 1 ? 1 : 0], `type ${type}, sector ${sector}`);
    assert(w.space.bytes(DATA, 1024).every((byte) => byte === 0xcc));
    assertEquals(w.disk.bytes, medium);
    assertEquals(w.model.errors, 1);
  }
  const last = blkWorld();
  request(last, 0, 2047, 512);
  assertEquals(outcome(last), [0, 0, 513]);
  assertEquals(last.hex(DATA, 4), "ff070000");
});

Deno.test("case 5: no data at all is fine", () => {
  for (const type of [0, 1]) {
    const w = blkWorld();
    request(w, type, 0, 0);
    assertEquals(outcome(w), [0, 0, 1]);
  }
});

Deno.test("case 7: with EVENT_IDX interrupts come when used_event is crossed, and avail_event follows", () => {
  const w = blkWorld({ features: [...FEATURES, EVENT_IDX] });
  const interrupts: number[] = [];
  const availEvents: number[] = [];
  for (let i = 0; i < 5; i++) {
    w.ring.usedEvent = i < 2 ? 0 : 3;
    request(w, 0, 0, 512);
    w.go();
    interrupts.push(w.driver.usedInterrupts);
    availEvents.push(w.ring.availEvent);
  }
  assertEquals(interrupts, [1, 1, 1, 2, 2]);
  assertEquals(availEvents, [1, 2, 3, 4, 5]);
  assertEquals(w.ring.usedFlags, 0);
});

Deno.test("case 7: without EVENT_IDX avail.flags decides, and used_event means nothing", () => {
  const w = blkWorld();
  const interrupts: number[] = [];
  for (const flags of [1, 1, 0, 1, 0]) {
    w.ring.availFlags = flags;
    w.ring.usedEvent = 0xffff;
    request(w, 0, 0, 512);
    w.go();
    interrupts.push(w.driver.usedInterrupts);
  }
  assertEquals(interrupts, [0, 0, 1, 1, 2]);
  assertEquals(w.ring.availEvent, 0, "the device writes no avail_event");
});

Deno.test("requests offered together are published together, with one interrupt", () => {
  const w = blkWorld({ size: 64 });
  w.put(HDR, header(0, 5));
  for (let i = 0; i < 20; i++) {
    w.ring.chain(3 * i, [
      { addr: BigInt(HDR), len: 16 },
      { addr: BigInt(DATA + 512 * i), len: 512, flags: 2 },
      { addr: BigInt(ST + i), len: 1, flags: 2 },
    ]);
  }
  w.go();
  assertEquals([w.ring.usedIdx, w.driver.usedInterrupts], [20, 1]);
  assertEquals(w.ring.used(19), [57, 513]);
  assertEquals(w.hex(DATA + 19 * 512, 4), "05000000");
});

Deno.test("framing is free: a header in pieces, data in pieces, the status at the end of a data buffer", () => {
  const w = blkWorld();
  w.put(HDR, header(0, 7));
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 5 },
    { addr: BigInt(HDR + 5), len: 11 },
    { addr: BigInt(DATA), len: 100, flags: 2 },
    { addr: BigInt(DATA + 0x1000), len: 412 + 512 + 1, flags: 2 },
  ]);
  w.go();
  assertEquals(w.ring.used(0), [0, 1025]);
  assertEquals(w.hex(DATA, 4), "07000000");
  assertEquals(w.hex(DATA + 0x1000 + 412, 4), "08000000");
  assertEquals(w.hex(DATA + 0x1000 + 924, 1), "00");
  // A write whose data shares a buffer with the header.
  w.put(DATA, header(1, 30) + "ee".repeat(512));
  w.ring.chain(0, [{ addr: BigInt(DATA), len: 528 }, { addr: BigInt(ST), len: 1, flags: 2 }]);
  w.go();
  assertEquals(w.ring.used(1), [0, 1]);
  assert(w.disk.bytes.subarray(30 * 512, 31 * 512).every((byte) => byte === 0xee));
});

Deno.test("case 11: a request through an indirect table is as one without, and WRITE on its descriptor is ignored", () => {
  for (const flags of [4, 6]) {
    const w = blkWorld();
    const table = 0x140000;
    w.put(HDR, header(0, 3));
    w.ring.entry(table, "0000100000000000 10000000 0100 0100");
    w.ring.entry(table + 16, "0000110000000000 00020000 0300 0200");
    w.ring.entry(table + 32, "0000120000000000 01000000 0200 0000");
    w.ring.chain(0, [{ addr: BigInt(table), len: 48, flags }]);
    w.go();
    assertEquals(w.hex(DATA, 4), "03000000");
    assertEquals(w.hex(w.ring.at.used, 12), "00000100" + "00000000" + "01020000");
  }
});

Deno.test("case 11: direct descriptors may be followed by one indirect table", () => {
  const w = blkWorld();
  const table = 0x140000;
  w.put(HDR, header(0, 3));
  w.ring.entry(table, { addr: BigInt(DATA), len: 512, flags: 3, next: 1 });
  w.ring.entry(table + 16, { addr: BigInt(ST), len: 1, flags: 2 });
  w.ring.chain(2, [{ addr: BigInt(HDR), len: 16 }, { addr: BigInt(table), len: 32, flags: 4 }]);
  w.go();
  assertEquals([w.driver.status, w.hex(ST, 1), w.hex(DATA, 4)], [0x0f, "00", "03000000"]);
  assertEquals(w.ring.used(0), [2, 513]);
});

Deno.test("case 11: a table of more entries than the ring has breaks the device", () => {
  const w = blkWorld();
  w.ring.chain(0, [{ addr: 0x140000n, len: 20 * 16, flags: 4 }]);
  w.go();
  assertEquals([w.driver.status, w.device.breakdown], [0x4f, "indirect table of a wrong length"]);
});

Deno.test("case 12: a driver that declines bus addresses is refused", () => {
  const w = blkWorld({ start: false, features: [32] });
  assertEquals(w.driver.negotiate(), 0x03);
  assertEquals(w.driver.transport.offered().value, 0x103_3000_6e54n);
  const accepting = blkWorld({ start: false, features: [32, 33] });
  assertEquals(accepting.driver.negotiate(), 0x0b);
});

Deno.test("case 12: a device of physical addresses refuses a driver that insists on bus addresses", () => {
  const w = blkWorld({ start: false, accessPlatform: false, features: [32, 33] });
  assertEquals(w.driver.negotiate(), 0x03);
  assertEquals(w.device.physicalAddressing, true);
  const plain = blkWorld({ start: false, accessPlatform: false, features: [32] });
  assertEquals(plain.driver.negotiate(), 0x0b);
});

Deno.test("case 12: data that does not translate fails the request, and the platform records a fault", () => {
  for (const type of [0, 1]) {
    const w = blkWorld({ translated: true });
    w.unmapped.add(DATA >>> 12);
    request(w, type, 3, 512);
    assertEquals(outcome(w), [1, 0, type === 1 ? 1 : 0]);
    assertEquals(w.faults.map(({ address, access }) => [address, access]), [[BigInt(DATA), type === 1 ? 1 : 2]]);
    assertEquals(w.disk.bytes[3 * 512], 3);
    request(w, 0, 3, 0);
    assertEquals(outcome(w)[0], 0, "the device goes on");
  }
});

Deno.test("case 12: a read whose second page does not translate reports the prefix that was written", () => {
  const w = blkWorld({ translated: true });
  w.unmapped.add((DATA >>> 12) + 1);
  request(w, 0, 3, 8192);
  assertEquals(outcome(w), [1, 0, 4096]);
  assertEquals(w.hex(DATA + 7 * 512, 4), "0a000000");
});

Deno.test("case 12: a header or a status that does not translate breaks the device, and nothing is used", () => {
  for (const page of [HDR, ST]) {
    const w = blkWorld({ translated: true });
    w.unmapped.add(page >>> 12);
    request(w, 0, 0, 512);
    w.go();
    assertEquals([w.driver.status, w.ring.usedIdx, w.driver.configInterrupts], [0x4f, 0, 1]);
  }
});

Deno.test("an answer that is pending parks the request, which then runs from its start", () => {
  for (const page of [HDR, DATA, ST, 0x140000]) {
    const w = blkWorld({ translated: true });
    w.pending.add(page >>> 12);
    w.put(HDR, header(0, 3));
    w.ring.entry(0x140000, { addr: BigInt(DATA), len: 512, flags: 3, next: 1 });
    w.ring.entry(0x140010, { addr: BigInt(ST), len: 1, flags: 2 });
    w.ring.chain(0, [{ addr: BigInt(HDR), len: 16 }, { addr: 0x140000n, len: 32, flags: 4 }]);
    w.go();
    w.go();
    assertEquals([w.ring.usedIdx, w.driver.status], [0, 0x0f]);
    w.resume();
    w.scheduler.settle();
    assertEquals(w.ring.usedIdx, 0, "still pending");
    w.pending.clear();
    w.resume();
    w.scheduler.settle();
    assertEquals([w.ring.usedIdx, w.hex(ST, 1), w.hex(DATA, 4)], [1, "00", "03000000"]);
    assertEquals([w.driver.usedInterrupts, w.model.requests], [1, 1]);
  }
});

Deno.test("a ring whose pages are pending is taken up when they are there", () => {
  const w = blkWorld({ translated: true });
  for (const page of [0x130, 0x131]) w.pending.add(page);
  request(w, 0, 3, 512);
  w.go();
  assertEquals(w.ring.usedIdx, 0);
  w.pending.clear();
  w.resume();
  w.scheduler.settle();
  assertEquals(w.ring.used(0), [0, 513]);
});

Deno.test("writes to a read-only device fail and touch nothing", () => {
  const w = blkWorld({ readOnly: true });
  assertEquals(w.device.offered.has(5), true);
  request(w, 1, 9, 512);
  assertEquals(outcome(w), [1, 0, 1]);
  assertEquals(w.disk.bytes[9 * 512], 9);
});

Deno.test("errors of the medium become request errors", () => {
  for (const [type, length, used] of [[0, 512, 0], [1, 512, 1], [4, 0, 1]]) {
    const w = blkWorld();
    w.disk.failing = true;
    request(w, type, 0, length);
    assertEquals(outcome(w), [1, 0, used], `type ${type}`);
    w.disk.failing = false;
    request(w, type, 0, length);
    assertEquals(outcome(w)[0], 0);
  }
});

Deno.test("a driver without FLUSH has its writes flushed before they complete", () => {
  const w = blkWorld({ features: [32, 33] });
  request(w, 1, 9, 512);
  assertEquals(outcome(w), [0, 0, 1]);
  assertEquals(w.disk.flushes, 1);
  w.disk.flush = () => false;
  request(w, 1, 9, 512);
  assertEquals(outcome(w)[0], 1);
});

Deno.test("the configuration names capacity, segments and block size, and reads zero beyond its end", () => {
  const w = blkWorld();
  const config = Array.from({ length: 7 }, (_, i) => w.driver.transport.readConfig(4 * i, 4));
  assertEquals(config, [SECTORS, 0, 0, 126, 0x3f10_0002, 512, 0]);
  assertEquals([w.driver.transport.readConfig(32, 4), w.driver.transport.readConfig(56, 4)], [0x0001_0001, 1]);
  assertEquals([w.driver.transport.readConfig(60, 4), w.driver.transport.readConfig(0xffc, 4)], [0, 0]);
});

Deno.test("a used index that the driver overwrites is not believed", () => {
  const w = blkWorld();
  w.ring.usedIdx = 0x55;
  request(w, 0, 3, 512);
  w.go();
  assertEquals([w.ring.usedIdx, w.ring.used(0)], [1, [0, 513]]);
});

Deno.test("an address that leads nowhere is a fault and no exception", () => {
  const w = blkWorld();
  w.put(HDR, header(0, 3));
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: HOLE, len: 512, flags: 2 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  assertEquals(outcome(w), [1, 0, 0]);
});
