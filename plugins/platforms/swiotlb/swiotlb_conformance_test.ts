import { platformConformance, type PlatformQuirks } from "@iova/core/testing";
import direct from "@iova/direct";
import strict from "@iova/strict";
import swiotlb from "./mod.ts";

const NO_TRANSLATION = "nothing translates: all memory is in reach of every device at all times";
const OPEN: PlatformQuirks["leftOut"] = {
  "fault-after-unmap": NO_TRANSLATION,
  "fault-outside": NO_TRANSLATION,
  "fault-write": NO_TRANSLATION,
  "fault-read": NO_TRANSLATION,
  "fault-other": NO_TRANSLATION,
  "fault-recorded": NO_TRANSLATION,
  "lease": NO_TRANSLATION,
};
const NO_RECORD = "a physical address tells nothing about who mapped it; the check dma-debug does";
const LOOSE = { ...OPEN, "misuse-reported": NO_RECORD };
const POOL_IS_SHARED = "the firewall knows the pool, not who uses which slot of it";
const RESTRICTED = Object.fromEntries(Object.keys(OPEN).map((id) => [id, POOL_IS_SHARED]));

const POOL_IS_COHERENT = "the platform above knows the pool, not who uses which slot of it";
const { "fault-other": _, ...below } = OPEN;
const BELOW_STRICT = Object.fromEntries(Object.keys(below).map((id) => [id, POOL_IS_COHERENT]));

for (
  const cases of [
    platformConformance(swiotlb, {}, { leftOut: OPEN }),
    platformConformance(swiotlb, { force: false }, { leftOut: LOOSE }),
    platformConformance(swiotlb, { restricted: true }, { leftOut: RESTRICTED }),
    platformConformance(swiotlb, { dynamic: true, pool: "1MiB" }, { leftOut: OPEN }),
    platformConformance(swiotlb, { areas: 4 }, { leftOut: OPEN }),
    platformConformance(swiotlb, {}, {
      leftOut: OPEN,
      below: { plugin: direct, with: { offset: "0xffffffffff000000" } },
    }),
    platformConformance(swiotlb, {}, { leftOut: BELOW_STRICT, below: { plugin: strict } }),
    platformConformance(swiotlb, { force: false }, { below: { plugin: strict } }),
    platformConformance(swiotlb, {}, { leftOut: OPEN, below: { plugin: swiotlb, with: { force: false } } }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}
