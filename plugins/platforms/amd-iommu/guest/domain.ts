/**
 * A translated domain: one page table, one space of addresses, the devices that use them, and the flushes that go with
 * it (Linux drivers/iommu/amd/iommu.c and drivers/iommu/dma-iommu.c).
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { IovaSpace } from "@iova/iova-space";
import { HT_RANGE, INTERRUPT_WINDOW } from "../layout.ts";
import { FlushQueue } from "./flush_queue.ts";
import { InvalidationRange } from "./invalidation_range.ts";
import type { Iommu } from "./iommu.ts";
import { PageTable } from "./page_table.ts";

/** A device in a domain. */
export interface AttachedDevice {
  readonly deviceId: number;
  /** Depth of its invalidate queue when its ATS is on; null when it is off. */
  atsDepth: number | null;
}

/** How a domain works. */
export interface DomainOptions {
  /** Unmapped addresses are flushed before they are reused (`strict`) or in batches (`lazy`). */
  readonly mode: "strict" | "lazy";
  /** Levels of a fresh page table. */
  readonly pageTableLevels: number;
}

/** Where the host bridge of a PC forwards to devices: an address there would reach a peer, not memory. */
const HOST_BRIDGE_WINDOW = { first: 0xc000_0000, last: INTERRUPT_WINDOW.last };
const PAGE_BITS = 12;

/** See the module's text. */
export class Domain {
  readonly table: PageTable;
  readonly space: IovaSpace;
  readonly devices: AttachedDevice[] = [];
  /** The last page that the page table can reach. */
  readonly lastPage: number;
  /** Flushes of unmapped ranges and of everything, for the report. */
  flushes = 0;
  readonly #queue: FlushQueue | null;
  readonly #iommu: Iommu;
  readonly #range = new InvalidationRange();

  /** An empty domain. @throws {GuestMemoryError} when its page table finds no room. */
  constructor(readonly id: number, iommu: Iommu, guest: GuestPort, options: DomainOptions) {
    this.#iommu = iommu;
    const levels = Math.min(options.pageTableLevels, iommu.levels);
    this.table = new PageTable(guest, iommu.memory, levels, iommu.levels);
    this.lastPage = 2 ** Math.min(9 * iommu.levels, 52) - 1;
    this.space = new IovaSpace({ after: (delay, work) => guest.after(delay, work) });
    this.#reserve(HOST_BRIDGE_WINDOW);
    if (!iommu.htRangeIgnore) this.#reserve(HT_RANGE);
    // A part that caches what is not present needs every change flushed at once.
    this.#queue = options.mode === "strict" || iommu.npCache ? null : new FlushQueue(
      guest,
      () => this.flushAll(),
      (page) => this.space.recycle(page),
    );
  }

  /** Lets a device use the domain: its entry points to the page table from now on. */
  attach(device: AttachedDevice): void {
    this.devices.push(device);
    this.#writeEntry(device);
    this.#flushDevice(device);
    this.#iommu.commands.wait();
  }

  /** Blocks a device and flushes what was cached for it. */
  detach(device: AttachedDevice): void {
    this.devices.splice(this.devices.indexOf(device), 1);
    this.#iommu.blockDevice(device.deviceId);
    this.#flushDevice(device);
    this.#iommu.commands.wait();
    this.#iommu.commands.invalidatePages(this.id, this.#range.everything());
    this.#iommu.commands.wait();
  }

  /** Maps pages at an allocated address; false when the page table cannot. Flushes only if something was replaced. */
  map(page: number, frame: number, pages: number, rights: number): boolean {
    const { table } = this;
    const mapped = table.map(page, frame, pages, rights);
    if (table.grown) this.#rewriteEntries();
    if (!table.grown && !table.replaced && !this.#iommu.npCache) return mapped;
    table.grown = table.replaced = false;
    this.flush(page, pages);
    return mapped;
  }

  /**
   * Clears pages of an allocation, and frees it: after a flush, or together with others later.
   *
   * @returns the rights that the last of them had; −1 when it was not mapped.
   */
  unmap(page: number, pages: number): number {
    const { table, space } = this;
    table.unmap(page, pages);
    space.retire(page);
    if (this.#queue !== null) this.#queue.add(page);
    else {
      this.flush(page, pages);
      space.recycle(page);
    }
    return table.cleared;
  }

  /** Drops cached translations of a range and waits until they are gone. */
  flush(page: number, pages: number): void {
    this.flushes++;
    if (this.#iommu.npCache) this.#flushExactly(page, pages);
    else this.#invalidate(this.#range.cover(page, pages));
    this.#iommu.commands.wait();
  }

  /** Drops every cached translation of the domain and waits. */
  flushAll(): void {
    this.flushes++;
    this.#invalidate(this.#range.everything());
    this.#iommu.commands.wait();
  }

  /** Blocks every device, flushes what is queued, and gives the page table back. */
  free(): void {
    this.#queue?.stop();
    for (const device of [...this.devices]) this.detach(device);
    this.table.free();
  }

  /** A part that may cache not-present entries must not be told of more than is meant: aligned powers of two. */
  #flushExactly(page: number, pages: number): void {
    for (let done = 0; done < pages;) {
      let size = 1;
      while (done + size * 2 <= pages && (page + done) % (size * 2) === 0) size *= 2;
      this.#invalidate(this.#range.cover(page + done, size));
      done += size;
    }
  }

  #invalidate(range: InvalidationRange): void {
    const { commands } = this.#iommu;
    commands.invalidatePages(this.id, range);
    for (let i = 0; i < this.devices.length; i++) {
      const { deviceId, atsDepth } = this.devices[i];
      if (atsDepth !== null) commands.invalidateIotlb(deviceId, atsDepth, range);
    }
  }

  #flushDevice({ deviceId, atsDepth }: AttachedDevice): void {
    if (atsDepth !== null) this.#iommu.commands.invalidateIotlb(deviceId, atsDepth, this.#range.everything());
  }

  #rewriteEntries(): void {
    for (const device of this.devices) this.#writeEntry(device);
    this.#iommu.commands.wait();
  }

  #writeEntry({ deviceId, atsDepth }: AttachedDevice): void {
    const { mode, root } = this.table;
    this.#iommu.setDevice(deviceId, {
      v: 1,
      tv: 1,
      ir: 1,
      iw: 1,
      mode,
      hostRoot: BigInt(root) >> 12n,
      domainId: this.id,
      i: atsDepth === null ? 0 : 1,
      ppr: atsDepth === null ? 0 : this.#iommu.features.pprSup,
    });
  }

  #reserve({ first, last }: { first: number; last: number }): void {
    this.space.reserve(Math.floor(first / 2 ** PAGE_BITS), Math.floor(last / 2 ** PAGE_BITS));
  }
}
