/**
 * What the two halves agree on besides Xen's own interface: how a reference travels as a bus address.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** A grant as a DMA address (Linux drivers/xen/grant-dma-ops.c): what a frontend puts into descriptors. */
export const GrantAddress: Struct<{ offset: number; ref: number; grant: number }> = defineStruct({
  name: "grant_dma_address",
  source: "Linux drivers/xen/grant-dma-ops.c",
  size: 8,
  endian: "little",
  fields: [
    { name: "offset", bits: [11, 0], writtenBy: "frontend", readBy: "backend", doc: "Byte in the page." },
    { name: "ref", bits: [43, 12], writtenBy: "frontend", readBy: "backend", doc: "Grant reference of the page." },
    { bits: [62, 44], reserved: true },
    { name: "grant", bits: [63, 63], writtenBy: "frontend", readBy: "backend", doc: "Always set." },
  ],
});

/** Bits of the high half that the reference has. */
export const REF_HIGH_MASK: number = GrantAddress.maskHigh.ref;
/** Bits of the low half that the offset has. */
export const OFFSET_MASK: number = GrantAddress.mask.offset;
/** Where the reference begins in the low half. */
export const REF_SHIFT: number = GrantAddress.shift.ref;
/** The weight, in references, of bit 0 of the high half. */
export const REF_HIGH_SCALE: number = 2 ** (32 - REF_SHIFT);
/** The high half's bit that marks a grant; a signed number. */
export const GRANT_HIGH: number = 1 << 31;

/** How the backend reaches granted pages. */
export type BackendPolicy = "map" | "cached" | "persistent" | "copy";
