// Makes tests of scenarios: each runs on our hardware and on QEMU's, and what differs must be explained.

import { assertEquals } from "@std/assert";
import {
  differences,
  type Explanation,
  qemuTest,
  runOurs,
  runQemu,
  type Scenario,
  unexplained,
} from "@iova/qtest/testing";

/** One test for each scenario. */
export function compareTests(scenarios: readonly Scenario[], explanations: readonly Explanation[]): void {
  for (const scenario of scenarios) {
    const power = JSON.stringify(scenario.manifest)?.includes("pseries") === true;
    qemuTest(
      `${scenario.name}: as on QEMU, or explained`,
      async () => {
        const found = differences(scenario.name, await runOurs(scenario), await runQemu(scenario));
        assertEquals(unexplained(scenario.name, found, explanations), []);
      },
      power ? "qemu-system-ppc64" : "qemu-system-x86_64",
    );
  }
}
