/**
 * How the kernel words its complaints: about what a person wrote, and about a plugin that threw.
 *
 * @module
 */

import { InputError, nearest, PluginError, pluginFailure } from "./errors.ts";

/** An {@linkcode InputError} at a place, in the order in which its message is read. */
export function wrong(at: { file: string; path?: string }, found: string, expected: string, near?: string): InputError {
  return new InputError({ ...at, found, expected, ...(near !== undefined && { nearest: near }) });
}

/** An {@linkcode InputError} for a word that is not among the known ones. `none` is expected when there are none. */
export function unknownWord(
  at: { file: string; path?: string },
  [what, word]: readonly [what: string, word: string],
  known: readonly string[],
  none = "nothing",
): InputError {
  const expected = known.length === 0 ? none : `one of ${known.join(", ")}`;
  return wrong(at, `unknown ${what} "${word}"`, expected, nearest(word, known));
}

/**
 * Names the plugin whose code threw `error` while the machine ran, where no boundary was crossed: by the first frame of
 * its stack outside the kernel.
 */
export function blamed(error: unknown): unknown {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  const kernel = new URL(".", import.meta.url).href;
  const frame = (stack.match(/(?:file|https?):\/\/[^\s)]+/g) ?? []).find((place) => !place.startsWith(kernel));
  if (frame === undefined) return error;
  const name = /\/plugins\/[^/]+\/([^/]+)\//.exec(frame)?.[1] ?? /[^/]+?(?=(:\d+)*$)/.exec(frame)![0];
  return pluginFailure(name, "a running machine", error);
}

/** What a plugin has made, if it has what its kind cannot do without. @throws {PluginError} otherwise. */
export function whole<T>(plugin: string, operation: string, made: T, key: keyof NonNullable<T>): T {
  if (made?.[key] === undefined) throw new PluginError(plugin, operation, `it made nothing with "${String(key)}"`);
  return made;
}
