/**
 * The numbered cases of the IDE bus master: register scripts that were run on QEMU 7.2's `pc` machine, with what data
 * sheets have instead where they differ. Notation: o byte out, ol dword out; a state is alternate status, error, count,
 * LBA low, mid, high, device, bus-master command/status, and whether the interrupt line is up.
 */

import { assertEquals } from "@std/assert";
import { BAR, crc32, type IdeWorld, ideWorld } from "./testdata/world.ts";

const C0 = BAR;
const C2 = BAR + 2;
const C4 = BAR + 4;

for (const personality of ["spec", "qemu"] as const) {
  const world = (options = {}): IdeWorld => {
    const w = ideWorld({ personality, ...options });
    w.fresh();
    return w;
  };
  const test = (name: string, run: (w: IdeWorld) => void) => Deno.test(`${name} (${personality})`, () => run(world()));
  const isQemu = personality === "qemu";
  /** What QEMU shows, or what the specification has. */
  const either = <T>(qemu: T, spec: T): T => isQemu ? qemu : spec;

  test("IDE 1: probe", (w) => {
    const { config } = w.ide.fn;
    assertEquals([config.read(0, 4), config.read(8, 4)], [0x70108086, 0x01018000]);
    assertEquals(config.read(0x20, 4), 0xc001);
    config.write(0x20, 4, 0xffffffff);
    assertEquals(config.read(0x20, 4), 0xfffffff1);
    config.write(0x20, 4, 0xc000);
    assertEquals([config.read(0x2c, 4), config.read(0x3c, 2)], [0x11001af4, 0]);
    assertEquals(config.read(0x06, 2), 0x0280);
    assertEquals(w.state(), either("50 00 01 01 00 00 a0 00/00 -", "50 01 01 01 00 00 a0 00/00 -"));
    assertEquals(w.i(C4, 4), 0);
    assertEquals([w.i(0xc008), w.i(0xc009), w.i(0xc00a), w.i(0xc00b)], [0, 0xff, 0, 0xff]);
    const nothing = either(0, 0x7f);
    for (let port = 0x171; port <= 0x177; port++) assertEquals(w.i(port), nothing);
  });

  test("IDE 2: IDENTIFY", (w) => {
    w.o(0x1f6, 0xa0);
    w.o(0x1f7, 0xec);
    assertEquals(w.state(), "58 00 01 01 00 00 a0 00/04 irq");
    const bytes = w.pio(256);
    assertEquals(bytes[210], either(0, 8), "word 105: TRIM takes 8 blocks");
    bytes[210] = 0;
    assertEquals(crc32(bytes), "57738010");
    assertEquals([w.i(0x3f6), w.rises()], [0x50, 1]);
    assertEquals([w.i(0x1f7), w.interrupts.isAsserted(14), w.i(C2)], [0x50, false, 4]);
    w.o(C2, 4);
    assertEquals(w.i(C2), 0);
  });

  test("IDE 3: SET FEATURES", (w) => {
    const words = () => {
      w.o(0x1f7, 0xec);
      const view = new DataView(w.pio(256).buffer);
      return [63, 88].map((n) => view.getUint16(2 * n, true).toString(16).padStart(4, "0"));
    };
    const set = (feature: number, count: number) => {
      w.o(0x1f1, feature);
      w.o(0x1f2, count);
      w.o(0x1f7, 0xef);
      return w.state().slice(0, 5) + w.state().slice(-4);
    };
    assertEquals(words(), ["0007", "203f"]);
    assertEquals(set(0x03, 0x45), "50 00 irq");
    assertEquals(words(), ["0007", "203f"]);
    assertEquals(set(0x03, 0x22), "50 00 irq");
    assertEquals(words(), ["0407", "003f"]);
    assertEquals(set(0x03, 0xff), "41 04 irq");
    assertEquals(set(0x77, 0), "41 04 irq");
    assertEquals([set(0x03, 0x18), set(0x03, 0x30)], ["41 04 irq", "41 04 irq"]);
    assertEquals([set(0x03, 0x27), words()[0]], either(["50 00 irq", "8007"], ["41 04 irq", "0407"]));
    assertEquals([set(0x03, 0x47), words()[1]], either(["50 00 irq", "803f"], ["41 04 irq", "003f"]));
  });

  test("IDE 4: PIO read", (w) => {
    w.lba28(5, 2);
    w.o(0x1f7, 0x20);
    assertEquals(w.state(), "58 00 01 06 00 00 e0 00/04 irq");
    assertEquals(crc32(w.pio(256)), "f521ba85");
    assertEquals([w.i(0x3f6), w.tf()], [0x58, "00 07 00 00 e0"]);
    assertEquals(w.i(0x1f7), 0x58);
    assertEquals(crc32(w.pio(256)), "c05fad8c");
    assertEquals(w.i(0x1f7), 0x50);

    w.lba28(4095, 2);
    w.o(0x1f7, 0x20);
    assertEquals(w.i(0x3f6), 0x58);
    const last = w.pio(256);
    assertEquals([...last.subarray(0, 4)], [0xff, 0x0f, 0, 0]);
    assertEquals(w.state().slice(0, 20), either("41 04 01 00 10 00 e0", "41 10 01 00 10 00 e0"));
  });

  test("IDE 5: PIO write", (w) => {
    w.lba28(90, 2);
    w.o(0x1f7, 0x30);
    assertEquals(w.state(), "58 00 02 5a 00 00 e0 00/00 -");
    w.o(0x1f3, 0x99);
    assertEquals(w.tf(), "02 5a 00 00 e0");
    for (let n = 0; n < 256; n++) w.ow(0x1f0, 0x1234);
    assertEquals(w.state(), "58 00 01 5b 00 00 e0 00/04 irq");
    for (let n = 0; n < 256; n++) w.ow(0x1f0, 0x5678);
    assertEquals(w.state(), "50 00 00 5c 00 00 e0 00/04 irq");
    assertEquals([...w.disk.bytes.subarray(90 * 512, 90 * 512 + 2)], [0x34, 0x12]);
    assertEquals([...w.disk.bytes.subarray(92 * 512 - 2, 92 * 512 + 1)], [0x78, 0x56, 92]);
  });

  test("IDE 6: READ MULTIPLE", (w) => {
    const setMultiple = (count: number) => {
      w.o(0x1f2, count);
      w.o(0x1f7, 0xc6);
      return w.state().slice(0, 5);
    };
    assertEquals([setMultiple(8), w.interrupts.isAsserted(14)], ["50 00", true]);
    w.lba28(5, 10);
    w.o(0x1f7, 0xc4);
    assertEquals([w.i(0x3f6), w.tf()], [0x58, "02 0d 00 00 e0"]);
    w.pio(2048);
    assertEquals([w.i(0x3f6), w.tf()], [0x58, "00 0f 00 00 e0"]);
    const tail = w.pio(512);
    assertEquals([tail[0], tail[512], w.i(0x3f6)], [13, 14, 0x50]);
    assertEquals([setMultiple(3), setMultiple(32)], ["41 04", "41 04"]);
    assertEquals(setMultiple(0), "50 00");
    w.lba28(5, 10);
    w.o(0x1f7, 0xc4);
    assertEquals(w.state().slice(0, 5), "41 04");
  });

  const equal = (w: IdeWorld) => {
    w.put(0x10000, "00000200 00020080");
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(C0, 8);
    w.o(0x1f7, 0xc8);
    assertEquals(w.state(), "58 00 01 05 00 00 e0 08/00 -");
    w.o(C0, 9);
  };

  test("IDE 7: READ DMA, the table as long as the transfer", (w) => {
    w.put(0x20200, "a5");
    equal(w);
    assertEquals(w.state(), "50 00 00 06 00 00 e0 09/04 irq");
    assertEquals(crc32(w.space.bytes(0x20000, 512)), "f521ba85");
    assertEquals([w.get(0x20000, 8), w.get(0x20200, 1)], ["050000002728292a", "a5"]);
    w.o(C0, 0);
    assertEquals(end(w), "00/04 irq");
    assertEquals([w.i(0x1f7), w.interrupts.isAsserted(14)], [0x50, false]);
    w.o(C2, 6);
    assertEquals(w.i(C2), 0);
  });

  test("IDE 8: scatter", (w) => {
    w.put(0x10000, "00000200 00020000  00000300 00060000  00000400 00080080");
    w.ol(C4, 0x10000);
    w.lba28(100, 8);
    w.o(C0, 8);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    const all = [0x20000, 0x30000, 0x40000].map((at, n) => [...w.space.bytes(at, [0x200, 0x600, 0x800][n])]);
    assertEquals(crc32(Uint8Array.from(all.flat())), "d46c756a");
    assertEquals([w.tf(), w.i(C2)], ["00 6c 00 00 e0", 4]);
  });

  test("IDE 9: a count of 0 is 64 KiB in a region and 256 sectors in a command", (w) => {
    w.put(0x10000, "00001000 00000080");
    w.ol(C4, 0x10000);
    w.lba28(0, 128);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals([crc32(w.space.bytes(0x100000, 0x10000)), w.i(C2)], ["d278a30a", 4]);
    w.fresh();
    w.put(0x10000, "00001000 00000000 00001100 00000080");
    w.lba28(0, 0);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals([crc32(w.space.bytes(0x100000, 0x20000)), w.i(C2)], ["b6474bf0", 4]);
    assertEquals(w.tf(), "00 00 01 00 e0");
  });

  test("IDE 10: a longer table leaves the engine active, and a second command meets its end", (w) => {
    w.put(0x10000, "00000200 00040080  00000000 00000000");
    w.put(0x20200, "a5");
    w.ol(C4, 0x10000);
    w.lba28(7, 1);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals(w.state(), "50 00 00 08 00 00 e0 09/05 irq");
    assertEquals([w.get(0x20000, 1), w.get(0x20200, 1)], ["07", "a5"]);
    w.i(0x1f7);
    w.o(C2, 4);
    w.lba28(8, 1);
    w.o(0x1f7, 0xc8);
    assertEquals(w.state().slice(0, 5) + end(w), either("50 0009/05 irq", "58 0009/01 -"));
    assertEquals(w.get(0, 4), either("08000000", "00000000"));
    w.o(C0, 0);
    assertEquals(w.i(C2), either(4, 0));
  });

  test("IDE 11: a shorter table", (w) => {
    w.put(0x10000, "00000200 00020080");
    w.put(0x20000, "a5a5");
    w.ol(C4, 0x10000);
    w.lba28(9, 2);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals(w.state(), either("50 00 02 09 00 00 e0 09/00 -", "58 00 02 09 00 00 e0 09/00 -"));
    assertEquals(w.get(0x20000, 4), either("a5a50000", "09000000"));
    w.o(0x3f6, 4);
    w.o(0x3f6, 0);
    w.fresh();
    w.lba28(4096, 2);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    // A drive knows its capacity and not the table: it refuses before anything moves.
    assertEquals(w.state().slice(0, 5) + end(w), either("50 0009/00 -", "41 1009/05 irq"));
  });

  test("IDE 12: LBA48", (w) => {
    w.o(0x1f2, 0x01, 0x00);
    w.o(0x1f3, 0x00, 0x00);
    w.o(0x1f4, 0x00, 0x03);
    w.o(0x1f5, 0x00, 0x00);
    w.o(0x1f6, 0xe0);
    w.put(0x10000, "00001000 00000000 00001100 00000080");
    w.ol(C4, 0x10000);
    w.o(0x1f7, 0x25);
    w.o(C0, 9);
    assertEquals(crc32(w.space.bytes(0x100000, 0x20000)), "c89fc092");
    assertEquals(w.tf(), "00 00 04 00 e0");
    w.o(0x3f6, 0x80);
    assertEquals(w.tf(), "01 00 00 00 e0");
    w.o(0x1f1, 0);
    assertEquals(w.tf(), "00 00 04 00 e0");
  });

  test("IDE 13: range", (w) => {
    w.put(0x10000, "00000200 00080080");
    w.put(0x20000, "a5");
    w.ol(C4, 0x10000);
    for (const [lba, count] of [[4096, 1], [4095, 2]]) {
      w.fresh();
      w.lba28(lba, count);
      const before = w.tf();
      w.o(0x1f7, 0xc8);
      w.o(C0, 9);
      assertEquals(w.state(), either(`41 04 ${before} 09/04 irq`, `41 10 ${before} 09/05 irq`));
    }
    w.fresh();
    w.lba28(0xfffffff, 1);
    w.o(0x1f7, 0x20);
    assertEquals(w.state().slice(0, 20), either("41 04 01 ff ff ff ef", "41 10 01 ff ff ff ef"));
    w.o(0x1f2, 0, 1);
    w.o(0x1f3, 0, 0);
    w.o(0x1f4, 0, 0x10);
    w.o(0x1f5, 0, 0);
    w.o(0x1f6, 0xe0);
    w.o(0x1f7, 0x25);
    w.o(C0, 9);
    assertEquals(w.state().slice(0, 5), either("41 04", "41 10"));
    assertEquals(w.get(0x20000, 1), "a5");
  });

  test("IDE 14: registers", (w) => {
    w.ol(C4, 0x10003);
    assertEquals(w.i(C4, 4), 0x10000);
    w.ol(C4, 0x12345678);
    w.o(0xc005, 0xaa);
    assertEquals(w.i(C4, 4), 0x1234aa78);
    const status = (value: number) => {
      w.o(C2, value);
      return w.i(C2);
    };
    assertEquals([status(0x60), status(0xff), status(0x00)], [0x60, 0x60, 0x00]);
    w.o(C0, 0xff);
    assertEquals([w.i(C0), w.i(C2)], [9, 1]);
    w.o(C0, 0);
    assertEquals([w.i(C0), w.i(C2)], [0, 0]);
    assertEquals([w.i(C0, 2), w.i(C0, 4)], either([0xffff, 0xffffffff], [0xff00, 0xff00ff00]));
    w.ow(C0, 0x0009);
    assertEquals(w.i(C0), either(0, 9));
    w.o(C0, 0);
  });

  test("IDE 14: a second command waits until the engine was stopped", (w) => {
    equal(w);
    w.lba28(6, 1);
    w.o(0x1f7, 0xc8);
    assertEquals(w.i(0x3f6), 0x58);
    w.o(C0, 9);
    assertEquals(w.i(0x3f6), 0x58);
    w.o(C0, 8);
    w.o(C0, 9);
    assertEquals([w.i(0x3f6), w.get(0x20000, 1)], [0x50, "06"]);
  });

  test("IDE 14: nIEN holds the interrupt and its bit", (w) => {
    w.o(0x3f6, 2);
    equal(w);
    assertEquals(w.state(), "50 00 00 06 00 00 e0 09/00 -");
    assertEquals(w.get(0x20000, 1), "05");
    w.o(0x3f6, 0);
    assertEquals(end(w), either("09/00 -", "09/04 irq"), "the pin rises when it may");
  });

  test("IDE 15a: READ DMA to memory that is not there", (w) => {
    w.put(0x10000, "00000080 00020080");
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals(w.state().slice(0, 2) + end(w), either("5009/04 irq", "5809/02 -"));
    assertEquals(w.ide.fn.config.read(0x06, 2), either(0x0280, 0x2280), "master abort");
    assertEquals([w.ide.fn.port.stats.faults, w.ide.holes, w.ide.busErrors], either([1, 1, 0], [1, 0, 1]));
  });

  test("IDE 15b: WRITE DMA from memory that is not there", (w) => {
    const before = w.disk.bytes.slice(60 * 512, 61 * 512);
    w.put(0x10000, "00000080 00020080");
    w.ol(C4, 0x10000);
    w.lba28(60, 1);
    w.o(0x1f7, 0xca);
    w.o(C0, 1);
    assertEquals(w.state().slice(0, 2) + end(w), either("5001/04 irq", "5801/02 -"));
    assertEquals(w.disk.bytes.slice(60 * 512, 61 * 512), either(new Uint8Array(512), before));
  });

  test("IDE 15c: a hole between two good regions", (w) => {
    w.put(0x10000, "00000200 00020000  00000080 00020000  00000300 00020080");
    w.ol(C4, 0x10000);
    w.lba28(20, 3);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals([w.get(0x20000, 1), w.get(0x30000, 1)], either(["14", "16"], ["14", "00"]));
    assertEquals(w.i(C2), either(4, 2));
  });

  test("IDE 15d: a table that is not there", (w) => {
    w.put(0, "a5a5a5a5");
    w.ol(C4, 0x80000000);
    w.lba28(5, 1);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals(w.i(C2), either(5, 2));
    assertEquals(w.get(0, 4), either("05000000", "a5a5a5a5"));
  });

  test("IDE 15e: without bus mastering", (w) => {
    w.put(0, "a5a5");
    w.put(0x10000, "00000200 00020080");
    w.ide.fn.config.write(4, 2, 1);
    w.ol(C4, 0x10000);
    w.lba28(5, 1);
    w.o(0x1f7, 0xc8);
    w.o(C0, 9);
    assertEquals(end(w), either("09/05 irq", "09/01 -"));
    assertEquals([w.get(0, 2), w.get(0x20000, 2)], ["a5a5", "0000"]);
    w.ide.fn.config.write(4, 2, 5);
    w.scheduler.settle();
    assertEquals(w.get(0x20000, 2), either("0000", "0500"), "the engine has only waited");
  });
}

/** Bus-master command/status and interrupt line. */
function end(w: IdeWorld): string {
  return w.state().split(" ").slice(-2).join(" ");
}
