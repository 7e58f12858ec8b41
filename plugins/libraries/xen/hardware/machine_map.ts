/**
 * Machine memory that is handed out page by page: whose each machine frame is, and which pseudo-physical frame its owner
 * sees it as (the machine-to-physical table, m2p). A pseudo-physical frame's bytes lie in the address space at that frame.
 *
 * @module
 */

import { type AddressSpace, PAGE_SIZE, type PhysAddr, type RegisterBlock, type Width } from "@iova/core";
import { type MachineFrames, NoFrame, wholePage } from "./frames.ts";

/** Owner of a frame that nobody has. */
const FREE = 0xffff;
const NO_PFN = -1;

/** See the module's text. It is also the read-only m2p array as guests see it: 64 bits for each machine frame. */
export class MachineMap implements MachineFrames, RegisterBlock {
  /** Hears that a machine frame is not what it was: translations through it are gone. */
  onMoved: (mfn: number) => void = () => {};
  /** Frames that nobody has. */
  free: number;
  readonly #space: AddressSpace;
  readonly #owner: Uint16Array;
  readonly #pfn: Int32Array;
  /** No free frame has a lower index. */
  #lowest = 0;

  /** Machine frames `first` to `first + count − 1`, all of them free. */
  constructor(space: AddressSpace, readonly first: number, readonly count: number) {
    this.#space = space;
    this.free = count;
    this.#owner = new Uint16Array(count).fill(FREE);
    this.#pfn = new Int32Array(count).fill(NO_PFN);
  }

  /** First frame after the last. */
  get end(): number {
    return this.first + this.count;
  }

  /** The pseudo-physical frame of a machine frame, or −1. */
  pfnOf(mfn: number): number {
    const index = mfn - this.first;
    return index >= 0 && index < this.count ? this.#pfn[index] : NO_PFN;
  }

  /** The machine frame that somebody sees as `pfn`, or −1. Goes through the whole table: for messages. */
  machineOf(pfn: number): number {
    const index = pfn < 0 ? -1 : this.#pfn.indexOf(pfn);
    return index < 0 ? -1 : this.first + index;
  }

  /** Whose a machine frame is; −1 for nobody's. */
  ownerOf(mfn: number): number {
    const index = mfn - this.first;
    if (index < 0 || index >= this.count || this.#owner[index] === FREE) return -1;
    return this.#owner[index];
  }

  /** Hands a free frame to a domain, which sees it as `pfn`. A frame that is no RAM of the address space is seen nowhere. */
  assign(mfn: number, domid: number, pfn: number): void {
    const index = mfn - this.first;
    if (this.#owner[index] === FREE) this.free--;
    this.#owner[index] = domid;
    this.#pfn[index] = pfn < 2 ** 31 && wholePage(this.#space, pfn * PAGE_SIZE) !== null ? pfn : NO_PFN;
  }

  /** Takes a frame back. */
  release(mfn: number): void {
    const index = mfn - this.first;
    this.#owner[index] = FREE;
    this.#pfn[index] = NO_PFN;
    this.free++;
    this.#lowest = Math.min(this.#lowest, index);
    this.onMoved(mfn);
  }

  /** The first frame of a free, aligned run of 2^order frames that ends at or below frame `last`; −1 when there is none. */
  findRun(order: number, last: number): number {
    const length = 2 ** order;
    const end = Math.min(this.end, last + 1);
    while (this.#lowest < this.count && this.#owner[this.#lowest] !== FREE) this.#lowest++;
    for (let mfn = Math.ceil((this.first + this.#lowest) / length) * length; mfn + length <= end; mfn += length) {
      if (this.#isFree(mfn - this.first, length)) return mfn;
    }
    return -1;
  }

  /** See {@linkcode MachineFrames.resolve}: a PV domain grants machine frames. */
  resolve(domid: number, gfn: number): number {
    return this.ownerOf(gfn) === domid && this.pfnOf(gfn) >= 0 ? gfn : NoFrame.NOT_RAM;
  }

  /** See {@linkcode MachineFrames.address}. */
  address(mfn: number): PhysAddr {
    const pfn = this.pfnOf(mfn);
    return pfn < 0 ? -1 : pfn * PAGE_SIZE;
  }

  /** See {@linkcode MachineFrames.give}. The receiver has yet to say as which frame it sees the page. */
  give(mfn: number, from: number, to: number): boolean {
    if (this.ownerOf(mfn) !== from) return false;
    this.#owner[mfn - this.first] = to;
    this.#pfn[mfn - this.first] = NO_PFN;
    this.onMoved(mfn);
    return true;
  }

  /** See {@linkcode MachineFrames.replace}. */
  replace(_mfn: number, to: number, last: number): number {
    const low = this.findRun(0, last);
    if (low >= 0) this.assign(low, to, Infinity);
    return low;
  }

  /** See {@linkcode MachineFrames.dispose}. */
  dispose(mfn: number): void {
    this.release(mfn);
  }

  /** The m2p array: all ones for a frame that nobody sees. */
  read(offset: number, width: Width): number {
    const pfn = this.pfnOf(Math.floor(offset / 8));
    const word = (offset & 4) !== 0 ? pfn < 0 ? -1 : 0 : pfn;
    return width === 4 ? word >>> 0 : (word >>> ((offset & 3) * 8)) & (width === 1 ? 0xff : 0xffff);
  }

  /** Guests cannot write the array. */
  write(): void {}

  #isFree(index: number, length: number): boolean {
    for (let i = index; i < index + length; i++) if (this.#owner[i] !== FREE) return false;
    return true;
  }
}
