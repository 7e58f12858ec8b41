/**
 * Adding and subtracting the bridge's offset, on halves.
 *
 * @module
 */

import { type DmaAddr, DmaHandle } from "@iova/core";

/** A constant between two buses, in bytes, modulo 2^64. */
export class Offset {
  readonly #halves: DmaHandle;
  readonly #below = new DmaHandle();

  /** The offset as an address. */
  constructor(readonly value: DmaAddr) {
    this.#halves = new DmaHandle().set(value);
  }

  /** Turns an address above the bridge into one below it, in place. */
  add(handle: DmaHandle): void {
    const lo = (handle.lo + this.#halves.lo) | 0;
    const carry = (lo >>> 0) < (handle.lo >>> 0) ? 1 : 0;
    handle.setHalves((handle.hi + this.#halves.hi + carry) | 0, lo);
  }

  /** The address above the bridge for one below it, in a record that the next call reuses. */
  subtract({ hi, lo }: DmaHandle): DmaHandle {
    const borrow = (lo >>> 0) < (this.#halves.lo >>> 0) ? 1 : 0;
    return this.#below.setHalves((hi - this.#halves.hi - borrow) | 0, (lo - this.#halves.lo) | 0);
  }

  /** {@linkcode Offset.add} for a bigint. */
  plus(address: DmaAddr): DmaAddr {
    return BigInt.asUintN(64, address + this.value);
  }

  /** {@linkcode Offset.subtract} for a bigint. */
  minus(address: DmaAddr): DmaAddr {
    return BigInt.asUintN(64, address - this.value);
  }
}
