/**
 * What the checker knows: one entry for each mapping, kept apart from whatever the platform keeps.
 *
 * @module
 */

import { type Direction, DmaHandle, type PhysAddr, toDmaAddr, TWO32 } from "@iova/core";

/** How a mapping was made (Linux kernel/dma/debug.c). */
export const MapType = { SINGLE: 0, SG: 1, COHERENT: 2, RESOURCE: 3 } as const;
/** One of {@linkcode MapType}'s values. */
export type MapType = typeof MapType[keyof typeof MapType];

/** Whether the driver has tested the handle. */
export const Checked = { NOT_APPLICABLE: 0, NO: 1, YES: 2 } as const;
/** One of {@linkcode Checked}'s values. */
export type Checked = typeof Checked[keyof typeof Checked];

/** What an unmap or a sync says about a mapping. */
export interface Reference {
  /** Bits 63:32, signed. */
  readonly hi: number;
  /** Bits 31:0, signed. */
  readonly lo: number;
  readonly size: number;
  readonly type: MapType;
  readonly direction: Direction;
  /** Entries of the whole list; 0 when it is no list. */
  readonly sgCount: number;
  /** Physical start; only freeing coherent memory names it. */
  readonly cpu: PhysAddr;
}

/** A mapping. */
export interface Entry extends Reference {
  /** Segments that the list was mapped to; 0 when it is no list. */
  readonly sgMapped: number;
  checked: Checked;
}

/** Addresses are hashed by these many low bits less. */
const BUCKET_SHIFT = 13;
const BUCKET = 2 ** BUCKET_SHIFT;

/** The entries of one device. They may overlap, and several may have one address. */
export class EntryTable {
  /** Entries in it. */
  count = 0;
  readonly #buckets = new Map<number, Entry[]>();
  /** The longest range ever entered: how far back a range that holds an address can begin. */
  #longest = 0;

  /** Adds an entry. */
  add(entry: Entry): void {
    const key = bucketOf(entry.hi, entry.lo);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [entry]);
    else bucket.push(entry);
    this.#longest = Math.max(this.#longest, entry.size);
    this.count++;
  }

  /** Removes an entry. */
  remove(entry: Entry): void {
    const key = bucketOf(entry.hi, entry.lo);
    const bucket = this.#buckets.get(key)!;
    if (bucket.length === 1) this.#buckets.delete(key);
    else bucket.splice(bucket.indexOf(entry), 1);
    this.count--;
  }

  /** The entry that an unmap means: same address, and the only one or the one that agrees in everything. */
  exact(ref: Reference): Entry | null {
    return best(this.#starting(ref.hi, ref.lo), ref);
  }

  /** The entry that a sync means: one that holds the whole range, chosen as for {@linkcode EntryTable.exact}. */
  containing(ref: Reference): Entry | null {
    return best(this.holding(ref.hi, ref.lo, ref.size), ref);
  }

  /** The oldest entry at an address whose error the driver has not looked for yet. */
  unchecked(hi: number, lo: number): Entry | null {
    return this.#starting(hi, lo).find(({ checked }) => checked === Checked.NO) ?? null;
  }

  /** Every entry that holds `length` bytes from an address. */
  holding(hi: number, lo: number, length: number): Entry[] {
    const found: Entry[] = [];
    const last = bucketOf(hi, lo);
    for (let key = last - Math.ceil(this.#longest / BUCKET); key <= last; key++) {
      for (const entry of this.#buckets.get(key) ?? []) {
        const at = distance(entry, hi, lo);
        if (at >= 0 && at + length <= entry.size) found.push(entry);
      }
    }
    return found;
  }

  /** Every entry, oldest first within a bucket. */
  *[Symbol.iterator](): IterableIterator<Entry> {
    for (const bucket of this.#buckets.values()) yield* bucket;
  }

  #starting(hi: number, lo: number): Entry[] {
    return this.#buckets.get(bucketOf(hi, lo))?.filter((entry) => entry.hi === hi && entry.lo === lo) ?? [];
  }
}

/** With several candidates only one that agrees fully will do: the same buffer may be mapped more than once. */
function best(candidates: Entry[], ref: Reference): Entry | null {
  if (candidates.length === 1) return candidates[0];
  return candidates.find((entry) =>
    entry.size === ref.size && entry.type === ref.type && entry.direction === ref.direction &&
    entry.sgCount === ref.sgCount
  ) ?? null;
}

function bucketOf(hi: number, lo: number): number {
  return (hi >>> 0) * 2 ** (32 - BUCKET_SHIFT) + (lo >>> BUCKET_SHIFT);
}

/** Bytes from an entry's start to an address; negative before it. Exact where it matters, below 2^53. */
function distance(entry: Reference, hi: number, lo: number): number {
  return ((hi >>> 0) - (entry.hi >>> 0)) * TWO32 + ((lo >>> 0) - (entry.lo >>> 0));
}

/** The address of a mapping, for messages: 16 digits, as kernels print it. */
export function deviceAddress({ hi, lo }: { hi: number; lo: number }): string {
  return `[device address=0x${toDmaAddr(hi, lo).toString(16).padStart(16, "0")}]`;
}

/** An address as halves. */
export function halvesOf(address: bigint): DmaHandle {
  return new DmaHandle().set(address);
}
