// With QEMU's personality our AMD IOMMU differs from the specification exactly where QEMU's does: what was measured there is
// what is observed here, without QEMU.

import { assertEquals } from "@std/assert";
import { differences, runOurs, unexplained } from "@iova/qtest/testing";
import { AMD_IOMMU } from "./amd_iommu.ts";
import { EXPLANATIONS } from "./amd_iommu_differences.ts";

for (const scenario of AMD_IOMMU) {
  Deno.test(`${scenario.name}: QEMU's personality does what QEMU does`, async () => {
    const platform = { use: "amd-iommu", with: { personality: "qemu" } };
    const as = { ...scenario, manifest: { ...scenario.manifest, platform } };
    const found = differences(scenario.name, await runOurs(scenario), await runOurs(as));
    assertEquals(unexplained(scenario.name, found, EXPLANATIONS), []);
  });
}
