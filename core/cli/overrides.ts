/**
 * What the command line says instead of the manifest: `--set path=value`, `--seed N`, `--platform name`.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { fileUrl } from "../paths.ts";
import type { Arguments } from "./command.ts";

/** Every `--set`, in order. @throws {InputError} when one is not `path=value`. */
export function readOverrides(args: Arguments): [path: string, value: unknown][] {
  return args.all("set").map((text) => {
    const at = text.indexOf("=");
    if (at <= 0) throw new InputError({ file: "--set", found: `"${text}"`, expected: "path=value" });
    return [text.slice(0, at), readValue(text.slice(at + 1))];
  });
}

/** JSON where it is JSON, otherwise text: `8`, `true`, `{"use":"a"}`; `64MiB`. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** On a command line a path is relative to the current folder, not to the manifest. */
export function fromHere(use: string): string {
  return /^\.{0,2}[\\/]/.test(use) ? fileUrl(use).href : use;
}

/** A seed as it is written on the command line. @throws {InputError} when it is no whole number. */
export function readSeed(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InputError({ file: "--seed", found: `"${text}"`, expected: "a whole number" });
}
