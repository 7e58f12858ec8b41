/**
 * The options of `blk-copy`.
 *
 * @module
 */

import { option, type OptionsOf } from "@iova/core";

/** The options, as the manifest has them. */
export const OPTIONS = {
  to: option.path("The file to write. What was in it is lost.", { required: true }),
  order: option.choice("The order in which blocks are read.", ["sequential", "random"], { default: "sequential" }),
  blockSize: option.size("Bytes of a request, a multiple of 512.", { default: 65536, min: 512 }),
  depth: option.integer("Requests in flight, as far as the device's queue holds them.", {
    default: 8,
    min: 1,
    max: 1024,
  }),
  seed: option.integer("Seed of the random order. Default: from the machine's seed."),
} as const;

/** The options of `blk-copy`, read. */
export type CopyOptions = OptionsOf<typeof OPTIONS>;
