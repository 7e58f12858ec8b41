/**
 * What travels between the IOMMU and a device's own translation cache (PCIe ATS): numbered as 64-bit words; on the wire
 * they are big-endian.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Values of {@linkcode AtsCompletion}. */
export type AtsCompletionFields =
  & Record<"w" | "r" | "u" | "exe" | "priv" | "global" | "n" | "s", number>
  & Record<"address", bigint>;

/** One entry of a translation completion. */
export const AtsCompletion: Struct<AtsCompletionFields> = defineStruct({
  name: "ats_completion",
  source: "PCIe ATS, translation completion data entry",
  size: 8,
  endian: "little",
  fields: [
    field("r", 0, 0, "May be read."),
    field("w", 1, 1, "May be written."),
    field("u", 2, 2, "Untranslated accesses only."),
    field("exe", 3, 3, "May be executed."),
    field("priv", 4, 4, "Rights of privileged accesses."),
    field("global", 5, 5, "Holds for every PASID."),
    reserved(9, 6),
    field("n", 10, 10, "Accesses need not snoop."),
    field("s", 11, 11, "More than 4 KiB: the size is coded in the address."),
    field("address", 63, 12, "Translated address bits 63:12, with the size code when s is set."),
  ],
});

/** The data of an invalidate request message. */
export const AtsInvalidateRequest: Struct<{ global: number; s: number; address: bigint }> = defineStruct({
  name: "ats_invalidate_request",
  source: "PCIe ATS, invalidate request message body",
  size: 8,
  endian: "little",
  fields: [
    field("global", 0, 0, "For every PASID."),
    reserved(10, 1),
    field("s", 11, 11, "More than 4 KiB: the size is coded in the address."),
    field("address", 63, 12, "Untranslated address bits 63:12."),
  ],
});
