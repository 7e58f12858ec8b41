/**
 * Every device on every platform, over every transport and kind of ring: one machine each, with a workload that verifies
 * what went through it.
 *
 *     deno run --allow-read examples/device_grid.ts
 */

import { tryWorkloads, workloadTable } from "../tests/grid/workloads.ts";

console.log(workloadTable(await tryWorkloads()));
