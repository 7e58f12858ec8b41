/**
 * A DMA window: bus addresses that one table translates, and the table.
 *
 * @module
 */

import { DmaHandle } from "@iova/core";
import type { Entitlement, PartitionMemory } from "./partition.ts";
import type { Rules } from "./profiles.ts";
import { TceTable } from "./table.ts";

/** The host bridge of a window, as hypercalls see it. */
export interface WindowOwner {
  readonly rules: Rules;
  readonly memory: PartitionMemory;
  readonly entitlement: Entitlement;
  /** Whether `H_STUFF_TCE` and `H_PUT_TCE_INDIRECT` are there. */
  readonly multiTce: boolean;
  /** Entries `first` to `last` no longer say what they said. */
  changed(window: Window, first: number, last: number): void;
}

/** One window of a host bridge. */
export class Window {
  readonly table: TceTable;
  readonly #baseHi: number;
  readonly #baseLo: number;
  /** Bits of an address inside a page, low half and high half. */
  readonly #inPageLo: number;
  readonly #inPageHi: number;

  /** `entries` pages of 2^shift bytes from bus address `base`, in table `liobn` (32 bits, signed). */
  constructor(
    readonly owner: WindowOwner,
    readonly liobn: number,
    readonly base: bigint,
    readonly shift: number,
    readonly entries: number,
    readonly isDefault: boolean,
  ) {
    this.table = new TceTable(entries);
    const { hi, lo } = new DmaHandle().set(base);
    this.#baseHi = hi;
    this.#baseLo = lo;
    this.#inPageLo = shift < 32 ? (1 << shift) - 1 : -1;
    this.#inPageHi = shift < 32 ? 0 : (1 << (shift - 32)) - 1;
  }

  /** Whether a bus address is the first of a page. */
  isAligned(hi: number, lo: number): boolean {
    return (lo & this.#inPageLo) === 0 && (hi & this.#inPageHi) === 0;
  }

  /** The entry for a bus address given as halves; −1 outside the window. */
  indexOf(hi: number, lo: number): number {
    const borrow = (lo >>> 0) < (this.#baseLo >>> 0) ? 1 : 0;
    // Below the base this wraps to something huge, which is outside as well.
    const offsetHi = (hi - this.#baseHi - borrow) | 0;
    const { shift } = this;
    let index: number;
    if (shift < 32) {
      if (offsetHi >>> shift !== 0) return -1;
      index = ((offsetHi << (32 - shift)) | ((lo - this.#baseLo) >>> shift)) >>> 0;
    } else index = offsetHi >>> (shift - 32);
    return index < this.entries ? index : -1;
  }

  /** Writes the last bus address of page `index` into `out`. */
  lastAddressOf(index: number, out: DmaHandle): DmaHandle {
    const { hi, lo } = this.addressOf(index, out);
    return out.setHalves(hi | this.#inPageHi, lo | this.#inPageLo);
  }

  /** Writes the first bus address of page `index` into `out`. */
  addressOf(index: number, out: DmaHandle): DmaHandle {
    const { shift } = this;
    const offsetLo = shift < 32 ? index << shift : 0;
    const offsetHi = shift < 32 ? index >>> (32 - shift) : index << (shift - 32);
    const lo = (this.#baseLo + offsetLo) | 0;
    const carry = (lo >>> 0) < (offsetLo >>> 0) ? 1 : 0;
    return out.setHalves((this.#baseHi + offsetHi + carry) | 0, lo);
  }
}
