/**
 * XENMEM_exchange: a PV domain gives machine frames back and gets others, in larger or smaller extents.
 *
 * @module
 */

import type { AddressSpace } from "@iova/core";
import { DomId, MemoryExchange, XenErrno } from "../layout.ts";
import { XEN_COSTS } from "./costs.ts";
import type { Domain } from "./domain.ts";
import type { Spend } from "./grant_calls.ts";
import type { Hypervisor } from "./hypervisor.ts";
import type { MachineMap } from "./machine_map.ts";
import type { ExchangeCall } from "./memory_calls.ts";
import { read64, window, write64 } from "./operands.ts";

/** Largest order that an ordinary domain may ask for on x86: 2 MiB. */
export const DOMU_MAX_ORDER = 9;
/** Largest order for the hardware domain. */
export const DOM0_MAX_ORDER = 12;
/** XENMEMF_address_bits. */
const ADDRESS_BITS = 0xff;

interface Side {
  readonly list: number;
  readonly extents: number;
  readonly order: number;
}

/** The call of one domain. */
export class Exchange implements ExchangeCall {
  readonly size: number = MemoryExchange.size;
  readonly #hv: Hypervisor;
  readonly #map: MachineMap;
  readonly #caller: Domain;
  readonly #maxOrder: number;
  readonly #spend: Spend;

  /** Answers for `caller`, whose extents may be of `maxOrder` at most. */
  constructor(hv: Hypervisor, map: MachineMap, caller: Domain, maxOrder: number, spend: Spend) {
    this.#hv = hv;
    this.#map = map;
    this.#caller = caller;
    this.#maxOrder = maxOrder;
    this.#spend = spend;
  }

  /** See {@linkcode ExchangeCall.exchange}. */
  exchange(view: DataView, at: number): number {
    const { at: f } = MemoryExchange;
    const given = side(view, at + f.in_extent_start, at + f.in_nr_extents, at + f.in_extent_order);
    const wanted = side(view, at + f.out_extent_start, at + f.out_nr_extents, at + f.out_extent_order);
    const refused = this.#check(view, at, given, wanted);
    if (refused !== 0) return refused;
    const { space } = this.#hv;
    const inList = window(space, given.list, given.extents * 8);
    const outList = window(space, wanted.list, wanted.extents * 8);
    if (inList === null || outList === null) return -XenErrno.EFAULT;
    const bits = view.getUint32(at + f.out_mem_flags, true) & ADDRESS_BITS;
    const last = bits === 0 || bits > 52 ? Infinity : 2 ** bits / 4096 - 1;
    const shared = this.#shared();
    const chunkOrder = Math.max(given.order, wanted.order);
    const chunks = given.extents * 2 ** given.order / 2 ** chunkOrder;
    for (let chunk = read64(view, at + f.nr_exchanged) * 2 ** given.order / 2 ** chunkOrder; chunk < chunks; chunk++) {
      const result = this.#chunk(chunk, chunkOrder, given, wanted, last, shared);
      if (result !== 0) return result;
      write64(view, at + f.nr_exchanged, (chunk + 1) * 2 ** (chunkOrder - given.order));
    }
    return 0;
  }

  #check(view: DataView, at: number, given: Side, wanted: Side): number {
    const { at: f } = MemoryExchange;
    const domids = [view.getUint16(at + f.in_domid, true), view.getUint16(at + f.out_domid, true)];
    if (domids[0] !== domids[1]) return -XenErrno.EINVAL;
    if (domids[0] !== DomId.SELF && domids[0] !== this.#caller.id) return -XenErrno.EPERM;
    if (Math.max(given.order, wanted.order) > this.#maxOrder) return -XenErrno.EPERM;
    const pages = given.extents * 2 ** given.order;
    if (pages !== wanted.extents * 2 ** wanted.order) return -XenErrno.EINVAL;
    const done = read64(view, at + f.nr_exchanged);
    // What has been done must be whole chunks.
    if (done > given.extents || (done * 2 ** given.order) % 2 ** wanted.order !== 0) return -XenErrno.EINVAL;
    if (pages > this.#map.count) return -XenErrno.EINVAL;
    return 0;
  }

  /** Exchanges 2^order frames: all of them or none. */
  #chunk(chunk: number, order: number, given: Side, wanted: Side, last: number, shared: Set<number>): number {
    const { space } = this.#hv;
    const old = this.#framesOf(chunk, order, given, space);
    if (old === null) return -XenErrno.EINVAL;
    if (old.some((mfn) => shared.has(mfn))) return -XenErrno.ENOMEM;
    const runs = this.#take(2 ** (order - wanted.order), wanted.order, last);
    if (runs === null) return -XenErrno.ENOMEM;
    for (const mfn of old) this.#map.release(mfn);
    const first = chunk * runs.length;
    runs.forEach((run, i) => this.#hand(wanted, first + i, run, space));
    this.#hv.counters.exchangedPages += old.length;
    this.#spend(XEN_COSTS.exchangePage * old.length);
    return 0;
  }

  /** The frames of a chunk as its owner names them; null when one is not the caller's, or named twice. */
  #framesOf(chunk: number, order: number, { list, order: each }: Side, space: AddressSpace): number[] | null {
    const extents = 2 ** (order - each);
    const frames = new Set<number>();
    const region = window(space, list, (chunk + 1) * extents * 8)!;
    for (let i = 0; i < extents; i++) {
      const first = read64(region.view, list - region.base + (chunk * extents + i) * 8);
      for (let k = 0; k < 2 ** each; k++) {
        if (this.#map.ownerOf(first + k) !== this.#caller.id) return null;
        frames.add(first + k);
      }
    }
    return frames.size === 2 ** order ? [...frames] : null;
  }

  /** The frames that somebody uses through a grant. */
  #shared(): Set<number> {
    const { active, entries } = this.#caller.table;
    const frames = new Set<number>();
    for (let ref = 0; ref < entries; ref++) if (active.pin[ref] !== 0) frames.add(active.mfn[ref]);
    return frames;
  }

  /** Reserves runs for the caller; null when there are not enough, and then none is. */
  #take(count: number, order: number, last: number): number[] | null {
    const runs: number[] = [];
    for (let i = 0; i < count; i++) {
      const run = this.#map.findRun(order, last);
      if (run < 0) {
        for (const taken of runs) for (let k = 0; k < 2 ** order; k++) this.#map.release(taken + k);
        return null;
      }
      for (let k = 0; k < 2 ** order; k++) this.#map.assign(run + k, this.#caller.id, Infinity);
      runs.push(run);
    }
    return runs;
  }

  /** Tells the caller which run it got for an extent, and the m2p table as what the caller sees it. */
  #hand({ list, order }: Side, extent: number, run: number, space: AddressSpace): void {
    const region = window(space, list, (extent + 1) * 8)!;
    const at = list - region.base + extent * 8;
    const gpfn = read64(region.view, at);
    for (let k = 0; k < 2 ** order; k++) this.#map.assign(run + k, this.#caller.id, gpfn + k);
    write64(region.view, at, run);
  }
}

function side(view: DataView, list: number, extents: number, order: number): Side {
  return {
    list: read64(view, list),
    extents: read64(view, extents),
    order: view.getUint32(order, true),
  };
}
