/**
 * The four hypercalls on TCE tables (LoPAR, "TCE Table Access Hypervisor Calls" and the multi-TCE option).
 *
 * @module
 */

import type { HypercallRegisters } from "@iova/core";
import { Arg, HStatus, LIST_BYTES, LIST_ENTRIES, TCE_CONTROL } from "../layout.ts";
import { HARDWARE_COSTS } from "./costs.ts";
import { PROFILES, type Rules } from "./profiles.ts";
import { type GuestMemory, TceList } from "./tce_list.ts";
import { change, charge, isCounted, judge, storeOne, Stores, Verdict } from "./tce_store.ts";
import type { Window } from "./window.ts";

/** What the calls need of the hypervisor. */
export interface CallHost {
  readonly memory: GuestMemory;
  /** For calls that name no window. */
  readonly rules: Rules;
  /** The window of a LIOBN given as halves, or null. */
  window(hi: number, lo: number): Window | null;
  /** Charges the caller nanoseconds of virtual time. */
  spend(nanoseconds: number): void;
}

const { SUCCESS, PARAMETER, FUNCTION } = HStatus;
/** Bits of an entry's low half that are page number. */
const PAGE_NUMBER = -LIST_BYTES;
const TWO32 = 2 ** 32;

/** See the module's text. Each call reads its arguments from the registers and returns the signed status. */
export class TceCalls {
  readonly #host: CallHost;
  readonly #list = new TceList();
  readonly #stores = new Stores();

  /** The calls of one hypervisor. */
  constructor(host: CallHost) {
    this.#host = host;
  }

  /** `H_GET_TCE`: the entry into r4. */
  getTce(r: HypercallRegisters): number {
    const window = this.#window(r, 1);
    if (window === null) return PARAMETER;
    const index = this.#index(window, r, 1);
    if (index < 0) return PARAMETER;
    const hi = window.table.hi(index);
    const lo = window.table.lo(index);
    const { rules, memory } = window.owner;
    const foreign = rules.tellsPartial && (lo & TCE_CONTROL) !== 0 && !memory.owns(hi, lo, window.shift);
    r.hi[Arg.LIOBN] = foreign ? -1 : hi;
    r.lo[Arg.LIOBN] = foreign ? lo | PAGE_NUMBER : lo;
    return foreign ? HStatus.PARTIAL : SUCCESS;
  }

  /** `H_PUT_TCE`: one entry. */
  putTce(r: HypercallRegisters): number {
    const window = this.#window(r, 1);
    if (window === null) return PARAMETER;
    const index = this.#index(window, r, 1);
    if (index < 0) return PARAMETER;
    const hi = r.hi[Arg.TCE];
    const lo = r.lo[Arg.TCE];
    const verdict = judge(window, hi, lo, false);
    if (verdict === Verdict.REFUSE) return PARAMETER;
    if (verdict === Verdict.PUNT) this.#host.spend(HARDWARE_COSTS.userSpace);
    if (isCounted(window)) {
      const status = charge(window, change(window, index, lo), r);
      if (status !== SUCCESS) return status;
    }
    storeOne(window, index, hi, lo);
    return SUCCESS;
  }

  /** `H_STUFF_TCE`: one value into many entries. */
  stuffTce(r: HypercallRegisters): number {
    const count = countOf(r);
    const window = this.#window(r, Math.min(count, LIST_ENTRIES));
    if (window === null) return PARAMETER;
    const { rules, multiTce } = window.owner;
    if (!multiTce) return FUNCTION;
    if (count > rules.stuffMost) return rules.stuffTooLong;
    const hi = r.hi[Arg.TCE];
    const lo = r.lo[Arg.TCE];
    const index = this.#index(window, r, count);
    if (count > window.entries || (!rules.stuffMaps && (lo & TCE_CONTROL) !== 0)) return PARAMETER;
    if (count === 0) return rules.nothing;
    if (index < 0 || judge(window, hi, lo, false) === Verdict.REFUSE) return PARAMETER;
    if (isCounted(window)) {
      let pages = 0;
      for (let i = 0; i < count; i++) pages += change(window, index + i, lo);
      const status = charge(window, pages, r);
      if (status !== SUCCESS) return status;
    }
    if (count > 1) return this.#stuff(window, index, hi, lo, count);
    storeOne(window, index, hi, lo);
    return SUCCESS;
  }

  /** `H_PUT_TCE_INDIRECT`: entries from a list page. */
  putTceIndirect(r: HypercallRegisters): number {
    const count = countOf(r);
    const window = this.#window(r, Math.min(count, LIST_ENTRIES));
    if (window === null) return r.hi[Arg.LIOBN] < 0 ? this.#host.rules.manyTables : PARAMETER;
    const { rules, multiTce } = window.owner;
    if (!multiTce) return FUNCTION;
    if (count > LIST_ENTRIES || (r.lo[Arg.LIST] & (LIST_BYTES - 1)) !== 0) return PARAMETER;
    const index = this.#index(window, r, count);
    if (count === 0) return rules.nothing;
    if (index < 0) return PARAMETER;
    return this.#putList(window, r, index, count, rules);
  }

  /** The window, or null; a found one costs the caller the call and `entries` entries. */
  #window(r: HypercallRegisters, entries: number): Window | null {
    const window = this.#host.window(r.hi[Arg.LIOBN], r.lo[Arg.LIOBN]);
    const emulated = window !== null && window.owner.rules.userSpace ? HARDWARE_COSTS.userSpace : 0;
    this.#host.spend(HARDWARE_COSTS.hypercall + emulated + entries * HARDWARE_COSTS.entry);
    return window;
  }

  /** The entry that the IOBA names, or −1. */
  #index(window: Window, r: HypercallRegisters, count: number): number {
    const { rules } = window.owner;
    const hi = r.hi[Arg.IOBA];
    const lo = r.lo[Arg.IOBA];
    if (!rules.roundsIoba && !window.isAligned(hi, lo)) return -1;
    const index = window.indexOf(hi, lo);
    return rules.checksRange && index + count > window.entries ? -1 : index;
  }

  #stuff(window: Window, index: number, hi: number, lo: number, count: number): number {
    const stores = this.#stores;
    const end = Math.min(index + count, window.entries);
    stores.begin(window);
    for (let i = index; i < end; i++) stores.put(i, hi, lo);
    stores.end();
    return end < index + count ? PARAMETER : SUCCESS;
  }

  #putList(window: Window, r: HypercallRegisters, index: number, count: number, rules: Rules): number {
    const list = this.#list;
    if (!list.copy(this.#host.memory, r.hi[Arg.LIST], r.lo[Arg.LIST], count)) {
      if (rules.foreignList === "refuse") return PARAMETER;
      if (rules.foreignList === "punt") return this.#punt(window, r, index, count);
      list.clear(count);
    }
    // Without a check of the whole list, entries are judged as they are stored.
    if (rules.list === "once") return this.#storeList(window, index, count, false);
    for (let i = 0; i < count; i++) {
      const verdict = judge(window, list.hi[i], list.lo[i], true);
      if (verdict === Verdict.REFUSE) return PARAMETER;
      if (verdict === Verdict.PUNT) return this.#punt(window, r, index, count);
    }
    if (isCounted(window)) {
      let pages = 0;
      for (let i = 0; i < count; i++) pages += change(window, index + i, list.lo[i]);
      const status = charge(window, pages, r);
      if (status !== SUCCESS) return status;
    }
    if (rules.list === "copy") return this.#storeList(window, index, count, false);
    // Another CPU may have written the page since: what is there now counts, and is checked once more.
    if (!list.copy(this.#host.memory, r.hi[Arg.LIST], r.lo[Arg.LIST], count)) return PARAMETER;
    return this.#storeList(window, index, count, true);
  }

  /** The kernel leaves the whole call to the emulator, which goes by its own rules. */
  #punt(window: Window, r: HypercallRegisters, index: number, count: number): number {
    this.#host.spend(HARDWARE_COSTS.userSpace);
    return this.#putList(window, r, index, count, PROFILES["qemu-tcg"]);
  }

  #storeList(window: Window, index: number, count: number, checked: boolean): number {
    const { hi, lo } = this.#list;
    const stores = this.#stores;
    const end = Math.min(count, window.entries - index);
    stores.begin(window);
    let i = 0;
    while (i < end && (!checked || judge(window, hi[i], lo[i], true) === Verdict.STORE)) {
      stores.put(index + i, hi[i], lo[i]);
      i++;
    }
    stores.end();
    return i < count ? PARAMETER : SUCCESS;
  }
}

/** The count in r7: beyond 2^32 it is only "too many". */
function countOf(r: HypercallRegisters): number {
  return r.hi[Arg.COUNT] === 0 ? r.lo[Arg.COUNT] >>> 0 : TWO32;
}
