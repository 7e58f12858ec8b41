/**
 * What a page table walk costs: random 4 KiB pages over 32 MiB, no IOTLB. Walks and hits are measured in programs of their
 * own, because a machine has the one configuration or the other.
 *
 * @module
 */

import { suite } from "../../../../tests/bench/harness.ts";
import { PAGES, translating } from "../testdata/translating.ts";

await suite("amd-iommu: walk", [
  {
    name: "four levels, nothing cached but the device table entry, 8192 random pages",
    run: translating({ iotlb: 0, walkCache: 0 }, PAGES),
    atMost: 0.6,
    heapAtMost: 0.5,
  },
]);
