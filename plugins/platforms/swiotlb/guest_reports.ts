/**
 * What the bounce buffers have to say, in Linux's words where it has any.
 *
 * @module
 */

import { DIRECTION_NAMES, DmaAttr, type DmaContext, type DmaHandle, formatAddress, type PhysAddr } from "@iova/core";
import { SET_SIZE } from "./guest_geometry.ts";
import type { IoTlb } from "./guest_tlb.ts";

/** Linux's default rate limit: this many messages … */
const BURST = 10;
/** … in this many nanoseconds. */
const INTERVAL = 5e9;

/** The reports of one device. Those of failed maps are rate-limited and silenced by NO_WARN. */
export class Reports {
  #windowStart = 0;
  #inWindow = 0;

  /** Reports to the device's context. */
  constructor(readonly context: DmaContext) {}

  /** There is no room, or the request is larger than any room could be; `size` in bytes. Linux says the same of both. */
  full(attrs: number, size: number, { total, used }: IoTlb): false {
    const oversize = size > SET_SIZE;
    const why = oversize ? `; a slot set holds ${SET_SIZE} bytes` : "";
    const message = `swiotlb buffer is full (sz: ${size} bytes), total ${total} (slots), used ${used} (slots)${why}`;
    return this.#failed(attrs, oversize ? "swiotlb-too-large" : "swiotlb-full", message);
  }

  /** The place that was found is one that the device cannot drive. */
  slotOverMask(attrs: number, address: DmaHandle, size: number, limit: number): false {
    const where = `swiotlb addr ${formatAddress(address.value)}+${size}`;
    return this.#failed(attrs, "swiotlb-over-mask", `${where} overflow (mask ${formatAddress(limit)}, bus limit 0)`);
  }

  /** The device cannot drive the buffer's address, and there is no pool. */
  overMask(attrs: number, cpu: PhysAddr, size: number, limit: number): false {
    const where = `DMA addr ${formatAddress(cpu)}+${size}`;
    return this.#failed(attrs, "dma-over-mask", `${where} overflow (mask ${formatAddress(limit)}, bus limit 0)`);
  }

  /** What is to be bounced is no memory. */
  notMemory(attrs: number, cpu: PhysAddr, size: number): false {
    return this.#failed(attrs, "swiotlb-no-memory", `${size} bytes at ${formatAddress(cpu)} are no memory to bounce`);
  }

  /** An unmap of something that is not mapped. */
  notMapped(handle: DmaHandle, size: number): void {
    this.#misuse(
      "swiotlb-not-mapped",
      `unmaps ${size} bytes at ${formatAddress(handle.value)}, where nothing is mapped`,
    );
  }

  /** An unmap with another size than the map had. */
  otherSize(handle: DmaHandle, mapped: number, size: number): void {
    const more = size > mapped ? `Buffer overflow detected. Allocation size: ${mapped}. Mapping size: ${size}. ` : "";
    const what = `unmaps ${size} of the ${mapped} bytes mapped at ${formatAddress(handle.value)}`;
    this.#misuse("swiotlb-size", `${what}${more === "" ? "" : `: ${more.trim()}`}`);
  }

  /** An unmap in another direction than the map had: what is copied follows the unmap. */
  otherDirection(handle: DmaHandle, mapped: number, given: number): void {
    const names = `${DIRECTION_NAMES[given]}, what was mapped ${DIRECTION_NAMES[mapped]}`;
    this.#misuse("swiotlb-direction", `unmaps ${formatAddress(handle.value)} ${names}`);
  }

  /** A sync of something that is not mapped. */
  syncOfNothing(handle: DmaHandle, size: number): void {
    this.#misuse("swiotlb-sync", `syncs ${size} bytes at ${formatAddress(handle.value)}, where nothing is mapped`);
  }

  /** A sync past the end of its mapping, of which `left` bytes are left. */
  syncPastEnd(left: number, size: number): void {
    const message = `Buffer overflow detected. Allocation size: ${left}. Mapping size: ${size}.`;
    this.context.warn("swiotlb-overflow", message);
  }

  #misuse(id: string, what: string): void {
    this.context.warn(id, `swiotlb: device driver ${what}`);
  }

  #failed(attrs: number, id: string, message: string): false {
    if ((attrs & DmaAttr.NO_WARN) !== 0) return false;
    const { now } = this.context.guest;
    if (now - this.#windowStart >= INTERVAL) {
      this.#windowStart = now;
      this.#inWindow = 0;
    }
    if (this.#inWindow++ < BURST) this.context.warn(id, message);
    return false;
  }
}
