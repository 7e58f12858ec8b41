/**
 * The options of `net-replay`.
 *
 * @module
 */

import { option, type OptionsOf } from "@iova/core";

/** The options, as the manifest has them. */
export const OPTIONS = {
  file: option.path("The capture: pcap or pcapng.", { required: true }),
  receiver: option.string("Id of the device that the frames come out of. Default: the one that sends them."),
  offload: option.boolean(
    "Leave checksums of TCP and UDP to the device, where the frame has a good one and the device completes them.",
    { default: false },
  ),
  timing: option.boolean("Send frames at the distances at which they were captured; otherwise as fast as they go.", {
    default: true,
  }),
  tolerance: option.integer("Nanoseconds of virtual time that a frame may be late.", { default: 1_000_000, min: 0 }),
  output: option.path("Writes what was received into a capture, at the times at which it came."),
  patience: option.integer("Milliseconds of real time without a frame after which the rest counts as lost.", {
    default: 2000,
    min: 1,
  }),
} as const;

/** The options, as read. */
export type ReplayOptions = OptionsOf<typeof OPTIONS>;
