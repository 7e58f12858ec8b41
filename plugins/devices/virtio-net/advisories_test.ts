// Holes that other implementations had, one by one, on this device.

import { assert, assertEquals } from "@std/assert";
import { toHex } from "@iova/fields/testing";
import { Frame, MAX_FRAME } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { VirtioDevice } from "@iova/virtio";
import { MockPackedRing } from "@iova/virtio/testing";
import {
  ACK,
  BASE,
  broadcast,
  buffer,
  CONTROL,
  DATA,
  HDR,
  HOLE,
  HOST,
  MRG_RXBUF,
  netWorld,
  PLAIN,
  RINGS,
  transmit,
} from "./testdata/world.ts";

Deno.test("CVE-2014-0150: counts of addresses whose sizes overflow 32 bits are refused", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  // 0x2aaaaaab · 6 = 2 modulo 2^32.
  for (const count of ["abaaaa2a", "56555555", "ffffffff", "00000080"]) {
    assertEquals(w.command(`0100 ${count} 0000 00000000`), 1);
    assertEquals(w.command(`0100 00000000 ${count} 0000`), 1);
  }
  assertEquals(w.status, 0x0f);
});

Deno.test("CVE-2015-7295: a long frame for buffers that are short is lost, and nothing else happens", () => {
  const w = netWorld();
  buffer(w, 0, 1526);
  assertEquals([w.come(broadcast(9000)), w.rings[0].usedIdx, w.hex(DATA, 2), w.status], [true, 0, "cccc", 0x0f]);
});

Deno.test("CVE-2016-5403: more buffers than the ring has entries are not held", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  for (let i = 0; i < 16; i++) buffer(w, i, 64);
  assertEquals(w.come(broadcast(1500)), false);
  // All 16 are held; a head that is offered once more stands for a 17th.
  w.rings[0].offer(0);
  assertEquals([w.come(broadcast(1500)), w.status], [true, 0x4f]);
});

Deno.test("CVE-2016-6490: a buffer of no bytes ends the device, not the machine", () => {
  for (const queue of [0, 1]) {
    const w = netWorld();
    w.offer(queue, 0, [{ addr: BigInt(HDR), len: 0, flags: queue === 0 ? 2 : 0 }]);
    w.go(queue);
    w.come(broadcast(60));
    assertEquals([w.status, w.device.breakdown], [0x4f, "buffer of zero length"]);
  }
});

Deno.test("CVE-2016-7422: a frame of 4 GiB is dropped without being read, and a buffer of 4 GiB is good for a frame", () => {
  const w = netWorld();
  w.offer(1, 0, [{ addr: BigInt(HDR), len: 0xffff_ffff }]);
  w.go(1);
  assertEquals([w.rings[1].used(0), w.rings[1].usedIdx, w.model.counters().txErrors], [[0, 0], 1, 1]);
  w.rings[0].desc(0, { addr: BigInt(DATA), len: 0xffff_ffff, flags: 2 });
  w.rings[0].offer(0);
  assertEquals([w.come(broadcast(60)), w.rings[0].used(0)], [true, [0, 72]]);
});

Deno.test("CVE-2019-3900: a queue without an end lets others have their turn", () => {
  const w = netWorld({ size: 64 });
  w.put(HDR, PLAIN + toHex(broadcast(60)));
  for (let i = 0; i < 64; i++) w.offer(1, i, [{ addr: BigInt(HDR), len: 72 }]);
  w.backend.deliver = (frame) => {
    // Every frame makes another one available.
    if (w.backend.frames.length < 500) w.rings[1].offer(w.backend.frames.length % 64);
    return w.backend.frames.push(frame.whole.slice()) > 0;
  };
  w.device.kick(1);
  const seen: number[] = [];
  w.scheduler.post(() => seen.push(w.backend.frames.length));
  w.scheduler.settle();
  assertEquals([seen, w.backend.frames.length > 500], [[64], true]);
});

Deno.test("CVE-2021-3748, CVE-2022-26353: a buffer whose page goes away is not written, and comes back exactly once", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF], translated: true });
  for (let i = 0; i < 2; i++) w.rings[0].desc(i, { addr: BigInt(DATA + 4096 * i), len: 512, flags: 2 });
  w.rings[0].offer(0);
  assertEquals(w.come(broadcast(600)), false);
  // The device holds the first buffer when its page goes.
  w.unmapped.add(DATA >> 12);
  w.space.bytes(DATA, 4096).fill(0xcc);
  w.rings[0].offer(1);
  assertEquals([w.come(broadcast(600)), w.rings[0].usedIdx], [true, 2]);
  assertEquals([w.rings[0].used(0), w.rings[0].used(1), w.hex(DATA, 4)], [[0, 0], [1, 0], "cccccccc"]);
  // Rings are leased, buffers are not: three queues' worth of rings, each of three parts.
  const { size } = w.context.leases.leases;
  w.come(broadcast(60));
  assertEquals(w.context.leases.leases.size, size);
});

Deno.test("CVE-2022-2132: a header in twelve pieces is a header", () => {
  const w = netWorld({ features: [...BASE, ...HOST] });
  const bytes = testFrame({ partial: true });
  w.put(HDR, "010000000000220010000000" + toHex(bytes));
  const pieces = Array.from({ length: 12 }, (_, i) => ({ addr: BigInt(HDR + i), len: 1 }));
  w.offer(1, 0, [...pieces, { addr: BigInt(HDR + 12), len: bytes.length }]);
  w.go(1);
  assertEquals(w.backend.frames, [testFrame()]);
});

Deno.test("CVE-2023-6693: a header is never longer than the structure, whatever the chain looks like", () => {
  for (const features of [BASE, [...BASE, MRG_RXBUF]]) {
    const w = netWorld({ features });
    w.put(HDR, PLAIN + toHex(broadcast(60)));
    w.offer(1, 0, [{ addr: BigInt(HDR), len: 40 }, { addr: BigInt(HDR + 40), len: 32 }]);
    w.go(1);
    assertEquals(w.backend.frames, [broadcast(60)]);
  }
});

Deno.test("CVE-2024-3446: a buffer that lies in the device's own registers, or in the interrupt doorbell, is no memory", () => {
  const w = netWorld();
  const own = w.pci.function(8).bar(4).address;
  for (const address of [own, own + 0x14, 0xfee00000]) {
    w.rings[0].desc(0, { addr: BigInt(address), len: 1526, flags: 2 });
    w.rings[0].offer(0);
    w.come(broadcast(60));
    w.scheduler.settle();
    w.offer(1, 0, [{ addr: BigInt(HDR), len: 12 }, { addr: BigInt(address), len: 60 }]);
    w.go(1);
  }
  // Whatever became of the device, the machine rests and nothing was sent that nobody wrote.
  assert(w.scheduler.idle);
  w.transport.writeStatus(0);
  assertEquals(w.start(), 0x0f);
  buffer(w, 0, 1526);
  assertEquals([w.come(broadcast(60)), w.rings[0].usedIdx], [true, 1]);
});

Deno.test("CVE-2024-3446: a frame whose first buffer is the device's status register resets it, and goes no further", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  const own = w.pci.function(8).bar(4).address;
  w.rings[0].desc(1, { addr: BigInt(own + 0x14), len: 64, flags: 2 });
  w.rings[0].offer(1);
  for (let i = 2; i < 5; i++) buffer(w, i, 64);
  assertEquals([w.come(broadcast(200)), w.status, w.hex(DATA + 4096, 4)], [true, 0, "cccccccc"]);
  assertEquals(w.start(), 0x0f);
  for (let i = 0; i < 4; i++) buffer(w, i, 64);
  assertEquals([w.come(broadcast(200)), w.rings[0].usedIdx, w.rings[0].used(3)], [true, 4, [3, 20]]);
});

Deno.test("CVE-2024-6505: there is no table of queues to index with what a guest wrote", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL, 22], pairs: 2 });
  // RSS_CONFIG and HASH_CONFIG: 128 entries of queue 65535.
  const table = "ff".repeat(256);
  assertEquals(w.command(`0401 ffffffff 7f00 ffff ${table} ffff 00`), 1);
  assertEquals(w.command(`0402 ffffffff ${"00".repeat(8)} 00`), 1);
  assertEquals([w.command("0400 ffff"), w.command("0400 0000"), w.command("0400 0300")], [1, 1, 1]);
  buffer(w, 0, 1526);
  assertEquals([w.come(broadcast(60)), w.rings[0].usedIdx], [true, 1]);
});

Deno.test("CVE-2024-11614: a checksum that begins or stands outside its frame touches nothing", () => {
  const w = netWorld({ features: [...BASE, ...HOST] });
  for (
    const header of ["01000000 0000 ffff 0000 0000", "01000000 0000 0000 ffff 0000", "01000000 0000 9900 0000 0000"]
  ) {
    transmit(w, header.replaceAll(" ", ""), testFrame({ partial: true }));
  }
  assertEquals([w.backend.frames.length, w.model.counters().txErrors, w.rings[1].usedIdx], [0, 3, 3]);
});

Deno.test("CVE-2026-16457: a malformed packed chain breaks the device, and its queue is never looked at again", () => {
  const w = netWorld({ start: false });
  const device = new VirtioDevice({
    id: "packed",
    port: w.device.port,
    scheduler: w.scheduler,
    events: w.events,
    model: w.model,
    packed: true,
  });
  w.model.attach(device);
  device.writeStatus(3);
  device.acceptWord(0, 1 << 5 | 1 << 16);
  device.acceptWord(1, 0b111);
  device.writeStatus(11);
  const ring = new MockPackedRing(w.space, { size: 4, base: RINGS });
  const [descLo, driverLo, deviceLo] = ring.addresses.map(Number);
  Object.assign(device.queues[1], { size: 4, descLo, driverLo, deviceLo });
  device.enable(device.queues[1]);
  device.writeStatus(15);
  // Four descriptors that all go on: the chain has no end.
  for (let i = 0; i < 4; i++) ring.desc(i, { addr: BigInt(HDR), len: 16, id: 1, flags: 0x81 });
  device.kick(1);
  let steps = 0;
  while (w.scheduler.step()) assert(++steps < 100, "the machine never rests");
  assertEquals([device.status & 0x40, device.live], [0x40, false]);
});

Deno.test("CVE-2026-63320: frames shorter than an Ethernet header go nowhere, in either direction", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  w.command("0000 00");
  buffer(w, 0, 1526);
  for (const length of [0, 1, 5, 12, 13]) {
    assertEquals(w.come(broadcast(length)), true);
    if (length > 0) transmit(w, PLAIN, broadcast(length));
  }
  assertEquals([w.rings[0].usedIdx, w.backend.frames.length, w.model.rxFiltered], [0, 0, 5]);
});

Deno.test("CVE-2026-63321: nothing coalesces received segments: it is not offered, and no header says so", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  const [RSC4, RSC6, RSC_EXT] = [41, 42, 61];
  assert(![RSC4, RSC6, RSC_EXT].some((bit) => w.model.features.includes(bit)));
  buffer(w, 0, 1526);
  assert(w.come(broadcast(60)));
  const RSC_INFO = 4;
  assertEquals(w.space.read(DATA, 1) & RSC_INFO, 0);
});

Deno.test("sheet row 22: a transmit buffer of 11 bytes breaks the device, not the process; row 23: so does a short receive buffer", () => {
  const w = netWorld();
  w.offer(1, 0, [{ addr: BigInt(HDR), len: 11 }]);
  w.go(1);
  assertEquals([w.status, w.device.breakdown], [0x4f, "transmit buffer shorter than a header"]);
  for (const len of [1, 11]) {
    const other = netWorld();
    buffer(other, 0, len);
    other.come(broadcast(60));
    assertEquals([other.status, other.device.breakdown], [0x4f, "receive buffer shorter than a header"]);
  }
});

Deno.test("a frame as long as any fits exactly, and one byte more is dropped", () => {
  const w = netWorld();
  const long = new Frame();
  long.length = MAX_FRAME;
  assertEquals(w.come(long), false);
  w.offer(1, 0, [{ addr: 0n, len: MAX_FRAME + 12 }]);
  w.go(1);
  w.offer(1, 4, [{ addr: 0n, len: MAX_FRAME + 13 }]);
  w.go(1);
  assertEquals([w.backend.frames.length, w.model.counters().txErrors], [1, 1]);
});

Deno.test("a command whose data leads nowhere is refused, one whose header or answer does breaks the device", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  w.put(HDR, "0101");
  w.offer(2, 0, [{ addr: BigInt(HDR), len: 2 }, { addr: HOLE, len: 6 }, { addr: BigInt(ACK), len: 1, flags: 2 }]);
  w.go(2);
  assertEquals([w.rings[2].usedIdx, w.hex(ACK, 1), w.status], [1, "01", 0x0f]);
  w.put(HDR, "000001");
  w.offer(2, 0, [{ addr: BigInt(HDR), len: 3 }, { addr: HOLE, len: 1, flags: 2 }]);
  w.go(2);
  assertEquals([w.rings[2].usedIdx, w.status, w.device.breakdown], [1, 0x4f, "a command's answer leads nowhere"]);
});
