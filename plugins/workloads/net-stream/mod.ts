/**
 * The workload `net-stream`: a stream of bytes through two network devices, in frames short or long, verified.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readOptions } from "@iova/core";
 * import netStream from "@iova/net-stream";
 *
 * const where = { file: "machine.json", path: "workload[0].with" };
 * const options = readOptions(netStream.options, { offload: "segmentation", size: "60KiB" }, where);
 * assertEquals([options.size, options.segment, options.protocol], [61440, 1400, "tcp"]);
 * ```
 *
 * @module
 */

import { API_VERSION, defineWorkload, type WorkloadPlugin } from "@iova/core";
import { OPTIONS } from "./options.ts";
import { runStream } from "./run.ts";

/** The plugin. */
const plugin: WorkloadPlugin<typeof OPTIONS> = defineWorkload({
  name: "net-stream",
  kind: "workload",
  api: API_VERSION,
  summary: "A stream of bytes through two network devices, in frames short or long, verified.",
  options: OPTIONS,
  drives: "net",
  run: runStream,
});

export default plugin;
export { OPTIONS };
