/**
 * Writing and clearing table entries through the hypervisor, as Linux does on pSeries
 * (arch/powerpc/platforms/pseries/iommu.c), and what becomes of calls that fail.
 *
 * @module
 */

import { Direction, DmaHandle, type GuestPort, type PhysAddr } from "@iova/core";
import {
  HStatus,
  LIST_BYTES,
  LIST_ENTRIES,
  TCE_BYTES,
  TCE_CONTROL,
  TCE_HIGH_AT,
  TCE_LOW_AT,
  TCE_READ,
  TCE_WRITE,
} from "../layout.ts";
import { GUEST_COSTS } from "./costs.ts";
import type { Hcalls } from "./hcalls.ts";

const TWO32 = 2 ** 32;

/** The table whose entries are written. */
export interface WrittenTable {
  readonly liobn: number;
  readonly pageSize: number;
  /** The bus address of an entry's page. */
  addressOf(entry: number, out: DmaHandle): DmaHandle;
}

/** See the module's text. */
export class TceWriter {
  /** Hears of calls that failed; set with the account of {@linkcode Hcalls}. */
  warn: (id: string, message: string) => void = () => {};
  readonly #guest: GuestPort;
  readonly #hcalls: Hcalls;
  readonly #multiTce: boolean;
  readonly #strict: boolean;
  readonly #at = new DmaHandle();
  // Linux keeps one such page for each CPU.
  #list: PhysAddr | null = null;

  /** `multiTce`: calls on many entries exist. `strict`: every failed call is a failed mapping. */
  constructor(guest: GuestPort, hcalls: Hcalls, multiTce: boolean, strict: boolean) {
    this.#guest = guest;
    this.#hcalls = hcalls;
    this.#multiTce = multiTce;
    this.#strict = strict;
  }

  /**
   * Makes `count` entries from `entry` on name the pages from `page` on.
   *
   * @returns false when nothing is mapped. Linux answers true after every failure but one, and the device finds out.
   */
  set(table: WrittenTable, entry: number, count: number, page: PhysAddr, direction: Direction): boolean {
    const control = this.#controlOf(direction);
    if (count === 1) return this.#putOne(table, entry, page, control);
    const list = this.#multiTce ? this.#listPage() : null;
    if (list === null) return this.#putEach(table, entry, count, page, control);
    return this.#putListed(table, entry, count, page, control, list);
  }

  /** Makes the one entry at a bus address name nothing. */
  clearOne({ liobn }: WrittenTable, hi: number, lo: number): void {
    const hcalls = this.#hcalls;
    const status = this.#multiTce ? hcalls.stuffTce(liobn, hi, lo, 1) : hcalls.putTce(liobn, hi, lo, 0, 0);
    if (status !== HStatus.SUCCESS) this.#report("tce-clear", "plpar_tce_stuff", status);
  }

  /** Makes entries name nothing. */
  clear(table: WrittenTable, entry: number, count: number): void {
    const status = this.#multiTce ? this.#stuff(table, entry, count) : this.#clearEach(table, entry, count);
    if (status !== HStatus.SUCCESS) this.#report("tce-clear", "plpar_tce_stuff", status);
  }

  /** Gives the list page back. */
  stop(): void {
    if (this.#list !== null) this.#guest.heap.free(this.#list);
    this.#list = null;
  }

  /** Linux always lets the device read. A strict guest does not. */
  #controlOf(direction: Direction): number {
    if (direction === Direction.TO_DEVICE) return TCE_READ;
    return this.#strict && direction === Direction.FROM_DEVICE ? TCE_WRITE : TCE_CONTROL;
  }

  /** The page for lists, or null when there is none to be had. */
  #listPage(): PhysAddr | null {
    return this.#list ??= this.#guest.heap.alloc(LIST_BYTES, LIST_BYTES);
  }

  #putOne(table: WrittenTable, entry: number, page: PhysAddr, control: number): boolean {
    const { hi, lo } = table.addressOf(entry, this.#at);
    const status = this.#hcalls.putTce(table.liobn, hi, lo, (page / TWO32) | 0, page | control);
    if (status === HStatus.SUCCESS) return true;
    if (this.#isFailure(status)) return false;
    this.#report("tce-put", "plpar_tce_put", status);
    return true;
  }

  #putEach(table: WrittenTable, entry: number, count: number, page: PhysAddr, control: number): boolean {
    for (let i = 0; i < count; i++, page += table.pageSize) {
      const { hi, lo } = table.addressOf(entry + i, this.#at);
      const status = this.#hcalls.putTce(table.liobn, hi, lo, (page / TWO32) | 0, page | control);
      if (status === HStatus.SUCCESS) continue;
      if (this.#isFailure(status)) {
        this.#clearEach(table, entry, i);
        return false;
      }
      this.#report("tce-put", "plpar_tce_put", status);
    }
    return true;
  }

  #putListed(
    table: WrittenTable,
    entry: number,
    count: number,
    page: PhysAddr,
    control: number,
    list: PhysAddr,
  ): boolean {
    for (let done = 0; done < count;) {
      const some = Math.min(count - done, LIST_ENTRIES);
      this.#fill(list, some, page, table.pageSize, control);
      const { hi, lo } = table.addressOf(entry + done, this.#at);
      const status = this.#hcalls.putTceIndirect(table.liobn, hi, lo, list, some);
      if (status !== HStatus.SUCCESS) {
        if (!this.#isFailure(status)) {
          this.#report("tce-put", "plpar_tce_put_indirect", status);
          return true;
        }
        // Only a refusal for lack of resources is known to have stored nothing.
        this.clear(table, entry, status === HStatus.NOT_ENOUGH_RESOURCES ? done : done + some);
        return false;
      }
      done += some;
      page += some * table.pageSize;
    }
    return true;
  }

  /** Writes a list: big-endian entries, whatever byte order the guest has. */
  #fill(list: PhysAddr, count: number, page: PhysAddr, pageSize: number, control: number): void {
    const { view, base } = this.#guest.memory.ram(list)!;
    let at = list - base;
    for (let i = 0; i < count; i++, at += TCE_BYTES, page += pageSize) {
      view.setInt32(at + TCE_HIGH_AT, (page / TWO32) | 0);
      view.setInt32(at + TCE_LOW_AT, page | control);
    }
    this.#guest.spend(count * GUEST_COSTS.listEntry);
  }

  /** Returns the last status, as Linux looks at it. */
  #stuff(table: WrittenTable, entry: number, count: number): number {
    let status: number = HStatus.SUCCESS;
    for (let done = 0; done < count; done += LIST_ENTRIES) {
      const { hi, lo } = table.addressOf(entry + done, this.#at);
      status = this.#hcalls.stuffTce(table.liobn, hi, lo, Math.min(count - done, LIST_ENTRIES));
    }
    return status;
  }

  #clearEach(table: WrittenTable, entry: number, count: number): number {
    let status: number = HStatus.SUCCESS;
    for (let i = 0; i < count; i++) {
      const { hi, lo } = table.addressOf(entry + i, this.#at);
      status = this.#hcalls.putTce(table.liobn, hi, lo, 0, 0);
    }
    return status;
  }

  #isFailure(status: number): boolean {
    return this.#strict || status === HStatus.NOT_ENOUGH_RESOURCES;
  }

  #report(id: string, call: string, status: number): void {
    this.warn(id, `${call} failed. rc=${status}`);
  }
}
