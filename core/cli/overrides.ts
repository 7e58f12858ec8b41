/**
 * `--set path=value`.
 *
 * @module
 */

import { InputError } from "../errors.ts";
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
