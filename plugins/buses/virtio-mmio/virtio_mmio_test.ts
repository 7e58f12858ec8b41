import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { BlockDriver } from "@iova/block";
import { InputError, loadMachine, type Manifest } from "@iova/core";

const BASE = 0xfeb0_0000;

function manifest(devices: Manifest["devices"], bus: Record<string, unknown> = {}): Manifest {
  const workload = devices!.map(({ id }) => ({ use: "blk-io", device: id, with: { pattern: "mixed", count: 50 } }));
  return { memory: "16MiB", platform: "strict", bus: { use: "virtio-mmio", with: bus }, devices, workload };
}

const disk = (id: string, more: Record<string, unknown> = {}, at?: string) => ({
  id,
  use: "virtio-blk",
  ...(at !== undefined && { at }),
  with: { ram: "256KiB", ...more },
});

Deno.test("devices of both versions work in their slots, and the others are placeholders", async () => {
  const machine = await loadMachine(manifest([disk("a"), disk("b", { transport: "legacy" }, "3")], { slots: 4 }));
  const ids = [0, 1, 2, 3].map((slot) => [0, 4, 8].map((at) => machine.guest.read(BASE + 512 * slot + at, 4)));
  assertEquals(ids, [[0x74726976, 2, 2], [0x74726976, 2, 0], [0x74726976, 2, 0], [0x74726976, 1, 2]]);
  const report = await machine.run();
  assertEquals([report.verified, report.warnings], [true, []]);
  assertEquals(report.devices.map(({ requester, bypass }) => [requester, bypass]), [[8, false], [32, true]]);
});

Deno.test("a device that is pulled out leaves a placeholder, and its slot can be used again", async () => {
  const machine = await loadMachine(manifest([disk("a")]));
  const driver = machine.driver<BlockDriver>("a");
  const buffer = machine.guest.heap.require(512, "a buffer", 512);
  const read = driver.read(0, buffer, 512);
  machine.remove("a", "surprise");
  assertEquals(await machine.settle(read), 3);
  assertEquals(machine.guest.read(BASE + 8, 4), 0);
  assert(!machine.interrupts.isAsserted(24));
  machine.stop();
});

Deno.test("devices behind bridges are translated there", async () => {
  const machine = await loadMachine({
    ...manifest([{ ...disk("a"), bus: "below" }]),
    bus: {
      use: "virtio-mmio",
      bridges: [{ id: "below", platform: { use: "direct", with: { offset: "0x80000000" } } }],
    },
  });
  const report = await machine.run();
  assertEquals([report.verified, report.devices[0].port.faults], [true, 0]);
  assert(report.devices[0].port.translations > 0);
});

Deno.test("after a reset of the machine the slots are as at power-on", async () => {
  const machine = await loadMachine(manifest([disk("a")]));
  assertEquals(machine.guest.read(BASE + 0x70, 4), 0x0f);
  machine.reset();
  assertEquals(machine.guest.read(BASE + 0x70, 4), 0);
  machine.stop();
});

Deno.test("bad places and addresses name what was found and what was expected", async () => {
  const cases: [Manifest, string][] = [
    [manifest([disk("a", {}, "9")]), 'devices[0].at: found place "9", expected a slot, "0" to "7"'],
    [manifest([disk("a"), disk("b", {}, "0")]), 'devices[1].at: found place "0", which a has, expected a free slot'],
    [manifest([disk("a"), disk("b")], { slots: 1 }), "found 2 devices, expected at most 1: one for each slot"],
    [manifest([disk("a")], { base: 0xfeb0_0100 }), "bus.with.base: found 0xfeb00100, expected a multiple of 512"],
    [manifest([disk("a")], { base: 0x1000 }), "bus.with.base: found 0x1000 ("],
  ];
  for (const [bad, message] of cases) {
    const error = await assertRejects(() => loadMachine(bad), InputError);
    assertStringIncludes(error.message, message);
  }
});
