/**
 * What a strict guest remembers of each mapping, so that it can tell a driver that unmaps or syncs what it did not map.
 * Linux remembers nothing: it frees whatever range it is told.
 *
 * @module
 */

import type { Direction } from "@iova/core";

/** The mappings of one table, by entry. */
export class Ledger {
  // For each entry, 1 + the first entry of its mapping; 0 when it is in none.
  readonly #owner: Int32Array;
  // For the first entry of each mapping.
  readonly #size: Float64Array;
  readonly #inPage: Float64Array;
  readonly #direction: Uint8Array;

  /** A ledger for `entries` entries. */
  constructor(entries: number) {
    this.#owner = new Int32Array(entries);
    this.#size = new Float64Array(entries);
    this.#inPage = new Float64Array(entries);
    this.#direction = new Uint8Array(entries);
  }

  /** Notes a mapping of `count` entries: `size` bytes from byte `inPage` of the first page. */
  record(first: number, count: number, inPage: number, size: number, direction: Direction): void {
    this.#owner.fill(first + 1, first, first + count);
    this.#size[first] = size;
    this.#inPage[first] = inPage;
    this.#direction[first] = direction;
  }

  /** Forgets a mapping. */
  forget(first: number, count: number): void {
    this.#owner.fill(0, first, first + count);
  }

  /** What is wrong with unmapping this, in the words of DMA debugging; null when nothing is. */
  complaint(entry: number, inPage: number, size: number, direction: Direction): string | null {
    if (this.#owner[entry] !== entry + 1 || this.#inPage[entry] !== inPage) {
      return "device driver tries to free DMA memory it has not allocated";
    }
    if (this.#size[entry] !== size) {
      return `device driver frees DMA memory with different size [map size=${
        this.#size[entry]
      } bytes] [unmap size=${size} bytes]`;
    }
    return this.#direction[entry] === direction ? null : "device driver frees DMA memory with different direction";
  }

  /** The bytes of the mapping that begins at `entry`; 0 when none does. */
  sizeOf(entry: number): number {
    return this.#owner[entry] === entry + 1 ? this.#size[entry] : 0;
  }

  /** Where in its first page the mapping that begins at `entry` begins. */
  inPageOf(entry: number): number {
    return this.#inPage[entry];
  }

  /** Whether `size` bytes from byte `inPage` of an entry's page lie in one mapping. */
  covers(entry: number, inPage: number, size: number, pageSize: number): boolean {
    const first = this.#owner[entry] - 1;
    if (first < 0) return false;
    const from = (entry - first) * pageSize + inPage - this.#inPage[first];
    return from >= 0 && from + size <= this.#size[first];
  }
}
