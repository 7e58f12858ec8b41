import { assert, assertEquals } from "@std/assert";
import { loadMachine, type MachineReport } from "@iova/core";

async function run(mode: "strict" | "lazy"): Promise<MachineReport> {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: { use: "amd-iommu", with: { mode } },
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randread", count: 300 } }],
  });
  return await machine.run();
}

Deno.test("strict flushes and waits once for each unmapping; lazy 255 unmappings at a time", async () => {
  for (const mode of ["strict", "lazy"] as const) {
    const { verified, devices: [{ dma }], platformCounters } = await run(mode);
    const { flushes, completionWaits, tablePages, commands } = platformCounters;
    assert(verified && dma.unmaps > 300);
    if (mode === "lazy") assert(flushes < 10, `${flushes}`);
    else assert(flushes >= dma.unmaps && flushes < dma.unmaps + 10, `${flushes} for ${dma.unmaps}`);
    // Attaching, detaching and the start wait as well; each wait is a command, and each flush at least one more.
    assert(completionWaits >= flushes && commands >= completionWaits + flushes);
    assertEquals(tablePages, 0, "everything has been given back");
  }
});
