import { assertEquals, assertThrows } from "@std/assert";
import { BusStatus, type RegisterBlock, type Width } from "@iova/core";
import type { PciBarSpec, PciFunctionSpec } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

/** Registers that keep what was written last and answer with their name in the top byte. */
class Block implements RegisterBlock {
  written: number[] = [];
  constructor(readonly name: number) {}
  read(offset: number, _width: Width): number {
    return (this.name << 24 | offset) >>> 0;
  }
  write(offset: number, _width: Width, value: number): void {
    this.written.push(offset, value);
  }
}

const memory = (index: number, size: number, block: RegisterBlock): PciBarSpec => ({
  index,
  kind: "memory",
  size,
  block,
});

function world(...cards: PciBarSpec[][]) {
  const w = pciWorld();
  const spec = (i: number): PciFunctionSpec => ({
    id: `card${i}`,
    vendor: 0x1af4,
    device: 1,
    classCode: 0,
    bars: cards[i],
  });
  const functions = cards.map((_, i) => w.bus.addFunction(spec(i)));
  /** 32-bit configuration access to card `i` (at 00:01.0 and on). */
  const poke = (i: number, at: number, value: number) => functions[i].config.write(at, 4, value);
  const peek = (i: number, at: number) => functions[i].config.read(at, 4);
  return { ...w, functions, poke, peek };
}

Deno.test("all ones written to a BAR read back as the mask of its size and its type", () => {
  const { peek, poke } = world([
    memory(0, 4096, new Block(1)),
    { index: 1, kind: "io", size: 32, block: new Block(2) },
    { index: 2, kind: "memory", size: 0x100000, width: 64, prefetchable: true, block: new Block(3) },
    memory(4, 16, new Block(4)),
  ]);
  const bars = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24];
  for (const at of bars) poke(0, at, 0xffffffff);
  assertEquals(bars.map((at) => peek(0, at).toString(16)), [
    "fffff000",
    "ffffffe1",
    "fff0000c",
    "ffffffff",
    "fffffff0",
    "0",
  ]);
  for (const at of bars) poke(0, at, 0);
  assertEquals(bars.map((at) => peek(0, at)), [0, 1, 0xc, 0, 0, 0]);
});

Deno.test("registers answer at the BAR's address while memory decoding is on, and nowhere else", () => {
  const block = new Block(0xab);
  const { guest, poke } = world([memory(0, 256, block)]);
  poke(0, 0x10, 0xd0000100);
  assertEquals(guest.read(0xd0000100, 4), 0xffffffff);
  poke(0, 0x04, 2);
  assertEquals([guest.read(0xd0000100, 4), guest.read(0xd00001fc, 4)], [0xab000000, 0xab0000fc]);
  assertEquals([guest.read(0xd00000fc, 4), guest.read(0xd0000200, 4)], [0xffffffff, 0xffffffff]);
  guest.write(0xd0000110, 4, 7);
  assertEquals(block.written, [0x10, 7]);
  poke(0, 0x10, 0xd0001000);
  assertEquals([guest.read(0xd0000100, 4), guest.read(0xd0001004, 4)], [0xffffffff, 0xab000004]);
  poke(0, 0x04, 0);
  assertEquals(guest.read(0xd0001004, 4), 0xffffffff);
});

Deno.test("a 64-bit BAR decodes above 4 GiB, and an I/O BAR at its ports", () => {
  const { guest, poke } = world([
    { index: 0, kind: "memory", size: 4096, width: 64, block: new Block(1) },
    { index: 2, kind: "io", size: 16, block: new Block(2) },
  ]);
  poke(0, 0x10, 0x10000000);
  poke(0, 0x14, 0x8);
  poke(0, 0x18, 0xc040);
  poke(0, 0x04, 1);
  assertEquals([guest.read(0x8_1000_0008, 4), guest.ioRead(0xc044, 4)], [0xffffffff, 0x02000004]);
  poke(0, 0x04, 3);
  assertEquals(guest.read(0x8_1000_0008, 4), 0x01000008);
  poke(0, 0x14, 0xffffffff); // beyond bit 51: no address of this machine
  poke(0, 0x18, 0xffff0000);
  assertEquals([guest.read(0x8_1000_0008, 4), guest.ioRead(0xc044, 4)], [0xffffffff, 0xffffffff]);
});

Deno.test("of two BARs at one address the first decodes, and the second takes over when it goes", () => {
  const { guest, poke, warnings } = world([memory(0, 4096, new Block(1))], [memory(0, 8192, new Block(2))]);
  for (const card of [0, 1]) {
    poke(card, 0x10, 0xd0000000);
    poke(card, 0x04, 2);
  }
  assertEquals([guest.read(0xd0000000, 4), guest.read(0xd0001000, 4)], [0x01000000, 0xffffffff]);
  poke(0, 0x10, 0xd0000000);
  assertEquals(warnings, ["pci-bar-overlap: card1 BAR 0 lies over something else and does not decode"]);
  poke(0, 0x04, 0);
  assertEquals([guest.read(0xd0000000, 4), guest.read(0xd0001000, 4)], [0x02000000, 0x02001000]);
});

Deno.test("a BAR over RAM, over the interrupt doorbell or over the configuration ports does not decode", () => {
  const io: PciBarSpec = { index: 1, kind: "io", size: 256, block: new Block(2) };
  const { guest, poke, warnings, space } = world([memory(0, 4096, new Block(1)), io]);
  space.write(0x2000, 4, 0x600d);
  poke(0, 0x04, 3);
  poke(0, 0x10, 0x2000);
  assertEquals(guest.read(0x2000, 4), 0x600d);
  poke(0, 0x10, 0xfee00000);
  assertEquals(guest.read(0xfee00000, 4), 0);
  poke(0, 0x14, 0x0c00);
  guest.ioWrite(0xcf8, 4, 0x80000800);
  assertEquals(guest.ioRead(0xcfc, 4), 0x00011af4);
  assertEquals(warnings.length >= 3, true);
});

Deno.test("a BAR at 0 does not decode", () => {
  const { guest, poke } = world([{ index: 0, kind: "io", size: 16, block: new Block(2) }]);
  poke(0, 0x04, 1);
  assertEquals(guest.ioRead(0, 4), 0xffffffff);
  poke(0, 0x10, 0x10);
  assertEquals(guest.ioRead(0x10, 4), 0x02000000);
});

Deno.test("a BAR for which the guest has no room stays as it was, and decoding stays off", () => {
  const { pci, peek } = world([memory(0, 2 ** 31, new Block(1)), {
    index: 1,
    kind: "io",
    size: 16,
    block: new Block(2),
  }]);
  pci.enumerate();
  const card = pci.function(0x0008);
  assertThrows(() => card.bar(0), RangeError, "00:01.0: no room for BAR 0");
  assertThrows(() => card.bar(2), RangeError, "00:01.0 has no BAR 2");
  assertEquals([peek(0, 0x10), peek(0, 0x14), peek(0, 0x04)], [0, 0xc001, 0x0001]);
});

Deno.test("a peer's registers are reached by their address, untranslated, while they decode", () => {
  const block = new Block(5);
  const { root, context, functions, poke } = world([], [memory(0, 4096, block)]);
  root.bridge.translate(context, () => ({ name: "wall", translate: () => BusStatus.UNSUPPORTED_REQUEST }));
  poke(1, 0x10, 0xd0000000);
  poke(1, 0x04, 2);
  poke(0, 0x04, 4);
  const { port } = functions[0];
  assertEquals(port.write32(0, 0xd0000010 | 0, 0x1234), BusStatus.OK);
  assertEquals(block.written, [0x10, 0x1234]);
  poke(1, 0x10, 0xd0100000);
  assertEquals(port.write32(0, 0xd0000010 | 0, 1), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(port.write32(0, 0xd0100010 | 0, 2), BusStatus.OK);
  root.redirect = true;
  assertEquals(port.write32(0, 0xd0100010 | 0, 3), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(block.written, [0x10, 0x1234, 0x10, 2]);
});
