/**
 * What the guest's work costs, in nanoseconds of virtual time.
 *
 * @module
 */

import type { DmaCosts } from "@iova/core";

/** Placeholders, reasoned at 3 GHz: a look-up in the p2m table for a map, one in each table for an unmap or a sync. */
export const COSTS: DmaCosts = { map: 10, unmap: 15, sync: 15 };

/** Placeholders. */
export const BOUNCE_COSTS = {
  /** Finding slots. */
  slots: 50,
  /** Copying one byte (10 GB/s). */
  copyByte: 0.1,
} as const;
