import { assert, assertEquals } from "@std/assert";
import { fromHex, toHex } from "@iova/fields/testing";
import { Frame, Offload, Protocol, Segmentation } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { Status } from "@iova/virtio";
import control from "./vectors/virtio_net_ctrl.json" with { type: "json" };
import {
  ACK,
  BASE,
  broadcast,
  buffer,
  CONTROL,
  DATA,
  GUEST,
  HDR,
  HOST,
  MAC,
  MQ,
  MRG_RXBUF,
  netWorld,
  PLAIN,
  transmit,
} from "./testdata/world.ts";

const CASE13 = fromHex(
  "520000000002020000000001" + "0800" + "4500002c00004000400600000a0000010a000002" +
    "04d20050000000010000000250180200" + "14210000" + "44415441",
);

Deno.test("case 13: header and frame in one descriptor or in two are the same frame on the wire, used (0,0)", () => {
  const frame = broadcast(60);
  for (const descs of [[72], [12, 60], [5, 7, 60], [12, 1, 59]]) {
    const w = netWorld();
    w.space.bytes(HDR + 12, 60).set(frame);
    let at = HDR;
    w.offer(1, 0, descs.map((len) => ({ addr: BigInt((at += len) - len), len })));
    w.go(1);
    assertEquals(w.backend.frames, [frame]);
    assertEquals([w.rings[1].usedIdx, w.rings[1].used(0), w.usedInterrupts[1]], [1, [0, 0], 1]);
  }
});

Deno.test("case 13: a header alone, a short one, and a writable descriptor break the device", () => {
  for (const [len, flags] of [[12, 0], [11, 0], [1, 0], [72, 2]] as const) {
    const w = netWorld();
    w.offer(1, 0, [{ addr: BigInt(HDR), len, flags }]);
    w.go(1);
    assertEquals([w.status, w.rings[1].usedIdx, w.backend.frames.length], [0x4f, 0, 0]);
  }
});

Deno.test("a writable descriptor behind a frame breaks the device too", () => {
  const w = netWorld();
  w.put(HDR, PLAIN + toHex(broadcast(60)));
  w.offer(1, 0, [{ addr: BigInt(HDR), len: 72 }, { addr: BigInt(DATA), len: 1, flags: 2 }]);
  w.go(1);
  assertEquals([w.status, w.backend.frames.length], [0x4f, 0]);
  assertEquals(w.device.breakdown, "writable buffer in a transmit queue");
});

Deno.test("case 13: a checksum that the peer cannot take is completed: fc1e at frame offset 50", () => {
  const w = netWorld({ features: [...BASE, ...HOST] });
  transmit(w, "010000000000220010000000", CASE13);
  assertEquals(toHex(w.backend.frames[0].subarray(50, 52)), "fc1e");
  assertEquals([w.model.counters().checksums, w.rings[1].usedIdx], [1, 1]);
});

Deno.test("case 14: with merging, 120 bytes in buffers of 64 are used (0,64)(1,64)(2,4) in one step", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  for (let i = 0; i < 4; i++) buffer(w, i, 64);
  w.go(0);
  assertEquals(w.rings[0].usedIdx, 0, "buffers are not used before a frame comes");
  assertEquals(w.come(broadcast(120)), true);
  const ring = w.rings[0];
  assertEquals([ring.usedIdx, ring.used(0), ring.used(1), ring.used(2)], [3, [0, 64], [1, 64], [2, 4]]);
  assertEquals(w.hex(DATA, 12), "000000000000000000000300");
  const received = w.hex(DATA + 12, 52) + w.hex(DATA + 2048, 64) + w.hex(DATA + 4096, 4);
  assertEquals(received, toHex(broadcast(120)));
  assertEquals([w.usedInterrupts[0], w.hex(DATA + 4100, 4)], [1, "cccccccc"]);
});

Deno.test("case 14: with one buffer nothing is used until three more are there; the frame waits at its sender", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  buffer(w, 0, 64);
  assertEquals([w.come(broadcast(120)), w.rings[0].usedIdx, w.hex(DATA, 4)], [false, 0, "cccccccc"]);
  for (let i = 1; i < 4; i++) buffer(w, i, 64);
  w.go(0);
  assertEquals(w.backend.resumes > 0, true, "the sender is told");
  assertEquals(w.come(broadcast(120)), true);
  assertEquals([w.rings[0].usedIdx, w.hex(DATA, 12)], [3, "000000000000000000000300"]);
  assertEquals([0, 1, 2].map((i) => w.rings[0].used(i)), [[0, 64], [1, 64], [2, 4]]);
});

for (
  const [personality, header] of [["spec", "000000000000000000000100"], ["qemu", "00000000000000000000cccc"]] as const
) {
  Deno.test(`case 14: without merging, ${personality}: used (0,76), header ${header}`, () => {
    const w = netWorld({ personality });
    buffer(w, 0, 1526);
    w.come(broadcast(64));
    assertEquals([w.rings[0].usedIdx, w.rings[0].used(0), w.hex(DATA, 12)], [1, [0, 76], header]);
    assertEquals(w.hex(DATA + 12, 64), toHex(broadcast(64)));
  });
}

Deno.test("case 14: a frame that is longer than the buffer is dropped, and the buffer serves the next", () => {
  const w = netWorld();
  buffer(w, 0, 100);
  assertEquals([w.come(broadcast(200)), w.rings[0].usedIdx, w.model.rxErrors], [true, 0, 1]);
  w.come(broadcast(88));
  assertEquals([w.rings[0].usedIdx, w.rings[0].used(0)], [1, [0, 100]]);
});

const CASE15 = [...BASE, ...CONTROL, MQ];

for (const [i, { name, bytes, ack }] of control.commands.entries()) {
  Deno.test(`case 15.${i + 1}: ${name}: ${ack}`, () => {
    const w = netWorld({ features: CASE15, pairs: 2 });
    assertEquals(w.command(bytes), ack);
    assertEquals(w.rings[4].used(0), [0, 1]);
    if (name === "own address") assertEquals(toHex(w.model.config.subarray(0, 6)), "525400010203");
  });
}

Deno.test("case 15: a command of one byte, or without room for its answer, breaks the device", () => {
  for (
    const descs of [
      [{ addr: BigInt(HDR), len: 1 }, { addr: BigInt(ACK), len: 1, flags: 2 }],
      [{ addr: BigInt(HDR), len: 3 }],
      [{ addr: BigInt(ACK), len: 1, flags: 2 }],
    ]
  ) {
    const w = netWorld({ features: [...BASE, ...CONTROL] });
    w.offer(2, 0, descs);
    w.go(2);
    assertEquals([w.status, w.rings[2].usedIdx], [0x4f, 0]);
  }
});

Deno.test("a command may be cut anywhere, and its answer may be the first of many bytes", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  w.put(HDR, "0100 01000000 020000000001 01000000 01005e000001".replaceAll(" ", ""));
  const byte = (i: number) => ({ addr: BigInt(HDR + i), len: 1 });
  w.offer(2, 0, [byte(0), byte(1), byte(2), byte(3), { addr: BigInt(HDR + 4), len: 18 }, {
    addr: BigInt(ACK),
    len: 9,
    flags: 2,
  }]);
  w.space.bytes(ACK, 9).fill(0xff);
  w.go(2);
  assertEquals([w.rings[2].used(0), w.hex(ACK, 9)], [[0, 1], "00ffffffffffffffff"]);
});

Deno.test("more addresses than fit let every address of their kind through; data that is not translated yet changes nothing", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL], translated: true });
  assertEquals(w.command("0000 00"), 0);
  const table = (unicast: number, multicast: number) => {
    const half = (n: number) => n.toString(16).padStart(2, "0") + "000000" + "020000000009".repeat(n);
    return w.command("0100" + half(unicast) + half(multicast));
  };
  const admits = (first: number) => w.model.filter.admits(Uint8Array.from([first, ...new Array(59).fill(3)]), 60);
  assertEquals([table(64, 0), admits(2), admits(3)], [0, false, false]);
  assertEquals([table(65, 0), admits(2), admits(3)], [0, true, false]);
  assertEquals([table(0, 65), admits(2), admits(3)], [0, false, true]);
  assertEquals([table(60, 5), admits(2), admits(3)], [0, false, true]);
  // A command whose header is there and whose data is not yet.
  w.put(HDR, "0101");
  w.put(DATA, "525400010203");
  w.pending.add(DATA >> 12);
  w.offer(2, 0, [
    { addr: BigInt(HDR), len: 2 },
    { addr: BigInt(DATA), len: 6 },
    { addr: BigInt(ACK), len: 1, flags: 2 },
  ]);
  w.go(2);
  assertEquals([w.rings[2].usedIdx, w.model.config[5]], [5, 2]);
  w.pending.clear();
  w.resume();
  w.scheduler.settle();
  assertEquals([w.rings[2].usedIdx, w.hex(ACK, 1), w.model.config[5]], [6, "00", 3]);
});

Deno.test("commands of features that were not negotiated are refused, or executed by one that is like QEMU", () => {
  const only = [...BASE, 17];
  const commands = ["0000 00", "0005 01", "0100 00000000 00000000", "0101 525400010203", "0200 0500"];
  const spec = netWorld({ features: only });
  assertEquals(commands.map((hex) => spec.command(hex)), [1, 1, 1, 1, 1]);
  assertEquals(spec.model.counters().commandsRefused, 5);
  const qemu = netWorld({ features: only, personality: "qemu" });
  assertEquals(commands.map((hex) => qemu.command(hex)), [0, 0, 0, 0, 0]);
  assertEquals(["0400 0100", "0500 0000000000000000", "0300"].map((hex) => qemu.command(hex)), [1, 1, 1]);
});

Deno.test("the header has 12 bytes with VERSION_1, and a legacy one 10 unless frames are merged", () => {
  const legacy = netWorld({ start: false });
  legacy.model.negotiated(new Set([5]) as never);
  assertEquals(legacy.model.headerSize, 10);
  legacy.model.negotiated(new Set([15]) as never);
  assertEquals(legacy.model.headerSize, 12);
  legacy.model.negotiated(new Set([32]) as never);
  assertEquals(legacy.model.headerSize, 12);
});

Deno.test("offloads without those that they need are refused", () => {
  for (const features of [[7], [8], [9, 1], [11], [12], [13, 0], [54], [55], [56]]) {
    const w = netWorld({ features: [...BASE, ...features], pairs: 2, start: false });
    assertEquals(w.start() & Status.FEATURES_OK, 0, `${features}`);
  }
});

Deno.test("the configuration ends with the last field that is valid", () => {
  assertEquals(toHex(netWorld().model.config), "525400000002" + "0100");
  assertEquals(toHex(netWorld({ pairs: 3 }).model.config), "525400000002" + "0100" + "0300");
  assertEquals(toHex(netWorld({ mtu: 1400 }).model.config), "525400000002" + "0100" + "0100" + "7805");
  assertEquals(
    toHex(netWorld({ speed: 1000, link: false }).model.config),
    "525400000002" + "0000" + "0100" + "0000" + "e8030000" + "01",
  );
});

Deno.test("the offer follows the options", () => {
  const offer = (options: Parameters<typeof netWorld>[0]) => netWorld({ ...options, start: false }).model.features;
  assertEquals([...offer({ mergeable: false, checksum: false, control: false })].sort((a, b) => a - b), [5, 16]);
  assert(!offer({ checksum: false }).some((bit) => [...HOST, ...GUEST, 2].includes(bit)), "no checksum, no segments");
  assert(HOST.concat(GUEST, CONTROL, [2, 15]).every((bit) => offer({}).includes(bit)));
  assert(!offer({}).includes(MQ) && offer({ pairs: 2 }).includes(MQ));
  assert(offer({ mtu: 1400 }).includes(3) && offer({ speed: 10 }).includes(63));
});

Deno.test("a frame goes nowhere while the cable is out, and the driver hears of cable and announcement", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL] });
  w.model.setLink(false);
  w.scheduler.settle();
  assertEquals([w.configInterrupts, w.transport.readConfig(6, 2)], [1, 0]);
  transmit(w, PLAIN, broadcast(60));
  assertEquals([w.backend.frames.length, w.rings[1].usedIdx, w.model.counters().txNoLink], [0, 1, 1]);
  assertEquals([w.come(broadcast(60)), w.model.rxNoListener], [true, 1]);
  w.backend.up = false;
  w.model.setLink(true);
  assertEquals(w.transport.readConfig(6, 2), 0, "the other end is out");
  w.backend.up = true;
  w.backend.nic!.linkChanged(true);
  w.model.announce();
  w.scheduler.settle();
  assertEquals([w.configInterrupts, w.transport.readConfig(6, 2)], [2, 3]);
  assertEquals([w.command("0300"), w.transport.readConfig(6, 2), w.command("0300")], [0, 1, 1]);
});

Deno.test("a peer without room makes the transmit queue wait, and the frame is sent once", () => {
  const w = netWorld();
  w.backend.room = 0;
  transmit(w, PLAIN, broadcast(60));
  assertEquals([w.rings[1].usedIdx, w.scheduler.idle], [0, true]);
  w.backend.room = 1;
  w.backend.nic!.ready();
  w.scheduler.settle();
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length, w.model.counters().txFrames], [1, 1, 1]);
});

Deno.test("a segmented frame that has to wait half-way goes on where it was", () => {
  const w = netWorld({ features: [...BASE, ...HOST] });
  w.backend.room = 2;
  transmit(w, "01013600e803220010000000", testFrame({ payload: 5000, partial: true }));
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length], [0, 2]);
  w.backend.room = 9;
  w.backend.nic!.ready();
  w.scheduler.settle();
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length, w.model.counters().segments], [1, 5, 5]);
});

Deno.test("offloads travel in headers between two that can take them", () => {
  const w = netWorld({ features: [...BASE, ...HOST, ...GUEST, MRG_RXBUF] });
  w.backend.accepts = 0xff;
  const bytes = testFrame({ payload: 3000, partial: true });
  transmit(w, "01813600e803220010000000", bytes);
  const needs = Offload.CHECKSUM | Offload.TCP4 | Offload.ECN;
  assertEquals([w.backend.frames, w.backend.needs], [[bytes], [needs]]);
  assertEquals(w.model.accepts & needs, needs);
  const frame = new Frame();
  frame.bytes.set(bytes);
  Object.assign(frame, {
    length: bytes.length,
    needsChecksum: true,
    checksumStart: 34,
    checksumOffset: 16,
    segmentation: Segmentation.TCP4,
    segmentSize: 1000,
    ecn: true,
  });
  for (let i = 0; i < 2; i++) buffer(w, i, 2048);
  w.come(frame);
  assertEquals(w.hex(DATA, 12), "01813600e803220010000200");
  const udp = testFrame({ payload: 3000, partial: true, protocol: Protocol.UDP, version: 6 });
  transmit(w, "01053e00e803360006000000", udp);
  assertEquals(w.backend.needs[1], Offload.CHECKSUM | Offload.UDP6);
});

Deno.test("a frame that asks for what was not negotiated is dropped, or goes out untouched from one that is like QEMU", () => {
  const frame = testFrame({ partial: true });
  for (const header of ["010000000000220010000000", "00013600e803220010000000", "00030000e803000000000000"]) {
    const spec = netWorld();
    transmit(spec, header, frame);
    assertEquals([spec.backend.frames.length, spec.rings[1].usedIdx, spec.model.counters().txErrors], [0, 1, 1]);
    const qemu = netWorld({ personality: "qemu" });
    transmit(qemu, header, frame);
    assertEquals(qemu.backend.frames, [frame]);
  }
});

Deno.test("offloads of received frames can be switched, within what was negotiated", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL, 2, ...GUEST] });
  const before = w.model.accepts;
  assertEquals([w.command("0500 0000000000000000"), w.model.accepts], [0, 0]);
  assertEquals([w.command("0500 0200000000000000"), w.model.accepts], [0, Offload.CHECKSUM]);
  // TSO4 needs the checksum; bit 11 is no guest's; bit 10 (UFO) was not offered.
  for (const hex of ["0500 8000000000000000", "0500 0208000000000000", "0500 0204000000000000", "0500 02"]) {
    assertEquals([w.command(hex), w.model.accepts], [1, Offload.CHECKSUM]);
  }
  assertEquals([w.command("0500 820300000000c000"), w.model.accepts], [0, before]);
});

Deno.test("a conversation is received on the pair on which it is transmitted", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL, MQ], pairs: 4 });
  assertEquals(w.command("0400 0400"), 0);
  const ours = testFrame({ payload: 10 });
  transmit(w, PLAIN, ours, 2 * 2 + 1);
  const theirs = ours.slice();
  theirs.set(ours.subarray(26, 30), 30);
  theirs.set(ours.subarray(30, 34), 26);
  theirs.set(ours.subarray(34, 36), 36);
  theirs.set(ours.subarray(36, 38), 34);
  for (const queue of [0, 2, 4, 6]) buffer(w, queue, 1526, queue);
  w.come(theirs);
  assertEquals(w.rings.map((ring) => ring.usedIdx), [0, 0, 0, 0, 1, 1, 0, 0, 1]);
  // With one pair everything comes through it.
  w.command("0400 0100");
  w.come(theirs);
  assertEquals(w.rings[0].usedIdx, 1);
});

Deno.test("MQ without a control queue, as behind a front-end that serves it: every pair that is enabled is in use", () => {
  const w = netWorld({ features: [...BASE, MQ], pairs: 2 });
  const frame = testFrame({ payload: 10 });
  for (const queue of [0, 2]) buffer(w, queue, 1526, queue);
  transmit(w, PLAIN, frame, 3);
  w.come(frame);
  assertEquals([w.rings[0].usedIdx, w.rings[2].usedIdx], [0, 1]);
  w.device.queues[2].enabled = false;
  w.come(frame);
  assertEquals([w.rings[0].usedIdx, w.rings[2].usedIdx], [1, 1]);
});

Deno.test("without MQ the control queue is the third, whatever the device has", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL], pairs: 4 });
  assertEquals([w.command("0000 01"), w.command("0400 0200")], [0, 1]);
});

Deno.test("a short frame after a long one that went elsewhere takes one buffer of those that are held", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  for (let i = 0; i < 3; i++) buffer(w, i, 64);
  assertEquals(w.come(broadcast(1000)), false);
  for (let i = 0; i < 2; i++) {
    assertEquals(w.come(broadcast(40)), true);
    assertEquals([w.rings[0].usedIdx, w.rings[0].used(i)], [i + 1, [i, 52]]);
    assertEquals(w.hex(DATA + 2048 * i, 12), "000000000000000000000100");
  }
  for (let i = 3; i < 8; i++) buffer(w, i, 64);
  assertEquals([w.come(broadcast(120)), w.rings[0].used(2), w.rings[0].used(4)], [true, [2, 64], [4, 4]]);
});

Deno.test("personality qemu: what may be written behind a frame is not looked at, and a long frame's beginning stays in its buffer", () => {
  const w = netWorld({ personality: "qemu" });
  w.put(HDR, PLAIN + toHex(broadcast(60)));
  w.offer(1, 0, [{ addr: BigInt(HDR), len: 72 }, { addr: BigInt(ACK), len: 1, flags: 2 }]);
  w.go(1);
  assertEquals([w.status, w.backend.frames, w.rings[1].used(0)], [0x0f, [broadcast(60)], [0, 0]]);
  buffer(w, 0, 100);
  assertEquals([w.come(broadcast(200)), w.rings[0].usedIdx], [true, 0]);
  assertEquals(w.hex(DATA, 100), "00000000000000000000cccc" + toHex(broadcast(200).subarray(0, 88)));
});

Deno.test("a reset empties filters, forgets features and address, and lets a waiting sender go", () => {
  const w = netWorld({ features: [...BASE, ...CONTROL, ...GUEST] });
  w.command("0000 00");
  w.command("0101 525400010203");
  assertEquals([w.come(broadcast(60)), w.model.accepts > 0], [false, true]);
  const { resumes } = w.backend;
  w.transport.writeStatus(0);
  assertEquals([w.model.accepts, toHex(w.model.config.subarray(0, 6)), w.backend.resumes], [
    0,
    toHex(Uint8Array.from(MAC)),
    resumes + 1,
  ]);
  assertEquals([w.come(broadcast(60)), w.model.rxNoListener], [true, 1]);
});

Deno.test("a receive queue that is reset by itself forgets the buffers that it holds", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF, 40], ringFeatures: { ringReset: true } });
  buffer(w, 0, 64);
  assertEquals(w.come(broadcast(120)), false);
  assertEquals(w.transport.resetQueue(0), true);
  assertEquals([w.come(broadcast(40)), w.hex(DATA, 2)], [false, "cccc"]);
});

Deno.test("data that cannot be read loses its frame, a header breaks the device; a buffer that cannot be written comes back empty", () => {
  const w = netWorld({ translated: true });
  w.unmapped.add(DATA >> 12);
  w.offer(1, 0, [{ addr: BigInt(HDR), len: 12 }, { addr: BigInt(DATA), len: 60 }]);
  w.go(1);
  assertEquals([w.rings[1].used(0), w.rings[1].usedIdx, w.model.counters().txErrors, w.faults.length], [
    [0, 0],
    1,
    1,
    1,
  ]);
  w.rings[0].desc(0, { addr: BigInt(DATA), len: 1526, flags: 2 });
  w.rings[0].offer(0);
  assertEquals([w.come(broadcast(60)), w.rings[0].usedIdx, w.rings[0].used(0)], [true, 1, [0, 0]]);
  assertEquals([w.model.rxErrors, w.status], [1, 0x0f]);
  w.offer(1, 0, [{ addr: BigInt(DATA), len: 72 }]);
  w.go(1);
  assertEquals([w.status, w.device.breakdown], [0x4f, "frame header leads nowhere"]);
});

Deno.test("an address that is not translated yet parks the queue, and nothing is done twice", () => {
  const w = netWorld({ translated: true, features: [...BASE, ...CONTROL] });
  w.pending.add(ACK >> 12).add(DATA >> 12);
  assertEquals(w.command("0101 525400010203"), -1);
  assertEquals(w.model.counters().commands, 0);
  w.rings[0].desc(0, { addr: BigInt(DATA), len: 1526, flags: 2 });
  w.rings[0].offer(0);
  assertEquals([w.come(broadcast(60)), w.rings[0].usedIdx], [false, 0]);
  w.offer(1, 0, [{ addr: BigInt(HDR + 256), len: 12 }, { addr: BigInt(DATA), len: 60 }]);
  w.go(1);
  const { resumes } = w.backend;
  w.pending.clear();
  w.resume();
  w.scheduler.settle();
  assertEquals([w.rings[2].usedIdx, w.hex(ACK, 1), w.model.counters().commands], [1, "00", 1]);
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length, w.backend.resumes > resumes], [1, 1, true]);
  assertEquals([w.come(broadcast(60)), w.rings[0].usedIdx], [true, 1]);
});

Deno.test("only a legacy driver writes the configuration, and only its address", () => {
  const w = netWorld({ start: false });
  w.model.negotiated(new Set([5]) as never);
  w.model.configWritten(5, 9);
  w.model.configWritten(6, 9);
  assertEquals(toHex(w.model.config.subarray(0, 8)), "525400000009" + "0100");
  const modern = netWorld();
  modern.transport.writeConfig(5, 1, 9);
  assertEquals(modern.model.config[5], 2);
});

Deno.test("a long frame is copied by its receiver; what cannot be reached of it loses it, or makes it wait, at its sender", () => {
  const w = netWorld({ translated: true });
  const bytes = broadcast(6000);
  const offer = (first: number) => {
    w.space.bytes(DATA, 6000).set(bytes);
    w.offer(1, first, [{ addr: BigInt(HDR), len: 12 }, { addr: BigInt(DATA), len: 6000 }]);
  };
  w.put(HDR, PLAIN);
  w.pending.add((DATA >> 12) + 1);
  offer(0);
  w.go(1);
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length], [0, 0]);
  w.pending.clear();
  w.resume();
  w.scheduler.settle();
  assertEquals([w.rings[1].usedIdx, w.backend.frames], [1, [bytes]]);
  w.unmapped.add((DATA >> 12) + 1);
  offer(4);
  w.go(1);
  assertEquals([w.rings[1].usedIdx, w.backend.frames.length, w.model.counters().txErrors], [2, 1, 1]);
});

Deno.test("a long frame whose sender's memory fails keeps the receiver's buffers, and a good one comes through them", () => {
  const w = netWorld({ features: [...BASE, MRG_RXBUF] });
  for (let i = 0; i < 4; i++) buffer(w, i, 2048);
  const frame = new Frame();
  frame.length = 5000;
  frame.bytes.set(broadcast(5000));
  let reachable = false;
  frame.source = {
    copy(at, length, into, offset) {
      if (reachable) into.set(broadcast(5000).subarray(at, at + length), offset);
      return reachable;
    },
  };
  assertEquals([w.come(frame), w.rings[0].usedIdx, w.model.rxErrors], [false, 0, 0]);
  reachable = true;
  assertEquals([w.come(frame), w.rings[0].usedIdx], [true, 3]);
  const received = w.hex(DATA + 12, 2036) + w.hex(DATA + 2048, 2048) + w.hex(DATA + 4096, 916);
  assertEquals(received, toHex(broadcast(5000)));
});
