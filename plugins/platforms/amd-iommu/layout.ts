/**
 * The bytes in which the two halves of the AMD IOMMU meet: one field table for each structure, little-endian throughout.
 * Chapters: `layout/`.
 *
 * @module
 */

export * from "./layout/ats.ts";
export * from "./layout/capability.ts";
export * from "./layout/commands.ts";
export * from "./layout/constants.ts";
export * from "./layout/device_table.ts";
export * from "./layout/events.ts";
export * from "./layout/ivrs.ts";
export * from "./layout/mcfg.ts";
export * from "./layout/page_table.ts";
export * from "./layout/ppr.ts";
export * from "./layout/registers.ts";
export * from "./layout/size_code.ts";
export { maskOf, reservedMaskOf } from "./layout/table.ts";
