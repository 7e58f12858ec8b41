/**
 * What the two halves agree on besides Xen's own interface: where the frame tables are, and what the guest is told at boot.
 *
 * @module
 */

import type { PhysAddr } from "@iova/core";

/** Where the machine-to-physical array is in the guest's address space: 64 bits for each machine frame, read-only. */
export const M2P_BASE: PhysAddr = 2 ** 51;
/** Bytes of an entry of the p2m or the m2p table. */
export const ENTRY_BYTES = 8;
/** Entries in one page of the p2m table. */
export const P2M_PER_PAGE = 512;

/** What the domain builder tells the guest (a part of Xen's `start_info`). */
export interface StartInfo {
  /**
   * Where the p2m table is: a list of 64-bit pseudo-physical frame numbers, one for each 512 frames; 0 where there is no
   * memory. Each names a page of 512 entries (see `P2mEntry` of `@iova/xen`).
   */
  readonly p2m: PhysAddr;
  /** Entries of that list. */
  readonly p2mPages: number;
  /** First machine frame after the last that there is. */
  readonly maxMachineFrame: number;
  /** Largest order of an extent that the guest may ask for. */
  readonly maxOrder: number;
}
