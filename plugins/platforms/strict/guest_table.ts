/**
 * The guest's private record of live mappings: what was mapped, where its bytes are, and how to find it again from any
 * address inside. Typed arrays throughout, so that a map and an unmap allocate nothing.
 *
 * @module
 */

import { type Direction, DmaHandle } from "@iova/core";

/** Smallest block of addresses that a mapping has to itself, as a power of two. */
export const LEAST_ORDER = 6;

const INITIAL = 64;

/** Kinds of mapping. */
export const Kind = { SINGLE: 0, COHERENT: 1, RESOURCE: 2 } as const;

/** The names of kinds, in the words of the DMA API's own diagnostics. */
export const KIND_NAMES = ["single", "coherent", "resource"] as const;

/** What a mapping is entered with: a record that its user keeps and reuses. */
export class Mapping {
  kind: number = Kind.SINGLE;
  /** Number of the device. */
  device = 0;
  /** Requester id of the device. */
  requester = 0;
  /** Physical address of the driver's buffer. */
  cpu = 0;
  /** Physical address of the block that stands in for it. */
  block = 0;
  /** Bytes from the block's start, and from the start of its block of addresses, to the first byte. */
  low = 0;
  size = 0;
  direction: Direction = 0;
  /** log2 of the block of addresses: at least of `low + size`. */
  order = 0;
  /** The first byte on the parent bus. */
  readonly frame: DmaHandle = new DmaHandle();

  /** The order of the smallest block of addresses that will do. */
  fit(least: number): void {
    this.order = Math.max(least, 32 - Math.clz32(this.low + this.size - 1));
  }
}

/** One slot for each mapping. A slot's number holds until it is released. */
export class MappingTable {
  /** The handle, bits 63:32. */
  hi: Int32Array = new Int32Array(INITIAL);
  /** The handle, bits 31:0. */
  lo: Int32Array = new Int32Array(INITIAL);
  size: Float64Array = new Float64Array(INITIAL);
  /** Physical address of the driver's buffer. */
  cpu: Float64Array = new Float64Array(INITIAL);
  /** Physical address of the block that stands in for it. */
  block: Float64Array = new Float64Array(INITIAL);
  /** Bytes from the block's start to the first byte. */
  low: Int32Array = new Int32Array(INITIAL);
  direction: Uint8Array = new Uint8Array(INITIAL);
  kind: Uint8Array = new Uint8Array(INITIAL);
  /** Number of the device. */
  device: Uint16Array = new Uint16Array(INITIAL);
  /** The CPU was lent the buffer and has not given it back. */
  lent: Uint8Array = new Uint8Array(INITIAL);
  /** The first byte on the parent bus: with a platform above, the handle that it gave. */
  aboveHi: Int32Array = new Int32Array(INITIAL);
  /** See {@linkcode MappingTable.aboveHi}. */
  aboveLo: Int32Array = new Int32Array(INITIAL);
  /** Live mappings. */
  live = 0;
  #order: Uint8Array = new Uint8Array(INITIAL);
  #free: Int32Array = Int32Array.from({ length: INITIAL }, (_, i) => INITIAL - 1 - i);
  /** Slots by address block: open addressing, slot + 1, 0 for none. */
  #hash: Int32Array = new Int32Array(4 * INITIAL);
  /** Live mappings of each order. */
  readonly #perOrder = new Int32Array(32);

  /** The slot whose address block holds an address, or −1. The address may lie beside the mapping in its block. */
  find(hi: number, lo: number): number {
    for (let order = LEAST_ORDER; order < 31; order++) {
      if (this.#perOrder[order] === 0) continue;
      const slot = this.#probe(hi, lo & (-1 << order), order);
      if (slot >= 0) return slot;
    }
    return -1;
  }

  /** Records a mapping at an address, and returns its slot. */
  add({ hi, lo }: DmaHandle, mapping: Mapping): number {
    if (this.live === this.hi.length) this.#grow();
    const slot = this.#free[this.hi.length - 1 - this.live++];
    this.hi[slot] = hi;
    this.lo[slot] = lo;
    this.size[slot] = mapping.size;
    this.cpu[slot] = mapping.cpu;
    this.block[slot] = mapping.block;
    this.low[slot] = mapping.low;
    this.direction[slot] = mapping.direction;
    this.kind[slot] = mapping.kind;
    this.device[slot] = mapping.device;
    this.lent[slot] = 0;
    this.aboveHi[slot] = mapping.frame.hi;
    this.aboveLo[slot] = mapping.frame.lo;
    this.#order[slot] = mapping.order;
    this.#perOrder[mapping.order]++;
    this.#enter(slot);
    return slot;
  }

  /** Forgets a mapping. */
  release(slot: number): void {
    this.#leave(slot);
    this.#perOrder[this.#order[slot]]--;
    this.#free[this.hi.length - this.live--] = slot;
  }

  /** Every live slot. */
  slots(): number[] {
    return Array.from(this.#hash).filter((entry) => entry !== 0).map((entry) => entry - 1);
  }

  #probe(hi: number, block: number, order: number): number {
    const mask = this.#hash.length - 1;
    for (let at = hashOf(hi, block) & mask; this.#hash[at] !== 0; at = (at + 1) & mask) {
      const slot = this.#hash[at] - 1;
      if (this.#order[slot] === order && this.hi[slot] === hi && this.#blockOf(slot) === block) return slot;
    }
    return -1;
  }

  #blockOf(slot: number): number {
    return this.lo[slot] & (-1 << this.#order[slot]);
  }

  #enter(slot: number): void {
    const mask = this.#hash.length - 1;
    let at = hashOf(this.hi[slot], this.#blockOf(slot)) & mask;
    while (this.#hash[at] !== 0) at = (at + 1) & mask;
    this.#hash[at] = slot + 1;
  }

  /** Takes a slot out of the hash, and moves up what had to step aside for it. */
  #leave(slot: number): void {
    const hash = this.#hash;
    const mask = hash.length - 1;
    let hole = hashOf(this.hi[slot], this.#blockOf(slot)) & mask;
    while (hash[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; hash[at] !== 0; at = (at + 1) & mask) {
      const other = hash[at] - 1;
      const home = hashOf(this.hi[other], this.#blockOf(other)) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      hash[hole] = hash[at];
      hole = at;
    }
    hash[hole] = 0;
  }

  #grow(): void {
    const old = this.hi.length;
    const size = old * 2;
    const slots = this.slots();
    for (const name of ["hi", "lo", "low", "aboveHi", "aboveLo"] as const) this[name] = longer(this[name], size);
    for (const name of ["direction", "kind", "lent"] as const) this[name] = longer(this[name], size);
    for (const name of ["size", "cpu", "block"] as const) this[name] = longer(this[name], size);
    this.device = longer(this.device, size);
    this.#order = longer(this.#order, size);
    // Every old slot is taken; the new ones are free.
    this.#free = Int32Array.from({ length: size }, (_, i) => i < old ? size - 1 - i : 0);
    this.#hash = new Int32Array(4 * size);
    for (const slot of slots) this.#enter(slot);
  }
}

function longer<T extends Int32Array | Float64Array | Uint8Array | Uint16Array>(column: T, size: number): T {
  const copy = new (column.constructor as new (size: number) => T)(size);
  copy.set(column);
  return copy;
}

function hashOf(hi: number, block: number): number {
  const mixed = Math.imul(hi, 0x85ebca6b) ^ Math.imul(block >>> LEAST_ORDER, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
