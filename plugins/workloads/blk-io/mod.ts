/**
 * The workload `blk-io`: reads and writes on a block device, sequential, random or mixed, and verified.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readOptions } from "@iova/core";
 * import blkIo from "@iova/blk-io";
 *
 * const where = { file: "machine.json", path: "workload[0].with" };
 * const options = readOptions(blkIo.options, { pattern: "randwrite", blockSize: "16KiB" }, where);
 * assertEquals([options.blockSize, options.depth, blkIo.writes!(options)], [16384, 32, true]);
 * ```
 *
 * @module
 */

import { API_VERSION, defineWorkload, type WorkloadPlugin } from "@iova/core";
import type { BlockDriver } from "@iova/block";
import { writes } from "./geometry.ts";
import { OPTIONS } from "./options.ts";
import { runBlkIo } from "./run.ts";

/** The plugin. */
const plugin: WorkloadPlugin<typeof OPTIONS> = defineWorkload({
  name: "blk-io",
  kind: "workload",
  api: API_VERSION,
  summary: "Reads and writes on a block device: sequential, random or mixed, verified.",
  options: OPTIONS,
  drives: "block",
  writes,
  run: (context, options) => runBlkIo(context, context.driver as BlockDriver, options),
});

export default plugin;
export { OPTIONS };
