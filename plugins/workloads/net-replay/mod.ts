/**
 * The workload `net-replay`: a capture goes in at one network device and comes out of another, byte for byte.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readOptions } from "@iova/core";
 * import netReplay from "@iova/net-replay";
 *
 * const where = { file: "machine.json", path: "workload[0].with" };
 * const options = readOptions(netReplay.options, { file: "lan.pcap", receiver: "nic1" }, where);
 * assertEquals([options.file, options.timing, options.tolerance], ["lan.pcap", true, 1000000]);
 * ```
 *
 * @module
 */

import { API_VERSION, defineWorkload, type WorkloadPlugin } from "@iova/core";
import { OPTIONS } from "./options.ts";
import { runReplay } from "./run.ts";

/** The plugin. */
const plugin: WorkloadPlugin<typeof OPTIONS> = defineWorkload({
  name: "net-replay",
  kind: "workload",
  api: API_VERSION,
  summary: "A capture goes in at one network device and comes out of another, verified.",
  options: OPTIONS,
  drives: "net",
  run: runReplay,
});

export default plugin;
export { OPTIONS };
