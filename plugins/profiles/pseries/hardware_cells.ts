/**
 * The cells of a call to run-time firmware: arguments and results in memory, 32 bits each, big-endian.
 *
 * @module
 */

import type { AddressSpace, RamRegion } from "@iova/core";

const CELL = 4;

/** See the module's text. */
export class Cells {
  readonly #args: DataView;
  readonly #rets: DataView;

  /** `nargs` cells in `args`, room for `nret` in `rets`. */
  constructor(args: DataView, readonly nargs: number, rets: DataView, readonly nret: number) {
    this.#args = args;
    this.#rets = rets;
  }

  /** Argument `index`, which is there. */
  arg(index: number): number {
    return this.#args.getUint32(index * CELL);
  }

  /** Writes results from the first one on, as far as there is room; the first is the status. */
  answer(...values: number[]): void {
    values.slice(0, this.nret).forEach((value, i) => this.#rets.setUint32(i * CELL, value));
  }
}

/** `count` cells at `address`; null when they do not lie in one piece of RAM. */
export function cellsAt(space: AddressSpace, address: number, count: number): DataView | null {
  const region: RamRegion | null = space.ram(address);
  if (region === null || address + count * CELL > region.end) return null;
  return new DataView(region.bytes.buffer, region.bytes.byteOffset + address - region.base, count * CELL);
}
