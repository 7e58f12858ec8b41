/**
 * The domain builder: puts the p2m table into the guest's memory before it boots.
 *
 * @module
 */

import { type AddressSpace, PAGE_SIZE, type PhysAddr } from "@iova/core";
import { ENTRY_BYTES, P2M_PER_PAGE } from "../layout.ts";

/** A p2m table that has been written. */
export interface BuiltTable {
  readonly p2m: PhysAddr;
  readonly p2mPages: number;
}

/** Writes the table for `frames`, pairs of pseudo-physical and machine frame; `allocate` gives pages of the guest's memory. */
export function buildP2m(
  space: AddressSpace,
  allocate: (pages: number) => PhysAddr,
  frames: readonly (readonly [pfn: number, mfn: number])[],
): BuiltTable {
  const last = frames.reduce((most, [pfn]) => Math.max(most, pfn), 0);
  const p2mPages = Math.floor(last / P2M_PER_PAGE) + 1;
  const p2m = allocate(Math.ceil(p2mPages * ENTRY_BYTES / PAGE_SIZE));
  const write = (address: PhysAddr, value: number) => {
    space.write(address, 4, value);
    space.write(address + 4, 4, 0);
  };
  const pages = new Map<number, PhysAddr>();
  for (const [pfn, mfn] of frames) {
    const index = Math.floor(pfn / P2M_PER_PAGE);
    let page = pages.get(index);
    if (page === undefined) {
      page = allocate(1);
      pages.set(index, page);
      space.bytes(page, PAGE_SIZE).fill(0xff);
      write(p2m + index * ENTRY_BYTES, page / PAGE_SIZE);
    }
    write(page + (pfn % P2M_PER_PAGE) * ENTRY_BYTES, mfn);
  }
  return { p2m, p2mPages };
}
