import { platformConformance, type PlatformQuirks } from "@iova/core/testing";
import direct from "@iova/direct";
import amdIommu from "./mod.ts";

const WHOLE_PAGES = "whole pages are mapped: the rest of the first and the last one is in reach";
const SIZES = "the IOMMU layer knows pages, not bytes; the check dma-debug knows both";
const strict: PlatformQuirks["leftOut"] = { "fault-outside": WHOLE_PAGES, "misuse-reported": SIZES };

const OFFSET = { offset: "0x80000000" };

const DEFERRED = "a cached translation lives until the queue is flushed";
const SPREAD = "addresses in the queue are spread over more page tables, which are kept; their number is bounded";
const lazy = { ...strict, "fault-after-unmap": DEFERRED, "lease": DEFERRED, "gives-back": SPREAD };

const NO_TRANSLATION = "nothing is translated: all memory is in reach of the device at all times";
const identity: PlatformQuirks["leftOut"] = {
  "fault-after-unmap": NO_TRANSLATION,
  "fault-outside": NO_TRANSLATION,
  "fault-write": NO_TRANSLATION,
  "fault-read": NO_TRANSLATION,
  "fault-other": NO_TRANSLATION,
  "fault-recorded": NO_TRANSLATION,
  "lease": NO_TRANSLATION,
  "misuse-reported": "there is nothing to look a handle up in; the check dma-debug does",
};

for (
  const cases of [
    platformConformance(amdIommu, { mode: "strict" }, { leftOut: strict }),
    platformConformance(amdIommu, { mode: "lazy" }, { leftOut: lazy }),
    platformConformance(amdIommu, { domain: "identity" }, { leftOut: identity }),
    platformConformance(amdIommu, { mode: "strict" }, { leftOut: strict, below: { plugin: direct, with: OFFSET } }),
    platformConformance(amdIommu, { mode: "strict" }, { leftOut: strict, below: { plugin: amdIommu } }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}
