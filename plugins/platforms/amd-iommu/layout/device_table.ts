/**
 * The device table entry (AMD 48882 §2.2.2.1). Software writes it, the IOMMU reads it; its q0 … q3 are the four 64-bit
 * words, lowest first. Feature names are those of the extended feature register.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Values of `ioCtl`: what becomes of port I/O. */
export const IoCtl = { ABORT: 0, FORWARD: 1, TRANSLATE: 2, RESERVED: 3 } as const;
/** Values of `sysMgt`: what becomes of system management messages. */
export const SysMgt = { ABORT: 0, FORWARD: 1, INTX_ONLY: 2, TRANSLATE: 3 } as const;
/** Values of `intCtl`: what becomes of fixed and arbitrated interrupts. */
export const IntCtl = { ABORT: 0, FORWARD: 1, REMAP: 2, RESERVED: 3 } as const;

/** Values of a device table entry. */
export type DteFields =
  & Record<
    | "v"
    | "tv"
    | "had"
    | "mode"
    | "ppr"
    | "gprp"
    | "gIoV"
    | "gv"
    | "glx"
    | "gcr3Low"
    | "ir"
    | "iw"
    | "domainId"
    | "gcr3Middle"
    | "i"
    | "se"
    | "sa"
    | "ioCtl"
    | "cache"
    | "sd"
    | "ex"
    | "sysMgt"
    | "sats"
    | "gcr3High"
    | "iv"
    | "intTabLen"
    | "ig"
    | "guestPagingMode"
    | "initPass"
    | "eIntPass"
    | "nmiPass"
    | "intCtl"
    | "lint0Pass"
    | "lint1Pass"
    | "attrV"
    | "mode0Fc"
    | "snoopAttribute",
    number
  >
  & Record<"hostRoot" | "intTabRoot", bigint>;

/** Device table entry: 256 bits. */
export const Dte: Struct<DteFields> = defineStruct({
  name: "dte",
  source: "AMD 48882 §2.2.2.1",
  size: 32,
  endian: "little",
  fields: [
    field("v", 0, 0, "Bits 127:1 are valid; clear: everything passes untranslated."),
    field("tv", 1, 1, "The paging fields are valid."),
    reserved(6, 2),
    field("had", 8, 7, "Host access (01) and dirty (11) bits; needs HASup, HDSup."),
    field("mode", 11, 9, "0: no translation; 1 to 6: levels of the host page table; 7: reserved."),
    field("hostRoot", 51, 12, "Host page table root, in pages."),
    field("ppr", 52, 52, "Page requests are allowed; needs PPRSup."),
    field("gprp", 53, 53, "Page responses carry a PASID; needs GTSup."),
    field("gIoV", 54, 54, "Requests without PASID use GCR3 entry 0; needs GTSup."),
    field("gv", 55, 55, "Guest translation is on; needs GTSup."),
    field("glx", 57, 56, "Levels of the CR3 table, less one; needs GTSup."),
    field("gcr3Low", 60, 58, "GCR3 table root bits 14:12."),
    field("ir", 61, 61, "The device may read."),
    field("iw", 62, 62, "The device may write."),
    reserved(63, 63),
    field("domainId", 79, 64, "Tag of the IOMMU's translation cache."),
    field("gcr3Middle", 95, 80, "GCR3 table root bits 30:15."),
    field("i", 96, 96, "The device's own translation cache (ATS) is trusted."),
    field("se", 97, 97, "Log only the first I/O page fault."),
    field("sa", 98, 98, "Log no I/O page fault."),
    field("ioCtl", 100, 99, "Port I/O: see IoCtl."),
    field("cache", 101, 101, "Hint for the IOMMU's translation cache; no effect here."),
    field("sd", 102, 102, "Snoop disable."),
    field("ex", 103, 103, "The exclusion range applies."),
    field("sysMgt", 105, 104, "System management messages: see SysMgt."),
    field("sats", 106, 106, "Secure ATS; needs SATSSup."),
    field("gcr3High", 127, 107, "GCR3 table root bits 51:31."),
    field("iv", 128, 128, "The interrupt fields are valid."),
    field("intTabLen", 132, 129, "log2 of interrupt table entries, at most 11."),
    field("ig", 133, 133, "Unmapped interrupts are not logged."),
    field("intTabRoot", 179, 134, "Interrupt table root, in units of 64 bytes."),
    reserved(181, 180),
    field("guestPagingMode", 183, 182, "0: 4-level guest tables; 1: 5-level."),
    field("initPass", 184, 184, "INIT passes unmapped."),
    field("eIntPass", 185, 185, "ExtInt passes unmapped."),
    field("nmiPass", 186, 186, "NMI passes unmapped."),
    reserved(187, 187),
    field("intCtl", 189, 188, "Fixed and arbitrated interrupts: see IntCtl."),
    field("lint0Pass", 190, 190, "LINT0 passes unmapped."),
    field("lint1Pass", 191, 191, "LINT1 passes unmapped."),
    reserved(245, 192),
    field("attrV", 246, 246, "snoopAttribute is valid."),
    field("mode0Fc", 247, 247, "Force coherent when mode is 0."),
    field("snoopAttribute", 255, 248, "Snoop attributes of the device's requests."),
  ],
});
