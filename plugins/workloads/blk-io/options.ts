/**
 * The options of `blk-io`.
 *
 * @module
 */

import { option } from "@iova/core";

/** What is done: in order, in random order, or both kinds in random order. */
export const PATTERNS = ["read", "write", "randread", "randwrite", "mixed"] as const;

/** The options, as the manifest has them. */
export const OPTIONS = {
  pattern: option.choice("What to do, and in which order.", PATTERNS, { default: "read" }),
  blockSize: option.size("Bytes of a request, a multiple of 512.", { default: 4096, min: 512 }),
  depth: option.integer("Requests in flight, as far as the device's queue holds them.", {
    default: 32,
    min: 1,
    max: 1024,
  }),
  count: option.integer("Requests in all. Default: as many as there are blocks.", { min: 1 }),
  seed: option.integer("Seed of order and content. Default: from the machine's seed."),
  mixRead: option.integer("Percentage of reads in the pattern mixed.", { default: 50, min: 0, max: 100 }),
  flushEvery: option.integer("A flush after this many writes; 0: only at the end.", { default: 0 }),
  offset: option.size("First byte of the region, a multiple of 512.", { default: 0 }),
  length: option.size("Bytes of the region, a multiple of 512. Default: the rest of the device.", { min: 512 }),
  verify: option.boolean("Check content; otherwise only what the device answers counts.", { default: true }),
  sha256: option.string("The region's SHA-256 in hexadecimal, as it should be at the end.", { maxLength: 64 }),
} as const;
