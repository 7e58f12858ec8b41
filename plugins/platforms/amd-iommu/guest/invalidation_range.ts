/**
 * Which pages an invalidation names: the smallest aligned power of two that covers a range, coded in the address
 * (Linux `build_inv_address`).
 *
 * @module
 */

import { putSizeCode } from "../layout.ts";
import { DmaHandle } from "@iova/core";

/** log2 of the pages from which on everything is named: 2^51 bytes and more. */
const ALL_FROM = 40;

/** Address bits 63:12 of an invalidation command as two signed halves, and whether they carry a size code. */
export class InvalidationRange {
  sized = false;
  readonly #address = new DmaHandle();

  /** Bits 63:32. */
  get hi(): number {
    return this.#address.hi;
  }

  /** Bits 31:12; the rest is zero. */
  get lo(): number {
    return this.#address.lo;
  }

  /** Covers `pages` from `page`. */
  cover(page: number, pages: number): this {
    this.#address.setHalves((page / 0x10_0000) | 0, (page * 4096) | 0);
    this.sized = pages > 1;
    if (!this.sized) return this;
    const order = topBit(page, page + pages - 1);
    if (order >= ALL_FROM) return this.everything();
    putSizeCode(this.#address, 13 + order);
    return this;
  }

  /** Covers the whole address space. */
  everything(): this {
    this.sized = true;
    this.#address.setHalves(0x7fff_ffff, ~0xfff);
    return this;
  }
}

/** The highest bit in which two page numbers differ. */
function topBit(a: number, b: number): number {
  const high = Math.floor(a / 2 ** 26) ^ Math.floor(b / 2 ** 26);
  return high !== 0 ? 57 - Math.clz32(high) : 31 - Math.clz32(a ^ b);
}
