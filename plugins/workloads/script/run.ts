/**
 * Loads a script, calls it, and reads what it returns.
 *
 * @module
 */

import { InputError, type InputProblem, PluginError, type WorkloadContext, type WorkloadResult } from "@iova/core";
import { toFileUrl } from "@std/path/to-file-url";
import type { ScriptOptions } from "./options.ts";

/** Runs the script. @throws {InputError} when it cannot be loaded, throws, or returns what is no result. */
export async function runScript(context: WorkloadContext, given: ScriptOptions): Promise<WorkloadResult> {
  const { module, options } = given;
  const problem = (found: string, expected: string) => {
    const { file, path } = context.where;
    const at: InputProblem = { file, path: `${path}.with.module`, found: `"${module}", ${found}`, expected };
    return new InputError(at);
  };
  const url = toFileUrl(context.resolvePath(module)).href;
  const script = await load(url, problem);
  if (typeof script !== "function") throw problem("which exports no function as default", "a script");
  let returned: unknown;
  try {
    returned = await script({ ...context, options });
  } catch (error) {
    // A plugin's own error and a missing permission have better words for themselves.
    if (error instanceof PluginError || error instanceof Deno.errors.NotCapable) throw error;
    throw problem(`which threw ${describe(error)}${placeOf(error, url)}`, "a script that runs to its end");
  }
  const result = resultOf(returned);
  if (result === null) throw problem(`which returned ${typeof returned}`, "nothing, true, false, or parts of a result");
  return result;
}

async function load(url: string, problem: (found: string, expected: string) => InputError): Promise<unknown> {
  try {
    await Deno.stat(new URL(url));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw problem("which does not exist", "a script");
  }
  try {
    return (await import(url)).default;
  } catch (error) {
    throw problem(`which fails to load (${describe(error)})`, "a script");
  }
}

/** The first line of what was thrown; a syntax error's text goes on with the source. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message.split("\n")[0]}`;
}

/** Line and column in the script, if the error came through it. */
function placeOf(error: unknown, url: string): string {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  const start = stack.indexOf(url + ":");
  const place = start < 0 ? null : /^:(\d+):(\d+)/.exec(stack.slice(start + url.length));
  return place === null ? "" : ` at line ${place[1]}, column ${place[2]}`;
}

/** What a script returned, as a result; null when it is none. */
function resultOf(returned: unknown): WorkloadResult | null {
  const plain: WorkloadResult = { verified: true, requests: 0, bytes: 0 };
  if (returned === undefined || returned === null) return plain;
  if (typeof returned === "boolean") return returned ? plain : { ...plain, verified: false, failure: SAID_NO };
  if (typeof returned !== "object") return null;
  const result = { ...plain, ...returned as Partial<WorkloadResult> };
  if (typeof result.verified !== "boolean") return null;
  return result.verified ? result : { ...result, failure: result.failure ?? SAID_NO };
}

const SAID_NO = "the script says that it is not verified";
