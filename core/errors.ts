/**
 * The error types. Three kinds of thing go wrong, and only the first two are exceptions:
 *
 * - {@linkcode InputError}: what a person wrote is wrong (manifest, option, plugin, image). Exit code 2, no stack trace.
 * - {@linkcode DmaApiError}, {@linkcode PluginError}: a bug in a program (driver or plugin).
 * - a guest's or device's misbehaviour is never an exception: it is a bus status, a fault record, an event.
 *
 * @module
 */

/** Where bad input stood and what was wrong with it. */
export interface InputProblem {
  /** The file that holds the bad input, or the option's name on a command line. */
  file: string;
  /** The JSON path inside the file, such as `devices[0].with.image`; empty for the file itself. */
  path?: string;
  /** What was found, as a person would quote it. */
  found: string;
  /** What was expected. */
  expected: string;
  /** The nearest valid spelling, if there is one. */
  nearest?: string;
}

/** Bad input: one message that names file, path, found, expected and the nearest valid spelling. Exit code 2. */
export class InputError extends Error {
  /** The parts of the message. */
  readonly problem: InputProblem;

  /** Builds the message from its parts. */
  constructor(problem: InputProblem) {
    const where = problem.path ? `${problem.file}: ${problem.path}` : problem.file;
    const hint = problem.nearest ? `; did you mean "${problem.nearest}"?` : "";
    super(`${where}: found ${problem.found}, expected ${problem.expected}${hint}`);
    this.name = "InputError";
    this.problem = problem;
  }
}

/** A driver broke the DMA API's contract in a way that Linux would stop at (direction NONE, an unterminated list). */
export class DmaApiError extends Error {
  /** The name of the type. */
  override name = "DmaApiError";
}

/** The guest's memory cannot hold what a driver or workload needs; the machine turns it into an {@linkcode InputError}. */
export class GuestMemoryError extends Error {
  /** The name of the type. */
  override name = "GuestMemoryError";

  /** `what` needs `bytes` bytes that are not free. */
  constructor(readonly what: string, readonly bytes: number) {
    super(`no guest memory for ${what} (${bytes} bytes)`);
  }
}

/** A bus cannot give the place asked for; the machine turns it into an {@linkcode InputError} about the manifest's `at`. */
export class PlaceError extends Error {
  /** The name of the type. */
  override name = "PlaceError";

  /** What was asked for, and what could have been. */
  constructor(readonly found: string, readonly expected: string) {
    super(`found ${found}, expected ${expected}`);
  }
}

/** A plugin threw: wrapped once, at its boundary, with the plugin's and the operation's name. */
export class PluginError extends Error {
  /** The name of the type. */
  override name = "PluginError";

  /** Wraps `cause`, which `plugin` threw during `operation`. */
  constructor(plugin: string, operation: string, cause: unknown) {
    super(`plugin "${plugin}" failed in ${operation}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

const SAYS_WHERE = [InputError, PluginError, GuestMemoryError, PlaceError];

/** What to throw on when `plugin` has thrown `cause`: a {@linkcode PluginError}, unless it already says where. */
export function pluginFailure(plugin: string, operation: string, cause: unknown): unknown {
  return SAYS_WHERE.some((known) => cause instanceof known) ? cause : new PluginError(plugin, operation, cause);
}

/** Calls into a plugin, turning what it throws into a {@linkcode PluginError}; errors that already say where pass. */
export function guarded<T>(plugin: string, operation: string, call: () => T): T {
  const wrap = (cause: unknown): never => {
    throw pluginFailure(plugin, operation, cause);
  };
  try {
    const result = call();
    return result instanceof Promise ? result.catch(wrap) as T : result;
  } catch (cause) {
    return wrap(cause);
  }
}

/** The entry of `candidates` nearest to `word` by edit distance, or undefined when none is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(change, row[j] + 1, next[j - 1] + 1);
    }
    row = next;
  }
  return row[b.length];
}
