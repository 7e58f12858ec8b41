/**
 * A virtual IOMMU: the operations of a driver behind it, and its answers to misses. Pages are handed out at addresses of
 * their own, scattered, and taken back at once when they are unmapped, or many at a time.
 *
 * @module
 */

import { BaseDmaOps, Direction, type DmaContext, type DmaHandle, type PhysAddr } from "@iova/core";
import type { FrontEnd, FrontEndTables } from "./frontend.ts";
import type { FrontEndMemory } from "./frontend_memory.ts";

const PAGE = 4096;

interface Entry {
  guest: PhysAddr;
  perm: number;
}

/** See the module's text. */
export class FrontEndIommu extends BaseDmaOps implements FrontEndTables {
  /** Unmaps that are not yet invalidated; with a limit above 0 that many are gathered first. */
  lazy = 0;
  /** Invalidations sent. */
  invalidations = 0;
  /** Says that a page which may only be read may be written, as real front-ends do. */
  generous = true;
  readonly #entries = new Map<number, Entry>();
  #front: FrontEnd;
  readonly #memory: FrontEndMemory;
  readonly #base: number;
  #next: number;
  #gathered = 0;

  /** Addresses from `base` on, downwards as Linux hands them out. */
  constructor(context: DmaContext, front: FrontEnd, memory: FrontEndMemory, base = 0xffff_f000) {
    super(context);
    this.#front = front;
    this.#memory = memory;
    this.#base = this.#next = base;
    front.tables = this;
  }

  /** See {@linkcode FrontEndTables.find}. */
  find(iova: bigint, perm: number): { uaddr: bigint; size: bigint; perm: number } | null {
    const entry = this.#entries.get(Number(iova >> 12n));
    if (entry === undefined || (entry.perm & perm) !== perm) return null;
    return { uaddr: this.#memory.userAddress(entry.guest), size: 4096n, perm: this.generous ? 3 : entry.perm };
  }

  /** The guest physical address of a mapped bus address; −1 where nothing is mapped. */
  physical(bus: number): PhysAddr {
    const entry = this.#entries.get(Math.floor(bus / PAGE));
    return entry === undefined ? -1 : entry.guest + bus % PAGE;
  }

  /** Goes on with another back-end. */
  reattach(front: FrontEnd): void {
    this.#front = front;
    front.tables = this;
  }

  /** Lets go of everything that was unmapped. */
  flush(): void {
    if (this.#gathered === 0) return;
    this.#gathered = 0;
    this.invalidations++;
    // The whole space but the window of interrupt messages, in two parts: the second ends at 2^64.
    this.#front.invalidate(0n, 0xfee0_0000n);
    this.#front.invalidate(0xfef0_0000n, (1n << 64n) - 0xfef0_0000n);
  }

  /** One map. */
  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    const first = Math.floor(cpu / PAGE);
    const pages = Math.floor((cpu + size - 1) / PAGE) - first + 1;
    this.#next -= pages * PAGE;
    if (this.#next <= 0) this.#next = this.#base - pages * PAGE;
    const perm = direction === Direction.TO_DEVICE ? 1 : direction === Direction.FROM_DEVICE ? 2 : 3;
    for (let i = 0; i < pages; i++) this.#entries.set(this.#next / PAGE + i, { guest: (first + i) * PAGE, perm });
    out.setNumber(this.#next + cpu % PAGE);
    return true;
  }

  /** One unmap. */
  protected unmap(handle: DmaHandle, size: number): void {
    const address = (handle.hi >>> 0) * 2 ** 32 + (handle.lo >>> 0);
    const first = Math.floor(address / PAGE);
    const last = Math.floor((address + size - 1) / PAGE);
    for (let page = first; page <= last; page++) this.#entries.delete(page);
    if (this.lazy > 0) {
      if (++this.#gathered >= this.lazy) this.flush();
      return;
    }
    this.invalidations++;
    this.#front.invalidate(BigInt(first) * 4096n, BigInt(last - first + 1) * 4096n);
  }
}
