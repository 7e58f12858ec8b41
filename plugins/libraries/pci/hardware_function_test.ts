import { assertEquals } from "@std/assert";
import { Access, BusStatus } from "@iova/core";
import { pciWorld } from "./testing.ts";

function world() {
  const w = pciWorld();
  const block = { read: () => 0x11, write() {} };
  const card = w.bus.addFunction({
    id: "card",
    vendor: 0x1af4,
    device: 0x1042,
    classCode: 0x010000,
    bars: [{ index: 0, kind: "memory", size: 4096, block }],
    msix: { vectors: 2, bar: 1 },
    interruptPin: 1,
  });
  w.pci.enumerate();
  return { ...w, card, driver: w.pci.function(0x0008) };
}

const RANGE = { hi: 0, lo: 0x4000, length: 64, access: Access.WRITE };

Deno.test("without bus mastering every access is an unsupported request, and losing it revokes leases", () => {
  const { card, driver, space } = world();
  const bytes = new Uint8Array([1, 2, 3, 4]);
  assertEquals(card.port.write(0x3000n, bytes), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(card.port.map([RANGE]).ok, false);
  driver.enableBusMaster();
  assertEquals(card.port.write(0x3000n, bytes), BusStatus.OK);
  assertEquals(space.read(0x3000, 4), 0x04030201);
  const leased = card.port.map([RANGE]);
  if (!leased.ok) throw new Error("no lease");
  driver.disableBusMaster();
  assertEquals([leased.lease.live, leased.lease.reason], [false, "bus mastering is off"]);
  assertEquals(card.port.read(0x3000n, bytes), BusStatus.UNSUPPORTED_REQUEST);
});

Deno.test("a removed function reads all ones, its registers and leases are gone, its port gets nowhere", () => {
  const { card, driver, guest, root, interrupts, space } = world();
  driver.enableBusMaster();
  const { address } = driver.bar(0);
  assertEquals(guest.read(address, 4), 0x11);
  const leased = card.port.map([RANGE]);
  if (!leased.ok) throw new Error("no lease");
  card.assertIntx();
  card.remove();
  card.remove();
  assertEquals(driver.configRead(0, 4), 0xffffffff);
  assertEquals([guest.read(address, 4), leased.lease.live, interrupts.isAsserted(17)], [0xffffffff, false, false]);
  assertEquals(card.port.write(0x3000n, new Uint8Array(4)), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals([root.ports.length, space.registerRegions.map((region) => region.name)], [0, ["interrupt messages"]]);
});

Deno.test("a function that is plugged in later is found, and what was there keeps its addresses", () => {
  const { bus, pci, driver, card, guest } = world();
  const before = driver.bar(0).address;
  const block = { read: () => 0x22, write() {} };
  bus.addFunction({
    id: "late",
    vendor: 1,
    device: 2,
    classCode: 0,
    bars: [{ index: 0, kind: "memory", size: 16, block }],
  });
  const late = pci.function(0x0010);
  assertEquals([late.read(0, 0, 4), guest.read(before, 4), driver.bar(0).address], [0x22, 0x11, before]);
  card.remove();
  pci.enumerate();
  assertEquals(pci.devices.map((device) => device.requester), [0x0000, 0x0010]);
});

Deno.test("after a reset nothing decodes and nothing is enabled", () => {
  const { card, driver, guest } = world();
  driver.enableBusMaster();
  driver.enableMsix([() => {}, () => {}]);
  const { address } = driver.bar(0);
  card.reset();
  assertEquals([card.command, card.port.busMaster, card.msix!.enabled], [0, false, false]);
  assertEquals([guest.read(address, 4), driver.configRead(0x10, 4)], [0xffffffff, 0]);
  assertEquals(driver.configRead(0, 4), 0x10421af4);
});
