/**
 * Tables in guest memory, word by word: little-endian, by physical address.
 *
 * @module
 */

import type { AddressSpace, PhysAddr, RamRegion } from "@iova/core";

/** 32-bit words of RAM; the region that was used last is asked first. Outside RAM reads give 0, writes are dropped. */
export class TableMemory {
  readonly #space: AddressSpace;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #base = 0;
  #last = -1;

  /** Words of `space`'s RAM. */
  constructor(space: AddressSpace) {
    this.#space = space;
  }

  /** The signed word at `address`. */
  read(address: PhysAddr): number {
    if ((address < this.#base || address > this.#last) && !this.#find(address)) return 0;
    return this.#view.getInt32(address - this.#base, true);
  }

  /** Stores a word. */
  write(address: PhysAddr, value: number): void {
    if ((address < this.#base || address > this.#last) && !this.#find(address)) return;
    this.#view.setInt32(address - this.#base, value, true);
  }

  /** Stores two words, the higher one first: an entry's valid bit appears when the rest is there. */
  write64(address: PhysAddr, lo: number, hi: number): void {
    if ((address < this.#base || address + 4 > this.#last) && !this.#find(address + 4)) return;
    const at = address - this.#base;
    this.#view.setInt32(at + 4, hi, true);
    this.#view.setInt32(at, lo, true);
  }

  /** Stores four words, the lowest first. */
  write128(address: PhysAddr, w0: number, w1: number, w2: number, w3: number): void {
    if ((address < this.#base || address + 12 > this.#last) && !this.#find(address + 12)) return;
    const at = address - this.#base;
    const view = this.#view;
    view.setInt32(at, w0, true);
    view.setInt32(at + 4, w1, true);
    view.setInt32(at + 8, w2, true);
    view.setInt32(at + 12, w3, true);
  }

  /** Stores the words of `bytes`, the last one first, so that an entry's valid bit appears when the rest is there. */
  writeBackwards(address: PhysAddr, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = bytes.length - 4; at >= 0; at -= 4) this.write(address + at, view.getInt32(at, true));
  }

  /** A copy of `length` bytes. */
  copy(address: PhysAddr, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < length; at += 4) view.setInt32(at, this.read(address + at), true);
    return bytes;
  }

  #find(address: PhysAddr): boolean {
    const region: RamRegion | null = this.#space.ram(address);
    if (region === null || address + 4 > region.end) return false;
    this.#view = region.view;
    this.#base = region.base;
    this.#last = region.end - 4;
    return true;
  }
}
