import { assert, assertEquals } from "@std/assert";
import { costTable, ringCosts } from "./ring_cost.ts";

Deno.test("reads of memory for a request: fewest in a packed ring; a table is one read in place of two; in order, one write stands for many", async () => {
  const costs = await ringCosts();
  console.log(costTable(costs));
  const of = (ring: string, depth: number) => costs.find((cost) => cost.ring === ring && cost.depth === depth)!;
  // One at a time: index, slot, three descriptors, the index again, who wants an interrupt, the index once more.
  assertEquals([of("split", 1).ringReads, of("split", 1).ringWrites], [8, 3]);
  // Three descriptors, the next one, who wants an interrupt, the next one again; used descriptor and event structure.
  assertEquals([of("packed", 1).ringReads, of("packed", 1).ringWrites], [6, 2]);
  for (const depth of [1, 32]) {
    const split = of("split", depth);
    const indirect = of("split, indirect", depth);
    assertEquals([split.tableReads, indirect.tableReads, split.ringReads - indirect.ringReads], [0, 1, 2]);
    assert(of("packed", depth).ringReads <= split.ringReads - 1);
  }
  // A batch of 32 is one used element, one index and one event; or one used descriptor and one event.
  assertEquals([of("split, in order", 32).ringWrites, of("packed, in order", 32).ringWrites], [3 / 32, 2 / 32]);
  assertEquals([of("split", 32).ringWrites, of("packed", 32).ringWrites], [34 / 32, 33 / 32]);
});
