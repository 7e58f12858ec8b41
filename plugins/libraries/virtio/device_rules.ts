/**
 * Where rings of real devices differ from the specification; `device_manners.ts` says how.
 *
 * @module
 */

/** What a device lets a driver do with its rings, and does itself. */
export interface RingRules {
  /** A used descriptor of a packed ring says with WRITE whether anything was written (§2.8.4). */
  readonly usedWrite: boolean;
  /** Direct descriptors may come before an indirect one in a split ring (§2.7.5.3.2). */
  readonly indirectTail: boolean;
  /** An indirect descriptor without INDIRECT_DESC breaks the device; false: it is followed. */
  readonly indirectNegotiated: boolean;
  /** NEXT beside INDIRECT breaks the device; false: it means nothing. */
  readonly indirectNext: boolean;
  /** INDIRECT in an indirect table breaks the device; false: it means nothing there. */
  readonly nested: boolean;
  /** Most entries of an indirect table, when that is more than the ring has. */
  readonly tableEntries: number;
  /** A chain of 2^32 bytes or more breaks the device (§2.7.4); false: it is as long as it is. */
  readonly boundedChains: boolean;
  /** Ring sizes of a split ring that are no power of two are refused; false: they are taken. */
  readonly powersOfTwo: boolean;
}
