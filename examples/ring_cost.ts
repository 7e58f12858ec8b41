/**
 * What rings in memory cost a device: its accesses for each request, by kind of ring, one request at a time and many.
 *
 *     deno run --allow-read examples/ring_cost.ts
 */

import { costTable, ringCosts } from "../tests/grid/ring_cost.ts";

console.log(costTable(await ringCosts()));
