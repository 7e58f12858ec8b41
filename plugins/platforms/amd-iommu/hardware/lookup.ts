/**
 * From bus address to frame: the IOTLB first, then the walk (AMD 48882 §2.1.4, §2.2.3). Entries carry the rights that the
 * tables grant together; those of the device table entry are applied at each use, so that devices may share a domain.
 *
 * @module
 */

import type { Transaction, Translation } from "@iova/core";
import { type AddressCache, PAYLOAD } from "./address_cache.ts";
import { DteWord } from "./device_table.ts";
import { Walk } from "./page_entry.ts";
import type { PageWalker } from "./walk.ts";

// Constants of other modules are loaded at each use; those of this one are part of the code.
const { DOMAIN } = DteWord;
const { OK } = Walk;
const FRAME_HI = PAYLOAD;
const FRAME_LO = PAYLOAD + 1;
/** Third payload word of an IOTLB entry. Rights are as in `Access`. */
const RIGHTS = 3;
/** Rights that the tables grant; a write that still has to set a dirty bit is missing in RIGHTS. */
const TRUE_RIGHTS_SHIFT = 2;
/** An attribute of a page, and of a device: accesses snoop. */
export const SNOOP = 16;
const SNOOPS = SNOOP;
const UNTRANSLATED_ONLY = 32;
const NOT_PRESENT = 64;
const ATTRIBUTES = PAYLOAD + 2;
/** log2 of the largest page that cannot hold a special range beside memory. */
const LARGEST_PLAIN = 20;

/**
 * The common case alone: the IOTLB entry at `at` is small and has every right that the request needs. `granted` are the
 * rights of the device table entry, with SNOOP when it does not disable snooping.
 */
export function use(iotlb: AddressCache, at: number, granted: number, tx: Transaction, out: Translation): boolean {
  const { words } = iotlb;
  const attributes = words[at + ATTRIBUTES];
  const rights = attributes & granted & RIGHTS;
  const shift = words[at] & 0x7f;
  const { access } = tx;
  if ((rights & access) !== access || shift > LARGEST_PLAIN) return false;
  out.hi = words[at + FRAME_HI];
  out.lo = words[at + FRAME_LO];
  out.shift = shift;
  out.rights = rights;
  out.snoop = ((attributes | granted) & SNOOPS) !== 0;
  out.untranslatedOnly = (attributes & UNTRANSLATED_ONLY) !== 0;
  return true;
}

/** Looks bus addresses up for one IOMMU. */
export class Lookup {
  readonly #iotlb: AddressCache | null;
  readonly #walker: PageWalker;
  readonly #npCache: boolean;

  /** With an IOTLB or without; `npCache`: it keeps not-present pages as well. */
  constructor(iotlb: AddressCache | null, walker: PageWalker, npCache: boolean) {
    this.#iotlb = iotlb;
    this.#walker = walker;
    this.#npCache = npCache && iotlb !== null;
  }

  /** Lookups that the IOTLB answered. */
  get hits(): number {
    return this.#iotlb === null ? 0 : this.#iotlb.uses - this.#iotlb.inserts;
  }

  /**
   * Finds the frame for an address in the table of the judged device table entry at `dte`; the answer is one of `Walk`.
   * On `OK` `out` has frame, size, attributes and the rights that the tables grant, which include `need`. `guessed`: the
   * IOTLB was asked already and did not guess where the entry is.
   */
  find(
    entries: Int32Array,
    dte: number,
    hi: number,
    lo: number,
    need: number,
    out: Translation,
    guessed: boolean,
  ): number {
    const iotlb = this.#iotlb;
    if (iotlb === null) return this.#walker.walk(entries, dte, hi, lo, need, out);
    const domain = entries[dte + DOMAIN];
    const at = guessed ? iotlb.search(domain, hi, lo) : iotlb.find(domain, hi, lo);
    if (at < 0) return this.#miss(iotlb, at, entries, dte, hi, lo, need, out);
    const { words } = iotlb;
    const attributes = words[at + ATTRIBUTES];
    if ((attributes & need) !== need) {
      if ((attributes & NOT_PRESENT) !== 0) return Walk.NOT_PRESENT;
      if ((attributes >> TRUE_RIGHTS_SHIFT & need) !== need) return Walk.PERMISSION;
      return this.#miss(iotlb, at, entries, dte, hi, lo, need, out);
    }
    if (this.#npCache && (attributes & NOT_PRESENT) !== 0) return Walk.NOT_PRESENT;
    out.set(words[at + FRAME_HI], words[at + FRAME_LO], iotlb.shift(at), attributes >> TRUE_RIGHTS_SHIFT & RIGHTS);
    out.snoop = (attributes & SNOOPS) !== 0;
    out.untranslatedOnly = (attributes & UNTRANSLATED_ONLY) !== 0;
    return OK;
  }

  /** Walks, and keeps the answer: in the entry at `old`, which lacked a right, or in a new one. */
  #miss(
    iotlb: AddressCache,
    old: number,
    entries: Int32Array,
    dte: number,
    hi: number,
    lo: number,
    need: number,
    out: Translation,
  ): number {
    const result = this.#walker.walk(entries, dte, hi, lo, need, out);
    const domain = entries[dte + DOMAIN];
    if (result === OK) {
      const at = old >= 0 && iotlb.shift(old) === out.shift ? old : iotlb.insert(domain, hi, lo, out.shift);
      iotlb.words[at + FRAME_HI] = out.hi;
      iotlb.words[at + FRAME_LO] = out.lo;
      iotlb.words[at + ATTRIBUTES] = out.rights & (this.#walker.dirty ? RIGHTS : 1) | out.rights << TRUE_RIGHTS_SHIFT |
        (out.snoop ? SNOOPS : 0) | (out.untranslatedOnly ? UNTRANSLATED_ONLY : 0);
    } else if (result === Walk.NOT_PRESENT && this.#npCache && old < 0) {
      iotlb.words[iotlb.insert(domain, hi, lo, 12) + ATTRIBUTES] = NOT_PRESENT;
    }
    return result;
  }
}
