/**
 * RTAS, entered by hypercall with a buffer in guest memory: finds the call by its token and lends it the buffer's cells.
 *
 * @module
 */

import { type HypercallRegisters, toNumber } from "@iova/core";
import { Arg, HStatus, RTAS_CELLS, RtasHead, RtasStatus } from "../layout.ts";
import type { GuestMemory } from "./tce_list.ts";

/** Bytes of a cell. */
const CELL = 4;

/** The cells of one call. Arguments and results are unsigned when read, and written modulo 2^32. */
export class RtasCells {
  #view!: DataView;
  #args = 0;
  #rets = 0;
  nargs = 0;
  nret = 0;

  /** Takes the buffer at `at` in `view`; false when it names more cells than RTAS takes, or runs past the end. */
  open(view: DataView, at: number): boolean {
    if (at + RtasHead.size > view.byteLength) return false;
    this.#view = view;
    this.nargs = view.getUint32(at + RtasHead.at.nargs);
    this.nret = view.getUint32(at + RtasHead.at.nret);
    this.#args = at + RtasHead.size;
    this.#rets = this.#args + this.nargs * CELL;
    return this.nargs + this.nret <= RTAS_CELLS && this.#rets + this.nret * CELL <= view.byteLength;
  }

  /** Argument `index`, which the caller has checked to be there. */
  arg(index: number): number {
    return this.#view.getUint32(this.#args + index * CELL);
  }

  /** Arguments `index` and `index` + 1 as one number of 64 bits. */
  wide(index: number): bigint {
    return this.#view.getBigUint64(this.#args + index * CELL);
  }

  /** Writes results from the first one on, as far as the caller has room; the first is the status. */
  answer(...values: number[]): void {
    const count = Math.min(values.length, this.nret);
    for (let i = 0; i < count; i++) this.#view.setUint32(this.#rets + i * CELL, values[i]);
  }
}

/** One RTAS call: reads arguments, writes results. */
export type RtasCall = (cells: RtasCells) => void;

/** The RTAS of a partition. */
export class Rtas {
  readonly #memory: GuestMemory;
  readonly #calls = new Map<number, RtasCall>();
  readonly #cells = new RtasCells();

  /** An RTAS that finds its buffers in `memory`. */
  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Adds a call. */
  on(token: number, call: RtasCall): void {
    this.#calls.set(token, call);
  }

  /** The hypercall: r4 is the logical real address of the buffer. */
  enter(r: HypercallRegisters): number {
    const address = toNumber(r.hi[Arg.LIOBN], r.lo[Arg.LIOBN]);
    const region = this.#memory.ram(address);
    if (region === null || !this.#cells.open(region.view, address - region.base)) return HStatus.PARAMETER;
    const call = this.#calls.get(region.view.getUint32(address - region.base + RtasHead.at.token));
    if (call === undefined) {
      this.#cells.answer(RtasStatus.PARAMETER);
      return HStatus.PARAMETER;
    }
    call(this.#cells);
    return HStatus.SUCCESS;
  }
}
