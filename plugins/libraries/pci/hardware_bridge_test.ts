import { assertEquals } from "@std/assert";
import { Access, BusStatus } from "@iova/core";
import type { PciBus } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

/** Root: disk0 at 01.0, bridge1 at 02.0 (card1; bridge2 at 03.0 (card2 at 05.0)), bridge3 at 04.0 (card3). */
function world() {
  const w = pciWorld();
  const writes: string[] = [];
  const add = (bus: PciBus, id: string, name: number, at?: string) =>
    bus.addFunction({
      id,
      at,
      vendor: 0x1af4,
      device: name,
      classCode: 0x020000,
      interruptPin: 1,
      bars: [
        {
          index: 0,
          kind: "memory",
          size: 4096,
          block: { read: () => name, write: (at, _, value) => void writes.push(`${id} ${at} ${value}`) },
        },
        { index: 1, kind: "io", size: 16, block: { read: () => name + 1, write() {} } },
      ],
    });
  const disk0 = add(w.bus, "disk0", 0x10);
  const bus1 = w.bus.addBridge("bridge1");
  const card1 = add(bus1, "card1", 0x20);
  const bus2 = bus1.addBridge("bridge2", "03.0");
  const card2 = add(bus2, "card2", 0x30, "05.0");
  const bus3 = w.bus.addBridge("bridge3", "04.0");
  const card3 = add(bus3, "card3", 0x40);
  return { ...w, bus1, bus2, bus3, disk0, card1, card2, card3, writes };
}

Deno.test("enumeration numbers buses depth first, and ports take the requester ids", () => {
  const { pci, disk0, card1, card2, card3 } = world();
  assertEquals(card2.port.requester, 0x0028); // no bus number yet
  pci.enumerate();
  assertEquals([disk0, card1, card2, card3].map(({ port }) => port.requester), [0x0008, 0x0100, 0x0228, 0x0300]);
  const found = pci.devices.map(({ requester, device }) => [requester, device]);
  assertEquals(found, [
    [0x0000, 0x0008],
    [0x0008, 0x10],
    [0x0010, 0x0001],
    [0x0100, 0x20],
    [0x0118, 0x0001],
    [0x0228, 0x30],
    [0x0020, 0x0001],
    [0x0300, 0x40],
  ]);
  const numbers = (bridge: number) => [0x18, 0x19, 0x1a].map((at) => pci.config.read(bridge, at, 1));
  assertEquals([numbers(0x0010), numbers(0x0118), numbers(0x0020)], [[0, 1, 2], [1, 2, 2], [0, 3, 3]]);
});

Deno.test("every BAR gets addresses of its own inside the windows, and answers through them", () => {
  const { pci, guest } = world();
  pci.enumerate();
  const bars = [0x0008, 0x0100, 0x0228, 0x0300].map((requester) => pci.function(requester));
  assertEquals(bars.map((card) => guest.read(card.bar(0).address, 4)), [0x10, 0x20, 0x30, 0x40]);
  assertEquals(bars.map((card) => guest.ioRead(card.bar(1).address, 4)), [0x11, 0x21, 0x31, 0x41]);
  assertEquals(bars.map((card) => card.bar(0).address), [0xc0300000, 0xc0100000, 0xc0000000, 0xc0200000]);
  assertEquals(bars.map((card) => card.bar(1).address), [0xf000, 0xd000, 0xc000, 0xe000]);
  const window = (bridge: number) => [pci.config.read(bridge, 0x20, 4), pci.config.read(bridge, 0x1c, 2)];
  assertEquals(window(0x0010), [0xc010c000, 0xd0c0]); // bus 1 and bus 2
  assertEquals(window(0x0118), [0xc000c000, 0xc0c0]);
  assertEquals(window(0x0020), [0xc020c020, 0xe0e0]);
});

Deno.test("a BAR below bridges answers only while every window covers it and every bridge decodes", () => {
  const { pci, guest } = world();
  pci.enumerate();
  const card2 = pci.function(0x0228);
  const memory = () => guest.read(card2.bar(0).address, 4);
  const io = () => guest.ioRead(card2.bar(1).address, 4);
  const bridge1 = pci.function(0x0010);
  bridge1.configWrite(0x04, 2, 0x5);
  assertEquals([memory(), io()], [0xffffffff, 0x31]);
  bridge1.configWrite(0x04, 2, 0x6);
  assertEquals([memory(), io()], [0x30, 0xffffffff]);
  bridge1.configWrite(0x04, 2, 0x7);
  bridge1.configWrite(0x20, 2, 0xc010); // the window begins behind bus 2's
  assertEquals(memory(), 0xffffffff);
  bridge1.configWrite(0x24, 2, 0xc000); // the prefetchable window covers it instead
  bridge1.configWrite(0x26, 2, 0xc000);
  assertEquals(memory(), 0x30);
  bridge1.configWrite(0x28, 4, 1); // base above 4 GiB: closed
  assertEquals(memory(), 0xffffffff);
});

Deno.test("window registers keep their read-only bits", () => {
  const { pci } = world();
  for (const at of [0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x3c]) pci.config.write(0x0010, at, 4, 0xffffffff);
  const read = (at: number) => pci.config.read(0x0010, at, 4).toString(16);
  assertEquals([0x18, 0x1c, 0x20, 0x24].map(read), ["ffffffff", "f0f0", "fff0fff0", "fff1fff1"]);
  assertEquals([0x28, 0x2c, 0x30, 0x34, 0x3c].map(read), ["ffffffff", "ffffffff", "0", "0", "2f00ff"]);
});

Deno.test("accesses from below carry their own requester id past every bridge, while the bridges are bus masters", () => {
  const { pci, root, context, card2, space } = world();
  const seen: number[] = [];
  root.bridge.translate(context, () => ({
    name: "spy",
    translate(tx, out) {
      seen.push(tx.requester);
      out.set(tx.hi, tx.lo, 12, Access.ATOMIC);
      return BusStatus.OK;
    },
  }));
  pci.enumerate();
  pci.function(0x0228).enableBusMaster();
  assertEquals(card2.port.write32(0, 0x3000, 0x55), BusStatus.OK);
  assertEquals([seen, space.read(0x3000, 4)], [[0x0228], 0x55]);
  const leased = card2.port.map([{ hi: 0, lo: 0x3000, length: 4, access: Access.READ }]);
  if (!leased.ok) throw new Error("no lease");
  pci.function(0x0010).disableBusMaster();
  assertEquals([card2.port.write32(0, 0x3000, 1), leased.lease.live], [BusStatus.UNSUPPORTED_REQUEST, false]);
});

Deno.test("peers are reached across bridges in both directions, untranslated, and only where they are", () => {
  const { pci, root, context, disk0, card2, card3, writes } = world();
  root.bridge.translate(context, () => ({ name: "wall", translate: () => BusStatus.UNSUPPORTED_REQUEST }));
  pci.enumerate();
  for (const requester of [0x0008, 0x0228, 0x0300]) pci.function(requester).enableBusMaster();
  const to = (requester: number) => pci.function(requester).bar(0).address | 0;
  assertEquals(card2.port.write32(0, to(0x0008), 1), BusStatus.OK);
  assertEquals(disk0.port.write32(0, to(0x0228) + 4, 2), BusStatus.OK);
  assertEquals(card3.port.write32(0, to(0x0100) + 8, 3), BusStatus.OK);
  assertEquals(writes, ["disk0 0 1", "card2 4 2", "card1 8 3"]);
  const before = to(0x0228);
  pci.function(0x0228).configWrite(0x10, 4, before + 0x1000 >>> 0);
  assertEquals(disk0.port.write32(0, before, 4), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(disk0.port.write32(0, before + 0x1000, 5), BusStatus.OK);
});

Deno.test("interrupt pins are swizzled once by every bridge", () => {
  const { pci, interrupts, card2, card1 } = world();
  pci.enumerate();
  // card2: INTA of device 5 is INTB below bridge2 (device 3), INTA below bridge1 (device 2), so INTC of the root.
  assertEquals(pci.function(0x0228).configRead(0x3c, 1), 18);
  card2.assertIntx();
  assertEquals(interrupts.isAsserted(18), true);
  assertEquals(pci.function(0x0100).configRead(0x3c, 1), 18); // card1: INTA of device 0, INTC of the root
  card1.assertIntx();
  card2.deassertIntx();
  assertEquals(interrupts.isAsserted(18), true);
});

Deno.test("renumbering a bus moves its functions' requester ids and ends their leases", () => {
  const { pci, card3, guest } = world();
  pci.enumerate();
  pci.function(0x0300).enableBusMaster();
  const leased = card3.port.map([{ hi: 0, lo: 0x3000, length: 4, access: Access.READ }]);
  if (!leased.ok) throw new Error("no lease");
  pci.config.write(0x0020, 0x19, 2, 0x0909);
  assertEquals([card3.port.requester, leased.lease.live, leased.lease.reason], [
    0x0900,
    false,
    "the bus was renumbered",
  ]);
  assertEquals([pci.config.read(0x0300, 0, 4), pci.config.read(0x0900, 0, 4)], [0xffffffff, 0x00401af4]);
  assertEquals(guest.read(0xc0200000, 4), 0x40);
});

Deno.test("a function that is plugged in below a bridge later gets what its windows have left", () => {
  const { pci, bus1 } = world();
  pci.enumerate();
  bus1.addFunction({
    id: "late",
    vendor: 1,
    device: 1,
    classCode: 0,
    bars: [{ index: 0, kind: "memory", size: 4096, block: { read: () => 0x99, write() {} } }],
  });
  assertEquals(pci.function(0x0108).read(0, 0, 4), 0x99);
});
