/**
 * The guest's view of its frames: the p2m table in its own memory, and the machine's m2p array.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { P2M_FOREIGN_HIGH, P2M_IDENTITY_HIGH } from "@iova/xen";
import { ENTRY_BYTES, M2P_BASE, P2M_PER_PAGE } from "../layout.ts";
import type { BootInfo } from "./start_info.ts";

/** No machine frame. */
export const NO_FRAME = -1;
const FLAGS = P2M_FOREIGN_HIGH | P2M_IDENTITY_HIGH;
const PAGE_SHIFT = Math.log2(P2M_PER_PAGE);

/** See the module's text. Machine frames are numbers below 2^31: machine addresses below 2^43. */
export class FrameTables {
  readonly #guest: GuestPort;
  readonly #info: BootInfo;
  /** Where each page of the p2m table is, as words of its RAM region; null where there is none. */
  readonly #words: (Int32Array | null)[] = [];
  readonly #base: number[] = [];

  /** The tables that `info` names. */
  constructor(guest: GuestPort, info: BootInfo) {
    this.#guest = guest;
    this.#info = info;
    for (let i = 0; i < info.p2mPages; i++) {
      const page = guest.read(info.p2m + i * ENTRY_BYTES, 4) * 4096;
      const region = page === 0 ? null : guest.memory.ram(page);
      this.#words.push(region?.words ?? null);
      this.#base.push(region === null ? 0 : (page - region.base) / 4);
    }
  }

  /** The machine frame of a pseudo-physical frame, without its flags, or {@linkcode NO_FRAME}. */
  machine(pfn: number): number {
    const page = pfn >>> PAGE_SHIFT;
    const words = page < this.#words.length ? this.#words[page] : null;
    if (words === null) return NO_FRAME;
    const at = this.#base[page] + ((pfn & (P2M_PER_PAGE - 1)) << 1);
    const low = words[at];
    return (words[at + 1] & ~FLAGS) !== 0 || low < 0 ? NO_FRAME : low;
  }

  /** Enters a machine frame, or {@linkcode NO_FRAME}. */
  setMachine(pfn: number, mfn: number): void {
    const words = this.#words[pfn >>> PAGE_SHIFT];
    if (words === null || words === undefined) return;
    const at = this.#base[pfn >>> PAGE_SHIFT] + ((pfn & (P2M_PER_PAGE - 1)) << 1);
    words[at] = mfn;
    words[at + 1] = mfn < 0 ? -1 : 0;
  }

  /** The pseudo-physical frame of a machine frame, if it is one of this guest's: both tables must agree. */
  local(mfn: number): number {
    if (mfn < 0 || mfn >= this.#info.maxMachineFrame) return NO_FRAME;
    const pfn = this.#guest.read(M2P_BASE + mfn * ENTRY_BYTES, 4) | 0;
    return pfn >= 0 && this.machine(pfn) === mfn ? pfn : NO_FRAME;
  }

  /** Whether `pages` pages from a frame are neighbours in the machine, and where the first is; else {@linkcode NO_FRAME}. */
  run(pfn: number, pages: number): number {
    const first = this.machine(pfn);
    if (first === NO_FRAME) return NO_FRAME;
    for (let i = 1; i < pages; i++) if (this.machine(pfn + i) !== first + i) return NO_FRAME;
    return first;
  }

  /** Whether frames have entries at all. */
  knows(page: PhysAddr): boolean {
    return this.machine(page / 4096) !== NO_FRAME;
  }
}
