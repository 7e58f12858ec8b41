import { platformConformance, type PlatformQuirks } from "@iova/core/testing";
import xenGrant from "./mod.ts";

const WHOLE_PAGES = "a grant is a whole page";
const COOPERATIVE = "revocation is cooperative: a page that the backend holds is not given back, and the device breaks";
const PERSISTENT = "persistent pages stay granted, readable and writable, for as long as the device lives";

const EXCUSES: PlatformQuirks["leftOut"] = {
  "fault-outside": WHOLE_PAGES,
  "fault-read": "there are no write-only grants",
  "fault-other": "the backend domain is trusted with everything that is granted to it, whichever device it was for",
  "coherent-aligned": "references of a run are consecutive, not aligned",
  "lease": COOPERATIVE,
};

const PERSISTENT_EXCUSES: PlatformQuirks["leftOut"] = {
  "fault-outside": PERSISTENT,
  "fault-read": PERSISTENT,
  "fault-write": PERSISTENT,
  "fault-other": PERSISTENT,
  "fault-after-unmap": PERSISTENT,
  "fault-recorded": PERSISTENT,
  "lease": PERSISTENT,
  "coherent-aligned": "references of a run are consecutive, not aligned",
};

const perDevice = { ...EXCUSES };
delete (perDevice as Record<string, string>)["fault-other"];

for (
  const cases of [
    platformConformance(xenGrant, {}, { leftOut: EXCUSES }),
    platformConformance(xenGrant, { version: 2 }, { leftOut: EXCUSES }),
    platformConformance(xenGrant, { policy: "cached" }, { leftOut: EXCUSES }),
    platformConformance(xenGrant, { policy: "copy", inUse: "defer" }, { leftOut: EXCUSES }),
    platformConformance(xenGrant, { backends: "per-device" }, { leftOut: perDevice }),
    platformConformance(xenGrant, { policy: "persistent" }, { leftOut: PERSISTENT_EXCUSES }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}
