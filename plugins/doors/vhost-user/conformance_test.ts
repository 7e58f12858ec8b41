// The cases of the protocol as whole messages in bytes, in the order of a front-end's life.

import { assert, assertEquals } from "@std/assert";
import { fromHex } from "@iova/fields/testing";
import { close, eventfd, memoryFile, MessageSocket, Socket, socketPair, takeEvent, unavailable } from "@iova/libc";
import blk from "@iova/virtio-blk";
import { DESC, put, Raw, USER } from "./testdata/raw.ts";
import { serveDevice, Server } from "./testing.ts";

const ignore = unavailable() !== null;
const test = (name: string, fn: (raw: Raw) => void) =>
  Deno.test({
    name,
    ignore,
    fn() {
      const raw = new Raw(() => serveDevice(blk, { ram: "1MiB" }));
      try {
        fn(raw);
      } finally {
        raw.close();
      }
      assertEquals(raw.leaked(), [0, 0]);
    },
  });

const OK = "0000000000000000";

test("1: features are answered with bit 30 beside the device's own", (raw) => {
  const answer = raw.ask("01000000 01000000 00000000");
  assertEquals(answer.slice(0, 24), "010000000500000008000000");
  const features = BigInt("0x" + answer.slice(24).match(/../g)!.reverse().join(""));
  assertEquals([30n, 32n, 33n, 9n, 26n, 38n].map((bit) => features >> bit & 1n), [1n, 1n, 1n, 1n, 0n, 0n]);
});

test("2: protocol features are offered before features are agreed on, and setting them has no answer", (raw) => {
  const answer = raw.ask("0f000000 01000000 00000000");
  // MQ, REPLY_ACK, BACKEND_REQ, CONFIG, INFLIGHT_SHMFD, RESET_DEVICE, CONFIGURE_MEM_SLOTS, STATUS
  assertEquals(answer, "0f0000000500000008000000" + "29b2010000000000");
  raw.send("10000000 01000000 08000000 0002000000000000");
  assertEquals(raw.receive(), "");
});

test("3: nothing but 05 is ever sent as the flags of an answer", (raw) => {
  raw.negotiate();
  for (const flags of ["01000000", "09000000"]) {
    assertEquals(raw.ask(`01000000 ${flags} 00000000`).slice(8, 16), "05000000");
    assertEquals(raw.ask(`11000000 ${flags} 00000000`), "110000000500000008000000" + "0100000000000000");
  }
});

test("4: what has no answer of its own is acknowledged when that is asked for, and only then", (raw) => {
  raw.negotiate();
  assertEquals(raw.ask("02000000 09000000 08000000 0000004001000000"), `020000000500000008000000${OK}`);
  raw.send("02000000 01000000 08000000 0000004001000000");
  assertEquals(raw.receive(), "");
});

test("5: as many bytes of configuration as were asked for, from where they were asked for", (raw) => {
  raw.negotiate();
  const all = raw.ask("18000000 01000000 45000000 00000000 39000000 00000000" + "00".repeat(57));
  assertEquals(all.slice(0, 48), "180000000500000045000000" + "000000003900000000000000");
  assertEquals(all.slice(48, 64), "0008000000000000");
  assertEquals(all.length, 2 * (12 + 69));
  const part = raw.ask("18000000 01000000 10000000 00000000 04000000 00000000 00000000");
  assertEquals(part.slice(24), "00000000 04000000 00000000 00080000".replaceAll(" ", ""));
  const behind = raw.ask("18000000 01000000 10000000 08000000 04000000 00000000 00000000");
  assertEquals(behind.slice(24, 48), "080000000400000000000000");
  for (const bad of ["00000000 01010000", "ffffffff 04000000", "00000000 00000000"]) {
    const answer = raw.ask(`18000000 01000000 10000000 ${bad} 00000000 00000000`);
    assertEquals(answer, "18000000050000000c000000" + "000000000000000000000000");
  }
});

test("6: a memory table is mapped whole, and one without descriptors is refused", (raw) => {
  raw.negotiate();
  const table = "01000000 00000000 0000004000000000 0000200000000000 00000000007f0000 0000000000000000";
  const fd = memoryFile("table", 2 << 20);
  assertEquals(raw.ask(`05000000 09000000 28000000 ${table}`, [fd]), `050000000500000008000000${OK}`);
  const { memory } = raw.server.session!;
  assertEquals(memory.guestAddress(0x7f00_0000_0000 + 0x1f_ffff, 1), 0x401f_ffff);
  assertEquals(memory.guestAddress(0x7f00_0000_0000 + 0x1f_ffff, 2), -1);
  assertEquals(memory.space.ram(0x401f_ffff)?.base, 0x4000_0000);
  assertEquals(memory.space.ram(0x4020_0000), null);
  assertEquals(raw.ask(`05000000 09000000 28000000 ${table}`), "050000000500000008000000" + "0100000000000000");
  // A refused table changes nothing.
  assertEquals(memory.guestAddress(0x7f00_0000_0000, 1), 0x4000_0000);
  close(fd);
});

test("7: three regions of one file, a hole between them, and an access across two of them", (raw) => {
  raw.negotiate();
  const fd = memoryFile("table", 64 << 20);
  const user = 0x7f00_0000_0000;
  const region = (guest: number, size: number) => put(guest, size, user + guest, guest);
  const table = "03000000 00000000" + region(0, 0xc0000) + region(0xe0000, 0x20000) + region(0x100000, 0x3f00000);
  assertEquals(raw.ask(`05000000 09000000 68000000 ${table}`, [fd, fd, fd]), `050000000500000008000000${OK}`);
  const { port } = raw.served.plugin;
  const bytes = new Uint8Array(4);
  assertEquals([port.readAt(0, 0xbffff, bytes, 0, 1), port.readAt(0, 0xc0000, bytes, 0, 1)], [0, 1]);
  assertEquals(port.writeAt(0, 0xffffe, Uint8Array.of(1, 2, 3, 4), 0, 4), 0);
  assertEquals([port.readAt(0, 0xfffff, bytes, 0, 2), bytes[0], bytes[1]], [0, 2, 3]);
  // Two bytes, and then nothing is there.
  assertEquals(port.readAt(0, 0xbfffe, bytes, 0, 4), 1);
  close(fd);
});

test("8: a ring is set up piece by piece, and its new call descriptor is told at once", (raw) => {
  raw.negotiate();
  raw.memory();
  const [kick, call, err] = [eventfd(), eventfd(), eventfd()];
  for (
    const [message, fds] of [
      ["08000000 09000000 08000000 00000000 08000000", []],
      ["0a000000 09000000 08000000 00000000 00000000", []],
      [
        `09000000 09000000 28000000 00000000 00000000 ${put(USER + DESC.desc, USER + DESC.used, USER + DESC.avail, 0)}`,
        [],
      ],
      ["0d000000 09000000 08000000 0000000000000000", [call]],
      ["0e000000 09000000 08000000 0000000000000000", [err]],
      ["0c000000 09000000 08000000 0000000000000000", [kick]],
    ] as const
  ) assertEquals(raw.ask(message, fds).slice(24), OK, message);
  assertEquals(takeEvent(call), 1);
  [kick, call, err].forEach(close);
});

test("9: requests that came before the ring was enabled are served when it is, without another kick", (raw) => {
  raw.start({ enable: false });
  raw.makeAvailable();
  raw.kick();
  raw.turns(3);
  assertEquals(raw.usedIndex(), 0);
  assertEquals(raw.ask("12000000 09000000 08000000 00000000 01000000").slice(24), OK);
  raw.turns(3);
  assertEquals([raw.usedIndex(), raw.used(0)], [1, [0, 513]]);
  assertEquals(takeEvent(raw.call), 1);
  raw.turns(3);
  assertEquals(raw.usedIndex(), 1);
});

test("10: a stopped ring says where it stopped, is left alone, and goes on from there", (raw) => {
  raw.start();
  for (let i = 0; i < 5; i++) raw.makeAvailable();
  raw.kick();
  raw.turns(4);
  assertEquals(
    raw.ask("0b000000 01000000 08000000 00000000 00000000"),
    "0b0000000500000008000000" + "0000000005000000",
  );
  raw.makeAvailable();
  raw.kick();
  raw.turns(3);
  assertEquals(raw.usedIndex(), 5);
  raw.start({ base: 5, again: true });
  raw.turns(3);
  assertEquals(raw.usedIndex(), 6);
  const before = raw.served.virtio.completed;
  assertEquals(before, 6);
  assertEquals(raw.ask("0b000000 09000000 08000000 09000000 00000000").slice(24), "0100000000000000");
});

test("11: a status of 0 does not move a ring", (raw) => {
  raw.start();
  raw.makeAvailable();
  raw.kick();
  raw.turns(3);
  raw.send("27000000 01000000 08000000 0000000000000000");
  raw.send("12000000 01000000 08000000 00000000 00000000");
  assertEquals(raw.ask("0b000000 01000000 08000000 00000000 00000000").slice(24), "0000000001000000");
});

test("12: a ring behind an IOMMU is asked for, and the update is answered before the question is", (raw) => {
  raw.start({ iommu: true });
  raw.makeAvailable();
  raw.kick();
  raw.turns(2);
  const miss = raw.question();
  assertEquals(miss.slice(0, 24), "010000000900000020000000");
  const view = new DataView(fromHex(miss).buffer);
  const iova = view.getBigUint64(12, true);
  assertEquals([iova >> 12n, view.getBigUint64(20, true), view.getUint8(36), view.getUint8(37)], [0x10n, 0n, 1, 1]);
  const update = raw.ask(
    `16000000 09000000 20000000 0000010000000000 0010000000000000 ${put(USER)} 03 02 deadbeefcafe`,
  );
  assertEquals(update, `160000000500000008000000${OK}`);
  raw.reply("01000000 05000000 08000000 0000000000000000");
  raw.answerQuestions();
  assertEquals([raw.usedIndex(), raw.used(0)], [1, [0, 513]]);
});

test("13: an invalidation takes away what it covers, and a refused page fails one request only", (raw) => {
  raw.start({ iommu: true });
  raw.answerQuestions();
  const { iotlb, virtio } = raw.served;
  for (const page of [0x20, 0x21, 0x22]) {
    raw.ask(`16000000 09000000 20000000 ${put(page << 12, 4096, USER + (page << 12))} 03 02 000000000000`);
  }
  const entries = () => iotlb.counters().entries;
  const before = entries();
  assertEquals(raw.ask(`16000000 09000000 20000000 ${put(0x21000, 0x1000, 0xdead)} 77 03 ffffffffffff`).slice(24), OK);
  assertEquals(entries(), before - 1);
  raw.refuse = (iova) => iova >> 12n === 0x21n;
  raw.makeAvailable({ data: 0x21000 });
  raw.kick();
  raw.answerQuestions();
  assertEquals([raw.usedIndex(), raw.status(0), virtio.breakdown], [1, 1, ""]);
  assert(raw.questions < 12, `${raw.questions} questions`);
  raw.makeAvailable({ data: 0x22000 });
  raw.kick();
  raw.answerQuestions();
  assertEquals([raw.usedIndex(), raw.status(1)], [2, 0]);
  const known = entries();
  raw.ask(`16000000 09000000 20000000 ${put(0x20000, 0x10000, 0)} 00 03 000000000000`);
  // 0x21 was refused.
  assertEquals(entries(), known - 2);
});

test("14: enabling a ring that is not there yet is remembered, and a kick while it is disabled is not lost", (raw) => {
  raw.negotiate();
  assertEquals(raw.ask("12000000 09000000 08000000 00000000 00000000").slice(24), OK);
  raw.start({ enable: false, again: true });
  raw.makeAvailable();
  raw.kick();
  raw.turns(3);
  assertEquals(raw.usedIndex(), 0);
  raw.ask("12000000 09000000 08000000 00000000 01000000");
  raw.turns(3);
  assertEquals(raw.usedIndex(), 1);
});

test("15: messages in pieces and in one piece, unknown ones, and a peer that goes away in the middle", (raw) => {
  raw.negotiate();
  raw.send("01000000 0100");
  raw.turns(2);
  raw.send("0000 00000000" + "01000000 01000000 00000000");
  assertEquals(raw.receive().length, 80);
  const fd = memoryFile("table", 2 << 20);
  // A plain message directly before one with a descriptor: the descriptor stays with its own.
  raw.send("03000000 01000000 00000000");
  const table = "01000000 00000000 0000000000000000 0000200000000000 00000000007f0000 0000000000000000";
  assertEquals(raw.ask(`05000000 09000000 28000000 ${table}`, [fd]).slice(24), OK);
  close(fd);
  assertEquals(raw.ask("c8000000 09000000 00000000").slice(24), "0100000000000000");
  raw.send("05000000 09000000 28000000 0100");
});

test("15: another version of the protocol ends the connection", (raw) => {
  raw.send("01000000 02000000 00000000");
  assert(raw.gone());
});

test("15: a message that is too long ends the connection", (raw) => {
  raw.send("01000000 01000000 ffffffff");
  assert(raw.gone());
});

test("a ring may lie scattered over regions, cut anywhere", (raw) => {
  raw.negotiate();
  raw.memory(DESC.desc + 0x48);
  raw.start({ again: true });
  for (let i = 0; i < 20; i++) {
    raw.makeAvailable();
    raw.kick();
    raw.turns(3);
    assertEquals([raw.usedIndex(), raw.used(i % 8), raw.status(i)], [i + 1, [3 * (i % 2), 513], 0]);
  }
});

test("headers need not be aligned to anything", (raw) => {
  raw.start();
  for (let i = 0; i < 6; i++) {
    raw.makeAvailable({ headers: 0x30001 + i, stride: 17 });
    raw.kick();
    raw.turns(3);
    assertEquals([raw.usedIndex(), raw.status(i)], [i + 1, 0]);
  }
  assertEquals(raw.served.plugin.counters().bytes, 6 * 512);
});

Deno.test({
  name: "a peer that never reads its answers loses its connection, and nothing else",
  ignore,
  fn() {
    const server = new Server(serveDevice(blk, { ram: "1MiB" }), {});
    const [near, far] = socketPair(Socket.NONBLOCK) as [number, number];
    server.connect(far);
    const socket = new MessageSocket(near);
    const question = fromHex("01000000 01000000 00000000");
    for (let i = 0; i < 100_000 && server.session !== null; i++) {
      socket.send(question);
      server.turn(0);
    }
    assertEquals(server.session, null);
    close(near);
    server.close();
  },
});
