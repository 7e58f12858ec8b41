/**
 * The workload `blk-copy`: copies a block device to a file, in order or in random order, and says the file's SHA-256.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readOptions } from "@iova/core";
 * import blkCopy from "@iova/blk-copy";
 *
 * const where = { file: "machine.json", path: "workload[0].with" };
 * assertEquals(readOptions(blkCopy.options, { to: "copy.img" }, where).order, "sequential");
 * ```
 *
 * @module
 */

import { API_VERSION, defineWorkload, type WorkloadPlugin } from "@iova/core";
import type { BlockDriver } from "@iova/block";
import { runCopy } from "./copy.ts";
import { OPTIONS } from "./options.ts";

/** The plugin. */
const plugin: WorkloadPlugin<typeof OPTIONS> = defineWorkload({
  name: "blk-copy",
  kind: "workload",
  api: API_VERSION,
  summary: "Copies a block device to a file, and says the file's SHA-256.",
  options: OPTIONS,
  drives: "block",
  run: (context, options) => runCopy(context, context.driver as BlockDriver, options),
});

export default plugin;
export { OPTIONS };
