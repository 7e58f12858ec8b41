import direct from "@iova/direct";
import { platformConformance } from "@iova/core/testing";
import strict from "./mod.ts";

const offset = "0x80000000";

// This is the platform that every case was made for; in nested bridges too, on either side.
for (
  const cases of [
    platformConformance(strict),
    platformConformance(strict, {}, { below: { plugin: strict } }),
    platformConformance(strict, {}, { below: { plugin: direct, with: { offset } } }),
    platformConformance(direct, { offset }, {
      below: { plugin: strict },
      leftOut: { "fault-recorded": "the bridge above records the address that it saw on its own bus" },
    }),
  ]
) {
  for (const { name, run } of cases) Deno.test(name, run);
}
