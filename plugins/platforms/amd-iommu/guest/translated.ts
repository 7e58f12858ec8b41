/**
 * The DMA operations of a device in a translated domain (Linux drivers/iommu/dma-iommu.c): an address is allocated, the
 * buffer's pages appear there, and the offset in the page is kept.
 *
 * @module
 */

import {
  BaseDmaOps,
  checkDirection,
  checkList,
  clearSegments,
  type Direction,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  DmaHandle,
  Errno,
  formatAddress,
  PAGE_SIZE,
  type PhysAddr,
  type ScatterEntry,
  toDmaAddr,
} from "@iova/core";
import { NO_IOVA } from "@iova/iova-space";
import { COSTS } from "./costs.ts";
import type { Domain } from "./domain.ts";
import { Rights } from "./page_table.ts";
import { concatenate, ScatterLayout } from "./scatter.ts";

/** The last page below 4 GiB: addresses there fit a PCI request without a long header, so they come first. */
const LAST_PAGE_32 = 0xf_ffff;
const PAGES_4G = 0x10_0000;
const OFFSET_MASK = PAGE_SIZE - 1;
const PAGE_BITS = 12;
/** Pages of the largest address range that is kept for reuse: 128 KiB. */
const LARGEST_CACHED = 32 * PAGE_SIZE;

/** What a device may do, by direction: both, to the device, from the device. */
const RIGHTS_OF: readonly number[] = [Rights.BOTH, Rights.READ, Rights.WRITE];

/** See the module's text. */
export class TranslatedDmaOps extends BaseDmaOps {
  protected override costs: { map: number; unmap: number; sync: number } = COSTS;
  protected readonly domain: Domain;
  #lastPage: number;
  #lastCoherentPage: number;
  // Switched off for good by the first request that finds no room below 4 GiB.
  #low32First: boolean;
  readonly #sgHandle = new DmaHandle();

  /** The operations of a device in `domain`. `forceDac`: addresses above 4 GiB are used from the start. */
  constructor(context: DmaContext, domain: Domain, forceDac: boolean) {
    super(context);
    this.domain = domain;
    this.#low32First = !forceDac;
    this.#lastPage = this.#lastCoherentPage = this.#clip(dmaBitMask(32));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, _attrs: number): boolean {
    const offset = cpu & OFFSET_MASK;
    return this.mapFrames(out, frameOf(cpu), offset, size, RIGHTS_OF[direction], this.#lastPage);
  }

  /** What a mapping in this direction lets the device do. */
  protected rightsOf(direction: Direction): number {
    return RIGHTS_OF[direction];
  }

  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    return this.mapFrames(out, frameOf(cpu), 0, size, Rights.BOTH, this.#lastCoherentPage);
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction, _attrs: number): void {
    const { domain } = this;
    const page = pageOf(handle);
    const pages = domain.space.sizeAt(page);
    if (pages === 0) return this.#report("unmap-unknown", "nothing is mapped there", handle);
    if (pages !== pagesOf(handle.lo & OFFSET_MASK, size)) {
      this.#report("unmap-size", `${size} bytes, but ${pages} pages are mapped`, handle);
    }
    const rights = domain.unmap(page, pages);
    if (rights !== RIGHTS_OF[direction]) {
      this.#report("unmap-direction", "in another direction than it was mapped in", handle);
    }
  }

  protected override syncForCpu(handle: DmaHandle, _size: number, _direction: Direction): void {
    this.#checkSync(handle);
  }

  protected override syncForDevice(handle: DmaHandle, _size: number, _direction: Direction): void {
    this.#checkSync(handle);
  }

  /** Maps the frames that hold `size` bytes from `offset` in `frame` on; pages up to `last` may be taken. */
  protected mapFrames(
    out: DmaHandle,
    frame: number,
    offset: number,
    size: number,
    rights: number,
    last: number,
  ): boolean {
    const pages = pagesOf(offset, size);
    const page = this.#allocate(pages, last);
    if (page === NO_IOVA) return false;
    if (!this.domain.map(page, frame, pages, rights)) {
      this.domain.space.free(page);
      return false;
    }
    // A page below 4 GiB is the usual case, and needs no division.
    if (page < PAGES_4G) out.setHalves(0, page << PAGE_BITS | offset);
    else out.setHalves((page / PAGES_4G) | 0, (page * PAGE_SIZE) | offset);
    return true;
  }

  override mapSgTable(list: ScatterEntry[], direction: Direction, _attrs = 0): number {
    checkDirection(direction);
    checkList(list);
    this.guest.spend(this.costs.map);
    const layout = new ScatterLayout(list, this.params);
    const page = layout.pages === 0 ? NO_IOVA : this.#allocate(layout.pages, this.#lastPage);
    if (page === NO_IOVA || !this.#mapEntries(list, layout, page, RIGHTS_OF[direction])) {
      this.stats.mapFailures++;
      clearSegments(list, 0);
      return layout.pages === 0 ? -Errno.EINVAL : -Errno.ENOMEM;
    }
    this.stats.maps++;
    const count = concatenate(list, layout, BigInt(page) * BigInt(PAGE_SIZE), this.params);
    this.#emitSg("map-sg", list.length, count, page);
    return count;
  }

  override unmapSg(list: ScatterEntry[], direction: Direction, _attrs = 0): void {
    checkDirection(direction);
    const first = list.findIndex(({ dmaLength }) => dmaLength);
    if (first < 0) return;
    this.guest.spend(this.costs.unmap);
    const handle = this.#sgHandle.set(list[first].dmaAddress!);
    const page = pageOf(handle);
    const pages = this.domain.space.sizeAt(page);
    this.#emitSg("unmap-sg", list.length, 0, page);
    if (pages === 0) return this.#report("unmap-unknown", "the list is not mapped", handle);
    this.domain.unmap(page, pages);
    this.stats.unmaps++;
  }

  override setMask(mask: bigint): number {
    const result = super.setMask(mask);
    if (result === 0) this.#lastPage = this.#clip(BigInt.asUintN(64, mask));
    return result;
  }

  override setCoherentMask(mask: bigint): number {
    const result = super.setCoherentMask(mask);
    if (result === 0) this.#lastCoherentPage = this.#clip(BigInt.asUintN(64, mask));
    return result;
  }

  override requiredMask(): bigint {
    return dmaBitMask(32);
  }

  override mergeBoundary(): number {
    return PAGE_SIZE - 1;
  }

  override optMappingSize(): number {
    return LARGEST_CACHED;
  }

  /** For a platform above: the last page for streaming mappings. */
  protected get lastPage(): number {
    return this.#lastPage;
  }

  /** For a platform above: the last page for coherent memory. */
  protected get lastCoherentPage(): number {
    return this.#lastCoherentPage;
  }

  #allocate(pages: number, last: number): number {
    const { space } = this.domain;
    if (last > LAST_PAGE_32 && this.#low32First) {
      const page = space.allocate(pages, LAST_PAGE_32);
      if (page !== NO_IOVA) return page;
      this.#low32First = false;
      const { events, device } = this.context;
      if (events.listening) events.emit({ type: "iova-above-4g", device: device.id, pages });
    }
    return space.allocate(pages, last, true);
  }

  #mapEntries(list: ScatterEntry[], { starts, pages }: ScatterLayout, page: number, rights: number): boolean {
    for (let i = 0; i < list.length; i++) {
      const { cpu, length } = list[i];
      const count = pagesOf(cpu % PAGE_SIZE, length);
      if (this.domain.map(page + starts[i], frameOf(cpu), count, rights)) continue;
      for (let j = 0; j < i; j++) {
        this.domain.table.unmap(page + starts[j], pagesOf(list[j].cpu % PAGE_SIZE, list[j].length));
      }
      this.domain.flush(page, pages);
      this.domain.space.free(page);
      return false;
    }
    return true;
  }

  #checkSync(handle: DmaHandle): void {
    if (this.domain.table.rights(pageOf(handle)) >= 0) return;
    this.#warn("sync-unknown", `sync of ${formatAddress(handle.value)}, where nothing is mapped`);
  }

  #report(id: string, what: string, handle: DmaHandle): void {
    this.#warn(id, `unmap of ${formatAddress(handle.value)}: ${what}`);
  }

  #warn(id: string, message: string): void {
    this.context.warn(id, `iommu: ${message}`);
  }

  #emitSg(type: string, entries: number, segments: number, page: number): void {
    const { events, device } = this.context;
    if (!events.listening) return;
    const handle = formatAddress(addressOf(page, 0));
    events.emit({ type, device: device.id, handle, entries, ...(segments > 0 && { segments }) });
  }

  /** The last page that both the mask and the page table reach; −1 when the mask holds no page. */
  #clip(mask: bigint): number {
    return Math.min(Number(((mask + 1n) >> 12n) - 1n), this.domain.lastPage);
  }
}

/** The page of a handle. */
export function pageOf({ hi, lo }: DmaHandle): number {
  return hi === 0 ? lo >>> PAGE_BITS : (hi >>> 0) * PAGES_4G + (lo >>> PAGE_BITS);
}

/** The frame that holds a byte of memory. */
export function frameOf(cpu: PhysAddr): number {
  return cpu < 2 ** 32 ? cpu >>> PAGE_BITS : Math.floor(cpu / PAGE_SIZE);
}

/** Pages that `size` bytes from `offset` in a page touch. */
export function pagesOf(offset: number, size: number): number {
  const last = offset + size + OFFSET_MASK;
  return last < 2 ** 32 ? last >>> PAGE_BITS : Math.floor(last / PAGE_SIZE);
}

/** A bus address from its page and the offset in it. */
export function addressOf(page: number, offset: number): DmaAddr {
  return toDmaAddr((page / PAGES_4G) | 0, (page * PAGE_SIZE) | offset);
}
