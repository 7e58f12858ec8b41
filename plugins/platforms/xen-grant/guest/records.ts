/**
 * The guest's private record of what each reference is part of, so that a driver's mistakes harm nobody and are told.
 *
 * @module
 */

import type { Direction } from "@iova/core";

/** Kinds of mapping. */
export const Kind = { SINGLE: 0, COHERENT: 1 } as const;

const INITIAL = 512;

/** By reference. A mapping is known by its first reference. */
export class Records {
  /** First reference of the mapping that a reference belongs to, plus 1; 0 for none. */
  head: Int32Array = new Int32Array(INITIAL);
  /** Pages of the mapping; by first reference, as everything below. */
  pages: Int32Array = new Int32Array(INITIAL);
  /** Bytes that the driver lent. */
  size: Float64Array = new Float64Array(INITIAL);
  /** Physical address of them. */
  cpu: Float64Array = new Float64Array(INITIAL);
  /** Bits 31:0 of the address that it was given. */
  lo: Int32Array = new Int32Array(INITIAL);
  direction: Uint8Array = new Uint8Array(INITIAL);
  kind: Uint8Array = new Uint8Array(INITIAL);
  /** Number of the device. */
  device: Uint16Array = new Uint16Array(INITIAL);

  /** Records a mapping. */
  add(ref: number, pages: number, cpu: number, size: number, direction: Direction, kind: number, device: number): void {
    if (ref + pages > this.head.length) this.#grow(ref + pages);
    for (let i = 0; i < pages; i++) this.head[ref + i] = ref + 1;
    this.pages[ref] = pages;
    this.cpu[ref] = cpu;
    this.size[ref] = size;
    this.direction[ref] = direction;
    this.kind[ref] = kind;
    this.device[ref] = device;
  }

  /** Forgets it. */
  remove(ref: number): void {
    const pages = this.pages[ref];
    for (let i = 0; i < pages; i++) this.head[ref + i] = 0;
  }

  /** The first reference of the mapping that `ref` belongs to, or −1. */
  find(ref: number): number {
    return ref < this.head.length ? this.head[ref] - 1 : -1;
  }

  #grow(least: number): void {
    const size = Math.max(least, this.head.length * 2);
    for (const name of ["head", "pages", "lo"] as const) this[name] = grown(this[name], new Int32Array(size));
    for (const name of ["size", "cpu"] as const) this[name] = grown(this[name], new Float64Array(size));
    for (const name of ["direction", "kind"] as const) this[name] = grown(this[name], new Uint8Array(size));
    this.device = grown(this.device, new Uint16Array(size));
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
