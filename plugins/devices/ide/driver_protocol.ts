/**
 * How a request goes over a channel: a small state machine for each way. A way begins the command, and is asked at every
 * interrupt.
 *
 * @module
 */

import type { BlockStatus } from "@iova/block";
import type { ChannelDriver } from "./driver_channel.ts";
import type { RequestSlot } from "./driver_slots.ts";

/** There is more to come. */
export const MORE = -1;
/** It was no interrupt of this command's. */
export const NOT_MINE = -2;
/** The drive is in a state that it cannot be in: it must be reset. */
export const LOST = -3;

/** What a way says: a status when the request is over, or one of the constants above. */
export type Progress = BlockStatus | typeof MORE | typeof NOT_MINE | typeof LOST;

/** A way. It keeps nothing: what it must remember is in the slot. */
export interface Protocol {
  /** Whether the buffer is mapped for the device. */
  readonly maps: boolean;
  /** Gives the command. */
  start(channel: ChannelDriver, slot: RequestSlot): Progress;
  /** The channel's interrupt has come. */
  interrupted(channel: ChannelDriver, slot: RequestSlot): Progress;
}
