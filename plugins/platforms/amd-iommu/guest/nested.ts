/**
 * A translated domain in a bridge below other platforms: the platform above makes the address of a buffer, and that is
 * what the page table points to.
 *
 * @module
 */

import {
  BaseDmaOps,
  coherentAlign,
  type CoherentBuffer,
  type Direction,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  DmaHandle,
  type DmaOps,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
  type ScatterEntry,
} from "@iova/core";
import type { Domain } from "./domain.ts";
import { Rights } from "./page_table.ts";
import { addressOf, pageOf, TranslatedDmaOps } from "./translated.ts";

/** Page table entries hold frame addresses of 52 bits. */
const FRAME_BITS = 52;
const FRAMES = 2 ** (FRAME_BITS - 12);
const OFFSET_MASK = PAGE_SIZE - 1;

/** See the module's text. */
export class NestedTranslatedDmaOps extends TranslatedDmaOps {
  readonly #above: DmaOps;
  readonly #handle = new DmaHandle();

  /** The operations of a device in `domain`, over those of the bridge above. */
  constructor(context: DmaContext, domain: Domain, forceDac: boolean, above: DmaOps) {
    super(context, domain, forceDac);
    this.#above = above;
    // What the platform above hands out has to fit an entry, whatever the device itself can drive.
    if (above.setMaskAndCoherent(dmaBitMask(FRAME_BITS)) !== 0) above.setMaskAndCoherent(dmaBitMask(64));
  }

  protected override map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    const above = this.#handle;
    if (!this.#above.mapInto(above, cpu, size, direction, attrs)) return false;
    const frame = pageOf(above);
    const rights = this.rightsOf(direction);
    if (frame < FRAMES && this.mapFrames(out, frame, above.lo & OFFSET_MASK, size, rights, this.lastPage)) return true;
    this.#above.unmapFrom(above, size, direction, attrs);
    return false;
  }

  protected override unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    const page = pageOf(handle);
    const known = this.domain.space.sizeAt(page) > 0;
    const frame = this.domain.table.frame(page);
    const offset = handle.lo & OFFSET_MASK;
    super.unmap(handle, size, direction, attrs);
    if (!known || frame < 0) return;
    const above = this.#handle.set(addressOf(frame, offset));
    this.#above.unmapFrom(above, size, direction, attrs);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    const above = this.#find(handle);
    if (above === null) super.syncForCpu(handle, size, direction);
    else this.#above.syncSingleForCpu(above, size, direction);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    const above = this.#find(handle);
    if (above === null) super.syncForDevice(handle, size, direction);
    else this.#above.syncSingleForDevice(above, size, direction);
  }

  override mapSgTable(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    return BaseDmaOps.prototype.mapSgTable.call(this, list, direction, attrs);
  }

  override unmapSg(list: ScatterEntry[], direction: Direction, attrs = 0): void {
    BaseDmaOps.prototype.unmapSg.call(this, list, direction, attrs);
  }

  override allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    const buffer = this.#above.allocCoherent(size, attrs);
    if (buffer === null) return null;
    const above = this.#handle.set(buffer.handle);
    const out = new DmaHandle();
    const bytes = roundUp(coherentAlign(size), PAGE_SIZE);
    const frame = pageOf(above);
    if (frame < FRAMES && this.mapFrames(out, frame, 0, bytes, Rights.BOTH, this.lastCoherentPage)) {
      this.stats.coherentBytes += roundUp(Math.max(size, 1), PAGE_SIZE);
      return { cpu: buffer.cpu, handle: out.value, size };
    }
    this.#above.freeCoherent(size, buffer.cpu, buffer.handle, attrs);
    return null;
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, attrs = 0): void {
    const below = new DmaHandle().set(handle);
    const above = this.#find(below);
    const page = pageOf(below);
    const pages = this.domain.space.sizeAt(page);
    if (above === null || pages === 0) return this.context.warn("free", "iommu: freeCoherent of what is not allocated");
    this.domain.unmap(page, pages);
    this.#above.freeCoherent(size, cpu, above, attrs);
    this.stats.coherentBytes -= roundUp(Math.max(size, 1), PAGE_SIZE);
  }

  override mergeBoundary(): number {
    return 0;
  }

  override maxMappingSize(): number {
    return this.#above.maxMappingSize();
  }

  override needSync(handle: DmaAddr): boolean {
    const above = this.#find(new DmaHandle().set(handle));
    return above !== null && this.#above.needSync(above);
  }

  /** The address above for one of ours; null when nothing is mapped there. */
  #find(handle: DmaHandle): DmaAddr | null {
    const frame = this.domain.table.frame(pageOf(handle));
    return frame < 0 ? null : addressOf(frame, handle.lo & OFFSET_MASK);
  }
}
