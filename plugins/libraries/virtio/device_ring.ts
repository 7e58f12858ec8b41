/**
 * What both kinds of ring have in common on the device's side.
 *
 * A ring is reached through a lease, taken at first use and taken again after a revocation; views are held for one call
 * only. Each descriptor is read once into private memory, then checked, and only the copy is used. Indices that the
 * device owns are private: what a driver writes over them is never read.
 *
 * @module
 */

import { BusStatus, type DevicePort, type Lease, type LeaseRange, type LeaseView } from "@iova/core";
import type { Chain } from "./device_chain.ts";
import { DoneList } from "./device_done.ts";
import { type DeviceQueue, type DeviceRingOptions, Pop, RingFault, type RingStats } from "./device_queue.ts";
import { MANNERS } from "./device_manners.ts";
import type { RingRules } from "./device_rules.ts";
import { PrivateCopy } from "./device_words.ts";
import { DescFlag, VirtqDesc } from "./layout_ring.ts";

const { WRITE } = DescFlag;
const TWO32 = 4294967296;
/** Bytes of a descriptor, which both kinds of ring share. */
const DESC_SIZE = VirtqDesc.size;

/** See the module's text. */
export abstract class DeviceRing implements DeviceQueue {
  readonly size: number;
  fault: RingFault = RingFault.NONE;
  /** The way to the ring. */
  protected readonly port: DevicePort;
  /** INDIRECT_DESC is negotiated. */
  protected readonly indirect: boolean;
  /** EVENT_IDX is negotiated. */
  protected readonly eventIndex: boolean;
  /** Where the device may differ from the specification. */
  protected readonly rules: RingRules;
  /** Accesses to the ring. */
  protected readonly stats: RingStats;
  /** A private copy of an indirect table. */
  protected readonly table: PrivateCopy;
  /** Buffers in a chain. */
  protected readonly longest: number;
  /** Chains that are done and not yet published. */
  protected readonly done: DoneList;
  /** Chains popped and not yet published. */
  protected inFlight = 0;
  /** Where the table of the chain being fetched is; length −1 when it has none. */
  protected tableHi = 0;
  /** See `tableHi`. */
  protected tableLo = 0;
  /** See `tableHi`; bytes. */
  protected tableLength = -1;
  /** What a publication, or a question about kicks, came to; and the question itself. */
  protected flag = false;
  // The chain being fetched, so that no closure is made for work under a lease.
  #chain: Chain | null = null;
  readonly #ranges: LeaseRange[];
  #lease: Lease | null = null;
  #bound: readonly LeaseView[] | null = null;

  /** A ring whose addresses have not been touched yet, over `ranges` of the bus. */
  constructor(options: DeviceRingOptions, ranges: LeaseRange[]) {
    const { size, port, indirect = false, eventIndex = false, inOrder = false, rules = MANNERS.spec.rings } = options;
    this.size = size;
    this.port = port;
    this.indirect = indirect;
    this.eventIndex = eventIndex;
    this.rules = rules;
    this.stats = options.stats ?? { reads: 0, writes: 0 };
    this.longest = Math.max(size, rules.tableEntries);
    this.table = new PrivateCopy(this.longest * DESC_SIZE);
    this.done = new DoneList(size, inOrder);
    this.#ranges = ranges;
  }

  /** Takes other views than those lent before. */
  protected abstract bind(views: readonly LeaseView[]): void;
  /** Reads the next chain; `CHAIN` with {@linkcode DeviceRing.tableLength} set leaves its table for later. */
  protected abstract fetch(chain: Chain): Pop;
  /** Follows a table of `entries` that has been copied. */
  protected abstract walkTable(chain: Chain, entries: number): Pop;
  /** The chain was taken: moves on, and gives it its id. */
  protected abstract advance(chain: Chain): void;
  /** Writes everything that is done into the ring; whether the driver wants to hear. */
  protected abstract store(): boolean;
  /** Says whether kicks are wanted; whether there are chains now. */
  protected abstract ask(wanted: boolean): boolean;
  /** Undoes the last {@linkcode DeviceRing.advance}. */
  protected abstract retreat(): void;
  /** See {@linkcode DeviceQueue.position}. */
  abstract readonly position: number;
  /** See {@linkcode DeviceQueue.slots}. */
  abstract readonly slots: number;
  /** See {@linkcode DeviceQueue.begin}. */
  abstract begin(position: number): void;

  get unpublished(): number {
    return this.done.count;
  }

  pop(chain: Chain): Pop {
    if (this.fault !== RingFault.NONE) return Pop.BROKEN;
    const status = this.#reach();
    if (status !== BusStatus.OK) return status === BusStatus.PENDING ? Pop.PENDING : Pop.BROKEN;
    this.#chain = chain;
    this.tableLength = -1;
    let found = this.#lease!.use(this.#fetch) ?? Pop.EMPTY;
    if (found === Pop.CHAIN && this.tableLength >= 0) found = this.#fetchTable(chain);
    if (found !== Pop.CHAIN) return found;
    this.advance(chain);
    this.inFlight++;
    this.done.popped(chain);
    return Pop.CHAIN;
  }

  unpop(): void {
    this.retreat();
    this.inFlight--;
    this.done.unpopped();
  }

  push(id: number, written: number): void {
    // What a model finishes twice, or after its queue was reset, is not in flight.
    if (this.done.count < this.inFlight) this.done.push(id, written);
  }

  publish(): boolean {
    // What was finished before the driver's mistake is finished all the same.
    if (this.done.count === 0 || this.#reach() !== BusStatus.OK) return false;
    this.flag = false;
    this.#lease!.use(this.#store);
    return this.flag;
  }

  wantKicks(wanted: boolean): Pop {
    if (this.fault !== RingFault.NONE) return Pop.BROKEN;
    const status = this.#reach();
    if (status !== BusStatus.OK) return status === BusStatus.PENDING ? Pop.PENDING : Pop.BROKEN;
    this.flag = wanted;
    this.#lease!.use(this.#ask);
    return this.flag ? Pop.CHAIN : Pop.EMPTY;
  }

  release(): void {
    this.fault = RingFault.RELEASED;
    this.done.clear();
    const lease = this.#lease;
    this.#lease = null;
    lease?.release();
  }

  /** Adds one buffer to the chain, checked. */
  protected take(chain: Chain, hi: number, lo: number, length: number, flags: number): RingFault {
    const i = chain.count;
    if (length === 0) return RingFault.EMPTY_BUFFER;
    // A chain of more buffers than the ring has is a loop, or as bad as one.
    if (i === this.longest) return RingFault.LOOP;
    chain.hi[i] = hi;
    chain.lo[i] = lo;
    chain.length[i] = length;
    chain.count = i + 1;
    if ((flags & WRITE) !== 0) {
      chain.writeBytes += length;
    } else {
      if (chain.readable !== i) return RingFault.ORDER;
      chain.readable++;
      chain.readBytes += length;
    }
    const fits = chain.readBytes + chain.writeBytes < TWO32 || !this.rules.boundedChains;
    return fits ? RingFault.NONE : RingFault.TOO_LONG;
  }

  /** Notes where the chain's indirect table is, checked. */
  protected enter(hi: number, lo: number, length: number): Pop {
    // A chain is at most as long as the ring (§2.7.5.3.1), so a longer table has no use.
    if (length === 0 || length % DESC_SIZE !== 0 || length > this.table.bytes.length) {
      return this.break(RingFault.TABLE_SIZE);
    }
    this.tableHi = hi;
    this.tableLo = lo;
    this.tableLength = length;
    return Pop.CHAIN;
  }

  /** The ring is dead from now on. */
  protected break(fault: RingFault): typeof Pop.BROKEN {
    this.fault = fault;
    return Pop.BROKEN;
  }

  /** Has a live lease over the ring, or says why not. */
  #reach(): BusStatus {
    if (this.#lease !== null && this.#lease.live) return BusStatus.OK;
    if (this.fault === RingFault.RELEASED) return BusStatus.UNSUPPORTED_REQUEST;
    const mapped = this.port.map(this.#ranges, { onRevoke: this.#revoked });
    if (mapped.ok) {
      this.#lease = mapped.lease;
      return BusStatus.OK;
    }
    if (mapped.status !== BusStatus.PENDING) this.fault = RingFault.UNREACHABLE;
    return mapped.status;
  }

  // Under policy `wait` the lease is still live here: ending it lets the invalidation complete.
  readonly #revoked = (lease: Lease): void => {
    if (this.#lease === lease) this.#lease = null;
    lease.release();
  };

  #bind(views: readonly LeaseView[]): void {
    if (views === this.#bound) return;
    this.#bound = views;
    this.bind(views);
  }

  readonly #fetch = (views: readonly LeaseView[]): Pop => {
    this.#bind(views);
    return this.fetch(this.#chain!);
  };

  #fetchTable(chain: Chain): Pop {
    const length = this.tableLength;
    const status = this.table.read(this.port, this.tableHi, this.tableLo, 0, length);
    if (status === BusStatus.PENDING) return Pop.PENDING;
    return status === BusStatus.OK
      ? this.walkTable(chain, length / DESC_SIZE)
      : this.break(RingFault.TABLE_UNREACHABLE);
  }

  readonly #store = (views: readonly LeaseView[]): void => {
    this.#bind(views);
    this.flag = this.store();
  };

  readonly #ask = (views: readonly LeaseView[]): void => {
    this.#bind(views);
    this.flag = this.ask(this.flag);
  };
}
