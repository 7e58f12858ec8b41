/**
 * The walk over a table of physical region descriptors, entry by entry through the bus (SFF-8038i §1.2). It is bounded
 * by the bytes that are needed and by 64 KiB of table, whatever stands there.
 *
 * @module
 */

import { BusStatus, type DevicePort } from "@iova/core";
import type { FaultPolicy, Personality } from "./device_personality.ts";
import { Prd, PRD_BOUNDARY } from "./layout.ts";

/** How a walk ended. */
export const Walk = {
  /** At the last entry, or where no more was needed. */
  END: 0,
  /** The bus has no answer yet: walk on later. */
  PENDING: 1,
  /** An entry could not be read, or breaks the rules: what was collected before it stands. */
  BAD: 2,
} as const;
/** One of {@linkcode Walk}'s values. */
export type Walk = typeof Walk[keyof typeof Walk];

/** QEMU's fail-safe: a page of table. */
const PAGE_OF_TABLE = 4096;
const FIRST_ROOM = 64;

/** A table as far as a transfer needs it. */
export class PrdTable {
  /** Bus addresses of the regions, unsigned. */
  base: Float64Array = new Float64Array(FIRST_ROOM);
  /** Their lengths in bytes, cut to what is needed. */
  length: Int32Array = new Int32Array(FIRST_ROOM);
  /** How many there are. */
  count = 0;
  /** Bytes that they hold together. */
  collected = 0;
  /** Bytes that the table described as far as it was read. */
  described = 0;
  /** The last entry was read. */
  ended = false;
  /** What the bus said to an entry that could not be read. */
  fault: BusStatus = BusStatus.OK;
  /** Which rule an entry breaks; empty when none does. */
  broken = "";
  #at = 0;
  #first = 0;
  #needed = 0;
  readonly #entry = new Uint8Array(Prd.size);
  readonly #view = new DataView(this.#entry.buffer);
  readonly #behaviour: Personality;
  readonly #policy: FaultPolicy;

  /** An empty table. */
  constructor(behaviour: Personality, policy: FaultPolicy) {
    this.#behaviour = behaviour;
    this.#policy = policy;
  }

  /** The engine was started: the next walk begins at `pointer`. */
  rewind(pointer: number): void {
    this.#first = this.#at = pointer;
  }

  /** Begins a walk for `needed` bytes where the last one ended. */
  begin(needed: number): void {
    this.#needed = needed;
    this.count = this.collected = this.described = 0;
    this.ended = false;
    this.fault = BusStatus.OK;
    this.broken = "";
  }

  /** Whether the table is longer than what was needed, as the engine sees it. */
  get isLonger(): boolean {
    return this.described > this.#needed || (!this.#behaviour.wholeTable && !this.ended);
  }

  /** Reads entries until there is enough of them, or all. Called again after {@linkcode Walk.PENDING}. */
  walk(port: DevicePort): Walk {
    while (!this.#isOver()) {
      if (this.#behaviour.checksBoundary && this.#crosses(this.#first, this.#at - this.#first + Prd.size)) {
        return this.#bad("the table crosses 64 KiB");
      }
      const status = port.readAt(0, this.#at | 0, this.#entry, 0, Prd.size);
      if (status === BusStatus.PENDING) return Walk.PENDING;
      if (status !== BusStatus.OK && !this.#goesOn(status)) return Walk.BAD;
      this.#at += Prd.size;
      if (!this.#take()) return Walk.BAD;
    }
    return Walk.END;
  }

  #isOver(): boolean {
    if (this.ended) return true;
    return this.#behaviour.wholeTable ? this.#at - this.#first >= PAGE_OF_TABLE : this.described >= this.#needed;
  }

  /** An entry that cannot be read: as zeros where nobody notices, else the end. */
  #goesOn(status: BusStatus): boolean {
    this.fault = status;
    if (this.#policy === "patch-2010" || (this.#policy === "pretend" && this.#behaviour.holesAreZeros)) {
      this.#entry.fill(0);
      return true;
    }
    return false;
  }

  #take(): boolean {
    const { at, mask } = Prd;
    const { evenAddress, checksBoundary } = this.#behaviour;
    const address = this.#view.getUint32(at.base, true);
    const base = evenAddress ? address - address % 2 : address;
    const word = this.#view.getUint32(at.count, true);
    const length = (word & mask.count & ~1) || PRD_BOUNDARY;
    this.ended = (word & mask.eot) !== 0;
    if (checksBoundary && this.#crosses(base, length)) return this.#bad("a region crosses 64 KiB") === Walk.END;
    this.described += length;
    const wanted = Math.min(length, this.#needed - this.collected);
    if (wanted > 0) this.#add(base, wanted);
    return true;
  }

  #add(base: number, length: number): void {
    if (this.count === this.base.length) this.#grow();
    this.base[this.count] = base;
    this.length[this.count++] = length;
    this.collected += length;
  }

  #grow(): void {
    const { base, length } = this;
    this.base = new Float64Array(2 * base.length);
    this.base.set(base);
    this.length = new Int32Array(2 * length.length);
    this.length.set(length);
  }

  #bad(broken: string): Walk {
    this.broken = broken;
    return Walk.BAD;
  }

  #crosses(base: number, length: number): boolean {
    return base % PRD_BOUNDARY + length > PRD_BOUNDARY;
  }
}
