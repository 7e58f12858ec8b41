/** Reports for tests: made by hand, so that what is printed can be compared with what was meant. */

import { dmaStats } from "../../dma_ops.ts";
import type { DeviceReport, MachineReport, WorkloadReport } from "../../report/report.ts";

/** A device that did something. */
export const DEVICE: DeviceReport = {
  id: "disk0",
  plugin: "disk",
  place: "00:01.0",
  requester: 8,
  bypass: false,
  dma: { ...dmaStats(), maps: 1536, unmaps: 1535, bounces: 12, bouncedBytes: 49152, hypercalls: 3 },
  port: { reads: 2000, writes: 1000, bytesRead: 65536, bytesWritten: 1048576, translations: 3000, faults: 1 },
  counters: { requests: 512, bytes: 2097152, errors: 0, resets: 2 },
};

/** A workload that went well. */
export const WORKLOAD: WorkloadReport = {
  use: "copy",
  device: "disk0",
  verified: true,
  requests: 512,
  bytes: 2097152,
  virtualTime: 1_500_000,
  wallTime: 8,
  details: { sha256: "00ff", blocksRead: 4096, meanLatencyNs: 19140.2, ratio: 1 / 3, exact: true },
};

/** A run that verified. */
export const REPORT: MachineReport = {
  name: "one disk",
  file: "one.json",
  platform: "plain",
  seed: 7,
  verified: true,
  virtualTime: 2_000_000,
  wallTime: 8,
  tree: { label: "one disk", detail: "64 MiB", children: [{ label: "disk0", detail: "disk", children: [] }] },
  devices: [DEVICE],
  platformCounters: { walks: 9, hits: 0 },
  workloads: [WORKLOAD],
  warnings: [],
  interrupts: 480,
  observations: ["a", "b", "c"],
  observationCount: 3,
};
