/** The CD-ROM: packets and their answers, as QEMU 7.2's ide-cd gives them for a disc of 64 blocks. */

import { assertEquals } from "@std/assert";
import { toHex } from "@iova/fields/testing";
import {
  BAR,
  discOptions,
  diskOptions,
  type IdeWorld,
  ideWorld,
  type IdeWorldOptions,
  testDisc,
  testDisk,
} from "./testdata/world.ts";

const BOTH = ["spec", "qemu"] as const;

function cdWorld(options: IdeWorldOptions & { disc?: boolean } = {}): IdeWorld {
  const disc = options.disc === false ? null : testDisc(64);
  return ideWorld({ drives: [discOptions(disc), null, null, null], ...options });
}

/** Gives a packet; `limit` bytes a block, or the bus master. */
function packet(w: IdeWorld, hex: string, { limit = 0xfffe, dma = false } = {}): void {
  w.o(0x1f1, dma ? 1 : 0);
  w.o(0x1f4, limit & 0xff);
  w.o(0x1f5, limit >>> 8);
  w.o(0x1f7, 0xa0);
  const bytes = hex.replaceAll(" ", "").padEnd(24, "0").match(/../g)!.map((pair) => parseInt(pair, 16));
  for (let i = 0; i < 12; i += 2) w.ow(0x1f0, bytes[i] | bytes[i + 1] << 8);
}

/** Gives a packet by PIO and takes its whole answer: the bytes in hexadecimal, or status and error. */
function answer(w: IdeWorld, hex: string, limit = 0xfffe): string {
  packet(w, hex, { limit });
  let all = "";
  while ((w.i(0x3f6) & 8) !== 0) {
    const length = w.i(0x1f5) << 8 | w.i(0x1f4);
    all += toHex(w.pio(Math.ceil(length / 2))).slice(0, 2 * length);
  }
  const status = w.i(0x3f6);
  return status === 0x50 ? all : `${status.toString(16)} ${w.i(0x1f1).toString(16)}`;
}

function both(name: string, run: (w: IdeWorld, isQemu: boolean) => void, options = {}) {
  for (const personality of BOTH) {
    const world = () => cdWorld({ personality, ...options });
    Deno.test(`${name} (${personality})`, () => run(world(), personality === "qemu"));
  }
}

both("signature, IDENTIFY PACKET DEVICE, and a disk's IDENTIFY that is aborted", (w) => {
  assertEquals(w.tf(), "01 01 14 eb a0");
  w.o(0x1f2, 7);
  w.o(0x1f4, 7);
  w.o(0x1f7, 0xec);
  assertEquals(w.state().slice(0, 20), "41 04 01 01 14 eb a0");
  w.o(0x1f7, 0xa1);
  assertEquals(w.i(0x3f6), 0x58);
  const words = [...new Uint16Array(w.pio(256).buffer)];
  const set = Object.fromEntries(
    words.map((word, n) => [n, word]).filter(([n, word]) => word !== 0 && (n < 10 || n > 46)),
  );
  assertEquals(set, {
    0: 0x85c0,
    48: 1,
    49: 0x300,
    53: 7,
    62: 7,
    63: 7,
    64: 3,
    65: 0xb4,
    66: 0xb4,
    67: 0x12c,
    68: 0xb4,
    71: 30,
    72: 30,
    80: 0x1e,
    88: 0x203f,
  });
  assertEquals(w.i(0x3f6), 0x50);
});

both("a packet is asked for without an interrupt; its end has one, and says why", (w) => {
  w.o(0x1f7, 0xa0);
  assertEquals(w.state().slice(0, 8) + w.state().slice(-1), "58 00 01-");
  for (let n = 0; n < 6; n++) w.ow(0x1f0, 0);
  assertEquals(w.state().slice(0, 8) + w.state().slice(-3), "50 00 03irq");
});

both("what a drive with a disc answers", (w) => {
  const cases: [packet: string, answer: string][] = [
    ["00", ""],
    ["03 00000012", "f0000000000000 0a 00000000 00 0000000000"],
    ["12 00000024", "05800021 1f000000 51454d5520202020 51454d55204456442d524f4d20202020 322e352b"],
    ["12 00000008", "05800021 1f000000"],
    ["25", "0000003f 00000800"],
    ["43 0000000000 0000 14", "0012 0101 0014 0100 00000000 0016 aa00 00000040"],
    ["43 0200000000 0000 14", "0012 0101 0014 0100 00000200 0016 aa00 00000240"],
    ["43 0000000000 aa00 14", "000a 0101 0016 aa00 00000040"],
    ["43 0000000000 0000 14 40", "000a 0101 0000000000000000"],
    ["46 0000000000 0000 40", "00000010 00000008 00000308 00100000 00080100"],
    ["4a 010000100000 0008", "0004 04 10 00 02 0000"],
    ["4a 010000020000 0008", "0000 80 10"],
    ["5a 002a00000000 0040", "001c 70 0000000000 2a14 3b00 7160 2900 02c0 0002 0200 02c0 0000 00000000"],
    ["5a 000100000000 0040", "000e 70 0000000000 0106000500000000"],
    ["5a 000e00000000 0040", "0016 70 0000000000 0e0e0000000000000002000200020000"],
    ["1b 00000001", ""],
    ["2b 0000000000 3f", ""],
    ["bb", ""],
    ["28 00 00000001 00 0000", ""],
  ];
  for (const [hex, expected] of cases) assertEquals(answer(w, hex), expected.replaceAll(" ", ""), hex);
});

both("what a drive refuses, and the sense data that says why", (w) => {
  const cases: [packet: string, sense: string][] = [
    ["55", "05 20"],
    ["28 00 0000003f 00 0002", "05 21"],
    ["a8 00 00000040 00000001", "05 21"],
    ["28 00 ffffffff 00 ffff", "05 21"],
    ["a8 00 ffffffff ffffffff", "05 21"],
    ["2b 00 00000040", "05 21"],
    ["43 0000000000 9900 14", "05 24"],
    ["43 0000000000 0000 14 c0", "05 24"],
    ["46 0000 0100 0000 0040", "05 24"],
    ["4a 000000100000 0008", "05 24"],
    ["5a 003f00000000 0040", "05 24"],
    ["5a 00ea00000000 0040", "05 39"],
  ];
  for (const [hex, expected] of cases) {
    assertEquals(answer(w, hex), "41 50", hex);
    const sense = answer(w, "03 00000012");
    assertEquals(`${sense.slice(4, 6)} ${sense.slice(24, 26)}`, expected, hex);
  }
});

both("an empty drive is not ready", (w) => {
  for (const hex of ["00", "25", "28 00 00000000 00 0001", "43 0000000000 0000 14", "2b 00 00000000"]) {
    assertEquals(answer(w, hex), "41 20", hex);
    assertEquals(answer(w, "03 00000012"), "f0000200 0000000a 00000000 3a00000000 00".replaceAll(" ", ""));
  }
  assertEquals(answer(w, "12 00000005"), "0580002 11f".replaceAll(" ", ""));
  assertEquals(answer(w, "4a 010000100000 0008"), "0004041000000000");
  assertEquals(answer(w, "46 0000000000 0000 40"), "00000010 00000000 00000308 00100000 00080000".replaceAll(" ", ""));
}, { disc: false });

both("the tray: locked, opened, empty, closed", (w) => {
  assertEquals(answer(w, "1e 00000001"), "");
  assertEquals(answer(w, "1b 00000002"), "41 20");
  assertEquals(answer(w, "03 00000012").slice(24, 26), "53");
  assertEquals(answer(w, "5a 002a00000000 0040").slice(28, 30), "2b");
  assertEquals(answer(w, "1e 00000000"), "");
  assertEquals(answer(w, "1b 00000002"), "");
  assertEquals(answer(w, "00"), "41 20");
  assertEquals(answer(w, "4a 010000100000 0008"), "0004041000010000");
  assertEquals(answer(w, "1b 00000003"), "");
  assertEquals(answer(w, "00"), "");
});

both("READ by PIO comes in blocks of the limit, each with an interrupt", (w) => {
  for (
    const [limit, blocks] of [[5120, [5120, 1024]], [0xffff, [6144]], [5121, [5120, 1024]], [2048, [2048, 2048, 2048]]]
  ) {
    packet(w, "28 00 00000002 00 0003", { limit: limit as number });
    const all: number[] = [];
    for (const length of blocks as number[]) {
      assertEquals(w.state().slice(0, 8) + w.state().slice(-3), "58 00 02irq");
      assertEquals(w.i(0x1f5) << 8 | w.i(0x1f4), length);
      assertEquals(w.i(0x1f7), 0x58);
      all.push(...w.pio(length / 2));
    }
    assertEquals(w.state().slice(0, 8) + w.state().slice(-3), "50 00 03irq");
    assertEquals(Uint8Array.from(all), testDisc(64).bytes.subarray(2 * 2048, 5 * 2048));
  }
});

both("an answer with an odd limit, and a limit of 0", (w) => {
  assertEquals(answer(w, "12 00000024", 5).slice(0, 16), "0580 0021 1f00 0000".replaceAll(" ", ""));
  packet(w, "12 00000009");
  assertEquals(toHex(w.pio(5)), "05800021 1f000000 5100".replaceAll(" ", ""), "nothing of what was cut off");
  packet(w, "12 00000024", { limit: 0 });
  assertEquals(w.state().slice(0, 5), "41 04", "aborted by ATA, not by the packet");
  packet(w, "00", { limit: 0 });
  assertEquals(w.state().slice(0, 5), "50 00");
});

both("READ (10) and READ (12) by the bus master, and an answer", (w) => {
  w.put(0x10000, "00000200 00100080");
  for (const hex of ["28 00 00000002 00 0002", "a8 00 00000002 00000002"]) {
    w.space.bytes(0x20000, 4096).fill(0);
    w.fresh();
    w.ol(BAR + 4, 0x10000);
    packet(w, hex, { dma: true });
    assertEquals(w.state().slice(0, 8), "58 00 02");
    w.o(BAR, 9);
    assertEquals(w.state().slice(0, 8) + w.state().split(" ").slice(-2), "50 00 0309/04,irq");
    assertEquals(w.space.bytes(0x20000, 4096), testDisc(64).bytes.subarray(4096, 8192));
  }
  w.fresh();
  packet(w, "25", { dma: true });
  w.o(BAR, 9);
  assertEquals([w.get(0x20000, 9), w.i(BAR + 2)], ["0000003f0000080012", 5]);
});

both("flush, power and everything of a disk's", (w) => {
  w.o(0x1f7, 0xe7);
  assertEquals(w.i(0x3f6), 0x50);
  for (const command of [0x24, 0x25, 0x30, 0x35, 0xc4, 0xc8, 0xca, 0xe5, 0xea, 0x06, 0xf8]) {
    w.o(0x1f7, command);
    assertEquals(w.state().slice(0, 5), "41 04", command.toString(16));
  }
  w.o(0x1f7, 0x20);
  assertEquals(w.state().slice(0, 20), "41 04 01 01 14 eb a0");
});

both("DEVICE RESET works in the middle of data, and does not interrupt", (w, isQemu) => {
  packet(w, "28 00 00000002 00 0003");
  w.pio(10);
  w.i(0x1f7);
  w.o(0x1f7, 0x08);
  assertEquals(w.state().slice(0, 20) + w.state().slice(-2), `00 ${isQemu ? "00" : "01"} 01 01 14 eb a0 -`);
  assertEquals(w.i(0x1f0, 2), 0);
  assertEquals(answer(w, "25"), "0000003f00000800");
});

both("overlap is not supported; SET FEATURES takes transfer modes", (w) => {
  w.o(0x1f1, 2);
  w.o(0x1f7, 0xa0);
  assertEquals(w.state().slice(0, 5), "41 04");
  w.o(0x1f1, 3);
  w.o(0x1f2, 0x45);
  w.o(0x1f7, 0xef);
  assertEquals(w.state().slice(0, 5), "50 00");
});

both("a reset leaves a clear status, and disks interrupt on QEMU only", (w) => {
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
  assertEquals(w.state().slice(0, 20) + w.state().slice(-2), "00 01 01 01 14 eb a0 -");
});

Deno.test("a disc that cannot be read", () => {
  for (const dma of [false, true]) {
    const disc = testDisc(4);
    disc.read = () => false;
    const w = cdWorld({ drives: [discOptions(disc), null, null, null] });
    w.put(0x10000, "00000200 00080080");
    w.ol(BAR + 4, 0x10000);
    packet(w, "28 00 00000000 00 0001", { dma });
    if (dma) w.o(BAR, 9);
    assertEquals(w.state().slice(0, 5), "41 30");
    w.fresh();
    assertEquals(answer(w, "03 00000012").slice(24, 26), "11");
  }
});

Deno.test("a DVD is one from 80 minutes on", () => {
  const disc = testDisc(4);
  Object.defineProperty(disc, "size", { value: 360_001 * 2048 });
  const w = cdWorld({ drives: [discOptions(disc), diskOptions(testDisk(64)), null, null] });
  assertEquals(answer(w, "46 0000000000 0000 40").slice(12, 16), "0010");
});
