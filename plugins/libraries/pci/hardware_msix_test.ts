import { assertEquals } from "@std/assert";
import { BusStatus, type RegisterBlock } from "@iova/core";
import type { PciMsixSpec } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

function world(msix: PciMsixSpec = { vectors: 3, bar: 1 }, block?: RegisterBlock) {
  const w = pciWorld();
  const card = w.bus.addFunction({
    id: "card",
    vendor: 0x1af4,
    device: 0x1042,
    classCode: 0x010000,
    bars: block && [{ index: msix.bar, kind: "memory", size: 0x4000, block }],
    msix,
    interruptPin: 1,
  });
  w.pci.enumerate();
  const driver = w.pci.function(0x0008);
  driver.enableBusMaster();
  const got = [0, 0, 0];
  const handlers = got.map((_, i) => () => void got[i]++);
  return { ...w, card, driver, msix: card.msix!, got, handlers };
}

/** Offset of the MSI-X capability: it is the first. */
const CAP = 0x40;

Deno.test("a vector that the guest has enabled reaches its handler, and only that", () => {
  const { driver, msix, got, handlers, scheduler } = world();
  assertEquals([driver.msixVectors, driver.enableMsix(handlers)], [3, true]);
  assertEquals(msix.raise(1), true);
  assertEquals(got, [0, 0, 0]); // never inside the device's call
  scheduler.settle();
  assertEquals([got, msix.sent], [[0, 1, 0], 1]);
});

Deno.test("a masked vector pends, shows in the pending bits, and is delivered once on unmask", () => {
  const { driver, msix, got, handlers, scheduler } = world();
  driver.enableMsix(handlers);
  driver.write(1, 2 * 16 + 12, 4, 1);
  msix.raise(2);
  msix.raise(2);
  scheduler.settle();
  assertEquals([got, driver.read(1, 2048, 4)], [[0, 0, 0], 0b100]);
  driver.write(1, 2048, 4, 0); // pending bits are read-only
  driver.write(1, 2 * 16 + 12, 4, 0);
  scheduler.settle();
  assertEquals([got, driver.read(1, 2048, 4)], [[0, 0, 1], 0]);
});

Deno.test("the function mask holds every vector back until it is lifted", () => {
  const { driver, msix, got, handlers, scheduler } = world();
  driver.enableMsix(handlers);
  driver.configWrite(CAP + 2, 2, 0xc000);
  msix.raise(0);
  msix.raise(1);
  scheduler.settle();
  assertEquals([got, driver.read(1, 2048, 4)], [[0, 0, 0], 0b11]);
  driver.configWrite(CAP + 2, 2, 0x8000);
  scheduler.settle();
  assertEquals([got, driver.read(1, 2048, 4)], [[1, 1, 0], 0]);
});

Deno.test("while MSI-X is off, or for a vector that does not exist, nothing is sent", () => {
  const { driver, msix, handlers } = world();
  assertEquals(msix.raise(0), false);
  driver.enableMsix(handlers);
  assertEquals([msix.raise(3), msix.raise(-1), msix.raise(0)], [false, false, true]);
  driver.disableMsix();
  assertEquals([msix.raise(0), msix.sent], [false, 1]);
});

Deno.test("a message is a write by the function: without bus mastering it is lost", () => {
  const { driver, card, msix, got, handlers, scheduler } = world();
  driver.enableMsix(handlers);
  driver.disableBusMaster();
  msix.raise(0);
  scheduler.settle();
  assertEquals([got, msix.sent, card.port.stats.faults], [[0, 0, 0], 0, 1]);
});

Deno.test("a message goes where the entry says, little-endian, through the bus", () => {
  const { driver, msix, space } = world();
  driver.write(1, 0, 4, 0x3003); // the two low bits do not exist
  driver.write(1, 4, 4, 0);
  driver.write(1, 8, 4, 0x11223344);
  driver.write(1, 12, 4, 0xfffffffe);
  assertEquals([driver.read(1, 0, 4), driver.read(1, 12, 4)], [0x3000, 0]);
  driver.configWrite(CAP + 2, 2, 0x8000);
  msix.raise(0);
  assertEquals(Array.from(space.bytes(0x3000, 4)), [0x44, 0x33, 0x22, 0x11]);
});

Deno.test("the table answers in every width and at every offset", () => {
  const { driver } = world();
  driver.write(1, 16 + 8, 1, 0x11);
  driver.write(1, 16 + 9, 2, 0x3322);
  driver.write(1, 16 + 11, 1, 0x44);
  assertEquals(driver.read(1, 16 + 8, 4), 0x44332211);
  assertEquals([driver.read(1, 16 + 9, 1), driver.read(1, 16 + 9, 2), driver.read(1, 16 + 7, 4)], [
    0x22,
    0x3322,
    0x33221100,
  ]);
  assertEquals([driver.read(1, 16 + 11, 2), driver.read(1, 12, 4)], [0x0144, 1]);
});

Deno.test("table and pending bits share a BAR with the device's own registers", () => {
  const writes: number[] = [];
  const block = { read: (offset: number) => offset, write: (offset: number) => void writes.push(offset) };
  const { driver, msix, got, handlers, scheduler } = world({
    vectors: 3,
    bar: 4,
    tableOffset: 0x2000,
    pbaOffset: 0x3000,
  }, block);
  assertEquals([driver.read(4, 0x1ff8, 4), driver.read(4, 0x2000 + 3 * 16, 4)], [0x1ff8, 0x2030]);
  driver.enableMsix(handlers);
  msix.raise(0);
  scheduler.settle();
  driver.write(4, 0x2ffc, 4, 1);
  assertEquals([got, writes, driver.read(4, 0x3000, 4)], [[1, 0, 0], [0x2ffc], 0]);
});

Deno.test("enabling again changes the handlers and sets no new messages aside", () => {
  const { driver, msix, got, handlers, scheduler } = world();
  driver.enableMsix(handlers);
  const data = driver.read(1, 8, 4);
  driver.disableMsix();
  driver.enableMsix([() => void (got[2] += 10)]);
  assertEquals(driver.read(1, 8, 4), data);
  msix.raise(0);
  msix.raise(1); // no handler this time: masked
  scheduler.settle();
  assertEquals([got, msix.isPending(1)], [[0, 0, 10], true]);
});

Deno.test("more handlers than vectors, or no MSI-X at all, is a refusal that changes nothing", () => {
  const { driver, bus, pci } = world();
  assertEquals([driver.enableMsix([1, 2, 3, 4].map(() => () => {})), driver.configRead(CAP + 2, 2)], [false, 2]);
  bus.addFunction({ id: "plain", vendor: 1, device: 1, classCode: 0 });
  const plain = pci.function(0x0010);
  assertEquals([plain.msixVectors, plain.enableMsix([() => {}])], [0, false]);
});

Deno.test("a message whose translation is pending is sent when there is an answer", () => {
  const { driver, msix, space, root, context, scheduler } = world();
  let known = false;
  root.bridge.translate(context, () => ({
    name: "slow",
    translate(tx, out) {
      if (!known) return BusStatus.PENDING;
      out.set(0, tx.lo, 12, 3);
      return BusStatus.OK;
    },
  }));
  driver.write(1, 0, 4, 0x3000);
  driver.write(1, 8, 4, 0x77);
  driver.write(1, 12, 4, 0);
  driver.configWrite(CAP + 2, 2, 0x8000);
  msix.raise(0);
  assertEquals(space.read(0x3000, 4), 0);
  known = true;
  context.hardware.resume();
  scheduler.settle();
  assertEquals(space.read(0x3000, 4), 0x77);
});

Deno.test("a table that its function puts outside its BAR, or into none, is not used", () => {
  for (const [table, used] of [[1, true], [0x1000 + 1, false], [0xffff_f000 + 1, false], [5, false]] as const) {
    const { driver, card, handlers } = world();
    card.config.view.setUint32(CAP + 4, table, true);
    assertEquals(driver.enableMsix(handlers), used, table.toString(16));
  }
});
