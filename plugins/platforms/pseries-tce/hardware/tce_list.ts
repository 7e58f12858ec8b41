/**
 * The list page of `H_PUT_TCE_INDIRECT`: up to 512 big-endian entries in guest memory.
 *
 * @module
 */

import { type RamRegion, toNumber } from "@iova/core";
import { LIST_BYTES, LIST_ENTRIES, TCE_BYTES, TCE_HIGH_AT, TCE_LOW_AT } from "../layout.ts";

/** Memory as the hypervisor reads it. */
export interface GuestMemory {
  /** The region that holds a logical real address, or null. */
  ram(address: number): RamRegion | null;
}

/** A copy of a list, in hypervisor memory. */
export class TceList {
  /** Bits 63:32 of each entry. */
  readonly hi: Int32Array = new Int32Array(LIST_ENTRIES);
  /** Bits 31:0 of each entry. */
  readonly lo: Int32Array = new Int32Array(LIST_ENTRIES);

  /** Copies `count` entries from the page at an address given as halves; false when that is not RAM. */
  copy(memory: GuestMemory, hi: number, lo: number, count: number): boolean {
    const address = toNumber(hi, lo);
    const region = memory.ram(address);
    if (region === null || address + LIST_BYTES > region.end) return false;
    const { view } = region;
    let at = address - region.base;
    for (let i = 0; i < count; i++, at += TCE_BYTES) {
      this.hi[i] = view.getInt32(at + TCE_HIGH_AT);
      this.lo[i] = view.getInt32(at + TCE_LOW_AT);
    }
    return true;
  }

  /** Zeros, as a read of nothing gives on QEMU. */
  clear(count: number): void {
    this.hi.fill(0, 0, count);
    this.lo.fill(0, 0, count);
  }
}
