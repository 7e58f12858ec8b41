/**
 * What `--json` prints.
 *
 * @module
 */

import { formatAddress } from "../address.ts";

/** One JSON document; addresses (bigints) become `0x…` strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => typeof item === "bigint" ? formatAddress(item) : item, 2);
}
