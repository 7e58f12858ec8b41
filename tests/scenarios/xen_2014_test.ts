// What started the discussion of 2014: Xen runs inside a virtual machine, and its dom0 drives a virtio disk of the outer
// machine. The outer machine's physical addresses are Xen's machine addresses. A driver that sends its own "physical"
// addresses sends the device to other pages; one that asks the DMA API does not.

import { assert, assertEquals } from "@std/assert";
import { loadMachine, type MachineReport } from "@iova/core";

interface Disk {
  /** The device's and the driver's options. */
  with?: Record<string, unknown>;
}

async function run(platform: Record<string, unknown> | "direct", disk: Disk): Promise<MachineReport> {
  const machine = await loadMachine({
    memory: "32MiB",
    platform: platform === "direct" ? "direct" : { use: "xen-pv", with: platform },
    checks: ["dma-debug"],
    devices: [{
      id: "disk0",
      use: "virtio-blk",
      with: { ram: "1MiB", ...disk.with },
    }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 200, depth: 8 } }],
  }, { base: "/" });
  return await machine.run();
}

const warningIds = ({ warnings }: MachineReport) => warnings.map(({ id }) => id);
const OUTER = { outer: true };

Deno.test("outside Xen a driver that sends physical addresses works", async () => {
  const report = await run("direct", { with: { driverAddressing: "physical" } });
  assertEquals([report.verified, report.warnings], [true, []]);
});

Deno.test("dom0 under an outer hypervisor: a driver that sends physical addresses fails, visibly", async () => {
  const report = await run(OUTER, { with: { driverAddressing: "physical" } });
  assertEquals(report.verified, false);
  assert(report.workloads[0].failure !== undefined);
  assertEquals(report.devices[0].counters.requests, 0, "the device found no request where it was sent");
  assertEquals(warningIds(report).includes("device-gone"), true);
});

Deno.test("dom0 under an outer hypervisor: a device without ACCESS_PLATFORM fails the same, and passes nothing", async () => {
  const report = await run(OUTER, { with: { accessPlatform: false, driverAddressing: "physical" } });
  assertEquals([report.verified, report.devices[0].counters.requests], [false, 0]);
  assertEquals(report.devices[0].bypass, false);
});

Deno.test("dom0 under an outer hypervisor: with Linux's answer, to ask the DMA API whenever Xen is there, it works", async () => {
  for (const transport of ["modern", "legacy"]) {
    const report = await run(OUTER, { with: { accessPlatform: false, transport } });
    assertEquals([report.verified, report.warnings], [true, []], transport);
  }
});

Deno.test("dom0 under an outer hypervisor: a driver that asks the DMA API works", async () => {
  const report = await run(OUTER, {});
  assertEquals([report.verified, report.warnings], [true, []]);
  assertEquals(report.devices[0].counters.requests >= 200, true);
});

Deno.test("an ordinary PV guest: the physical address is refused, and the right one is told", async () => {
  const report = await run({}, { with: { driverAddressing: "physical" } });
  assertEquals(report.verified, false);
  const [wrong] = report.warnings.filter(({ id }) => id === "wrong-space");
  assert(
    /^xen-pv: no machine frame at 0x1\w{5}; as a pseudo-physical address it is machine address 0x1\w{7}$/.test(
      wrong.message,
    ),
  );
});

for (const order of ["shuffled", "reverse"]) {
  Deno.test(`machine frames in ${order} order, every buffer bounced or not: content arrives`, async () => {
    for (const force of [false, true]) {
      const report = await run({ ...OUTER, order, force }, {});
      assertEquals([report.verified, report.warnings], [true, []]);
      assertEquals(report.devices[0].dma.bounces > 0, true);
    }
  });
}
