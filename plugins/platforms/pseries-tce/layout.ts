/**
 * The bytes and registers in which the two halves meet. Guest memory is little-endian in this machine; everything here is
 * big-endian all the same, as PAPR has it: the guest swaps when it fills a list page or an RTAS buffer.
 * Chapters: `layout/`.
 *
 * @module
 */

export * from "./layout/properties.ts";
export * from "./layout/hcall.ts";
export * from "./layout/page_size.ts";
export * from "./layout/rtas.ts";
export * from "./layout/tce.ts";
