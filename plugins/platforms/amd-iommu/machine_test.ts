import { assert, assertEquals } from "@std/assert";
import { loadMachine, type MachineReport, type PhysAddr } from "@iova/core";

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

/** What is asked of the probe's driver. */
interface Probe {
  transfer(buffer: PhysAddr, length: number, toDevice: boolean): Promise<unknown>;
  poke(address: bigint, bytes: Uint8Array): Promise<unknown>;
}

Deno.test("C9: a stale write lands when lazy and is a fault when strict; dma-debug reports it as E1 either way", async () => {
  for (const [mode, lands] of [["lazy", true], ["strict", false]] as const) {
    let handle = 0n;
    const reported: string[] = [];
    const machine = await loadMachine({
      memory: "16MiB",
      platform: { use: "amd-iommu", with: { mode } },
      checks: ["dma-debug"],
      devices: [{ id: "probe", use: "edu", with: { dmaDelay: "1us" } }],
    }, {
      listen(event) {
        if (event.type === "map") handle = BigInt(event.handle as string);
        if (event.type === "warning") reported.push(event.id as string);
      },
    });
    const probe = machine.driver("probe") as unknown as Probe;
    const buffer = machine.guest.heap.require(64, "a buffer", 64);
    await machine.settle(probe.transfer(buffer, 64, false));
    await machine.settle(probe.poke(handle, new Uint8Array([0x77])));
    assertEquals(machine.guest.memory.bytes(buffer, 1)[0], lands ? 0x77 : 0, mode);
    assertEquals(reported[0], "E1", mode);
    machine.stop();
  }
});
