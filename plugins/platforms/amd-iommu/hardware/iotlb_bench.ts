/**
 * What the IOTLB costs: random 4 KiB pages, all of them cached, or eight times as many as there are entries.
 *
 * @module
 */

import { suite } from "../../../../tests/bench/harness.ts";
import { PAGES, translating } from "../testdata/translating.ts";

await suite("amd-iommu: IOTLB", [
  { name: "hit, 512 random pages", run: translating({}, 512), atMost: 0.15, heapAtMost: 0.5 },
  { name: "hit, 8192 random pages", run: translating({ iotlb: 8192 }, PAGES), heapAtMost: 0.5 },
]);
