/**
 * The mover: carries a request's bytes between its drive and the regions of a table, in bursts.
 *
 * A transfer that takes time holds a lease for every page of its regions. One that is revoked between two bursts is asked
 * for again; what cannot be reached any more is a hole, with which the fault policy deals. What comes from memory is
 * staged, so that the medium sees all of it or nothing.
 *
 * @module
 */

import { Access, BusStatus, copyBytes, type DevicePort, type Lease, PAGE_SIZE, type PieceVisitor } from "@iova/core";
import type { FaultPolicy, Personality } from "./device_personality.ts";
import type { PrdTable } from "./device_prd.ts";
import type { DmaRequest } from "./device_request.ts";
import { SECTOR } from "./layout.ts";

/** How a burst ended. */
export const Burst = {
  /** Everything has moved. */
  DONE: 0,
  /** There is more. */
  MORE: 1,
  /** The bus has no answer yet: try again later. */
  PENDING: 2,
  /** A region cannot be reached, and the policy is to abort. */
  FAULT: 3,
  /** The medium failed. */
  MEDIUM: 4,
} as const;
/** One of {@linkcode Burst}'s values. */
export type Burst = typeof Burst[keyof typeof Burst];

const TWO32 = 4294967296;
const NO_BYTES = new Uint8Array(0);

/** See the module's text. */
export class Mover implements PieceVisitor {
  /** Bytes moved or passed over, of the request as the drive counts it. */
  at = 0;
  /** Bytes of memory that are still to be reached. */
  left = 0;
  /** Holes met so far, in all transfers. */
  holes = 0;
  /** What the bus said last to something that failed. */
  fault: BusStatus = BusStatus.OK;
  readonly #port: DevicePort;
  readonly #behaviour: Personality;
  readonly #policy: FaultPolicy;
  #request!: DmaRequest;
  // Regions, or pages of them when they are leased.
  #base!: Float64Array;
  #length!: Int32Array;
  #count = 0;
  #part = 0;
  #offset = 0;
  #leased = false;
  #leases: (Lease | null)[] = [];
  #mapped = 0;
  #stage: Uint8Array = NO_BYTES;
  #moved = 0;
  #failed = false;

  /** A mover on `port`. */
  constructor(port: DevicePort, behaviour: Personality, policy: FaultPolicy) {
    this.#port = port;
    this.#behaviour = behaviour;
    this.#policy = policy;
  }

  /** Begins a transfer over what `table` has collected; `leased`: it will be interrupted between bursts. */
  begin(request: DmaRequest, table: PrdTable, leased: boolean): void {
    this.#request = request;
    this.at =
      this.#part =
      this.#offset =
      this.#mapped =
        0;
    this.left = table.collected;
    this.#leased = leased;
    this.#base = table.base;
    this.#length = table.length;
    this.#count = table.count;
    if (leased) this.#splitPages();
    if (!request.toMemory && this.#stage.length < table.collected) this.#stage = new Uint8Array(table.collected);
  }

  /** Takes the leases. DONE when all are there or cannot be had; PENDING: call again. */
  lease(): Burst {
    for (; this.#leased && this.#mapped < this.#count; this.#mapped++) {
      const status = this.#map(this.#mapped, 0);
      if (status === BusStatus.PENDING) return Burst.PENDING;
      // Behind the first one that fails nothing will be moved.
      if (status !== BusStatus.OK && this.#policy === "abort") break;
    }
    return Burst.DONE;
  }

  /** Moves up to `budget` bytes. */
  run(budget: number): Burst {
    const { toMemory } = this.#request;
    while (this.left > 0 && budget > 0) {
      const length = Math.min(this.#length[this.#part] - this.#offset, budget);
      this.#moved = 0;
      this.#failed = false;
      const status = this.#leased ? this.#useLease(length) : this.#visit(length, toMemory);
      if (this.#failed) return Burst.MEDIUM;
      this.at += this.#moved;
      budget -= this.#advance(this.#moved);
      if (status === BusStatus.PENDING) return Burst.PENDING;
      if (status === BusStatus.OK) continue;
      this.fault = status;
      if (this.#policy === "abort") return Burst.FAULT;
      budget -= this.#hole();
    }
    return this.left > 0 ? Burst.MORE : Burst.DONE;
  }

  /** The end of a transfer from memory: the medium gets what was staged; `complete` or whole sectors of it. */
  commit(complete: boolean): boolean {
    const length = complete ? this.at : this.at - this.at % SECTOR;
    return length === 0 || this.#request.write(this.#stage, length);
  }

  /** A hole to the end: nobody notices what is not there. */
  skip(length: number): void {
    this.holes++;
    if (!this.#request.toMemory) {
      if (this.#stage.length < this.at + length) this.#growStage(this.at + length);
      this.#request.read(this.at, this.#stage, this.at, length);
    }
    this.at += length;
  }

  /** Gives every lease back. */
  release(): void {
    for (const lease of this.#leases) lease?.release();
    this.#leases = [];
  }

  /** See {@linkcode PieceVisitor.piece}. */
  piece(bytes: Uint8Array, offset: number, length: number, at: number): void {
    if (this.#failed) return;
    const request = this.#request;
    if (!request.toMemory) copyBytes(this.#stage, this.at + at, bytes, offset, length);
    else if (!request.read(this.at + at, bytes, offset, length)) {
      this.#failed = true;
      return;
    }
    this.#moved += length;
  }

  #visit(length: number, toMemory: boolean): BusStatus {
    const address = this.#base[this.#part] + this.#offset;
    const hi = address >= TWO32 ? 1 : 0;
    return this.#port.visit(hi, address | 0, length, toMemory ? Access.WRITE : Access.READ, this);
  }

  #useLease(length: number): BusStatus {
    const part = this.#part;
    if (this.#leases[part] === null) return this.fault;
    if (this.#leases[part]?.live !== true) {
      const status = this.#map(part, this.#offset);
      if (status !== BusStatus.OK) return status;
    }
    const lease = this.#leases[part]!;
    // A lease that was taken again begins where the lost one was left.
    const skip = this.#offset - this.#leaseAt;
    lease.use(([view]) => {
      for (const { at, bytes } of view) {
        const from = Math.max(at, skip);
        const to = Math.min(at + bytes.length, skip + length);
        if (from < to) this.piece(bytes, from - at, to - from, from - skip);
      }
    });
    return BusStatus.OK;
  }

  /** Where in its part the lease that was taken again begins. */
  #leaseAt = 0;

  #map(part: number, offset: number): BusStatus {
    const address = this.#base[part] + offset;
    const range = {
      hi: address >= TWO32 ? 1 : 0,
      lo: address | 0,
      length: this.#length[part] - offset,
      access: this.#request.toMemory ? Access.WRITE : Access.READ,
    };
    const result = this.#port.map([range], GIVES_WAY);
    if (result.ok) this.#leases[part] = result.lease;
    else if (result.status !== BusStatus.PENDING) {
      this.#leases[part] = null;
      this.fault = result.status;
    }
    if (result.ok && part === this.#part) this.#leaseAt = offset;
    return result.ok ? BusStatus.OK : result.status;
  }

  /** Goes on by `length` bytes of memory. */
  #advance(length: number): number {
    this.left -= length;
    this.#offset += length;
    if (this.left > 0 && this.#offset === this.#length[this.#part]) {
      this.#part++;
      this.#offset = this.#leaseAt = 0;
    }
    return length;
  }

  /** Memory that cannot be reached, up to the end of its page. */
  #hole(): number {
    const address = this.#base[this.#part] + this.#offset;
    const length = Math.min(this.#length[this.#part] - this.#offset, PAGE_SIZE - address % PAGE_SIZE);
    this.holes++;
    // As it was posted, the patch of 2010 left a hole out of the list: later memory got earlier data.
    if (this.#policy !== "patch-2010") this.#pass(length);
    return this.#advance(length);
  }

  /** Nothing moves, and we pretend that it did: the position is kept. */
  #pass(length: number): void {
    if (!this.#request.toMemory) {
      if (this.#behaviour.holesAreZeros) this.#stage.fill(0, this.at, this.at + length);
      else this.#request.read(this.at, this.#stage, this.at, length);
    }
    this.at += length;
  }

  #splitPages(): void {
    let count = 0;
    const room = this.#count + Math.ceil(this.left / PAGE_SIZE) + this.#count;
    const base = new Float64Array(room);
    const length = new Int32Array(room);
    for (let i = 0; i < this.#count; i++) {
      for (let offset = 0; offset < this.#length[i];) {
        base[count] = this.#base[i] + offset;
        length[count] = Math.min(this.#length[i] - offset, PAGE_SIZE - base[count] % PAGE_SIZE);
        offset += length[count++];
      }
    }
    this.#base = base;
    this.#length = length;
    this.#count = count;
    this.#leases = new Array(count).fill(undefined);
  }

  #growStage(length: number): void {
    const stage = new Uint8Array(length);
    stage.set(this.#stage);
    this.#stage = stage;
  }
}

/** Between bursts nothing is moved: a lease that somebody wants back is given at once. */
const GIVES_WAY = { onRevoke: (lease: Lease) => lease.release() };
