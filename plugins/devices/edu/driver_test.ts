import { assert, assertEquals, assertRejects } from "@std/assert";
import { InputError, loadMachine } from "@iova/core";
import { pciGuest } from "@iova/pci";
import type { EduDriver } from "./mod.ts";
import { eduMachine } from "./testdata/world.ts";

const PLATFORMS = ["direct", "strict"];

Deno.test("the driver identifies the device, and finds it alive", async () => {
  const { machine, driver } = await eduMachine("direct");
  assertEquals(driver.identify(), { major: 1, minor: 0 });
  assertEquals([driver.isAlive(), driver.isAlive(0), driver.isAlive(0xffff_ffff)], [true, true, true]);
  const [device] = (await machine.run()).devices;
  assertEquals([device.plugin, device.place], ["edu", "00:01.0"]);
});

Deno.test("factorials and interrupts come by interrupt, in the order in which they were asked for", async () => {
  const { machine, driver } = await eduMachine("direct");
  const answers = Promise.all([
    driver.factorial(5),
    driver.factorial(12),
    driver.raiseInterrupt(0x40),
    driver.factorial(0),
  ]);
  assertEquals(await machine.settle(answers), [120, 479_001_600, true, 1]);
  assertEquals(machine.interrupts.count, 4);
  machine.stop();
});

for (const platform of PLATFORMS) {
  Deno.test(`${platform}: bytes go to the device and come back, any length and place`, async () => {
    const { machine, driver } = await eduMachine(platform, { dmaDelay: "1us" });
    const { guest } = machine;
    const from = guest.heap.require(8192, "a buffer", 4096);
    const to = guest.heap.require(8192, "a buffer", 4096);
    for (const [length, place, offset] of [[1, 0, 0], [100, 0xfff, 3], [4096, 0x123, 0], [1, 5, 4095]]) {
      guest.memory.bytes(from + place, length).forEach((_, i, bytes) => bytes[i] = i * 7 + length);
      const moved = machine.settle(Promise.all([
        driver.transfer(from + place, length, true, offset),
        driver.transfer(to, length, false, offset),
      ]));
      assertEquals(await moved, [{ ok: true }, { ok: true }]);
      assertEquals(guest.memory.bytes(to, length), guest.memory.bytes(from + place, length));
    }
    const report = await machine.run();
    assertEquals(report.warnings, []);
    const { maps, unmaps } = report.devices[0].dma;
    assertEquals([maps, unmaps], [8, 8]);
  });

  Deno.test(`${platform}: a poke and a peek at a mapped address carry`, async () => {
    const { machine, driver } = await eduMachine(platform);
    const { handle, cpu } = machine.dma("edu0").allocCoherent(4096)!;
    const bytes = new Uint8Array([1, 2, 3, 4, 5]);
    assertEquals(await machine.settle(driver.poke(handle + 7n, bytes)), { ok: true });
    assertEquals(machine.guest.memory.bytes(cpu + 7, 5), bytes);
    assertEquals(await machine.settle(driver.peek(handle + 6n, 6)), new Uint8Array([0, 1, 2, 3, 4, 5]));
    machine.dma("edu0").freeCoherent(4096, cpu, handle);
    machine.stop();
  });
}

Deno.test("a peek at what the bus refuses is all ones, and the device counts it", async () => {
  const { machine, driver } = await eduMachine("direct");
  assertEquals(await machine.settle(driver.peek(0x800_0000n, 3)), new Uint8Array([0xff, 0xff, 0xff]));
  const [device] = (await machine.run()).devices;
  assertEquals([device.counters.faults, device.counters.requests], [1, 3]);
});

Deno.test("a transfer that does not fit the buffer, or cannot be mapped, is a value", async () => {
  const { machine, driver } = await eduMachine("direct", {}, "512MiB");
  const cpu = machine.guest.heap.require(16, "a buffer", 0x1000_0000);
  assertEquals(await driver.transfer(cpu, 4097, true), { ok: false, reason: "too-long" });
  assertEquals(await driver.transfer(cpu, 1, true, 4096), { ok: false, reason: "too-long" });
  assertEquals(await driver.poke(0n, new Uint8Array(4097)), { ok: false, reason: "too-long" });
  assertEquals(await driver.peek(0n, 0), null);
  assertEquals(
    await machine.settle(driver.transfer(cpu, 16, true)),
    { ok: false, reason: "not-mapped" },
    "256 MiB is high",
  );
  machine.stop();
});

Deno.test("a platform that refuses the device's mask fails the machine with words that say what to change", async () => {
  const platform = { use: "direct", with: { offset: "0x80000000" } };
  const { message } = await assertRejects(() => eduMachine(platform), InputError);
  assertEquals(
    message,
    'device "edu0": with.dmaMask: found 0xfffffff, which the platform refuses (EIO), ' +
      "expected a mask that covers the bus addresses that this platform hands out",
  );
  const { machine, driver } = await eduMachine(platform, { dmaMask: "0xffffffff" });
  const cpu = machine.guest.heap.require(16, "a buffer");
  assertEquals(await machine.settle(driver.transfer(cpu, 16, true)), { ok: true });
  machine.stop();
});

Deno.test("a machine that stops in the middle of a transfer gets its memory back, and the device writes no more", async () => {
  const { machine, driver } = await eduMachine("strict");
  const warnings: unknown[] = [];
  machine.events.listen(({ type, message }) => type === "warning" && warnings.push(message));
  const cpu = machine.guest.heap.require(4096, "a buffer", 4096);
  const pending = driver.transfer(cpu, 4096, false);
  machine.scheduler.settle();
  await Promise.resolve();
  await Promise.resolve();
  machine.stop();
  assertEquals(await pending, { ok: false, reason: "gone" });
  while (machine.scheduler.step()) { /* to the end */ }
  assertEquals(warnings, []);
});

Deno.test("a device that is pulled out answers nobody, and what waited for it is told", async () => {
  const { machine, driver } = await eduMachine("direct");
  const pending = driver.factorial(1_000_000);
  await Promise.resolve();
  machine.remove("edu0", "surprise");
  assertEquals(await machine.settle(pending), null);
  assertEquals([driver.identify(), driver.isAlive()], [null, false]);
});

Deno.test("a driver that enables MSI gets a message for each thing that is raised, and none when one is acknowledged", async () => {
  const { machine, driver } = await eduMachine("direct");
  const { guest, scheduler } = machine;
  const probe = pciGuest(guest).function(0x0008);
  const { address } = probe.bar(0);
  let messages = 0;
  assert(probe.enableMsi(() => void messages++));
  const after = (offset: number, value: number) => {
    guest.write(address + offset, 4, value);
    scheduler.settle();
    return messages;
  };
  assertEquals([after(0x60, 0x6), after(0x64, 0x2), after(0x60, 0x8), after(0x64, 0xc)], [1, 1, 2, 2]);
  probe.disableMsi();
  assertEquals(await machine.settle(driver.factorial(5)), 120, "by its line again");
  assertEquals(messages, 2);
});

Deno.test("an edu behind two bridges works as well", async () => {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: "strict",
    bus: { id: "root", use: "pci", bridges: [{ id: "b1", bridges: [{ id: "b2" }] }] },
    devices: [{ id: "edu0", use: "edu", bus: "b2", with: { dmaDelay: "1us" } }],
  });
  const driver = machine.driver<EduDriver>("edu0");
  assert(driver.isAlive());
  assertEquals(await machine.settle(driver.factorial(10)), 3_628_800);
  machine.stop();
});
