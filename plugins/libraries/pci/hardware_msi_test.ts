import { assertEquals } from "@std/assert";
import { pciWorld } from "./testing.ts";

function world() {
  const w = pciWorld();
  const ids = { vendor: 0x1234, device: 0x11e8, classCode: 0x00ff00 };
  const card = w.bus.addFunction({ id: "card", ...ids, msi: true, interruptPin: 1 });
  w.pci.enumerate();
  const driver = w.pci.function(0x0008);
  driver.enableBusMaster();
  return { ...w, card, driver, msi: card.msi! };
}

/** Offset of the MSI capability: it is the first. */
const CAP = 0x40;

Deno.test("a function with MSI has the capability of one message with a 64-bit address", () => {
  const { driver } = world();
  assertEquals([driver.configRead(0x34, 1), driver.configRead(CAP, 4)], [CAP, 0x0080_0005]);
  for (let at = CAP; at < CAP + 16; at += 4) driver.configWrite(at, 4, 0xffff_ffff);
  assertEquals([0, 4, 8, 12].map((at) => driver.configRead(CAP + at, 4)), [
    0x00f1_0005,
    0xffff_fffc,
    0xffff_ffff,
    0x0000_ffff,
  ]);
});

Deno.test("the message reaches its handler, and none is sent while MSI is off", () => {
  const { driver, msi, scheduler } = world();
  let got = 0;
  assertEquals(msi.raise(), false);
  assertEquals(driver.enableMsi(() => void got++), true);
  assertEquals([msi.raise(), got], [true, 0], "never inside the device's call");
  scheduler.settle();
  assertEquals([got, msi.sent], [1, 1]);
  driver.disableMsi();
  assertEquals(msi.raise(), false);
  scheduler.settle();
  assertEquals(got, 1);
});

Deno.test("the interrupt pin is silent while MSI is enabled, and driven again when it is not", () => {
  const { driver, card, scheduler } = world();
  let lines = 0;
  const quiet = () => {
    lines++;
    card.deassertIntx();
  };
  driver.interruptLine(quiet);
  driver.enableMsi(() => {});
  card.assertIntx();
  // The command register would let it through; MSI does not.
  driver.configWrite(4, 2, driver.configRead(4, 2) & ~0x400);
  scheduler.settle();
  assertEquals(lines, 0);
  driver.configWrite(CAP + 2, 2, 0);
  scheduler.settle();
  assertEquals(lines, 1);
});

Deno.test("a reset turns MSI off; without bus mastering a message goes nowhere; a function without MSI says so", () => {
  const { driver, card, msi, bus, pci } = world();
  driver.enableMsi(() => {});
  driver.disableBusMaster();
  assertEquals([msi.raise(), msi.sent], [true, 0]);
  card.reset();
  assertEquals([msi.enabled, driver.configRead(CAP + 4, 4)], [false, 0]);
  bus.addFunction({ id: "plain", vendor: 1, device: 2, classCode: 0 });
  pci.enumerate();
  assertEquals(pci.function(0x0010).enableMsi(() => {}), false);
});
