/**
 * The size code in an address (AMD 48882 §2.2.3; the same in invalidation commands and in ATS completions): a block of
 * 2^(k+1) bytes is named by its base with bits k−1 … 12 set and bit k clear, k ≥ 12.
 *
 * @module
 */

import type { DmaHandle } from "@iova/core";

/**
 * log2 of the size that the code in an address (bits 63:12, two signed halves) names: 13 … 64. 64 is everything: no bit
 * from 12 up, or only bit 63, is clear.
 */
export function sizeCodeShift(hi: number, lo: number): number {
  const low = ~(lo >> 12);
  if ((low & 0xfffff) !== 0) return 13 + trailingZeros(low);
  return hi === -1 ? 64 : 33 + trailingZeros(~hi);
}

/** Puts the code for a block of 2^`shift` bytes (13 … 64) into bits 12 and up of its base address. Leaves bits 11:0. */
export function putSizeCode(address: DmaHandle, shift: number): void {
  const zero = shift - 1;
  if (zero < 32) {
    address.lo = address.lo & ~(1 << zero) | (1 << zero) - 0x1000;
  } else {
    address.lo |= ~0xfff;
    address.hi = zero === 32 ? address.hi & ~1 : address.hi & ~(1 << (zero - 32)) | (1 << (zero - 32)) - 1;
  }
}

function trailingZeros(value: number): number {
  return 31 - Math.clz32(value & -value);
}
