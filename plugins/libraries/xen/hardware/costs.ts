/**
 * What the hypervisor's work costs, in nanoseconds of virtual time.
 *
 * @module
 */

/** All placeholders: cycle counts that the project reasoned out, at 3 GHz; no published measurement separates them. */
export const XEN_COSTS = {
  /** Entry and return: 700 cycles. */
  hypercall: 233,
  /** Mapping one page: 900 cycles. */
  map: 300,
  /** Unmapping one page: 700 cycles. */
  unmap: 233,
  /** One flush for a batch of at most 32 unmaps: 2000 cycles for a PV mapper; translated mappers flush in the p2m. */
  flush: 667,
  /** Copying: 600 cycles and a cycle for 8 bytes. */
  copy: 200,
  copyByte: 1 / 24,
  /** One page of an exchange: two updates of the m2p table. */
  exchangePage: 100,
} as const;
