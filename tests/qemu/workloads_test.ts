// Whole machines: the same manifest in simulation and on QEMU's hardware, with the same drivers and the same seed. What the
// workload reports of content must be the same to the byte.

import { assert, assertEquals } from "@std/assert";
import { loadMachine, type MachineReport, type Manifest } from "@iova/core";
import { drive } from "@iova/qtest";
import { qemuTest } from "@iova/qtest/testing";

type Options = Record<string, unknown>;

function disk(use: string, platform: Manifest["platform"], options: Options, workload: Options = {}): Manifest {
  const { memory = "64MiB", ...more } = options;
  return {
    memory: memory as string,
    seed: 20261127,
    platform,
    checks: ["dma-debug"],
    devices: [{ id: "disk0", use, with: { ram: "256KiB", ...more } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 64, flushEvery: 16, ...workload } }],
  };
}

/** Times are nobody's to promise. */
function content({ workloads, devices, warnings }: MachineReport) {
  return {
    workloads: workloads.map((
      { use, verified, requests, bytes, failure, details: { sha256, reads, writes, flushes } },
    ) => [
      use,
      verified,
      requests,
      bytes,
      failure,
      sha256,
      reads,
      writes,
      flushes,
    ]),
    mappings: devices.map(({ id, dma: { mapFailures, coherentBytes, maps, unmaps } }) => [
      id,
      mapFailures,
      coherentBytes,
      maps === unmaps,
    ]),
    warnings,
  };
}

function cards(platform: Manifest["platform"], options: Options): Manifest {
  const { memory = "64MiB", ...more } = options;
  const plain = { checksum: false, segmentation: false, ...more };
  return {
    memory: memory as string,
    seed: 20261127,
    platform,
    checks: ["dma-debug"],
    devices: ["nic0", "nic1"].map((id) => ({ id, use: "virtio-net", with: plain })),
    workload: [
      { use: "net-stream", device: "nic1", with: { receiver: "nic0", count: 40, size: 1400 } },
      { use: "net-stream", device: "nic0", with: { receiver: "nic1", count: 40, size: 60 } },
    ],
  };
}

const PSERIES = { memory: "256MiB", vectors: 0 };
const MANIFESTS: [what: string, manifest: Manifest][] = [
  ["virtio-blk", disk("virtio-blk", "direct", {})],
  ["virtio-blk behind an AMD IOMMU", disk("virtio-blk", "amd-iommu", {})],
  ["virtio-blk, legacy", disk("virtio-blk", "direct", { transport: "legacy" })],
  ["virtio-blk, legacy with interrupt lines", disk("virtio-blk", "direct", { transport: "legacy", vectors: 0 })],
  [
    "virtio-blk, transitional, driven by its legacy interface over four queues",
    disk("virtio-blk", "direct", { transport: "transitional", driverInterface: "legacy", queues: 4, vectors: 5 }),
  ],
  ["virtio-blk of four queues", disk("virtio-blk", "direct", { queues: 4, vectors: 5 })],
  [
    "virtio-blk behind an AMD IOMMU, flushed lazily",
    disk("virtio-blk", { use: "amd-iommu", with: { mode: "lazy" } }, {}),
  ],
  [
    "virtio-blk behind an AMD IOMMU, every request mapped",
    disk("virtio-blk", "amd-iommu", { requestMemory: "streaming" }),
  ],
  [
    "virtio-blk behind an AMD IOMMU, passed through",
    disk("virtio-blk", { use: "amd-iommu", with: { domain: "identity" } }, {}),
  ],
  ["virtio-blk past an AMD IOMMU", disk("virtio-blk", "amd-iommu", { accessPlatform: false })],
  ["virtio-blk over bounce buffers", disk("virtio-blk", "swiotlb", {})],
  ["virtio-blk behind TCE tables", disk("virtio-blk", "pseries-tce", PSERIES)],
  [
    "virtio-blk behind TCE tables, every request mapped",
    disk("virtio-blk", "pseries-tce", { ...PSERIES, requestMemory: "streaming" }),
  ],
  ["virtio-blk behind a direct window", disk("virtio-blk", { use: "pseries-tce", with: { ddw: true } }, PSERIES)],
  [
    "transitional virtio-blk by its legacy interface",
    disk("virtio-blk", "direct", {
      transport: "transitional",
      driverInterface: "legacy",
    }),
  ],
  ["IDE", disk("ide", "direct", {})],
  ["IDE behind an AMD IOMMU", disk("ide", "amd-iommu", {})],
  ["IDE over bounce buffers", disk("ide", "swiotlb", {})],
  ["virtio-net", cards("direct", {})],
  ["virtio-net with packed rings", cards("direct", { packed: true })],
  ["virtio-net behind an AMD IOMMU", cards("amd-iommu", {})],
  ["virtio-net over bounce buffers", cards("swiotlb", {})],
  ["virtio-net behind TCE tables", cards("pseries-tce", PSERIES)],
];

for (const [what, manifest] of MANIFESTS) {
  const power = JSON.stringify(manifest).includes("pseries");
  qemuTest(
    `${what}: the same content, requests and mappings in simulation and on QEMU`,
    async () => {
      const ours = await (await loadMachine(manifest)).run();
      const theirs = await drive(manifest);
      assert(ours.verified);
      assertEquals(content(theirs), content(ours));
    },
    power ? "qemu-system-ppc64" : "qemu-system-x86_64",
  );
}
