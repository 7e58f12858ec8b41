/**
 * What the IOMMU costs a whole request, and what one map and unmap cost the driver however many mappings are live.
 *
 * @module
 */

import { Direction, dmaBitMask, DmaHandle, type Machine } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { loadMachine } from "@iova/core";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import { RandomReads } from "../../../tests/bench/disks.ts";
import amdIommu from "./mod.ts";

const MIB = 1024 * 1024;
const DEPTH = 32;

function machine(platform: unknown): Promise<Machine> {
  return loadMachine({
    memory: "64MiB",
    platform: platform as string,
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "8MiB" } }],
  });
}

/** Random reads of 4 KiB, 32 in flight. */
async function reads(name: string, platform: unknown, atMost?: number): Promise<Case> {
  const all = new RandomReads(await machine(platform), "disk0", DEPTH);
  await all.run(20_000);
  return { name, run: (n) => all.run(n), ...(atMost && { against: "reads: direct", atMost }) };
}

/** One page is mapped and unmapped while `live` others stay mapped. */
function mapUnmap(mode: "strict" | "lazy", live: number): Case {
  const ram = [[0, 64 * MIB]] as const;
  const platform = testPlatform(amdIommu, { ram, with: { mode } });
  const { dma } = platform.device();
  dma.setMaskAndCoherent(dmaBitMask(64));
  const handle = new DmaHandle();
  for (let i = 0; i < live; i++) {
    if (!dma.mapInto(handle, 0x1_0000, 4096, Direction.FROM_DEVICE)) throw new Error(`mapping ${i} failed`);
  }
  const name = (count: number) => `map and unmap, ${mode}, ${count.toLocaleString("en")} live`;
  return {
    name: name(live),
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        dma.mapInto(handle, 0x1_0000, 4096, Direction.FROM_DEVICE);
        dma.unmapFrom(handle, 4096, Direction.FROM_DEVICE);
      }
      platform.world.scheduler.settle();
    },
    heapAtMost: 1,
    ...(live > 1000 && { against: name(1000), atMost: 2 }),
  };
}

await reads("warm", "direct");
await suite("amd-iommu, whole requests", [
  await reads("reads: direct", "direct"),
  await reads("reads: strict", { use: "amd-iommu", with: { mode: "strict" } }, 2),
  await reads("reads: lazy", { use: "amd-iommu", with: { mode: "lazy" } }, 1.5),
  await reads("reads: identity", { use: "amd-iommu", with: { domain: "identity" } }),
]);
await suite("amd-iommu, live mappings", [
  mapUnmap("strict", 1000),
  mapUnmap("strict", 1_000_000),
  mapUnmap("lazy", 1000),
  mapUnmap("lazy", 1_000_000),
]);
