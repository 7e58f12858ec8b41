/**
 * Named points at which another party may act in the middle of a hypervisor operation. A schedule is a function that is
 * called at each point: what it does there happened "at the same time". Every published race of the grant table is one.
 *
 * @module
 */

/** The points. */
export const YieldPoint = {
  /** Before each compare-exchange of a shared entry, and between the two reads of a version 2 header. */
  ENTRY_EXCHANGE: "entry-exchange",
  /** A map has found a free handle and has not taken it (XSA-228), or has. */
  HANDLE_FOUND: "handle-found",
  /** A map has set the status bits and has not made the mapping. */
  STATUS_SET: "status-set",
  /** An unmap has taken the mapping away and has flushed, and the pins and the status bits still say "in use". */
  MAPPING_CLEARED: "mapping-cleared",
  /** A copy has pinned both sides and has not moved a byte. */
  COPY_PINNED: "copy-pinned",
  /** A copy has moved its bytes and still holds its pins. */
  COPY_DONE: "copy-done",
  /** A copy gives up one side: its pin has gone and its page not yet, or the other way round (XSA-236). */
  COPY_RELEASING: "copy-releasing",
  /** A transitive grant is being resolved: the first table's lock has been dropped. */
  TRANSITIVE_UNLOCKED: "transitive-unlocked",
  /** It cannot be used after all: what was pinned in the second table is given up. */
  TRANSITIVE_RELEASING: "transitive-releasing",
  /** A status frame has been found and is not yet in the guest's physical map. */
  PHYSMAP_FOUND: "physmap-found",
  /** A transfer has set "committed" and has not moved the page. */
  TRANSFER_COMMITTED: "transfer-committed",
} as const;
/** One of {@linkcode YieldPoint}'s values. */
export type YieldPoint = typeof YieldPoint[keyof typeof YieldPoint];

/** What happens at a yield point. It may call the hypervisor and write memory. */
export type Schedule = (point: YieldPoint) => void;
