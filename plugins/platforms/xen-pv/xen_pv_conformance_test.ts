import { platformConformance, type PlatformQuirks } from "@iova/core/testing";
import xenPv from "./mod.ts";

const NOTHING_REVOKED =
  "a machine address leads to its page for as long as the guest has the page; nothing is taken back";
const EXCUSES: PlatformQuirks["leftOut"] = {
  "fault-after-unmap": NOTHING_REVOKED,
  "fault-outside": NOTHING_REVOKED,
  "fault-write": NOTHING_REVOKED,
  "fault-read": NOTHING_REVOKED,
  "fault-other": NOTHING_REVOKED,
  "fault-recorded": NOTHING_REVOKED,
  "lease": NOTHING_REVOKED,
  "misuse-reported": "there is nothing to look a handle up in; the check dma-debug does",
};

for (
  const cases of [
    platformConformance(xenPv, {}, { leftOut: EXCUSES }),
    platformConformance(xenPv, { order: "reverse" }, { leftOut: EXCUSES }),
    platformConformance(xenPv, { outer: true }, { leftOut: EXCUSES }),
    platformConformance(xenPv, { force: true }, { leftOut: EXCUSES }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}
