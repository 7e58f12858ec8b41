/**
 * What the frontend's work costs, in nanoseconds of virtual time.
 *
 * @module
 */

/** Placeholders: a few stores and a barrier, reasoned at 3 GHz; nothing measured is at hand. */
export const GUEST_COSTS = {
  /** Writing one entry. */
  grant: 10,
  /** Ending one: a compare-exchange on a line that the hypervisor writes as well. */
  end: 20,
  /** Copying one byte to or from a persistent page (10 GB/s). */
  copyByte: 0.1,
} as const;
