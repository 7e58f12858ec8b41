/**
 * Requests with an address type (AMD 48882 §2.1.3; PCIe ATS): translation requests, and accesses that the device says are
 * translated already.
 *
 * @module
 */

import { Access, BusStatus, type Transaction, type Translation } from "@iova/core";
import { InvalidRequest, InvalidTranslationRequest } from "../layout.ts";
import { DteFlag, DteState, DteWord } from "./device_table.ts";
import type { RequestParts } from "./parts.ts";
import { identity, passAll } from "./pass.ts";
import type { Requests } from "./requests.ts";
import { Range, rangeOf } from "./special_ranges.ts";
import { Walk } from "./page_entry.ts";

const { OK, UNSUPPORTED_REQUEST } = BusStatus;

/** Answers what a device's translation cache asks, and judges what it claims. */
export class AtsRequests {
  /** Translation requests answered, with rights or without. */
  translations = 0;
  readonly #parts: RequestParts;
  readonly #ht: boolean;

  /** With the parts of one IOMMU. */
  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#ht = !parts.options.htRangeIgnore;
  }

  /** An access with a translated address: forwarded only when the device table entry trusts the device (I). */
  translated(tx: Transaction, out: Translation, words: Int32Array, at: number, requests: Requests): BusStatus {
    const state = words[at];
    if (state === DteState.EXCLUDED) return passAll(out);
    if (state === DteState.BEYOND || state === DteState.UNREADABLE || state === DteState.RESERVED_BIT) {
      requests.refuseEntry(tx, words, at);
      return UNSUPPORTED_REQUEST;
    }
    const isTrusted = state !== DteState.PASS && this.#isTrusted(words, at);
    if (isTrusted && rangeOf(tx.hi, tx.lo, false) !== Range.INTERRUPT) return passAll(out);
    return this.#refuse(tx, InvalidRequest.PRETRANSLATED, requests);
  }

  /** A translation request. `excluded`: the exclusion range holds the address. */
  translationRequest(
    tx: Transaction,
    out: Translation,
    words: Int32Array,
    at: number,
    excluded: boolean,
    requests: Requests,
  ): BusStatus {
    switch (words[at]) {
      case DteState.EXCLUDED:
        return UNSUPPORTED_REQUEST;
      case DteState.BEYOND:
      case DteState.UNREADABLE:
      case DteState.RESERVED_BIT:
        requests.refuseEntry(tx, words, at);
        return UNSUPPORTED_REQUEST;
      case DteState.PAGED:
      case DteState.IDENTITY:
      case DteState.BAD_MODE:
        if (this.#isTrusted(words, at)) return this.#answer(tx, out, words, at, excluded, requests);
    }
    return this.#refuse(tx, InvalidTranslationRequest.NOT_ALLOWED, requests);
  }

  #answer(
    tx: Transaction,
    out: Translation,
    words: Int32Array,
    at: number,
    excluded: boolean,
    requests: Requests,
  ): BusStatus {
    if (rangeOf(tx.hi, tx.lo, this.#ht) !== Range.MEMORY) {
      return this.#refuse(tx, InvalidTranslationRequest.SPECIAL_RANGE, requests);
    }
    if (words[at] === DteState.BAD_MODE) {
      if (this.#parts.options.badMode === "IO_PAGE_FAULT") return this.#nothing(tx, out);
      requests.refuseEntry(tx, words, at);
      return UNSUPPORTED_REQUEST;
    }
    this.translations++;
    clearCompletion(out);
    const mask = tx.noWrite ? Access.READ : Access.ATOMIC;
    if (excluded) return identity(tx, out, mask);
    if (tx.pasid >= 0) return this.#nothing(tx, out);
    const rights = words[at + DteWord.RIGHTS] & mask;
    return words[at] === DteState.IDENTITY ? identity(tx, out, rights) : this.#walk(tx, out, words, at, rights);
  }

  #walk(tx: Transaction, out: Translation, words: Int32Array, at: number, rights: number): BusStatus {
    const { lookup, walker, events } = this.#parts;
    const result = lookup.find(words, at, tx.hi, tx.lo, Access.NONE, out, false);
    if (result === Walk.UNREADABLE) {
      events.pageTableError(tx, words[at + DteWord.DOMAIN], walker.entryHi, walker.entryLo);
      return UNSUPPORTED_REQUEST;
    }
    if (result !== Walk.OK) return this.#nothing(tx, out);
    out.rights &= rights;
    // Whoever is given the right to write may write: the page counts as dirty from here.
    const dirties = (words[at + DteWord.FLAGS] & DteFlag.HD) !== 0 && (out.rights & Access.WRITE) !== 0;
    if (dirties && lookup.find(words, at, tx.hi, tx.lo, Access.WRITE, out, false) === Walk.OK) out.rights &= rights;
    return OK;
  }

  #isTrusted(words: Int32Array, at: number): boolean {
    return this.#parts.options.ats && (words[at + DteWord.FLAGS] & DteFlag.I) !== 0;
  }

  #refuse(tx: Transaction, type: number, requests: Requests): BusStatus {
    requests.refused++;
    this.#parts.events.invalidRequest(tx, type);
    return UNSUPPORTED_REQUEST;
  }

  /** Success without rights, which is no fault: the device may ask for the page (PRI) or give up. */
  #nothing(tx: Transaction, out: Translation): BusStatus {
    clearCompletion(out);
    out.set(tx.hi, tx.lo & ~0xfff, 12, Access.NONE);
    return OK;
  }
}

function clearCompletion(out: Translation): void {
  out.snoop = true;
  out.untranslatedOnly = false;
  out.global = false;
  out.privileged = false;
  out.execute = false;
}
