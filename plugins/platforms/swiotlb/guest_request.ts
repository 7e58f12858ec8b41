/**
 * From a buffer to a request for slots: Linux's rules for size and alignment (`swiotlb_tbl_map_single`,
 * `swiotlb_search_area`).
 *
 * @module
 */

import { type DmaParameters, PAGE_SIZE, type PhysAddr, roundUp } from "@iova/core";
import { SET_SIZE, SET_SLOTS, SLOT_SHIFT, SLOT_SIZE, slotsFor } from "./guest_geometry.ts";
import { SlotRequest } from "./guest_slots.ts";

const SLOT_MASK = SLOT_SIZE - 1;

/** A request for the slots of one buffer, in a record that its device reuses. */
export class BufferRequest extends SlotRequest {
  /** Bytes from the first slot to the buffer. */
  offset = 0;
  /** Bytes that the slots have to hold. */
  bytes = 0;
  #boundaryMask = -1n;

  /**
   * Asks for the slots of `size` bytes at `cpu`.
   *
   * @param minAlign Low address bits to keep (`min_align_mask`), 2^n − 1.
   * @param allocAlign Granule − 1 when slots are to be owned by whole granules, as an IOMMU needs them; else 0.
   */
  buffer(cpu: PhysAddr, size: number, minAlign: number, allocAlign = 0): void {
    this.offset = cpu & minAlign & (allocAlign | SLOT_MASK);
    const bytes = size + this.offset;
    this.bytes = allocAlign === 0 ? bytes : roundUp(bytes, allocAlign + 1);
    this.slots = this.bytes > SET_SIZE ? SET_SLOTS + 1 : slotsFor(this.bytes);
    // Old drivers rely on page alignment, so whoever asks for nothing and takes a page or more gets it.
    const alloc = allocAlign === 0 && minAlign === 0 && this.bytes >= PAGE_SIZE ? PAGE_SIZE - 1 : allocAlign;
    const allocSlots = alloc >> SLOT_SHIFT;
    this.alignMask = lowBits(minAlign >> SLOT_SHIFT | allocSlots);
    this.align = this.alignMask === 0 ? 0 : Math.floor(cpu / SLOT_SIZE) & this.alignMask & ~allocSlots;
  }

  /** Asks for the slots of `bytes` bytes that start at a multiple of `align`, a power of two of pages. */
  coherent(bytes: number, align: number): void {
    this.offset = 0;
    this.bytes = bytes;
    this.slots = slotsFor(bytes);
    this.alignMask = align / SLOT_SIZE - 1;
    this.align = 0;
  }

  /** Takes over the device's segment boundary. */
  within({ segmentBoundaryMask }: DmaParameters): void {
    if (segmentBoundaryMask === this.#boundaryMask) return;
    this.#boundaryMask = segmentBoundaryMask;
    // Boundaries of 4 GiB or more are boundaries of slot sets too, which nothing crosses.
    this.boundary = segmentBoundaryMask >= 0xffff_ffffn ? 0 : (Number(segmentBoundaryMask) + 1) >>> SLOT_SHIFT;
  }
}

/** Every bit up to the highest one of `mask`. */
function lowBits(mask: number): number {
  return mask === 0 ? 0 : -1 >>> Math.clz32(mask);
}
