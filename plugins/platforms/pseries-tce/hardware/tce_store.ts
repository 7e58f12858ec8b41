/**
 * Storing entries: which pages a hypervisor lets into a table, what a change costs the entitlement, and which
 * translations it ends.
 *
 * @module
 */

import type { HypercallRegisters } from "@iova/core";
import { Arg, HStatus, TCE_CONTROL } from "../layout.ts";
import type { Window } from "./window.ts";

/** What may be done with an entry. */
export const Verdict = { STORE: 0, REFUSE: 1, PUNT: 2 } as const;
/** One of {@linkcode Verdict}'s values. */
export type Verdict = typeof Verdict[keyof typeof Verdict];

/** Whether the rules of a window let an entry in; `listed` entries are checked more closely by some. */
export function judge({ owner, shift }: Window, hi: number, lo: number, listed: boolean): Verdict {
  const { rules, memory } = owner;
  if ((lo & TCE_CONTROL) === 0) {
    return !listed || !rules.checksUnmapped || memory.owns(hi, lo, shift) ? Verdict.STORE : Verdict.REFUSE;
  }
  if (rules.foreignPage === "accept" || memory.owns(hi, lo, shift)) return Verdict.STORE;
  return rules.foreignPage === "punt" ? Verdict.PUNT : Verdict.REFUSE;
}

/** Stores one entry; a translation that is gone is gone before this returns. */
export function storeOne(window: Window, index: number, hi: number, lo: number): void {
  const { table } = window;
  const oldLo = table.lo(index);
  if (oldLo === lo && table.hi(index) === hi) return;
  table.set(index, hi, lo);
  if ((oldLo & TCE_CONTROL) !== 0) window.owner.changed(window, index, index);
}

/** One call's stores: collects what they change and tells the bridge once, at the end. */
export class Stores {
  #window!: Window;
  #first = 0;
  #last = -1;

  /** Begins a call on `window`. */
  begin(window: Window): void {
    this.#window = window;
    this.#first = window.entries;
    this.#last = -1;
  }

  /** Stores an entry. */
  put(index: number, hi: number, lo: number): void {
    const { table } = this.#window;
    const oldLo = table.lo(index);
    // What is there already is not stored again: memory of the host that nobody wrote stays uncommitted.
    if (oldLo === lo && table.hi(index) === hi) return;
    if ((oldLo & TCE_CONTROL) !== 0) {
      if (index < this.#first) this.#first = index;
      if (index > this.#last) this.#last = index;
    }
    table.set(index, hi, lo);
  }

  /** Ends the call: translations that are gone are gone before the hypercall returns. */
  end(): void {
    if (this.#last >= 0) this.#window.owner.changed(this.#window, this.#first, this.#last);
  }
}

/** By how many pages storing `lo` at `index` changes what is mapped: −1, 0 or 1. */
export function change({ table }: Window, index: number, lo: number): number {
  return Number((lo & TCE_CONTROL) !== 0) - Number((table.lo(index) & TCE_CONTROL) !== 0);
}

/** Whether the partition's entitlement is counted at all. */
export function isCounted({ owner }: Window): boolean {
  return owner.entitlement.bytes !== Infinity;
}

/** Takes `pages` more pages from the entitlement and tells the caller in r4, in bytes. */
export function charge(
  { owner: { entitlement }, shift }: Window,
  pages: number,
  registers: HypercallRegisters,
): number {
  const bytes = pages * 2 ** shift;
  if (!entitlement.allows(bytes)) return HStatus.NOT_ENOUGH_RESOURCES;
  entitlement.mapped += bytes;
  registers.set(Arg.LIOBN, BigInt(bytes));
  return HStatus.SUCCESS;
}
