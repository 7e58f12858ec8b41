/**
 * The arguments of QMP commands, and QEMU's words for wrong ones.
 *
 * @module
 */

import { generic } from "./errors.ts";

/** What an argument is: `?` before it for one that may be left out; `*` for anything. */
export type Parameters = Readonly<Record<string, string>>;

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  integer: (value) => Number.isInteger(value),
  "*": () => true,
};

/** @throws {QmpError} when an argument is missing, wrong or not known. `open`: others are known to somebody else. */
export function checkParameters(given: Record<string, unknown>, parameters: Parameters, open = false): void {
  for (const [name, type] of Object.entries(parameters)) {
    const optional = type.startsWith("?");
    const plain = optional ? type.slice(1) : type;
    if (given[name] === undefined) {
      if (!optional) throw generic(`Parameter '${name}' is missing`);
    } else if (!TYPES[plain](given[name])) {
      throw generic(`Invalid parameter type for '${name}', expected: ${plain}`);
    }
  }
  const extra = Object.keys(given).find((name) => !Object.hasOwn(parameters, name));
  if (extra !== undefined && !open) throw generic(`Parameter '${extra}' is unexpected`);
}
