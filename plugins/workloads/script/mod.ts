/**
 * The workload `script`: a module of your own with the machine in hand. Its default export is called with a
 * {@linkcode ScriptContext}:
 *
 * ```ts
 * import type { ScriptContext } from "@iova/script";
 * import type { BlockDriver } from "@iova/block";
 *
 * export default async function readSector({ driver, guest, options }: ScriptContext) {
 *   const disk = driver as BlockDriver;
 *   const buffer = guest.heap.require(512, "a sector");
 *   const status = await disk.read(Number(options.sector ?? 0), buffer, 512);
 *   return { verified: status === 0, details: { first: guest.memory.read(buffer, 4) } };
 * }
 * ```
 *
 * @module
 */

import {
  API_VERSION,
  defineWorkload,
  type WorkloadContext,
  type WorkloadPlugin,
  type WorkloadResult,
} from "@iova/core";
import { OPTIONS } from "./options.ts";
import { runScript } from "./run.ts";

/** What a script is given: everything a workload gets, and its own options. */
export type ScriptContext = WorkloadContext & {
  /** The manifest's `with.options`. */
  readonly options: Readonly<Record<string, unknown>>;
};

/** How a script ended: nothing or true is verified, false is not; or the parts of a result that it wants to give. */
export type ScriptResult = Partial<WorkloadResult> | boolean | void;

/** A script's default export. */
export type Script = (context: ScriptContext) => ScriptResult | Promise<ScriptResult>;

/** The plugin. */
const plugin: WorkloadPlugin<typeof OPTIONS> = defineWorkload({
  name: "script",
  kind: "workload",
  api: API_VERSION,
  summary: "Runs a module of your own with the machine in hand.",
  options: OPTIONS,
  run: runScript,
});

export default plugin;
export { OPTIONS };
