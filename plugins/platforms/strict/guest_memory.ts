/**
 * Private memory that stands in for buffers: blocks of a power of two of bytes, kept for reuse, because the guest's
 * allocator gets slower the more there is in it.
 *
 * @module
 */

import { type GuestHeap, PAGE_SIZE, type PhysAddr, roundUp } from "@iova/core";

/** Blocks of up to 2^20 bytes are kept; larger ones go back at once. */
const LARGEST_ORDER = 20;
/** The smallest block: a cache line. */
const SMALLEST_ORDER = 6;
/** Blocks are taken from the heap in slabs of this many, up to {@linkcode LARGEST_SLAB} bytes. */
const SLAB_BLOCKS = 64;
/** Bytes. */
const LARGEST_SLAB = 0x1_0000;

/** The free blocks of one size. */
class SizeClass {
  readonly block: number;
  readonly slab: number;
  readonly free: PhysAddr[] = [];
  #slabs: PhysAddr[] = [];

  constructor(order: number) {
    this.block = 2 ** order;
    this.slab = Math.max(this.block, Math.min(this.block * SLAB_BLOCKS, LARGEST_SLAB));
  }

  /** Takes another slab from the heap; false when there is none. */
  grow(heap: GuestHeap): boolean {
    const slab = heap.alloc(this.slab, this.slab);
    if (slab === null) return false;
    this.#slabs.push(slab);
    for (let at = slab + this.slab - this.block; at >= slab; at -= this.block) this.free.push(at);
    return true;
  }

  /** Gives slabs back that nothing is used of. */
  trim(heap: GuestHeap): void {
    const free = new Map<PhysAddr, number>();
    const slabOf = (block: PhysAddr) => block - block % this.slab;
    for (const block of this.free) free.set(slabOf(block), (free.get(slabOf(block)) ?? 0) + 1);
    const unused = new Set(this.#slabs.filter((slab) => free.get(slab) === this.slab / this.block));
    if (unused.size === 0) return;
    for (const slab of unused) heap.free(slab);
    this.#slabs = this.#slabs.filter((slab) => !unused.has(slab));
    const kept = this.free.filter((block) => !unused.has(slabOf(block)));
    this.free.length = 0;
    for (const block of kept) this.free.push(block);
  }
}

/** The blocks of one platform in one machine. */
export class BouncePool {
  readonly #heap: GuestHeap;
  readonly #classes = Array.from(
    { length: LARGEST_ORDER - SMALLEST_ORDER + 1 },
    (_, i) => new SizeClass(SMALLEST_ORDER + i),
  );

  /** A pool that takes from `heap`. */
  constructor(heap: GuestHeap) {
    this.#heap = heap;
  }

  /**
   * A block of at least `bytes` bytes, aligned to the power of two that holds them; above 1 MiB only if `aligned`, else as
   * well as can be. −1 when there is none.
   */
  take(bytes: number, aligned: boolean): PhysAddr {
    const order = orderOf(bytes);
    if (order > LARGEST_ORDER) return this.#takeLarge(bytes, 2 ** order, aligned);
    const { free } = this.#classes[order - SMALLEST_ORDER];
    if (free.length === 0 && !this.#grow(order)) return -1;
    return free.pop()!;
  }

  /** Gives a block of `bytes` bytes back. */
  give(block: PhysAddr, bytes: number): void {
    const order = orderOf(bytes);
    if (order > LARGEST_ORDER) this.#heap.free(block);
    else this.#classes[order - SMALLEST_ORDER].free.push(block);
  }

  /** Gives everything back that is not in use. */
  trim(): void {
    for (const one of this.#classes) one.trim(this.#heap);
  }

  #grow(order: number): boolean {
    const one = this.#classes[order - SMALLEST_ORDER];
    if (one.grow(this.#heap)) return true;
    this.trim();
    return one.grow(this.#heap);
  }

  #takeLarge(bytes: number, align: number, aligned: boolean): PhysAddr {
    const size = roundUp(bytes, PAGE_SIZE);
    const find = () => this.#heap.alloc(size, align) ?? (aligned ? null : this.#heap.alloc(size, PAGE_SIZE));
    const block = find();
    if (block !== null) return block;
    this.trim();
    return find() ?? -1;
  }
}

/** log2 of the block that holds `bytes`. */
function orderOf(bytes: number): number {
  return Math.max(SMALLEST_ORDER, 32 - Math.clz32(bytes - 1));
}
