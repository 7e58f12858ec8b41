/**
 * Host page table entries (AMD 48882 §2.2.3, the "v1" format). Software writes them; the IOMMU reads them, and sets
 * `accessed` and `dirty` when the access-and-dirty features are on.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { MAX_LEVELS } from "./constants.ts";
import { field, reserved } from "./table.ts";

/** Values of a leaf. */
export type PteFields =
  & Record<
    | "present"
    | "ignoredLow"
    | "accessed"
    | "dirty"
    | "ignoredMiddle"
    | "nextLevel"
    | "u"
    | "fc"
    | "ir"
    | "iw"
    | "ignoredHigh",
    number
  >
  & Record<"address", bigint>;

/** A leaf: nextLevel 0 (the level's default size) or 7 (the size is coded in the address). */
export const Pte: Struct<PteFields> = defineStruct({
  name: "pte",
  source: "AMD 48882 §2.2.3, page translation entry",
  size: 8,
  endian: "little",
  fields: [
    field("present", 0, 0, "PR: the entry counts."),
    field("ignoredLow", 4, 1, "Software's own."),
    field("accessed", 5, 5, "A; only with HADUpdate."),
    field("dirty", 6, 6, "D; only with HADUpdate."),
    field("ignoredMiddle", 8, 7, "Software's own."),
    field("nextLevel", 11, 9, "0: a page of the level's size; 7: of the size coded in the address."),
    field("address", 51, 12, "Page address, in 4 KiB pages, with the size code when nextLevel is 7."),
    reserved(58, 52),
    field("u", 59, 59, "ATS: untranslated accesses only."),
    field("fc", 60, 60, "Force coherent: accesses snoop."),
    field("ir", 61, 61, "May be read."),
    field("iw", 62, 62, "May be written."),
    field("ignoredHigh", 63, 63, "Software's own."),
  ],
});

/** Values of a directory entry. */
export type PdeFields =
  & Record<"present" | "ignoredLow" | "accessed" | "ignoredMiddle" | "nextLevel" | "ir" | "iw" | "ignoredHigh", number>
  & Record<"table", bigint>;

/** A directory entry: nextLevel 1 to 6, below the level of the table that it stands in. */
export const Pde: Struct<PdeFields> = defineStruct({
  name: "pde",
  source: "AMD 48882 §2.2.3, page directory entry",
  size: 8,
  endian: "little",
  fields: [
    field("present", 0, 0, "PR: the entry counts."),
    field("ignoredLow", 4, 1, "Software's own."),
    field("accessed", 5, 5, "A; only with HADUpdate."),
    field("ignoredMiddle", 8, 6, "Software's own."),
    field("nextLevel", 11, 9, "Level of the table below; levels between are skipped."),
    field("table", 51, 12, "Address of the table below, in pages."),
    reserved(60, 52),
    field("ir", 61, 61, "May be read."),
    field("iw", 62, 62, "May be written."),
    field("ignoredHigh", 63, 63, "Software's own."),
  ],
});

/** log2 of the bytes that one entry of a table at `level` (1 … 6) covers: its default page size. */
export function levelShift(level: number): number {
  return 12 + 9 * (level - 1);
}

/** Address bits that a host page table of `mode` levels (1 … 6) translates. */
export function modeWidth(mode: number): number {
  return mode === MAX_LEVELS ? 64 : 12 + 9 * mode;
}
