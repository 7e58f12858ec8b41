/**
 * The options of `net-stream`.
 *
 * @module
 */

import { option, type OptionsOf } from "@iova/core";

/** The options, as the manifest has them. */
export const OPTIONS = {
  receiver: option.string("Id of the device that the frames come out of. Default: the one that sends them."),
  count: option.integer("Frames that the sender is given.", { default: 1000, min: 1 }),
  size: option.size("Payload bytes of such a frame.", { default: 1400, min: 1, max: 65400 }),
  protocol: option.choice("What the frames carry.", ["tcp", "udp"], { default: "tcp" }),
  version: option.choice("In which version of IP.", ["ipv4", "ipv6"], { default: "ipv4" }),
  offload: option.choice(
    "What the device is left to do: nothing, the checksum, or cutting a frame that is too long, and its checksums.",
    ["none", "checksum", "segmentation"],
    { default: "none" },
  ),
  segment: option.integer("Payload bytes of a segment.", { default: 1400, min: 1, max: 9000 }),
  depth: option.integer("Frames in flight, as far as the device's queue holds them.", {
    default: 32,
    min: 1,
    max: 1024,
  }),
  patience: option.integer("Milliseconds of real time without a frame after which the rest counts as lost.", {
    default: 2000,
    min: 1,
  }),
} as const;

/** The options, as read. */
export type StreamOptions = OptionsOf<typeof OPTIONS>;
