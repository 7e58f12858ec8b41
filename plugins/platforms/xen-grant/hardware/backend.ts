/**
 * A backend domain as a bridge: it takes grant addresses, has the hypervisor map what they name, and reaches the page. What
 * it may reach, and for how long, is the hypervisor's answer and never its own.
 *
 * @module
 */

import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  type FirmwareTable,
  type Lease,
  toDmaAddr,
  type Transaction,
  type Translation,
  type TranslatorHost,
} from "@iova/core";
import {
  claimSide,
  clearMapping,
  CopySide,
  type Domain,
  finishUnmap,
  flush,
  GntMap,
  GntStatus,
  gntStatusName,
  type Hypervisor,
  MapRequest,
  releaseSide,
  UNMAP_BATCH,
  UnmapRequest,
  XEN_COSTS,
} from "@iova/xen";
import { type BackendPolicy, OFFSET_MASK, REF_HIGH_MASK, REF_HIGH_SCALE, REF_SHIFT } from "../layout.ts";
import { iommuMap } from "./firmware.ts";
import { MappingCache, NONE } from "./mapping_cache.ts";

/** How a backend works. */
export interface BackendOptions {
  readonly policy: BackendPolicy;
  /** Mappings that `cached` and `persistent` keep at most. */
  readonly cacheEntries: number;
  /** Nanoseconds after which `persistent` lets an unused mapping go. */
  readonly idle: number;
}

/** Which domain serves a requester. */
export interface BackendDirectory {
  /** The domain of a requester; null for a requester that nobody serves. */
  domainOf(requester: number): Domain | null;
  /** Requesters and their domains. */
  entries(): Iterable<readonly [requester: number, domid: number]>;
}

/** Where a backend's own address space has room for mappings, as a frame. Nothing is really there. */
const WINDOW_FRAME = 0x10_0000;
/** Above every frame that the cache uses. */
const HOLD_FRAME = 2 ** 32;
const FRAME_SIZE = 4096;

/** See the module's text. */
export class GrantBackend implements BusTranslator {
  readonly name = "xen-grant";
  readonly #hv: Hypervisor;
  readonly #granter: Domain;
  readonly #directory: BackendDirectory;
  readonly #policy: BackendPolicy;
  readonly #idle: number;
  readonly #host: TranslatorHost;
  readonly #spend: (nanoseconds: number) => void;
  readonly #map = new MapRequest();
  readonly #unmap = new UnmapRequest();
  readonly #side = new CopySide();
  readonly #batch: BatchedUnmap[] = Array.from({ length: UNMAP_BATCH }, () => new BatchedUnmap());
  readonly #cache: MappingCache;
  #held = 0;
  #hits = 0;
  #calls = 0;
  #refused = 0;
  /** Where the next page that a device keeps goes: each has a frame of its own. */
  #nextFrame = HOLD_FRAME;

  /** A backend that serves devices of domain `granter`. `spend` is charged for the hypervisor's work. */
  constructor(
    host: TranslatorHost,
    hv: Hypervisor,
    granter: Domain,
    directory: BackendDirectory,
    options: BackendOptions,
    spend: (nanoseconds: number) => void,
  ) {
    this.#host = host;
    this.#hv = hv;
    this.#granter = granter;
    this.#directory = directory;
    this.#policy = options.policy;
    this.#idle = options.idle;
    this.#spend = spend;
    this.#cache = new MappingCache(keeps(options.policy) ? options.cacheEntries : 0);
  }

  /** See {@linkcode BusTranslator.translate}. */
  translate(tx: Transaction, out: Translation): BusStatus {
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    const { hi } = tx;
    if (hi >= 0) return this.#refuse(tx, "PLAIN_ADDRESS", BusStatus.UNSUPPORTED_REQUEST);
    if ((hi & ADDRESS_RESERVED) !== 0) return this.#refuse(tx, "NOT_A_REFERENCE", BusStatus.UNSUPPORTED_REQUEST);
    const ref = (hi & REF_HIGH_MASK) * REF_HIGH_SCALE + (tx.lo >>> REF_SHIFT);
    const domain = this.#directory.domainOf(tx.requester);
    if (domain === null) return this.#refuse(tx, "NO_BACKEND", BusStatus.UNSUPPORTED_REQUEST);
    const write = (tx.access & Access.WRITE) !== 0;
    const mfn = this.#reach(domain, ref, write, tx);
    if (mfn < 0) return this.#refuse(tx, gntStatusName(mfn), BusStatus.COMPLETER_ABORT);
    const address = this.#hv.frames.address(mfn);
    if (address < 0) return this.#refuse(tx, "NO_MEMORY", BusStatus.UNSUPPORTED_REQUEST);
    out.set((address / 0x1_0000_0000) | 0, address | 0, REF_SHIFT, write ? Access.ATOMIC : Access.READ);
    return BusStatus.OK;
  }

  /** See {@linkcode BusTranslator.leased}: whatever the policy, a page that a device keeps stays mapped. */
  leased(hi: number, lo: number, _length: number, access: Access, lease: Lease): void {
    const ref = (hi & REF_HIGH_MASK) * REF_HIGH_SCALE + (lo >>> REF_SHIFT);
    const domain = this.#directory.domainOf(lease.requester);
    const frame = this.#nextFrame++;
    if (domain === null || this.#mapRef(domain, ref, (access & Access.WRITE) !== 0, frame) < 0) {
      return lease.revoke("the page cannot be kept mapped");
    }
    const { handle } = this.#map;
    this.#held++;
    lease.whenEnded(() => {
      this.#held--;
      this.#unmapHandle(domain, handle, frame);
    });
  }

  /** Lets go of what the policy `cached` has kept since it was last asked: at most one batch. */
  step(): boolean {
    if (this.#policy !== "cached" || this.#cache.size === 0) return false;
    this.#dropBatch();
    return this.#cache.size > 0;
  }

  /** See {@linkcode BusTranslator.counters}. */
  counters(): Record<string, number> {
    const { maps, unmaps, copies, flushes } = this.#hv.counters;
    return {
      grantMaps: maps,
      grantUnmaps: unmaps,
      grantCopies: copies,
      flushes,
      hypercalls: this.#calls,
      cacheHits: this.#hits,
      mappingsHeld: this.#held + this.#cache.size,
      refusedAccesses: this.#refused,
    };
  }

  /** What the device tree says: which domain serves which requester. */
  firmware(): FirmwareTable[] {
    return [iommuMap(this.#directory.entries())];
  }

  /** Lets go of everything that no device keeps. */
  reset(): void {
    while (this.#cache.size > 0) this.#dropBatch();
  }

  /** The machine frame of a reference as the policy reaches it, or a negative status. */
  #reach(domain: Domain, ref: number, write: boolean, tx: Transaction): number {
    if (this.#policy === "map") return this.#mapOnce(domain, ref, write);
    return this.#policy === "copy" ? this.#copyOnce(domain, ref, write, tx) : this.#cached(domain, ref, write);
  }

  /** Map, use, unmap: the access that follows is part of this moment, so nobody can come between. */
  #mapOnce(domain: Domain, ref: number, write: boolean): number {
    const mfn = this.#mapRef(domain, ref, write, WINDOW_FRAME);
    if (mfn >= 0) this.#unmapHandle(domain, this.#map.handle, WINDOW_FRAME);
    return mfn;
  }

  /** A grant copy: both pins are taken and given up in one operation; the port moves the bytes. */
  #copyOnce(domain: Domain, ref: number, write: boolean, { lo, length }: Transaction): number {
    const side = this.#side;
    side.name = ref;
    side.byRef = true;
    side.domid = this.#granter.id;
    this.#calls++;
    this.#hv.counters.copies++;
    const bytes = Math.min(length, FRAME_SIZE - (lo & OFFSET_MASK));
    this.#spend(XEN_COSTS.hypercall + XEN_COSTS.copy + bytes * XEN_COSTS.copyByte);
    const status = claimSide(this.#hv, domain, side, write);
    if (status !== GntStatus.OKAY) return status;
    releaseSide(this.#hv, side, write);
    // The bus deals in pages: a part of one cannot be told apart.
    return side.length === FRAME_SIZE ? side.mfn : GntStatus.GENERAL_ERROR;
  }

  #cached(domain: Domain, ref: number, write: boolean): number {
    const cache = this.#cache;
    const now = this.#host.now;
    if (this.#policy === "persistent") this.#dropIdle(now);
    const slot = cache.find(ref);
    if (slot !== NONE && cache.domid[slot] === domain.id) {
      if (!write || cache.writable[slot] !== 0) {
        this.#hits++;
        cache.touch(slot, now);
        return cache.mfn[slot];
      }
      this.#drop(slot);
    } else if (slot !== NONE) return this.#mapOnce(domain, ref, write);
    return this.#keep(domain, ref, write, now);
  }

  /** Maps a reference and keeps it. A persistent page is mapped for writing, if it may be. */
  #keep(domain: Domain, ref: number, write: boolean, now: number): number {
    const cache = this.#cache;
    if (cache.size === cache.capacity) this.#dropBatch();
    const slot = cache.add(ref, now);
    if (slot === NONE) return this.#mapOnce(domain, ref, write);
    let writable = write || this.#policy === "persistent";
    let mfn = this.#mapRef(domain, ref, writable, WINDOW_FRAME + 1 + slot);
    if (mfn < 0 && writable && !write) {
      writable = false;
      mfn = this.#mapRef(domain, ref, false, WINDOW_FRAME + 1 + slot);
    }
    if (mfn < 0) {
      cache.remove(slot);
      return mfn;
    }
    cache.handle[slot] = this.#map.handle;
    cache.mfn[slot] = mfn;
    cache.writable[slot] = writable ? 1 : 0;
    cache.domid[slot] = domain.id;
    if (this.#policy === "cached") this.#host.kick();
    return mfn;
  }

  #dropIdle(now: number): void {
    const cache = this.#cache;
    while (cache.oldest !== NONE && now - cache.used[cache.oldest] > this.#idle) this.#drop(cache.oldest);
  }

  /** The oldest mappings go, in one call with one flush. */
  #dropBatch(): void {
    const count = Math.min(this.#cache.size, UNMAP_BATCH);
    for (let i = 0; i < count; i++) this.#clear(this.#cache.oldest, this.#batch[i]);
    this.#finish(count);
  }

  #drop(slot: number): void {
    this.#clear(slot, this.#batch[0]);
    this.#finish(1);
  }

  #clear(slot: number, op: BatchedUnmap): void {
    const cache = this.#cache;
    op.mapper = this.#hv.domain(cache.domid[slot])!;
    op.hasHost = true;
    op.hostFrame = WINDOW_FRAME + 1 + slot;
    op.hasDevice = false;
    op.handle = cache.handle[slot];
    clearMapping(this.#hv, op.mapper, op);
    cache.remove(slot);
  }

  #finish(count: number): void {
    this.#calls++;
    this.#hv.counters.unmaps += count;
    this.#spend(XEN_COSTS.hypercall + XEN_COSTS.unmap * count);
    flush(this.#hv);
    for (let i = 0; i < count; i++) finishUnmap(this.#hv, this.#batch[i].mapper!, this.#batch[i]);
  }

  /** Maps a reference at a frame of the backend; the machine frame, or a negative status. */
  #mapRef(domain: Domain, ref: number, write: boolean, frame: number): number {
    const op = this.#map;
    op.hostFrame = frame;
    op.flags = write ? GntMap.HOST_MAP : GntMap.HOST_MAP | GntMap.READONLY;
    op.ref = ref;
    op.dom = this.#granter.id;
    this.#calls++;
    this.#spend(XEN_COSTS.hypercall + XEN_COSTS.map);
    this.#hv.map(domain, op);
    return op.status === GntStatus.OKAY ? op.mfn : op.status;
  }

  #unmapHandle(domain: Domain, handle: number, frame: number): void {
    const op = this.#unmap;
    op.hasHost = true;
    op.hostFrame = frame;
    op.hasDevice = false;
    op.handle = handle;
    this.#calls++;
    this.#spend(XEN_COSTS.hypercall + XEN_COSTS.unmap);
    this.#hv.unmap(domain, op);
  }

  #refuse(tx: Transaction, cause: string, status: BusStatus): BusStatus {
    this.#refused++;
    const { requester, access } = tx;
    this.#host.fault({ cause, requester, address: toDmaAddr(tx.hi, tx.lo), access });
    return status;
  }
}

/** One of a batch of unmaps, and whose it is. */
class BatchedUnmap extends UnmapRequest {
  mapper: Domain | null = null;
}

/** Bits 62:44 of an address, in the high half. */
const ADDRESS_RESERVED = 0x7fff_ffff & ~REF_HIGH_MASK;

function keeps(policy: BackendPolicy): boolean {
  return policy === "cached" || policy === "persistent";
}
