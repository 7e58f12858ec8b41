/**
 * A TCE table as the guest keeps it (Linux `struct iommu_table`): which entries are taken, and their bus addresses.
 *
 * @module
 */

import { type Direction, type DmaAddr, DmaHandle, type PhysAddr } from "@iova/core";
import type { WindowDescription } from "./firmware.ts";
import { Ledger } from "./ledger.ts";
import { PoolAllocator, type RangeLimits } from "./pools.ts";
import type { TceWriter, WrittenTable } from "./writer.ts";

/** One table. Its pages are smaller than 4 GiB: larger ones are for direct windows. */
export class IommuTable implements WrittenTable {
  readonly liobn: number;
  readonly shift: number;
  readonly pageSize: number;
  readonly entries: number;
  /** The page number of the first entry. */
  readonly offset: number;
  /** The last bus address of the window. */
  readonly last: DmaAddr;
  readonly ranges: PoolAllocator;
  readonly ledger: Ledger | null;
  readonly #writer: TceWriter;
  readonly #baseHi: number;
  readonly #baseLo: number;

  /** A table over a window, in which nothing is mapped. */
  constructor({ liobn, base, shift, entries }: WindowDescription, writer: TceWriter, strict: boolean) {
    this.liobn = liobn;
    this.shift = shift;
    this.pageSize = 2 ** shift;
    this.entries = entries;
    this.last = base + (BigInt(entries) << BigInt(shift)) - 1n;
    this.offset = Number(base >> BigInt(shift));
    this.ranges = new PoolAllocator(entries, shift, this.offset);
    this.ledger = strict ? new Ledger(entries) : null;
    this.#writer = writer;
    const { hi, lo } = new DmaHandle().set(base);
    this.#baseHi = hi;
    this.#baseLo = lo;
  }

  /** Clears every entry, so that nothing is left of an earlier owner (LoPAR R2-10). */
  clearAll(): void {
    this.#writer.clear(this, 0, this.entries);
  }

  /** Pages that `size` bytes at `cpu` touch. */
  pagesOf(cpu: PhysAddr, size: number): number {
    const last = this.inPage(cpu) + size - 1;
    return (last < 2 ** 31 ? last >>> this.shift : Math.floor(last / this.pageSize)) + 1;
  }

  /** The byte of its page that an address names. */
  inPage(address: number): number {
    return address & (this.pageSize - 1);
  }

  /** See {@linkcode WrittenTable.addressOf}. */
  addressOf(entry: number, out: DmaHandle): DmaHandle {
    const offset = entry << this.shift;
    const lo = (this.#baseLo + offset) | 0;
    const carry = (lo >>> 0) < (offset >>> 0) ? 1 : 0;
    return out.setHalves((this.#baseHi + (entry >>> (32 - this.shift)) + carry) | 0, lo);
  }

  /** The entry of a bus address given as halves; −1 outside the window. */
  entryOf(hi: number, lo: number): number {
    const borrow = (lo >>> 0) < (this.#baseLo >>> 0) ? 1 : 0;
    const offsetHi = (hi - this.#baseHi - borrow) | 0;
    if (offsetHi >>> this.shift !== 0) return -1;
    const entry = ((offsetHi << (32 - this.shift)) | ((lo - this.#baseLo) >>> this.shift)) >>> 0;
    return entry < this.entries ? entry : -1;
  }

  /**
   * Takes entries for `size` bytes at `cpu`, at a multiple of `align`, and writes them.
   *
   * @returns the first entry, or −1 when there is no room or the hypervisor refused.
   */
  insert(
    cpu: PhysAddr,
    size: number,
    direction: Direction,
    align: number,
    limits: RangeLimits,
    handle: number,
  ): number {
    const count = this.pagesOf(cpu, size);
    const entry = this.ranges.take(count, align, limits, handle);
    if (entry < 0) return -1;
    if (this.#writer.set(this, entry, count, cpu - this.inPage(cpu), direction)) return entry;
    this.ranges.give(entry, count);
    return -1;
  }

  /** Maps a buffer and writes its bus address into `out`. */
  map(
    out: DmaHandle,
    cpu: PhysAddr,
    size: number,
    direction: Direction,
    align: number,
    limits: RangeLimits,
  ): boolean {
    const entry = this.insert(cpu, size, direction, align, limits, 0);
    if (entry < 0) return false;
    this.ledger?.record(entry, this.pagesOf(cpu, size), this.inPage(cpu), size, direction);
    this.addressOf(entry, out).lo |= this.inPage(cpu);
    return true;
  }

  /** Clears and frees the entries of a mapping. Linux checks that they lie in the table, and no more. */
  unmap({ hi, lo }: DmaHandle, size: number, direction: Direction): void {
    const entry = this.entryOf(hi, lo);
    const count = this.pagesOf(lo, size);
    if (count === 1 && entry >= this.ranges.reserved && this.ledger === null) {
      this.#writer.clearOne(this, hi, lo & -this.pageSize);
      this.ranges.give(entry, 1);
    } else if (entry < this.ranges.reserved || entry + count > this.entries) {
      this.#writer.warn("unmap", `iommu_free: invalid entry 0x${entry < 0 ? "?" : entry.toString(16)}`);
    } else if (this.ledger === null) this.remove(entry, count);
    else this.#unmapRecorded(this.ledger, entry, this.inPage(lo), size, direction);
  }

  /** Clears and frees entries. */
  remove(entry: number, count: number): void {
    this.#writer.clear(this, entry, count);
    this.ranges.give(entry, count);
  }

  /** Reports a sync of what is not mapped, where the guest remembers what is. */
  checkSync({ hi, lo }: DmaHandle, size: number): void {
    if (this.ledger === null) return;
    const entry = this.entryOf(hi, lo);
    if (entry >= 0 && this.ledger.covers(entry, this.inPage(lo), size, this.pageSize)) return;
    this.#writer.warn("sync", "DMA-API: device driver tries to sync DMA memory it has not allocated");
  }

  /** Undoes what was mapped, whatever the driver says: its mistake costs it a warning and nobody else anything. */
  #unmapRecorded(ledger: Ledger, entry: number, inPage: number, size: number, direction: Direction): void {
    const complaint = ledger.complaint(entry, inPage, size, direction);
    if (complaint !== null) this.#writer.warn("unmap", `DMA-API: ${complaint}`);
    const mapped = ledger.sizeOf(entry);
    if (mapped === 0) return;
    const count = this.pagesOf(ledger.inPageOf(entry), mapped);
    ledger.forget(entry, count);
    this.remove(entry, count);
  }
}
