import { assert, assertEquals } from "@std/assert";
import { loadMachine, type Machine, type Manifest } from "@iova/core";

/** Uses the hardware of one machine, whose own drivers let go of it, as foreign hardware of another. */
function over(hardware: Machine, manifest: Manifest): Promise<Machine> {
  const { scheduler, interrupts, guest } = hardware;
  for (const { id } of hardware.resolved.devices) hardware.driver(id).stop();
  return loadMachine(manifest, {
    hardware: {
      scheduler,
      interrupts,
      guest,
      firmware: [],
      requester: (id) => hardware.device(id).port.requester,
    },
  });
}

const manifest: Manifest = {
  memory: "16MiB",
  platform: "direct",
  devices: [{ id: "probe", use: "edu" }, { id: "disk", use: "virtio-blk", with: { ram: "1MiB" } }],
  workload: [
    { use: "edu-dma", device: "probe", with: { count: 8 } },
    { use: "blk-io", device: "disk", with: { pattern: "mixed", count: 16, mixRead: 50 } },
  ],
};

Deno.test("drivers, workloads and checks run over hardware that is not theirs, and the report says what they did", async () => {
  const hardware = await loadMachine({ ...manifest, workload: [] });
  const machine = await over(hardware, { ...manifest, checks: ["dma-debug"] });
  const report = await machine.run();
  assert(report.verified);
  assertEquals(report.workloads.map(({ use }) => use), ["edu-dma", "blk-io"]);
  assertEquals(report.devices.map(({ place }) => place), ["00:01.0", "00:02.0"]);
  assert(report.devices.every(({ dma }) => dma.maps > 0));
  // The device halves are the other machine's, and so is what they counted.
  assertEquals(report.devices.map(({ counters, port }) => [counters, port.reads]), [[{}, 0], [{}, 0]]);
  assert(hardware.device("disk").counters().requests >= 16);
  hardware.stop();
});

Deno.test("a device has what the drivers over it wrote, and a machine without a simulation makes none", async () => {
  const hardware = await loadMachine({ ...manifest, workload: [] });
  const machine = await over(hardware, { ...manifest, devices: [manifest.devices![0]], workload: [] });
  const driver = machine.driver<import("@iova/edu").EduDriver>("probe");
  const bytes = Uint8Array.of(1, 2, 3, 4);
  await machine.settle(driver.poke(0x3000n, bytes));
  assertEquals(hardware.space.bytes(0x3000, 4), bytes);
  assertEquals(machine.guest, hardware.guest);
  assertEquals(machine.device("probe").counters(), {});
  machine.stop();
  hardware.stop();
});
