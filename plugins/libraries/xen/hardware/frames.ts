/**
 * Machine frames as the hypervisor sees them: whose they are, and where their bytes lie.
 *
 * @module
 */

import { type AddressSpace, PAGE_SIZE, type PhysAddr, type RamRegion } from "@iova/core";

/** Why a guest frame has no machine frame. */
export const NoFrame = {
  /** No RAM of this domain. */
  NOT_RAM: -1,
  /** Paged out: it will be there later. */
  PAGED_OUT: -2,
} as const;

/** The frames of one machine. Frame numbers are exact integers below 2^52. */
export interface MachineFrames {
  /** The machine frame of a domain's guest frame (of a PV domain: the same number), or one of {@linkcode NoFrame}. */
  resolve(domid: number, gfn: number): number;
  /** Where a machine frame's bytes are in the address space, or −1. */
  address(mfn: number): PhysAddr;
  /** Moves a frame to another domain. Absent: frames cannot be moved. */
  give?(mfn: number, from: number, to: number): boolean;
  /**
   * Finds domain `to` a frame at or below `last` that takes the place of `mfn`, which stays as it is. The new frame, or
   * −1. Absent: there is none.
   */
  replace?(mfn: number, to: number, last: number): number;
  /** Takes a frame from whoever has it. Absent: frames cannot be taken. */
  dispose?(mfn: number): void;
}

/** All RAM belongs to one domain, and machine frame = guest frame: an auto-translated guest seen from inside. */
export class FlatFrames implements MachineFrames {
  /** Guest frames that are paged out for now. */
  readonly pagedOut: Set<number> = new Set();
  readonly #space: AddressSpace;

  /** The RAM of `space` belongs to domain `owner`. */
  constructor(space: AddressSpace, readonly owner: number) {
    this.#space = space;
  }

  resolve(domid: number, gfn: number): number {
    if (domid !== this.owner) return NoFrame.NOT_RAM;
    if (this.pagedOut.size > 0 && this.pagedOut.has(gfn)) return NoFrame.PAGED_OUT;
    return wholePage(this.#space, gfn * PAGE_SIZE) === null ? NoFrame.NOT_RAM : gfn;
  }

  address(mfn: number): PhysAddr {
    return mfn * PAGE_SIZE;
  }
}

/** The RAM region that holds a whole page at `address`, or null. */
export function wholePage(space: AddressSpace, address: PhysAddr): RamRegion | null {
  const region = space.ram(address);
  return region !== null && address + PAGE_SIZE <= region.end ? region : null;
}
