/** Defects that other emulators of this controller had, by the names under which they are known. */

import { assert, assertEquals } from "@std/assert";
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

const C0 = BAR;
const C2 = BAR + 2;
const BOTH = ["spec", "qemu"] as const;

function each(name: string, run: (w: IdeWorld, isQemu: boolean) => void, options: () => IdeWorldOptions = () => ({})) {
  for (const personality of BOTH) {
    Deno.test(`${name} (${personality})`, () => run(ideWorld({ personality, ...options() }), personality === "qemu"));
  }
}

function reset(w: IdeWorld): void {
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
}

each(
  "CVE-2023-5088: a READ that was armed before SRST runs with the registers of after it, on QEMU 7.2",
  (w, isQemu) => {
    w.put(0x10000, "00000200 00020080");
    w.ol(BAR + 4, 0x10000);
    w.lba28(9, 1);
    w.o(0x1f7, 0xc8);
    reset(w);
    w.fresh();
    w.o(C0, 9);
    assertEquals(w.get(0x20000, 8), isQemu ? "0000000004050607" : "0000000000000000");
    assertEquals(w.i(C2), isQemu ? 4 : 1);
  },
);

each("CVE-2023-5088: a WRITE that was armed before SRST must not reach sector 0", (w, isQemu) => {
  w.space.bytes(0x20000, 512).fill(0xee);
  w.put(0x10000, "00000200 00020080");
  w.ol(BAR + 4, 0x10000);
  w.lba28(9, 1);
  w.o(0x1f7, 0xca);
  reset(w);
  w.o(C0, 1);
  assertEquals(w.disk.bytes[8], isQemu ? 0xee : 8, "QEMU 7.2 writes it; the specification's personality does not");
  assertEquals(w.disk.bytes[9 * 512 + 8], 9 * 7 + 8);
});

Deno.test("CVE-2023-5088: a reset in the middle of a transfer ends it, and no byte comes later", () => {
  const w = ideWorld({ burst: 512, burstTime: 100 });
  w.put(0x10000, "00000200 00080080");
  w.ol(BAR + 4, 0x10000);
  w.lba28(9, 4);
  w.o(0x1f7, 0xc8);
  w.o(C0, 9);
  w.scheduler.step();
  assertEquals(w.get(0x20000, 1), "09");
  w.o(0x3f6, 4);
  w.space.bytes(0x20000, 2048).fill(0);
  w.run();
  w.o(0x3f6, 0);
  w.run();
  assertEquals(w.space.bytes(0x20000, 2048), new Uint8Array(2048));
  assertEquals([w.state().slice(0, 20), w.context.leases.leases.size], ["50 01 01 01 00 00 a0", 0]);
});

each("CVE-2014-9718: a table of less than a sector ends the command", (w, isQemu) => {
  w.put(0x10000, "00000200 02000080");
  w.ol(BAR + 4, 0x10000);
  w.lba28(5, 1);
  w.o(0x1f7, 0xc8);
  w.o(C0, 9);
  assertEquals([w.i(C2), w.i(0x3f6)], [0, isQemu ? 0x50 : 0x58]);
  assert(w.scheduler.idle);
});

each("CVE-2019-20175: a table that describes far more than any command asks for", (w, isQemu) => {
  for (let n = 0; n < 512; n++) w.put(0x10000 + 8 * n, "00000200 00000000");
  w.ol(BAR + 4, 0x10000);
  w.lba28(5, 1);
  w.o(0x1f7, 0xc8);
  w.o(C0, 9);
  assertEquals([w.i(C2), w.get(0x20000, 1), w.ide.fn.port.stats.reads], [5, "05", isQemu ? 512 : 1]);
});

each("CVE-2020-25743: stopping, resetting and arming with no drive attached", (w) => {
  for (const value of [9, 0, 1, 0]) w.o(C0, value);
  for (const command of [0xc8, 0xca, 0xe7, 0x06, 0xa0, 0x90]) w.o(0x1f7, command);
  reset(w);
  w.o(C0, 9);
  w.o(C0, 0);
  assertEquals([w.i(C2), w.interrupts.isAsserted(14)], [0, false]);
}, () => ({ drives: [null, null, null, null] }));

each("CVE-2014-2894: SMART, which is not there, with every subcommand and self-test number", (w) => {
  w.o(0x1f4, 0x4f);
  w.o(0x1f5, 0xc2);
  for (let feature = 0xd0; feature <= 0xdb; feature++) {
    for (const number of [0, 1, 2, 22, 127, 255]) {
      w.o(0x1f1, feature);
      w.o(0x1f3, number);
      w.o(0x1f7, 0xb0);
      assertEquals(w.state().slice(0, 5), "41 04");
    }
  }
});

each("CVE-2015-5154: data after the end of data, with and without a packet under way", (w) => {
  w.o(0x1f7, 0xa0);
  for (let n = 0; n < 4096; n++) w.ow(0x1f0, 0xffff);
  for (let n = 0; n < 4096; n++) w.i(0x1f0, 4);
  assertEquals([w.i(0x1f0, 2), w.i(0x3f6)], [0, 0x41]);
  w.o(0x1f7, 0xa1);
  for (let n = 0; n < 128; n++) w.i(0x1f0, 4);
  assertEquals([w.i(0x1f0, 2), w.i(0x3f6) & 8], [0, 0]);
}, () => ({ drives: [discOptions(testDisc(4)), null, null, null] }));

each("CVE-2015-6855: commands that a packet device does not have, on one without a disc", (w) => {
  for (const command of [0xf8, 0x27, 0x40, 0xc4, 0xc6, 0x91, 0xe5, 0xc8, 0x06, 0x35]) {
    w.o(0x1f7, command);
    assertEquals(w.state().slice(0, 5), "41 04", command.toString(16));
  }
}, () => ({ drives: [discOptions(null), null, null, null] }));

each("CVE-2020-29443: a read of blocks that wrap, by PIO and by the bus master, moves nothing", (w) => {
  for (const dma of [0, 1]) {
    for (
      const packet of [[0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [
        0x28,
        0,
        0xff,
        0xff,
        0xff,
        0xfe,
        0,
        0,
        4,
      ]]
    ) {
      w.fresh();
      w.o(0x1f1, dma);
      w.o(0x1f4, 0xfe);
      w.o(0x1f5, 0xff);
      w.o(0x1f7, 0xa0);
      for (let i = 0; i < 12; i += 2) w.ow(0x1f0, (packet[i] ?? 0) | (packet[i + 1] ?? 0) << 8);
      assertEquals(w.state().slice(0, 5), "41 50");
      assertEquals(w.i(0x1f0, 2), 0);
    }
  }
}, () => ({ drives: [discOptions(testDisc(4)), null, null, null] }));

each("the second device of a reset channel: a command armed for one does not run for the other", (w, isQemu) => {
  w.put(0x10000, "00000200 00020080");
  w.ol(BAR + 4, 0x10000);
  w.o(0x1f2, 1);
  w.o(0x1f3, 7);
  w.o(0x1f6, 0xf0);
  w.o(0x1f7, 0xc8);
  w.o(0x1f6, 0xe0);
  assertEquals(w.i(0x1f6) & 0x10, 0x10, "a device that waits for data takes no writes");
  reset(w);
  assertEquals(w.i(0x1f6), 0xa0);
  w.o(C0, 9);
  assertEquals(w.i(C2), isQemu ? 4 : 1);
}, () => ({ drives: [diskOptions(testDisk(64)), diskOptions(testDisk(64)), null, null] }));
