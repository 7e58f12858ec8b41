/**
 * Options that every profile of a PC has.
 *
 * @module
 */

import { option, type OptionSpec } from "@iova/core";

/** See the module's text. */
export const PC_OPTIONS: {
  readonly cpus: OptionSpec<number> & { readonly default: number };
  readonly clock: OptionSpec<string> & { readonly default: string };
} = {
  cpus: option.integer("Processors, as firmware is told; none of them runs.", { default: 1, min: 1, max: 255 }),
  clock: option.string('What the clock chip says at power-on: ISO 8601, or "host" for this computer\'s time.', {
    default: "2000-01-01T00:00:00Z",
  }),
};
