import { assertEquals, assertThrows } from "@std/assert";
import { pciWorld } from "./testing.ts";

function world() {
  const w = pciWorld();
  const make = (id: string, at: string, interruptPin: 0 | 1 | 2 | 3 | 4) =>
    w.bus.addFunction({ id, at, vendor: 1, device: 1, classCode: 0, interruptPin, msix: { vectors: 1, bar: 0 } });
  return { ...w, make };
}

Deno.test("INTx is a level: the handler runs while the pin is asserted and not after", () => {
  const { make, pci, scheduler } = world();
  const card = make("card", "01.0", 1);
  pci.enumerate();
  const driver = pci.function(0x0008);
  let calls = 0;
  driver.interruptLine(() => {
    calls++;
    if (calls === 3) card.deassertIntx();
  });
  assertEquals(driver.configRead(0x3c, 2), 0x0111); // pin 1 on line 17
  card.assertIntx();
  assertEquals([calls, driver.configRead(0x06, 2) & 8], [0, 8]);
  while (scheduler.step());
  assertEquals([calls, driver.configRead(0x06, 2) & 8], [3, 0]);
});

Deno.test("a shared line stays asserted until the last function lets go", () => {
  const { make, interrupts } = world();
  const a = make("a", "01.0", 1); // INTA of device 1 and INTD of device 2 are both line 17
  const b = make("b", "02.0", 4);
  a.assertIntx();
  a.assertIntx();
  b.assertIntx();
  a.deassertIntx();
  assertEquals([interrupts.isAsserted(17), interrupts.isAsserted(16), interrupts.isAsserted(18)], [true, false, false]);
  b.deassertIntx();
  assertEquals(interrupts.isAsserted(17), false);
});

Deno.test("the disable bit silences the pin but not the status bit", () => {
  const { make, interrupts, pci } = world();
  const card = make("card", "01.0", 1);
  card.assertIntx();
  pci.config.write(0x0008, 4, 2, 0x400);
  assertEquals([interrupts.isAsserted(17), pci.config.read(0x0008, 6, 2) & 8], [false, 8]);
  pci.config.write(0x0008, 4, 2, 0);
  assertEquals(interrupts.isAsserted(17), true);
});

Deno.test("a function uses INTx or MSI-X, not both", () => {
  const { make, interrupts, pci } = world();
  const card = make("card", "01.0", 1);
  card.assertIntx();
  pci.config.write(0x0008, 0x42, 2, 0x8000);
  assertEquals(interrupts.isAsserted(17), false);
  pci.config.write(0x0008, 0x42, 2, 0);
  assertEquals(interrupts.isAsserted(17), true);
});

Deno.test("a function without a pin has no line", () => {
  const { make, pci } = world();
  make("card", "01.0", 0).assertIntx();
  assertThrows(() => pci.function(0x0008).interruptLine(() => {}), RangeError, "00:01.0 has no interrupt pin");
});
