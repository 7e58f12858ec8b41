/**
 * Leases: memory that a device may touch for longer than one call, and what happens to them when translations go away.
 *
 * JavaScript cannot take a typed array back, so a lease lends its views for the length of one synchronous call
 * ({@linkcode Lease.use}): zero-copy inside it, nothing to hold on to after it. I/O that completes later comes back
 * through the lease and finds it live or revoked.
 *
 * The invariant: **once an invalidation has completed, no write through an old lease reaches memory.** Invalidation,
 * device removal, reset and lost bus mastering all use this one path.
 *
 * @module
 */

import { compareHalves, DmaHandle, toDmaAddr, toNumber } from "./address.ts";
import type { Access } from "./bus_translator.ts";
import type { Scheduler } from "./clock.ts";

/** A range of bus addresses to lease; the address as signed halves. */
export interface LeaseRange {
  /** First byte, bits 63:32, signed. */
  hi: number;
  /** First byte, bits 31:0, signed. */
  lo: number;
  /** Bytes, at least 1. */
  length: number;
  /** What the holder will do with it. */
  access: Access;
}

/** How a lease wants to hear about its end. */
export interface LeaseOptions {
  /**
   * Called when an invalidation covers the lease: already revoked under policy `revoke`, still live under `wait`, where
   * releasing it here lets the invalidation complete at once. Absent: nothing is said; `live` and `signal` tell.
   */
  onRevoke?: (lease: Lease) => void;
}

/** Contiguous memory behind a part of a range. Borrowed for one {@linkcode Lease.use}. */
export interface LeasePiece {
  /** Offset of the piece in its range. */
  readonly at: number;
  /** The bytes themselves. */
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
}

/** The pieces of one range, in order, together covering it. */
export type LeaseView = readonly LeasePiece[];

/** What the machine does with live leases when a translation goes away. */
export interface InvalidationPolicy {
  /** `revoke`: the lease dies at once. `wait`: the invalidation completes when the lease ends. */
  readonly policy: "wait" | "revoke";
  /** Nanoseconds of virtual time after which waiting ends: the lease is revoked and a warning logged. */
  readonly deadline: number;
  /** Lend copies, and report a view that was written after its call had returned. */
  readonly checked: boolean;
}

/** Where a lease passed a translator: the addresses that this translator was asked for. */
export interface Passage {
  /** All passages through the same translator. */
  readonly index: PassageIndex;
  /** First byte, signed halves. */
  readonly firstHi: number;
  /** See `firstHi`. */
  readonly firstLo: number;
  /** Last byte, inclusive, signed halves. */
  readonly lastHi: number;
  /** See `lastHi`. */
  readonly lastLo: number;
  /** The lease. */
  readonly lease: Lease;
}

interface Lent {
  readonly copy: Uint8Array;
  readonly seen: Uint8Array;
}

/** A lease. Made by `DevicePort.map`; ends by {@linkcode Lease.release} or by revocation. */
export class Lease {
  /** Whether {@linkcode Lease.use} still lends. */
  live = true;
  /** Why it was revoked; empty while it is live or when it was released. */
  reason = "";
  /** Passages through translators; filled while the lease is made. */
  readonly passages: Passage[] = [];
  #held = 0;
  #abort: AbortController | null = null;
  #waiting: (() => void)[] = [];
  #lent: Lent[] = [];
  readonly #table: LeaseTable;
  readonly #views: LeaseView[];
  readonly #ranges: LeaseRange[];

  /** Made by `DevicePort.map` only. */
  constructor(
    table: LeaseTable,
    readonly device: string,
    readonly requester: number,
    ranges: LeaseRange[],
    views: LeaseView[],
    readonly options: LeaseOptions,
  ) {
    this.#table = table;
    this.#ranges = ranges;
    this.#views = views;
  }

  /** Fires when the lease is revoked. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.reason !== "") this.#abort.abort(this.reason);
    return this.#abort.signal;
  }

  /** Notes that the lease passes a translator, which was asked for `length` bytes at an address. */
  passed(index: PassageIndex, hi: number, lo: number, length: number): void {
    const last = new DmaHandle().set(toDmaAddr(hi, lo) + BigInt(length - 1));
    this.passages.push({ index, lease: this, firstHi: hi, firstLo: lo, lastHi: last.hi, lastLo: last.lo });
  }

  /** Lends the views of every range to `work`, which must not keep them. Undefined when the lease is not live. */
  use<T>(work: (views: readonly LeaseView[]) => T): T | undefined {
    if (!this.live) return undefined;
    return this.#table.policy.checked ? this.#useCopies(work) : work(this.#views);
  }

  /**
   * Says that something outside this program (a kernel reading a file) moves bytes until the returned function is
   * called; an invalidation does not complete before that.
   */
  hold(): () => void {
    let ended = false;
    this.#held++;
    return () => {
      if (ended) return;
      ended = true;
      if (--this.#held === 0) this.#settle();
    };
  }

  /** Ends the lease. Ending it twice is harmless. */
  release(): void {
    if (!this.live) return;
    this.live = false;
    this.#reportKept();
    this.#settle();
  }

  /** Revokes the lease at once; `after` runs when nothing outside this program moves bytes any more. */
  revoke(reason: string, after?: () => void): void {
    const first = this.live;
    this.live = false;
    if (first) {
      this.reason = reason;
      this.#reportKept();
      this.#abort?.abort(reason);
      this.options.onRevoke?.(this);
    }
    if (after) this.whenEnded(after);
    if (first) this.#settle();
  }

  /** Runs `after` when the lease has ended and nothing is held. */
  whenEnded(after: () => void): void {
    if (!this.live && this.#held === 0) after();
    else this.#waiting.push(after);
  }

  #settle(): void {
    if (this.live || this.#held > 0) return;
    // While something is held, an invalidation still has to find the lease.
    this.#table.remove(this);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const after of waiting) after();
  }

  #useCopies<T>(work: (views: readonly LeaseView[]) => T): T {
    this.#reportKept();
    const copies = this.#views.map((view) =>
      view.map(({ at, bytes }) => {
        const copy = bytes.slice();
        return { at, bytes: copy, view: new DataView(copy.buffer) };
      })
    );
    try {
      return work(copies);
    } finally {
      copies.forEach((view, i) =>
        view.forEach((piece, j) => {
          if (this.live && (this.#ranges[i].access & 2) !== 0) this.#views[i][j].bytes.set(piece.bytes);
          this.#lent.push({ copy: piece.bytes, seen: piece.bytes.slice() });
        })
      );
    }
  }

  #reportKept(): void {
    if (this.#lent.some(({ copy, seen }) => copy.some((byte, i) => byte !== seen[i]))) {
      this.#table.warn("lease-view-kept", `a lent view was written after its call had returned`, this.device);
    }
    this.#lent = [];
  }
}

/** The passages through one translator, sorted by first address, so that an invalidation finds its leases quickly. */
export class PassageIndex {
  #entries: { first: number; last: number; passage: Passage }[] = [];
  #longest = 0;
  // Nothing ever lay outside: most invalidations are of other addresses than those that devices keep.
  #lowest = Infinity;
  #highest = -1;

  /** Adds a passage of a live lease. */
  add(passage: Passage): void {
    // Rounding a 64-bit address to a double keeps order, so overlap is never missed; matches are checked exactly.
    const first = toNumber(passage.firstHi, passage.firstLo);
    const last = toNumber(passage.lastHi, passage.lastLo);
    this.#longest = Math.max(this.#longest, last - first);
    this.#lowest = Math.min(this.#lowest, first);
    this.#highest = Math.max(this.#highest, last);
    this.#entries.splice(this.#after(first), 0, { first, last, passage });
  }

  /** Takes it out again. */
  remove(passage: Passage): void {
    const first = toNumber(passage.firstHi, passage.firstLo);
    for (let i = this.#after(first) - 1; i >= 0 && this.#entries[i].first === first; i--) {
      if (this.#entries[i].passage === passage) {
        this.#entries.splice(i, 1);
        return;
      }
    }
  }

  /** The leases that overlap a range; null, and nothing allocated, when none does. */
  overlapping(firstHi: number, firstLo: number, lastHi: number, lastLo: number): Set<Lease> | null {
    const from = toNumber(firstHi, firstLo);
    const to = toNumber(lastHi, lastLo);
    if (from > this.#highest || to < this.#lowest) return null;
    let found: Set<Lease> | null = null;
    for (let i = this.#after(to) - 1; i >= 0; i--) {
      const entry = this.#entries[i];
      if (entry.first + this.#longest < from) break;
      const { passage } = entry;
      if (
        compareHalves(passage.firstHi, passage.firstLo, lastHi, lastLo) <= 0 &&
        compareHalves(passage.lastHi, passage.lastLo, firstHi, firstLo) >= 0
      ) (found ??= new Set()).add(passage.lease);
    }
    return found;
  }

  #after(first: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle].first <= first) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Every live lease of a machine, and the policy that decides their end. */
export class LeaseTable {
  /** Live leases. */
  readonly leases: Set<Lease> = new Set();
  readonly #scheduler: Scheduler;

  /** A table whose deadlines run on `scheduler`; `warn` logs a time-out or a kept view. */
  constructor(
    scheduler: Scheduler,
    readonly policy: InvalidationPolicy,
    readonly warn: (id: string, message: string, device?: string) => void,
  ) {
    this.#scheduler = scheduler;
  }

  /** Registers a lease once its passages are complete. */
  add(lease: Lease): void {
    this.leases.add(lease);
    for (const passage of lease.passages) passage.index.add(passage);
  }

  /** Forgets a lease that has ended. */
  remove(lease: Lease): void {
    this.leases.delete(lease);
    for (const passage of lease.passages) passage.index.remove(passage);
  }

  /**
   * Ends every lease over a range of a translator as the policy says: first and last byte (inclusive) as signed halves, of one
   * requester or of every one (−1). `done` runs once nothing old can be written. Allocates only if a lease is hit.
   */
  invalidate(
    passages: PassageIndex,
    firstHi: number,
    firstLo: number,
    lastHi: number,
    lastLo: number,
    requester: number,
    done?: () => void,
  ): void {
    const hit = passages.overlapping(firstHi, firstLo, lastHi, lastLo);
    if (hit === null) return done?.();
    this.#end(hit, requester, done);
  }

  #end(hit: Set<Lease>, requester: number, done?: () => void): void {
    let left = 1;
    const ended = () => {
      if (--left === 0) done?.();
    };
    for (const lease of hit) {
      if (requester >= 0 && lease.requester !== requester) continue;
      left++;
      if (this.policy.policy === "revoke") lease.revoke("invalidated", ended);
      else this.#wait(lease, ended);
    }
    ended();
  }

  #wait(lease: Lease, ended: () => void): void {
    lease.options.onRevoke?.(lease);
    const timer = this.#scheduler.after(this.policy.deadline, () => {
      this.warn("invalidate-timeout", `a lease outlived the invalidation deadline and was revoked`, lease.device);
      lease.revoke("invalidation deadline passed");
    });
    lease.whenEnded(() => {
      this.#scheduler.cancel(timer);
      ended();
    });
  }
}
