/**
 * A manifest as a TypeScript module: two disks, one of them behind a bridge with a platform of its own.
 *
 *     deno run --allow-read mod.ts run examples/bridges.ts
 */

import { defineMachine, type DeviceEntry, type WorkloadEntry } from "@iova/core";

/** A disk over the image beside this file, plugged into `bus`. */
function disk(id: string, bus: string): DeviceEntry {
  return { id, bus, use: "virtio-blk", with: { image: "fat12.img", readOnly: true } };
}

/** The same reads on every disk. */
function reads(device: string): WorkloadEntry {
  return { device, use: "blk-io", with: { pattern: "randread", blockSize: "4KiB", depth: 8, count: 64 } };
}

export default defineMachine({
  name: "two disks, two platforms",
  memory: "32MiB",
  // Whatever is plugged into the root bus sees memory 2 GiB up; behind the bridge, `strict` translates first.
  platform: { use: "direct", with: { offset: 0x8000_0000n } },
  checks: ["dma-debug"],
  bus: { id: "root", bridges: [{ id: "guarded", at: "04.0", platform: "strict" }] },
  devices: [disk("near", "root"), disk("far", "guarded")],
  workload: ["near", "far"].map(reads),
});
