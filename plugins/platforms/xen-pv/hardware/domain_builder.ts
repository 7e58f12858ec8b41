/**
 * The domain builder: puts the p2m table, and what says where it is, into the guest's memory before it boots.
 *
 * @module
 */

import { type AddressSpace, PAGE_SIZE, type PhysAddr } from "@iova/core";
import { ENTRY_BYTES, P2M_PER_PAGE, StartInfo } from "../layout.ts";

/** What the guest is told besides where its table is; see {@linkcode StartInfo}. */
export interface DomainLimits {
  readonly maxMachineFrame: number;
  readonly maxOrder: number;
}

/**
 * Writes the table for `frames`, pairs of pseudo-physical and machine frame, and the structure that names it; `allocate`
 * gives pages of the guest's memory. Returns where the structure is.
 */
export function buildDomain(
  space: AddressSpace,
  allocate: (pages: number) => PhysAddr,
  frames: readonly (readonly [pfn: number, mfn: number])[],
  { maxMachineFrame, maxOrder }: DomainLimits,
): PhysAddr {
  const last = frames.reduce((most, [pfn]) => Math.max(most, pfn), 0);
  const p2mPages = Math.floor(last / P2M_PER_PAGE) + 1;
  const startInfo = allocate(Math.ceil((StartInfo.size + p2mPages * ENTRY_BYTES) / PAGE_SIZE));
  const p2m = startInfo + StartInfo.size;
  const told = { p2m: BigInt(p2m), maxMachineFrame: BigInt(maxMachineFrame), p2mPages, maxOrder };
  space.bytes(startInfo, StartInfo.size).set(StartInfo.encode(told));
  writeTable(space, allocate, p2m, frames);
  return startInfo;
}

function writeTable(
  space: AddressSpace,
  allocate: (pages: number) => PhysAddr,
  p2m: PhysAddr,
  frames: readonly (readonly [pfn: number, mfn: number])[],
): void {
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
}
