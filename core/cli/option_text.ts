/**
 * Option values as help and reports print them.
 *
 * @module
 */

import { formatAddress, formatSize } from "../address.ts";
import type { OptionSpec } from "../options.ts";
import { formatTime } from "./units.ts";

/** A value of an option, in its own unit; empty when it has none. */
export function optionText(spec: OptionSpec, value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "bigint") return formatAddress(value);
  if (typeof value === "number" && spec.type === "size") return formatSize(value);
  if (typeof value === "number" && spec.type === "duration") return formatTime(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
