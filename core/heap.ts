/**
 * The guest's allocator, which knows what an address *is*: heap, stack, read-only, freed. Real kernels know this too, and
 * their DMA debugging asks it: a buffer on the stack or in read-only data must not be mapped.
 *
 * @module
 */

import { PAGE_SIZE, type PhysAddr, roundUp } from "./address.ts";
import { GuestMemoryError } from "./errors.ts";
import type { AddressSpace } from "./memory.ts";

/** What an address belongs to. */
export type MemoryKind = "heap" | "stack" | "read-only" | "freed" | "unmanaged";

interface Block {
  start: PhysAddr;
  end: PhysAddr;
  kind: MemoryKind;
}

/**
 * A first-fit allocator with its bookkeeping outside guest memory, so that nothing a device writes can corrupt it.
 * Addresses are physical; sizes are bytes.
 */
export class GuestHeap {
  /** Bytes in use. */
  used = 0;
  /** Most bytes ever in use. */
  highWater = 0;
  // Sorted by address; together they cover the heap's ranges exactly.
  #blocks: Block[];
  // A hint: no free block of any size starts below this index.
  #firstFree = 0;

  /** A heap over ranges of RAM, each given as its first address and the first one after it, in order. */
  constructor(readonly memory: AddressSpace, ranges: readonly (readonly [start: PhysAddr, end: PhysAddr])[]) {
    this.#blocks = ranges.map(([start, end]) => ({ start, end, kind: "unmanaged" }));
  }

  /**
   * {@linkcode GuestHeap.alloc}, for what a driver cannot do without.
   *
   * @throws {GuestMemoryError} naming `what`, when there is no room.
   */
  require(size: number, what: string, align?: number): PhysAddr {
    const address = this.alloc(size, align);
    if (address === null) throw new GuestMemoryError(what, size);
    return address;
  }

  /**
   * Allocates `size` zeroed bytes, aligned to `align` (a power of two), at or below `limit` (inclusive last byte).
   *
   * @returns the address, or null when there is no room.
   */
  alloc(size: number, align = 16, limit: number = Infinity, kind: MemoryKind = "heap"): PhysAddr | null {
    const length = roundUp(Math.max(size, 1), 16);
    return this.#fit(length, align, limit, kind) ?? (this.#coalesce() ? this.#fit(length, align, limit, kind) : null);
  }

  #fit(length: number, align: number, limit: number, kind: MemoryKind): PhysAddr | null {
    for (let i = this.#firstFree; i < this.#blocks.length; i++) {
      const block = this.#blocks[i];
      if (!isFree(block)) continue;
      const start = roundUp(block.start, align);
      if (start + length > block.end || start + length - 1 > limit) continue;
      this.#take(i, start, length, kind);
      return start;
    }
    return null;
  }

  /**
   * Allocates exactly the `size` zeroed bytes at `start`: firmware's tables, a pool whose place is given. False when one
   * of them is taken, or not the heap's.
   */
  allocAt(start: PhysAddr, size: number, kind: MemoryKind = "heap"): boolean {
    this.#coalesce();
    const index = this.#find(start);
    const block = this.#blocks[index];
    if (block === undefined || !isFree(block) || size < 1 || start + size > block.end) return false;
    this.#take(index, start, size, kind);
    return true;
  }

  #take(index: number, start: PhysAddr, length: number, kind: MemoryKind): void {
    this.#carve(index, start, start + length, kind);
    this.memory.bytes(start, length).fill(0);
    this.used += length;
    this.highWater = Math.max(this.highWater, this.used);
  }

  /** Allocates whole pages, page-aligned. */
  allocPages(pages: number, limit: number = Infinity): PhysAddr | null {
    return this.alloc(pages * PAGE_SIZE, PAGE_SIZE, limit);
  }

  /** Frees what starts at `address`. False when nothing allocated does (a double free, a wild pointer). */
  free(address: PhysAddr): boolean {
    const index = this.#find(address);
    const block = this.#blocks[index];
    if (block === undefined || block.start !== address || isFree(block)) return false;
    this.used -= block.end - block.start;
    block.kind = "freed";
    this.#merge(index);
    return true;
  }

  /** What the byte at `address` belongs to. */
  kindOf(address: PhysAddr): MemoryKind {
    return this.#blocks[this.#find(address)]?.kind ?? "unmanaged";
  }

  /** Says that allocated memory is something else now, such as read-only data. */
  setKind(address: PhysAddr, kind: MemoryKind): void {
    const block = this.#blocks[this.#find(address)];
    if (block !== undefined && !isFree(block)) block.kind = kind;
  }

  #find(address: PhysAddr): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const block = this.#blocks[middle];
      if (address < block.start) high = middle - 1;
      else if (address >= block.end) low = middle + 1;
      else return middle;
    }
    return -1;
  }

  #carve(index: number, start: PhysAddr, end: PhysAddr, kind: MemoryKind): void {
    const block = this.#blocks[index];
    const parts: Block[] = [{ start, end, kind }];
    if (start > block.start) parts.unshift({ start: block.start, end: start, kind: block.kind });
    if (end < block.end) parts.push({ start: end, end: block.end, kind: block.kind });
    this.#blocks.splice(index, 1, ...parts);
    while (this.#firstFree < this.#blocks.length && !isFree(this.#blocks[this.#firstFree])) this.#firstFree++;
  }

  /** Freed and never used neighbours are apart, so that a use after free is told; when space is short they become one. */
  #coalesce(): boolean {
    const blocks: Block[] = [];
    for (const block of this.#blocks) {
      const previous = blocks[blocks.length - 1];
      if (previous !== undefined && isFree(previous) && isFree(block) && previous.end === block.start) {
        previous.end = block.end;
        previous.kind = "freed";
      } else blocks.push(block);
    }
    const changed = blocks.length < this.#blocks.length;
    this.#blocks = blocks;
    this.#firstFree = 0;
    return changed;
  }

  #merge(index: number): void {
    // Freed memory keeps its kind until it is used again, so only freed neighbours become one block.
    const block = this.#blocks[index];
    const next = this.#blocks[index + 1];
    if (next?.kind === "freed" && next.start === block.end) {
      block.end = next.end;
      this.#blocks.splice(index + 1, 1);
    }
    const previous = this.#blocks[index - 1];
    if (previous?.kind === "freed" && previous.end === block.start) {
      previous.end = block.end;
      this.#blocks.splice(index, 1);
      index--;
    }
    this.#firstFree = Math.min(this.#firstFree, index);
  }
}

function isFree(block: Block): boolean {
  return block.kind === "freed" || block.kind === "unmanaged";
}
