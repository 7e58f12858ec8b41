/** Registers and commands beside the numbered cases. */

import { assertEquals } from "@std/assert";
import { RamBackend } from "@iova/block";
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
const bytes = (w: IdeWorld) => w.state().slice(0, 20);
const end = (w: IdeWorld) => w.state().split(" ").slice(-2).join(" ");

function both(name: string, run: (w: IdeWorld, isQemu: boolean) => void, options: () => IdeWorldOptions = () => ({})) {
  for (const personality of BOTH) {
    Deno.test(`${name} (${personality})`, () => run(ideWorld({ personality, ...options() }), personality === "qemu"));
  }
}

both("a software reset shows the signature, whatever was before", (w, isQemu) => {
  w.lba28(0x1234567, 5);
  w.o(0x1f7, 0xc8);
  w.fresh();
  w.guest.ioWrite(0x3f6, 1, 4);
  assertEquals(w.i(0x3f6) & 0x80, 0x80, "busy");
  w.scheduler.settle();
  w.o(0x3f6, 0);
  assertEquals(w.state(), `50 01 01 01 00 00 a0 00/${isQemu ? "04 irq" : "00 -"}`);
});

both("a software reset while device 1 is selected", (w, isQemu) => {
  w.o(0x1f6, 0xb0);
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
  assertEquals([w.i(0x1f6), w.i(0x1f4)], [0xa0, isQemu ? 0x14 : 0x00]);
}, () => ({ drives: [diskOptions(testDisk(64)), discOptions(testDisc(4)), null, null] }));

both("a reset returns the block of READ MULTIPLE, and keeps the transfer mode", (w) => {
  w.o(0x1f7, 0xec);
  w.pio(256);
  w.o(0x1f1, 3);
  w.o(0x1f2, 0x22);
  w.o(0x1f7, 0xef);
  w.o(0x1f2, 2);
  w.o(0x1f7, 0xc6);
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
  w.lba28(0, 32);
  w.o(0x1f7, 0xc4);
  assertEquals(w.tf(), "10 10 00 00 e0");
  w.pio(8192);
  w.o(0x1f7, 0xec);
  assertEquals(new DataView(w.pio(256).buffer).getUint16(126, true), 0x0407);
});

both("EXECUTE DEVICE DIAGNOSTIC: signature, an interrupt, device 0 shown", (w, isQemu) => {
  w.o(0x1f6, 0xb0);
  assertEquals(w.i(0x1f6) & 0x10, 0x10);
  w.o(0x1f7, 0x90);
  assertEquals(w.i(0x1f6) & 0x10, 0);
  assertEquals([bytes(w), end(w)], ["50 01 01 01 00 00 a0", "00/04 irq"]);
  w.o(0x1f2, 7);
  w.o(0x1f7, 0xe5);
  w.o(0x1f6, 0xa0);
  assertEquals(w.i(0x1f2), isQemu ? 7 : 0xff, "which device it was that answered");
}, () => ({ drives: [diskOptions(testDisk(64)), diskOptions(testDisk(64)), null, null] }));

both("EXECUTE DEVICE DIAGNOSTIC while an absent device is selected", (w, isQemu) => {
  w.o(0x1f6, 0xb0);
  w.o(0x1f7, 0x90);
  assertEquals(end(w), isQemu ? "00/00 -" : "00/04 irq");
});

both("an absent device has status 0, takes no command, and does not interrupt", (w) => {
  w.o(0x1f6, 0xb0);
  assertEquals([w.i(0x1f7), w.i(0x1f1), w.i(0x3f6)], [0, 0, 0]);
  for (const command of [0xec, 0x20, 0xc8, 0xe7, 0xa1, 0x00]) w.o(0x1f7, command);
  assertEquals([w.i(0x3f6), end(w)], [0, "00/00 -"]);
  w.o(0x1f6, 0xa0);
  assertEquals(w.i(0x1f7), 0x50);
});

both("an absent device 0 beside a device 1", (w) => {
  assertEquals(w.i(0x1f7), 0);
  w.o(0x1f7, 0xec);
  assertEquals(end(w), "00/00 -");
  w.o(0x1f6, 0xb0);
  w.o(0x1f7, 0xec);
  assertEquals(w.i(0x3f6), 0x58);
}, () => ({ drives: [null, diskOptions(testDisk(64)), null, null] }));

both("both devices receive every write, and each has its own result", (w) => {
  w.o(0x1f2, 0x11);
  w.o(0x1f6, 0xb0);
  assertEquals(w.tf(), "11 01 00 00 b0");
  w.o(0x1f7, 0xe5);
  assertEquals(w.i(0x1f2), 0xff);
  w.o(0x1f6, 0xa0);
  assertEquals(w.i(0x1f2), 0x11);
}, () => ({ drives: [diskOptions(testDisk(64)), diskOptions(testDisk(64)), null, null] }));

both("HOB shows the older values of registers 1 to 5, and a write ends it", (w) => {
  for (const register of [1, 2, 3, 4, 5]) w.o(0x1f0 + register, 0x10 + register, 0x20 + register);
  w.o(0x3f6, 0x80);
  assertEquals([1, 2, 3, 4, 5].map((register) => w.i(0x1f0 + register)), [0x11, 0x12, 0x13, 0x14, 0x15]);
  w.o(0x1f6, 0xe0);
  assertEquals([2, 3, 4, 5].map((register) => w.i(0x1f0 + register)), [0x22, 0x23, 0x24, 0x25]);
});

both("CHS: 0/1/1 is sector 63, and the registers count on in CHS", (w) => {
  w.o(0x1f2, 2);
  w.o(0x1f3, 1);
  w.o(0x1f4, 0);
  w.o(0x1f5, 0);
  w.o(0x1f6, 0xa1);
  w.o(0x1f7, 0x20);
  assertEquals(w.tf(), "01 02 00 00 a1");
  assertEquals(w.pio(256)[0], 63);
  assertEquals(w.pio(256)[0], 64);
});

both("CHS: sector 0, and sector 64 of a track of 63", (w, isQemu) => {
  const read = (cylinder: number, head: number, sector: number) => {
    w.fresh();
    w.o(0x1f2, 1);
    w.o(0x1f3, sector);
    w.o(0x1f4, cylinder);
    w.o(0x1f5, 0);
    w.o(0x1f6, 0xa0 | head);
    w.o(0x1f7, 0x20);
    const status = w.i(0x3f6).toString(16) + w.i(0x1f1).toString(16).padStart(2, "0");
    return status === "5800" ? w.pio(256)[0] : status;
  };
  assertEquals(read(0, 0, 0), isQemu ? "4104" : "4110");
  assertEquals(read(0, 1, 0), isQemu ? 62 : "4110");
  assertEquals(read(0, 0, 64), isQemu ? 63 : "4110");
  assertEquals(read(4, 0, 1), isQemu ? 4 * 1008 & 0xff : "4110");
});

both("INITIALIZE DEVICE PARAMETERS", (w, isQemu) => {
  w.o(0x1f2, 32);
  w.o(0x1f6, 0xa3);
  w.o(0x1f7, 0x91);
  assertEquals(w.state().slice(0, 5), "50 00");
  w.o(0x1f2, 1);
  w.o(0x1f3, 1);
  w.o(0x1f4, 1);
  w.o(0x1f6, 0xa0);
  w.o(0x1f7, 0x20);
  const sector = new DataView(w.pio(256).buffer).getUint32(0, true);
  assertEquals(sector, 4 * 32);
  w.o(0x1f7, 0xec);
  const words = new Uint16Array(w.pio(256).buffer);
  assertEquals([...words.subarray(54, 59)], isQemu ? [4, 4, 32, 512, 0] : [32, 4, 32, 4096, 0]);
});

both("INITIALIZE DEVICE PARAMETERS of no sectors is aborted, where QEMU 7.2 would end", (w) => {
  w.o(0x1f2, 0);
  w.o(0x1f7, 0x91);
  assertEquals(w.state().slice(0, 5), "41 04");
  w.o(0x1f2, 1);
  w.o(0x1f7, 0x20);
  assertEquals(w.i(0x3f6), 0x58);
});

both("READ VERIFY looks, or does not", (w, isQemu) => {
  w.lba28(10, 40);
  w.o(0x1f7, 0x40);
  assertEquals([w.state().slice(0, 5), end(w)], ["50 00", "00/04 irq"]);
  w.lba28(4090, 40);
  w.o(0x1f7, 0x40);
  assertEquals(w.state().slice(0, 5), isQemu ? "50 00" : "41 10");
});

both("READ NATIVE MAX, in 28 and 48 bits", (w) => {
  w.lba28(0, 0);
  w.o(0x1f7, 0xf8);
  assertEquals(w.tf().slice(3), "ff 0f 00 e0");
  w.o(0x1f7, 0x27);
  assertEquals(w.tf().slice(3), "ff 0f 00 e0");
  w.o(0x3f6, 0x80);
  assertEquals(w.tf().slice(3), "00 00 00 e0");
});

both("power, seek and recalibrate are done at once, and CHECK POWER MODE says active", (w, isQemu) => {
  const seeks = [0x10, 0x70];
  for (const command of [0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0x94, 0x95, 0x96, 0x97, 0x99, ...seeks]) {
    w.fresh();
    w.o(0x1f7, command);
    const status = isQemu && !seeks.includes(command) ? "40 00" : "50 00";
    assertEquals([w.state().slice(0, 5), end(w)], [status, "00/04 irq"], command.toString(16));
  }
  for (const command of [0xe5, 0x98]) {
    w.o(0x1f2, 0);
    w.o(0x1f7, command);
    assertEquals(w.i(0x1f2), 0xff);
  }
});

both("unknown commands, packets and DEVICE RESET are aborted by a disk", (w) => {
  for (const command of [0x00, 0x08, 0x0b, 0x33, 0x87, 0xa0, 0xa1, 0xb0, 0xc0, 0xf1, 0xff]) {
    w.fresh();
    w.o(0x1f7, command);
    assertEquals([w.state().slice(0, 5), end(w)], ["41 04", "00/04 irq"], command.toString(16));
  }
});

both("FLUSH CACHE is busy until the medium has everything, and tells when it cannot", (w) => {
  let flushes = 0;
  let works = true;
  w.disk.flush = () => {
    flushes++;
    return works;
  };
  w.guest.ioWrite(0x1f7, 1, 0xe7);
  assertEquals([w.i(0x3f6), flushes], [0xc0, 0]);
  w.scheduler.settle();
  assertEquals([w.state().slice(0, 5), end(w), flushes], ["50 00", "00/04 irq", 1]);
  works = false;
  w.o(0x1f7, 0xea);
  assertEquals([w.state().slice(0, 5), flushes], ["41 04", 2]);
  works = true;
  w.o(0x1f1, 0x82);
  w.o(0x1f7, 0xef);
  assertEquals([w.state().slice(0, 5), flushes], ["50 00", 3], "switching the write cache off");
  w.o(0x1f7, 0xec);
  assertEquals(new DataView(w.pio(256).buffer).getUint16(170, true), 0x4001);
});

both("a flush that is held keeps the drive busy until it is released, or until a reset", (w, isQemu) => {
  const gate = w.ide.flushGate(0)!;
  assertEquals([w.ide.flushGate(1), w.ide.flushGate(9)], [null, null]);
  gate.held = true;
  w.o(0x1f7, 0xe7);
  assertEquals([w.i(0x3f6) & 0xc8, end(w)], [0xc0, "00/00 -"]);
  gate.release();
  assertEquals([w.i(0x3f6), end(w)], [0x50, "00/04 irq"]);
  gate.held = true;
  w.o(0x1f7, 0xe7);
  w.o(0x3f6, 4);
  w.o(0x3f6, 0);
  w.fresh();
  gate.release();
  assertEquals([w.i(0x3f6), end(w)], [0x50, "00/00 -"], isQemu ? "QEMU" : "hardware");
});

both("a reset while a flush is under way: its end is never seen", (w, isQemu) => {
  w.guest.ioWrite(0x1f7, 1, 0xe7);
  w.guest.ioWrite(0x3f6, 1, 4);
  w.scheduler.settle();
  if (!isQemu) assertEquals([w.i(0x3f6) & 0x80, end(w)], [0x80, "00/00 -"]);
  w.o(0x3f6, 0);
  w.fresh();
  w.scheduler.settle();
  assertEquals([bytes(w), end(w)], ["50 01 01 01 00 00 a0", "00/00 -"]);
});

both("PIO in 48 bits, by the sector and by the block", (w) => {
  const address = (count: number, lba: number) => {
    w.o(0x1f2, 0, count);
    w.o(0x1f3, 0, lba & 0xff);
    w.o(0x1f4, 0, lba >>> 8);
    w.o(0x1f5, 0, 0);
    w.o(0x1f6, 0xe0);
  };
  address(2, 0x105);
  w.o(0x1f7, 0x24);
  assertEquals([w.pio(256)[0], w.pio(256)[0], w.i(0x3f6)], [5, 6, 0x50]);
  address(3, 0x105);
  w.o(0x1f7, 0x29);
  assertEquals(w.pio(768)[1024], 7);
  address(1, 0x105);
  w.o(0x1f7, 0x34);
  for (let n = 0; n < 256; n++) w.ow(0x1f0, 0x7777);
  assertEquals([w.disk.bytes[0x105 * 512], w.i(0x3f6)], [0x77, 0x50]);
  address(2, 0x105);
  w.o(0x1f7, 0x39);
  for (let n = 0; n < 512; n++) w.ow(0x1f0, 0x8888);
  assertEquals([w.disk.bytes[0x106 * 512], w.i(0x3f6)], [0x88, 0x50]);
});

both("a 48-bit command without the LBA bit", (w, isQemu) => {
  w.o(0x1f2, 0, 1);
  w.o(0x1f3, 0, 1);
  w.o(0x1f6, 0xa0);
  w.o(0x1f7, 0x24);
  assertEquals(w.state().slice(0, 5), isQemu ? "58 00" : "41 04");
});

both("the data register takes a dword as two words, and a byte as a word", (w) => {
  w.lba28(0x321, 1);
  w.o(0x1f7, 0x20);
  assertEquals(w.i(0x1f0, 4), 0x321);
  assertEquals([w.i(0x1f0, 1), w.i(0x1f0, 2)], [
    7 * 0x321 + 4 & 0xff,
    (7 * 0x321 + 7 & 0xff) << 8 | 7 * 0x321 + 6 & 0xff,
  ]);
  w.pio(252);
  assertEquals([w.i(0x1f0, 2), w.i(0x3f6)], [0, 0x50], "without data it reads 0");
  w.lba28(0x321, 1);
  w.o(0x1f7, 0x30);
  w.ol(0x1f0, 0x44332211);
  w.o(0x1f0, 0x55);
  for (let n = 0; n < 253; n++) w.ow(0x1f0, 0);
  assertEquals([...w.disk.bytes.subarray(0x321 * 512, 0x321 * 512 + 6)], [0x11, 0x22, 0x33, 0x44, 0x55, 0]);
});

both("data goes one way at a time: a read while data is asked for, a write while it is offered", (w) => {
  w.lba28(0x321, 1);
  w.o(0x1f7, 0x30);
  for (let n = 0; n < 300; n++) assertEquals(w.i(0x1f0, 2), 0);
  assertEquals(w.i(0x3f6), 0x58);
  for (let n = 0; n < 256; n++) w.ow(0x1f0, 0x5a5a);
  assertEquals([w.i(0x3f6), w.disk.bytes[0x321 * 512 + 511]], [0x50, 0x5a]);
  w.lba28(0x322, 1);
  w.o(0x1f7, 0x20);
  for (let n = 0; n < 300; n++) w.ow(0x1f0, 0xffff);
  assertEquals([w.i(0x3f6), w.i(0x1f0, 2)], [0x58, 0x322]);
});

both(
  "an interrupt while the line is up: a bit of its own on QEMU, an edge that is not there on hardware",
  (w, isQemu) => {
    w.lba28(5, 2);
    w.o(0x1f7, 0x20);
    w.o(BAR + 2, 4);
    w.pio(256);
    assertEquals([w.i(0x3f6), end(w), w.rises()], [0x58, isQemu ? "00/04 irq" : "00/00 irq", 1]);
  },
);

both("READ and WRITE MULTIPLE without a block are aborted", (w) => {
  w.o(0x1f2, 0);
  w.o(0x1f7, 0xc6);
  w.lba28(5, 2);
  for (const command of [0xc4, 0xc5, 0x29, 0x39]) {
    w.o(0x1f7, command);
    assertEquals(w.state().slice(0, 5), "41 04", command.toString(16));
  }
});

both("SET MULTIPLE shows in IDENTIFY, or does not", (w, isQemu) => {
  const word59 = (count: number) => {
    w.o(0x1f2, count);
    w.o(0x1f7, 0xc6);
    w.o(0x1f7, 0xec);
    return new DataView(w.pio(256).buffer).getUint16(118, true);
  };
  assertEquals([word59(8), word59(0)], isQemu ? [0x110, 0x110] : [0x108, 0]);
});

both("a transfer mode that is set before the first IDENTIFY", (w, isQemu) => {
  w.o(0x1f1, 3);
  w.o(0x1f2, 0x22);
  w.o(0x1f7, 0xef);
  w.o(0x1f7, 0xec);
  assertEquals(new DataView(w.pio(256).buffer).getUint16(126, true), isQemu ? 0x0007 : 0x0407);
});

const trim = (w: IdeWorld, entries: [sector: number, count: number][], blocks = 1) => {
  const view = new DataView(new ArrayBuffer(512 * blocks));
  entries.forEach(([sector, count], i) => {
    view.setUint32(8 * i, sector, true);
    view.setUint16(8 * i + 6, count, true);
  });
  w.space.bytes(0x20000, view.byteLength).set(new Uint8Array(view.buffer));
  w.put(0x10000, `00000200 00${(2 * blocks).toString(16).padStart(2, "0")}0080`);
  w.fresh();
  w.ol(BAR + 4, 0x10000);
  w.o(0x1f1, 1);
  w.o(0x1f2, 0, blocks);
  w.o(0x1f6, 0xe0);
  w.o(0x1f7, 0x06);
  w.o(BAR, 1);
  return w.state().slice(0, 5) + " " + end(w);
};

both("TRIM makes zeros of its ranges, and stops at the first that is not on the disk", (w, isQemu) => {
  assertEquals(trim(w, [[1, 2], [0, 0], [8, 1]]), "50 00 01/04 irq");
  assertEquals([0, 1, 2, 3, 8, 9].map((n) => w.disk.bytes[512 * n + 9]), [9, 0, 0, 30, 0, 72]);
  assertEquals(trim(w, [[20, 1], [4095, 2], [22, 1]]), `41 04 01/${isQemu ? "04" : "05"} irq`);
  assertEquals([20, 22].map((n) => w.disk.bytes[512 * n + 9]), [0, 7 * 22 + 9]);
  assertEquals(trim(w, [[9_000_000, 0], [30, 1]]).slice(0, 5), "50 00", "an entry of nothing is nowhere");
  assertEquals(w.disk.bytes[512 * 30 + 9], 0);
  w.o(0x1f1, 2);
  w.o(0x1f7, 0x06);
  assertEquals(w.state().slice(0, 5), "41 04", "DATA SET MANAGEMENT knows TRIM only");
});

both("a TRIM of more blocks than IDENTIFY allows", (w, isQemu) => {
  assertEquals(trim(w, [[1, 1]], 8).slice(0, 5), "50 00");
  assertEquals(trim(w, [[1, 1]], 9).slice(0, 5), isQemu ? "50 00" : "41 04");
});

both("a disk that is read only aborts whatever would change it", (w) => {
  w.lba28(5, 1);
  for (const command of [0x30, 0x31, 0x34, 0x35, 0x39, 0xc5, 0xca, 0xcb]) {
    w.o(0x1f7, command);
    assertEquals(w.state().slice(0, 5), "41 04", command.toString(16));
  }
  assertEquals(trim(w, [[1, 1]]).slice(0, 5), "41 04");
}, () => ({ drives: [diskOptions(testDisk(64, true)), null, null, null] }));

both("the secondary channel is a channel of its own, with interrupt 15", (w) => {
  w.o(0x176, 0xa0);
  w.o(0x177, 0xec);
  assertEquals([w.i(0x376), w.interrupts.isAsserted(15), w.interrupts.isAsserted(14)], [0x58, true, false]);
  assertEquals([w.i(0xc00a), w.i(0xc002)], [4, 0]);
  w.pio(256, 0x170);
  w.put(0x10000, "00000200 00020080");
  w.ol(0xc00c, 0x10000);
  w.o(0x172, 1);
  w.o(0x173, 9);
  w.o(0x176, 0xe0);
  w.o(0x177, 0xc8);
  w.o(0xc008, 9);
  assertEquals([w.i(0xc00a), w.get(0x20000, 1), w.i(0xc004, 4)], [4, "09", 0]);
}, () => ({ drives: [null, null, diskOptions(testDisk(64)), null] }));

Deno.test("the legacy ports answer while IDETIM and the command register say so, on QEMU always", () => {
  for (const personality of BOTH) {
    const w = ideWorld({ personality });
    const { config } = w.ide.fn;
    const off = personality === "spec" ? 0xff : 0x50;
    config.write(0x40, 4, 0x80000000);
    assertEquals(w.i(0x1f7), off);
    config.write(0x40, 4, 0x80008000);
    config.write(0x04, 2, 4);
    assertEquals(w.i(0x1f7), off);
    config.write(0x04, 2, 5);
    assertEquals(w.i(0x1f7), 0x50);
  }
});

Deno.test("power-on forgets everything, and the header is what it was", () => {
  for (const personality of BOTH) {
    const w = ideWorld({ personality });
    const before = w.state();
    w.lba28(5, 1);
    w.o(0x1f7, 0xc8);
    w.o(BAR, 9);
    w.o(0x1f2, 4);
    w.o(0x1f7, 0xc6);
    w.ide.powerOn();
    const { config } = w.ide.fn;
    assertEquals([config.read(4, 4), config.read(0x20, 4), config.read(0x40, 4)], [0x02800000, 1, 0]);
    assertEquals(w.interrupts.isAsserted(14), false);
    config.write(0x20, 4, BAR);
    config.write(0x40, 4, 0x80008000);
    config.write(0x04, 2, 5);
    assertEquals(w.state(), before);
  }
});

Deno.test("the CD-ROM beside a disk: each device answers for itself", () => {
  const w = ideWorld({ drives: [diskOptions(testDisk(64)), discOptions(testDisc(4)), null, null] });
  w.o(0x1f6, 0xb0);
  w.o(0x1f7, 0xa1);
  assertEquals(w.pio(256)[0], 0xc0);
  w.o(0x1f6, 0xa0);
  w.o(0x1f7, 0xec);
  assertEquals(w.pio(256)[0], 0x40);
});

Deno.test("a 48-bit count of 0 is 65536 sectors", () => {
  const disk = new RamBackend(512, { content: "zero" });
  Object.defineProperty(disk, "size", { value: 2 ** 31 });
  disk.read = () => true;
  const w = ideWorld({ drives: [diskOptions(disk)] });
  w.o(0x1f2, 0, 0);
  w.o(0x1f3, 0, 7);
  w.o(0x1f4, 0, 0);
  w.o(0x1f5, 0, 0);
  w.o(0x1f6, 0xe0);
  w.o(0x1f7, 0x42);
  assertEquals(w.state().slice(0, 20), "50 00 00 07 00 01 e0");
});

Deno.test("a large disk: 28 bits say what they reach, 48 bits all of it", () => {
  const disk = new RamBackend(512, { content: "zero" });
  const sectors = 2 ** 32 + 5;
  Object.defineProperty(disk, "size", { value: sectors * 512 });
  const read: number[] = [];
  disk.read = (position) => {
    read.push(position / 512);
    return true;
  };
  const w = ideWorld({ drives: [diskOptions(disk)] });
  w.o(0x1f7, 0xec);
  const view = new DataView(w.pio(256).buffer);
  assertEquals([view.getUint32(120, true), view.getBigUint64(200, true)], [0x0fffffff, BigInt(sectors)]);
  assertEquals(view.getUint16(2, true), 16383);
  w.o(0x1f2, 0, 1);
  w.o(0x1f3, 0, 4);
  w.o(0x1f4, 1, 0);
  w.o(0x1f5, 0, 0);
  w.o(0x1f6, 0xe0);
  w.o(0x1f7, 0x24);
  assertEquals(read, [2 ** 32 + 4]);
});
