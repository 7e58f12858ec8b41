import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Tried, tryWorkloads, workloadTable } from "./workloads.ts";

/** What real platforms refuse, and the words in which the driver says so. */
const REFUSALS: readonly { applies: (tried: Tried) => boolean; says: string }[] = [
  {
    // Grant references have bit 63 set; a legacy ring's address is a page number of 32 bits.
    applies: ({ row, platform }) => platform.name === "xen-grant" && row.transport === "legacy PCI, translated",
    says: "legacy virtio interface must not be used with rings above 16 TiB",
  },
  {
    // A region descriptor has 32 bits of address. PIO needs none.
    applies: ({ row, platform }) => platform.name === "xen-grant" && row.ring === "PRD table",
    says: "refuses bus addresses of 32 bits",
  },
];

Deno.test("every device works on every platform, over every transport and ring; what a real platform refuses is said", async () => {
  const rows = await tryWorkloads();
  console.log(workloadTable(rows));
  for (const tried of rows.flat()) {
    const where = `${tried.row.device}, ${tried.row.transport}, ${tried.row.ring}, ${tried.platform.name}`;
    const refusal = REFUSALS.find(({ applies }) => applies(tried));
    if (refusal === undefined) {
      assertEquals([tried.outcome, tried.why], ["verified", ""], where);
      assert(tried.requests >= 60, where);
    } else {
      assertEquals(tried.outcome, "refused", where);
      assertStringIncludes(tried.why, refusal.says, where);
    }
  }
});
