import { assertEquals } from "@std/assert";
import { Random, type Width } from "@iova/core";
import { checkVectors } from "@iova/fields/testing";
import { EduRegisters } from "./layout.ts";
import vectors from "./vectors/edu_registers.json" with { type: "json" };
import { eduWorld } from "./testdata/world.ts";

const ONES = 0xffff_ffff;
const COMMAND = { RUN: 1, FROM_DEVICE: 2, INTERRUPT: 4 };

Deno.test("the registers are laid out as their vectors say", () => checkVectors(EduRegisters, vectors));

Deno.test("the identification register says version 1.0 and the magic", () => {
  assertEquals(eduWorld().read(0x00), 0x0100_00ed);
});

Deno.test("the liveness register inverts every bit", () => {
  const { read, write } = eduWorld();
  write(0x04, 0x1234_5678);
  assertEquals(read(0x04), 0xedcb_a987);
  write(0x04, 0);
  assertEquals(read(0x04), ONES);
});

Deno.test("a factorial takes its time, shows itself in the status, and is taken modulo 2^32", () => {
  const { read, write, run, asserted } = eduWorld();
  for (
    const [n, expected] of [[0, 1], [1, 1], [5, 120], [12, 479_001_600], [13, 1_932_053_504], [33, 0x8000_0000], [
      34,
      0,
    ], [ONES, 0]]
  ) {
    write(0x08, n);
    assertEquals([read(0x20), read(0x08)], [1, n]);
    write(0x08, 7);
    run();
    assertEquals([read(0x20), read(0x08)], [0, expected], `${n}!`);
  }
  assertEquals(asserted(), false);
});

Deno.test("the end of a factorial interrupts if it was asked to, and until it is acknowledged", () => {
  const { read, write, run, asserted } = eduWorld();
  write(0x20, 0xff);
  assertEquals(read(0x20), 0x80, "the other bits are the device's");
  write(0x08, 3);
  assertEquals(read(0x20), 0x81);
  run();
  assertEquals([read(0x24), asserted()], [0x1, true]);
  write(0x64, 0x1);
  assertEquals([read(0x24), asserted()], [0, false]);
  write(0x20, 0);
  assertEquals(read(0x20), 0);
});

Deno.test("the CPU raises and acknowledges interrupt bits", () => {
  const { read, write, asserted } = eduWorld();
  write(0x60, 0x8000_0010);
  write(0x60, 0x1);
  assertEquals([read(0x24), asserted()], [0x8000_0011, true]);
  write(0x64, 0x11);
  assertEquals([read(0x24), asserted()], [0x8000_0000, true]);
  write(0x64, 0x8000_0000);
  assertEquals([read(0x24), asserted()], [0, false]);
  assertEquals([read(0x60), read(0x64)], [ONES, ONES], "they cannot be read");
});

Deno.test("the documented example: 100 bytes to the buffer and back behind them", () => {
  const { space, transfer, read, model } = eduWorld();
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i + 1);
  space.bytes(0x1000, 100).set(bytes);
  transfer(0x1000n, 0x4_0000n, 100n, COMMAND.RUN);
  assertEquals(read(0x98), 0, "the transfer has ended");
  transfer(0x4_0000n, 0x1064n, 100n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([...space.bytes(0x1000, 200)], [...bytes, ...bytes]);
  assertEquals([model.transfers, model.bytes], [2, 200]);
});

Deno.test("a transfer is under way for its delay; meanwhile its registers keep still, and then it interrupts", () => {
  const { read, write, run, scheduler, asserted } = eduWorld();
  write(0x80, 0x1000);
  write(0x88, 0x4_0000);
  write(0x90, 4);
  write(0x98, COMMAND.RUN | COMMAND.INTERRUPT);
  write(0x80, 0x2000);
  write(0x84, 1);
  write(0x98, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([read(0x80), read(0x84), read(0x98), asserted()], [0x1000, 0, 5, false]);
  run();
  assertEquals([read(0x98), read(0x24), asserted(), scheduler.now], [4, 0x100, true, 1000]);
});

Deno.test("a command without the start bit is no command", () => {
  const { read, write, scheduler } = eduWorld();
  write(0x98, COMMAND.FROM_DEVICE | COMMAND.INTERRUPT);
  assertEquals([read(0x98), scheduler.idle], [0, true]);
});

Deno.test("the wide registers take 8 bytes as two words, and 4 bytes extended with zeros", () => {
  const { read, write } = eduWorld();
  write(0x88, 0x1234_5678);
  write(0x8c, 0x0800_0000);
  assertEquals([read(0x88), read(0x8c)], [0x1234_5678, 0x0800_0000]);
  write(0x88, 0x40);
  assertEquals([read(0x88), read(0x8c)], [0x40, 0]);
});

Deno.test("accesses of 1 and 2 bytes, unaligned ones, and those beside every register read all ones and change nothing", () => {
  const { read, write } = eduWorld();
  const before = [0x04, 0x08, 0x20, 0x24, 0x80].map((offset) => read(offset));
  for (
    const [offset, width] of [[0x04, 1], [0x04, 2], [0x05, 4], [0x82, 4], [0x10, 4], [0xa0, 4], [0x4_0000, 4], [
      0xf_fffc,
      4,
    ]]
  ) {
    write(offset, 0x55aa_55aa, width as Width);
    assertEquals(read(offset, width as Width), width === 4 ? ONES : width === 2 ? 0xffff : 0xff);
  }
  assertEquals([0x04, 0x08, 0x20, 0x24, 0x80].map((offset) => read(offset)), before);
});

Deno.test("28 address lines: what lies above is lost, and the driver is told", () => {
  const { space, transfer, model, warnings } = eduWorld();
  space.bytes(0x1000, 4).set([1, 2, 3, 4]);
  transfer(0x0800_0000_1000_1000n, 0x4_0000n, 4n, COMMAND.RUN);
  transfer(0x4_0000n, 0x2000n, 4n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([...space.bytes(0x2000, 4)], [1, 2, 3, 4]);
  assertEquals(model.clamped, 1);
  assertEquals(warnings, ["edu-clamp: EDU: clamping DMA 0x0800000010001000 to 0x0000000000001000!"]);
});

Deno.test("a wide mask reaches every address", () => {
  const { transfer, model, port } = eduWorld({ dmaMask: 0xffff_ffff_ffff_ffffn });
  transfer(0x8000_0000_0000_8678n, 0x4_0000n, 4n, COMMAND.RUN);
  assertEquals([model.clamped, model.faults, port.stats.faults], [0, 1, 1], "nobody is there");
});

Deno.test("a transfer that is not within the buffer moves nothing, ends, interrupts and is reported", () => {
  for (
    const [own, count] of [
      [0x3_ffffn, 1n],
      [0x4_0000n, 4097n],
      [0x4_0fffn, 2n],
      [0x4_1000n, 1n],
      [0x1_0004_0000n, 1n],
      [0x4_0000n, 0x1_0000_0001n],
      [0xffff_ffff_ffff_ffffn, 2n],
    ]
  ) {
    const { transfer, space, model, warnings, read } = eduWorld();
    space.bytes(0x1000, 0x2000).fill(7);
    transfer(own, 0x1000n, count, COMMAND.RUN | COMMAND.FROM_DEVICE | COMMAND.INTERRUPT);
    transfer(0x1000n, own, count, COMMAND.RUN | COMMAND.INTERRUPT);
    assertEquals([model.outOfBounds, model.transfers, model.bytes, read(0x24)], [2, 2, 0, 0x100], `${own} ${count}`);
    assertEquals(space.bytes(0x1000, 0x2000), new Uint8Array(0x2000).fill(7));
    assertEquals(warnings.length, 2);
  }
});

Deno.test("the message of a transfer out of bounds names both ranges", () => {
  const { transfer, warnings } = eduWorld();
  transfer(0x4_0ff0n, 0x1000n, 32n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals(warnings, [
    "edu-out-of-bounds: EDU: DMA range 0x0000000000040ff0-0x000000000004100f out of bounds " +
    "(0x0000000000040000-0x0000000000040fff)!",
  ]);
});

Deno.test("a transfer of nothing ends at once", () => {
  const { transfer, model, port } = eduWorld();
  transfer(0x1000n, 0x4_1000n, 0n, COMMAND.RUN);
  assertEquals([model.transfers, model.outOfBounds, port.stats.reads], [1, 0, 0]);
});

Deno.test("a refused read leaves the buffer as it was", () => {
  const { transfer, space, model } = eduWorld();
  space.bytes(0x1000, 4).set([1, 2, 3, 4]);
  transfer(0x1000n, 0x4_0000n, 4n, COMMAND.RUN);
  transfer(0x800_0000n, 0x4_0000n, 4n, COMMAND.RUN);
  transfer(0x4_0000n, 0x2000n, 4n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([[...space.bytes(0x2000, 4)], model.faults], [[1, 2, 3, 4], 1]);
});

Deno.test("without bus mastering a transfer ends and has moved nothing", () => {
  const { transfer, port, model, space } = eduWorld();
  port.busMaster = false;
  space.bytes(0x1000, 4).fill(9);
  transfer(0x4_0000n, 0x1000n, 4n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([[...space.bytes(0x1000, 4)], model.faults], [[9, 9, 9, 9], 1]);
});

Deno.test("a reset forgets everything, also what is under way", () => {
  const { write, read, run, model, space, asserted, transfer } = eduWorld();
  space.bytes(0x1000, 8).fill(9);
  transfer(0x1000n, 0x4_0000n, 8n, COMMAND.RUN);
  write(0x04, 5);
  write(0x60, 4);
  write(0x08, 1000);
  write(0x98, COMMAND.RUN | COMMAND.INTERRUPT);
  model.reset();
  run();
  assertEquals([0x04, 0x08, 0x20, 0x24, 0x80, 0x88, 0x90, 0x98].map((offset) => read(offset)), new Array(8).fill(0));
  assertEquals(asserted(), false);
  transfer(0x4_0000n, 0x1000n, 8n, COMMAND.RUN | COMMAND.FROM_DEVICE);
  assertEquals([...space.bytes(0x1000, 8)], new Array(8).fill(0), "nothing of before is in the buffer");
});

Deno.test("100,000 random register accesses: no exception, no unbounded work, nothing beyond RAM (seed printed)", () => {
  const seed = 19820715;
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const offsets = [
    0x00,
    0x04,
    0x08,
    0x20,
    0x24,
    0x60,
    0x64,
    0x80,
    0x84,
    0x88,
    0x8c,
    0x90,
    0x94,
    0x98,
    0x98,
    0x98,
    0x9c,
  ];
  const values = [0, 1, 3, 5, 7, 0x100, 0x1000, 0x4_0000, 0x4_0fff, 0x4_0000, 4096, 0x800_0000, ONES];
  const wide = eduWorld({ dmaMask: 0xffff_ffff_ffff_ffffn, memory: 0x10_0000 });
  const narrow = eduWorld({ dmaMask: 0xf_ffffn, memory: 0x10_0000 });
  for (let i = 0; i < 100_000; i++) {
    const { model, scheduler } = i % 2 === 0 ? wide : narrow;
    const offset = random.below(8) === 0 ? random.below(0x10_0000) : offsets[random.below(offsets.length)];
    const width = [4, 4, 4, 4, 2, 1][random.below(6)] as Width;
    const value = random.below(4) === 0 ? random.next() : values[random.below(values.length)];
    if (random.below(3) === 0) {
      const read = model.read(offset, width);
      if (!(read >= 0 && read <= ONES)) throw new Error(`seed ${seed}, case ${i}: read ${read} at ${offset}`);
    } else model.write(offset, width, value);
    if (random.below(2) === 0) scheduler.step();
    if (random.below(1000) === 0) model.reset();
  }
  wide.run();
  narrow.run();
  for (const { model, port, warnings } of [wide, narrow]) {
    if (model.transfers < 1000) throw new Error(`only ${model.transfers} transfers`);
    assertEquals([port.stats.faults, warnings.length <= 64], [model.faults, true]);
  }
});
