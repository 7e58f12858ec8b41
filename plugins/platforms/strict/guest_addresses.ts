/**
 * Where bus addresses come from: they only ever go up, so that none is handed out twice.
 *
 * @module
 */

import { type DmaHandle, TWO32 } from "@iova/core";

/** Bytes between two mappings that nothing is ever mapped at: an overrun of one byte is a fault. */
const GUARD = 64;
/** Registers of devices, and the doorbell of message interrupts, are claimed on buses from here to 4 GiB. */
const HOLE_START = 0xc000_0000;
/** Device addresses of 64 bits start here: a program that takes them for numbers, or for signed, goes wrong at once. */
const HIGH_START = 0x8000_0001_0000_0000n;
/** The smallest mask for which that is done. */
const HIGH_MASK = 0x8000_0001_ffff_ffffn;
const BIT_63 = 1n << 63n;
const MAX_OFFSET = BigInt(Number.MAX_SAFE_INTEGER);

/** A part of the address space that addresses are taken from, upwards. */
export class Region {
  /** Bits 63:32 to be or-ed in: bit 63 or nothing. */
  readonly #high: number;
  #next: number;

  constructor(high: number, next: number) {
    this.#high = high;
    this.#next = next;
  }

  /**
   * Takes `size` bytes, so aligned that they lie in one aligned block of 2^order bytes, `low` bytes after its start, and
   * end at or before `last`. Writes the address into `out`; false when the region is used up.
   */
  take(out: DmaHandle, size: number, order: number, low: number, last: number): boolean {
    const block = 1 << order;
    const first = Math.ceil(this.#next / block) * block + low;
    if (first + size - 1 > last) return false;
    this.#next = first + size + GUARD;
    out.setHalves((first / TWO32) | this.#high, first | 0);
    return true;
  }
}

/** What a mask leaves of the address space. */
export interface Reach {
  readonly region: Region;
  /** Last usable address, without bit 63. */
  readonly last: number;
}

/** The addresses of one bridge, which all devices behind it share. */
export class BusAddresses {
  readonly #high = new Region(1 << 31, Number(HIGH_START - BIT_63));
  readonly #middle = new Region(0, TWO32);
  readonly #low = new Region(0, 4096);

  /**
   * The region that a device with this mask takes addresses from: bit 63 set with 64 address lines, above 4 GiB with
   * fewer, below the registers with 32; null when there is next to nothing.
   */
  reach(mask: bigint): Reach | null {
    if (mask >= HIGH_MASK) return { region: this.#high, last: capped(mask - BIT_63) };
    if (mask >= 2n ** 33n - 1n) return { region: this.#middle, last: capped(mask) };
    if (mask < 0xffffn) return null;
    return { region: this.#low, last: Math.min(Number(mask), HOLE_START - 1) };
  }
}

function capped(offset: bigint): number {
  return Number(offset > MAX_OFFSET ? MAX_OFFSET : offset);
}
