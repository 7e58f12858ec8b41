/**
 * Errors as one line for a person, and the exit code that goes with each.
 *
 * @module
 */

import { InputError, PluginError } from "../errors.ts";
import { isPermissionError } from "../manifest/plugin_loader.ts";

/** Exit codes. */
export const Exit = {
  /** Everything verified. */
  OK: 0,
  /** Something did not verify, or a program failed. */
  FAILED: 1,
  /** Bad input. */
  BAD_INPUT: 2,
} as const;

/** Nothing is left to happen, and the workload has not ended. */
export class StalledError extends Error {}

/** How a failure is told. */
export interface Failure {
  readonly message: string;
  readonly exitCode: number;
}

/** Explains anything that was thrown. */
export function explain(error: unknown): Failure {
  const refused = permissionError(error);
  if (refused !== undefined) return { message: explainPermission(refused), exitCode: Exit.BAD_INPUT };
  if (error instanceof InputError) return { message: error.message, exitCode: Exit.BAD_INPUT };
  if (error instanceof StalledError) return { message: error.message, exitCode: Exit.FAILED };
  if (error instanceof PluginError) return { message: error.message, exitCode: Exit.FAILED };
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { message: `internal error: ${text} (--debug shows where)`, exitCode: Exit.FAILED };
}

/** The refusal behind an error: a plugin that opens a file wraps it. */
function permissionError(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  return isPermissionError(error) ? error : permissionError(error.cause);
}

function explainPermission({ message }: Error): string {
  const match = /^Requires (\w+) access to (?:"([^"]*)"|(\S+))/.exec(message);
  if (match === null) return message;
  const [, permission, quoted, plain] = match;
  const what = quoted ?? plain.replace(/,$/, "");
  const named = permission === "ffi" ? "" : `=${what}`; // a library that is found by its name cannot be allowed by it
  return `no permission to ${VERBS[permission] ?? "use"} ${what}; run deno with --allow-${permission}${named}`;
}

const VERBS: Readonly<Record<string, string>> = {
  read: "read",
  write: "write",
  run: "run",
  net: "connect to",
  env: "read the environment variable",
  import: "import from",
  ffi: "call functions of",
};

/** The stack of an error and of everything behind it. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}
