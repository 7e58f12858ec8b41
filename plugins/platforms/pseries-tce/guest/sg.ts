/**
 * Mapping a scatterlist: entry by entry, each continuing where the last one ended, neighbours merged (Linux
 * `ppc_iommu_map_sg`).
 *
 * @module
 */

import { clearSegments, type Direction, DmaHandle, type ScatterEntry } from "@iova/core";
import type { RangeLimits } from "./pools.ts";
import type { IommuTable } from "./table.ts";

/** What merging is bounded by. */
export interface MergeLimits extends RangeLimits {
  /** Longest segment in bytes; 0: nothing is merged. */
  segment: number;
}

const scratch = new DmaHandle();

/** Collects the segments of one list. */
class Segments {
  count = 0;
  // The open segment: its first entry, where it begins in that entry's page, and its bytes.
  #first = -1;
  #inPage = 0;
  #length = 0;

  constructor(
    readonly list: ScatterEntry[],
    readonly table: IommuTable,
    readonly direction: Direction,
    readonly limits: MergeLimits,
  ) {}

  /** Adds `length` mapped bytes: to the open segment where that can be, as a new one otherwise. */
  add(entry: number, inPage: number, length: number): void {
    if (this.#continues(entry, inPage, length)) this.#length += length;
    else {
      this.close();
      this.#first = entry;
      this.#inPage = inPage;
      this.#length = length;
      this.count++;
    }
  }

  /** Writes the open segment into the list. */
  close(): void {
    if (this.#first < 0) return;
    const { table, list, direction } = this;
    table.addressOf(this.#first, scratch).lo |= this.#inPage;
    list[this.count - 1].dmaAddress = scratch.value;
    list[this.count - 1].dmaLength = this.#length;
    table.ledger?.record(this.#first, this.#pages(), this.#inPage, this.#length, direction);
  }

  /** An empty entry of the list ends merging for its successor. */
  interrupt(): void {
    this.close();
    this.#first = -1;
  }

  /** Frees everything that was added. */
  undo(): void {
    this.close();
    for (let i = 0; i < this.count; i++) {
      const { dmaAddress, dmaLength } = this.list[i];
      this.table.unmap(scratch.set(dmaAddress!), dmaLength!, this.direction);
    }
  }

  #continues(entry: number, inPage: number, length: number): boolean {
    if (this.#first < 0 || this.#length + length > this.limits.segment) return false;
    const end = this.#inPage + this.#length;
    const { pageSize, offset } = this.table;
    if (inPage !== 0 || end % pageSize !== 0 || entry !== this.#first + end / pageSize) return false;
    const { boundary } = this.limits;
    if (boundary === Infinity) return true;
    const last = entry + Math.ceil(length / pageSize) - 1;
    return Math.floor((this.#first + offset) / boundary) === Math.floor((last + offset) / boundary);
  }

  #pages(): number {
    return Math.ceil((this.#inPage + this.#length) / this.table.pageSize);
  }
}

/**
 * Maps a list.
 *
 * @returns the number of segments, which are in the first entries; −1 when nothing is mapped.
 */
export function mapList(
  list: ScatterEntry[],
  direction: Direction,
  table: IommuTable,
  alignOf: (cpu: number, size: number) => number,
  limits: MergeLimits,
): number {
  const segments = new Segments(list, table, direction, limits);
  let handle = 0;
  for (const { cpu, length } of list) {
    if (length === 0) {
      segments.interrupt();
      continue;
    }
    const entry = table.insert(cpu, length, direction, alignOf(cpu, length), limits, handle);
    if (entry < 0) {
      segments.undo();
      clearSegments(list, 0);
      return -1;
    }
    handle = table.ranges.end;
    segments.add(entry, table.inPage(cpu), length);
  }
  segments.close();
  clearSegments(list, segments.count);
  return segments.count;
}
