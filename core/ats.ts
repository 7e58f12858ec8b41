/**
 * The device's side of PCIe ATS and PRI: an address translation cache behind a port. It asks the translator above for
 * translations, keeps them, sends translated accesses, and drops what it is told to. Its size and its *misbehaviour* are
 * options, because testing software against exactly that is why people emulate ATS.
 *
 * @module
 */

import { DmaHandle, toDmaAddr } from "./address.ts";
import type { BusPort, BusTarget, Window } from "./bus.ts";
import {
  Access,
  AddressType,
  type AtsEndpoint,
  type AtsService,
  BusStatus,
  type Invalidation,
  Transaction,
} from "./bus_translator.ts";
import { PassageIndex } from "./mapping.ts";

/** What a function's cache is like. */
export interface AtsOptions {
  /** Entries, each for one 4 KiB page: a power of two. Default 64. */
  entries?: number;
  /** The process address space of the function's accesses, −1 for none. Default −1. */
  pasid?: number;
  /** Sends a page request when a translation gives too little (PRI), and waits for the answer. Default false. */
  pageRequests?: boolean;
  /**
   * `ignore`: answers invalidations and keeps the entries. `silent`: drops the entries and never answers. `late`: answers
   * after {@linkcode AtsOptions.delay}. Default: none of these.
   */
  misbehaviour?: "none" | "ignore" | "silent" | "late";
  /** Nanoseconds by which a late answer is late. Default 1 ms. */
  delay?: number;
}

/** What a cache counts. */
export interface AtsStats {
  /** Accesses that found a translation. */
  hits: number;
  /** Accesses that had to ask. */
  misses: number;
  /** Invalidation requests received. */
  invalidations: number;
  /** Page requests sent. */
  pageRequests: number;
}

const PAGE_MASK = 0xfff;
/** The code of a page response for a page that does not exist. */
const INVALID_REQUEST = 1;

/** See the module's text. Made by `DevicePort.enableAts`. */
export class AddressTranslationCache implements AtsEndpoint, BusTarget {
  /** What the cache has counted. */
  readonly stats: AtsStats = { hits: 0, misses: 0, invalidations: 0, pageRequests: 0 };
  readonly #port: BusPort;
  readonly #bus: BusTarget;
  readonly #service: AtsService;
  readonly #options: AtsOptions;
  readonly #request = new Transaction();
  readonly #passages = new PassageIndex();
  readonly #mask: number;
  readonly #pasid: number;
  // Direct-mapped by page number: the page (low half with rights in bits 1:0, 0 = empty; high half) and its frame.
  readonly #tagLo: Int32Array;
  readonly #tagHi: Int32Array;
  readonly #frameLo: Int32Array;
  readonly #frameHi: Int32Array;
  /** Messages pass beside the cache: a function sends them untranslated (PCIe, ATS chapter). */
  passing = false;
  #group = 0;
  #failed = false;
  // Page by group, while its request is out; pages that software will not give.
  readonly #asked = new Map<number, bigint>();
  readonly #refused = new Set<bigint>();

  /** A cache for `port`, whose accesses go on to `bus`. */
  constructor(port: BusPort, bus: BusTarget, service: AtsService, options: AtsOptions) {
    this.#port = port;
    this.#bus = bus;
    this.#service = service;
    this.#options = options;
    const entries = options.entries ?? 64;
    if (entries < 1 || (entries & (entries - 1)) !== 0) throw new RangeError("ATS entries must be a power of two");
    this.#mask = entries - 1;
    this.#pasid = options.pasid ?? -1;
    [this.#tagLo, this.#tagHi, this.#frameLo, this.#frameHi] = Array.from({ length: 4 }, () => new Int32Array(entries));
    service.attach(port.requester, this);
  }

  /** Forgets everything and disconnects. */
  disable(): void {
    this.#tagLo.fill(0);
    this.#service.detach(this.#port.requester);
  }

  /** See {@linkcode BusTarget.resolve}: a hit goes on translated, a miss asks first. */
  resolve(tx: Transaction, out: Window): BusStatus {
    if (this.passing) return this.#bus.resolve(tx, out);
    tx.pasid = this.#pasid;
    const slot = ((tx.lo >>> 12) ^ tx.hi) & this.#mask;
    if (!this.#holds(slot, tx.hi, tx.lo, tx.access)) {
      this.stats.misses++;
      const status = this.#fetch(slot, tx, out);
      if (status !== BusStatus.OK) return status;
      if (out.completion.untranslatedOnly) return this.#bus.resolve(tx, out);
    } else this.stats.hits++;
    const left = 4096 - (tx.lo & PAGE_MASK);
    if (tx.length > left) tx.length = left;
    // An invalidation reaches leases through this cache, by the address that was asked for.
    if (out.lease !== null) out.lease.passed(this.#passages, tx.hi, tx.lo, tx.length);
    tx.lo = this.#frameLo[slot] | (tx.lo & PAGE_MASK);
    tx.hi = this.#frameHi[slot];
    tx.addressType = AddressType.TRANSLATED;
    return this.#bus.resolve(tx, out);
  }

  /** See {@linkcode AtsEndpoint.invalidate}: of another process address space there is nothing to drop. */
  invalidate(tag: number, range: Invalidation, pasid: number, global: boolean): void {
    this.stats.invalidations++;
    const { misbehaviour = "none", delay = 1e6 } = this.#options;
    const { requester, bus } = this.#port;
    const answer = () => this.#service.invalidateCompletion(requester, (1 << tag) >>> 0, 1);
    if (misbehaviour === "ignore" || (pasid !== this.#pasid && !global)) return answer();
    this.#drop(range);
    const [first, last] = [new DmaHandle().set(range.first), new DmaHandle().set(range.last)];
    bus.context.leases.invalidate(this.#passages, first.hi, first.lo, last.hi, last.lo, -1, () => {
      if (misbehaviour === "late") bus.context.scheduler.after(delay, answer);
      else if (misbehaviour !== "silent") answer();
    });
  }

  /**
   * See {@linkcode AtsEndpoint.pageResponse}: parked work is tried again. An invalid request ends with its access; a
   * response failure turns page requests off.
   */
  pageResponse(group: number, code: number): void {
    const page = this.#asked.get(group);
    this.#asked.delete(group);
    if (code === INVALID_REQUEST && page !== undefined) this.#refused.add(page);
    else if (code !== 0) this.#failed = true;
    this.#port.bus.context.hardware.resume();
  }

  /** Whether the cache holds an entry for the page of an address, for tests of invalidation. */
  contains(address: bigint): boolean {
    const { hi, lo } = new DmaHandle().set(address);
    return this.#holds(((lo >>> 12) ^ hi) & this.#mask, hi, lo, Access.NONE);
  }

  #holds(slot: number, hi: number, lo: number, access: Access): boolean {
    const tag = this.#tagLo[slot];
    return (tag & 3) !== 0 && (tag & ~PAGE_MASK) === (lo & ~PAGE_MASK) && this.#tagHi[slot] === hi &&
      (tag & access) === access;
  }

  #fetch(slot: number, tx: Transaction, out: Window): BusStatus {
    const request = this.#request;
    request.hi = tx.hi;
    request.lo = tx.lo & ~PAGE_MASK;
    request.length = 4096;
    request.access = tx.access;
    request.addressType = AddressType.TRANSLATION_REQUEST;
    request.requester = tx.requester;
    request.pasid = tx.pasid;
    request.noWrite = tx.access === Access.READ;
    const status = this.#bus.resolve(request, out);
    if (status !== BusStatus.OK) return status;
    const { completion } = out;
    if ((completion.rights & tx.access) !== tx.access) return this.#ask(tx);
    if (completion.untranslatedOnly) return BusStatus.OK;
    this.#tagLo[slot] = (tx.lo & ~PAGE_MASK) | completion.rights;
    this.#tagHi[slot] = tx.hi;
    const { shift } = completion;
    // A large page is kept as its 4 KiB slices.
    const within = shift < 32 ? (1 << shift) - 1 : -1;
    this.#frameLo[slot] = ((completion.lo & ~within) | (tx.lo & within)) & ~PAGE_MASK;
    const withinHi = shift <= 32 ? 0 : shift >= 64 ? -1 : (1 << (shift - 32)) - 1;
    this.#frameHi[slot] = (completion.hi & ~withinHi) | (tx.hi & withinHi);
    return BusStatus.OK;
  }

  /** Rights are missing: with page requests the access waits for software, otherwise it never reaches the bus. */
  #ask(tx: Transaction): BusStatus {
    const { requester } = this.#port;
    if (!this.#options.pageRequests || this.#failed || !this.#service.pageRequest) return BusStatus.COMPLETER_ABORT;
    const address = toDmaAddr(tx.hi, tx.lo & ~PAGE_MASK);
    if (this.#refused.delete(address)) return BusStatus.COMPLETER_ABORT;
    this.stats.pageRequests++;
    this.#group = (this.#group + 1) & 0x1ff;
    this.#asked.set(this.#group, address);
    const request = { requester, pasid: this.#pasid, address, group: this.#group, last: true, rights: tx.access };
    const status = this.#service.pageRequest(request);
    return status === BusStatus.OK ? BusStatus.PENDING : BusStatus.COMPLETER_ABORT;
  }

  #drop({ first, last }: Invalidation): void {
    for (let slot = 0; slot <= this.#mask; slot++) {
      if ((this.#tagLo[slot] & 3) === 0) continue;
      const page = toDmaAddr(this.#tagHi[slot], this.#tagLo[slot] & ~PAGE_MASK);
      if (page <= last && page + 4095n >= first) this.#tagLo[slot] = 0;
    }
  }
}
