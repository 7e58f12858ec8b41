/**
 * The peripheral page request log (AMD 48882 §2.6): 128 bits an entry. The IOMMU writes at the tail, software reads at
 * the head and answers with COMPLETE_PPR_REQUEST.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** The value of `code`. */
export const PPR_CODE = 1;

/** Response codes of a page request group (PCIe ATS, page request services). */
export const PprResponse = { SUCCESS: 0, INVALID: 1, FAILURE: 15 } as const;

/** Values of {@linkcode PprLogEntry}. */
export type PprFields =
  & Record<
    | "deviceId"
    | "pasidLow"
    | "prgIndex"
    | "last"
    | "pasidHigh"
    | "exec"
    | "read"
    | "write"
    | "us"
    | "rsvd"
    | "gn"
    | "code",
    number
  >
  & Record<"address", bigint>;

/** An entry of the page request log. */
export const PprLogEntry: Struct<PprFields> = defineStruct({
  name: "ppr_log_entry",
  source: "AMD 48882 §2.6; flag bits as Linux reads them",
  size: 16,
  endian: "little",
  fields: [
    field("deviceId", 15, 0, "Who asks."),
    field("pasidLow", 31, 16, "With gn: PASID bits 15:0."),
    field("prgIndex", 40, 32, "Page request group index."),
    field("last", 41, 41, "Last request of its group."),
    field("pasidHigh", 45, 42, "With gn: PASID bits 19:16."),
    reserved(48, 46),
    field("exec", 49, 49, "Execution is wanted."),
    field("read", 50, 50, "Reading is wanted."),
    reserved(52, 51),
    field("write", 53, 53, "Writing is wanted."),
    field("us", 54, 54, "A user access."),
    field("rsvd", 55, 55, "A reserved bit was set in the request."),
    field("gn", 56, 56, "With a PASID."),
    reserved(59, 57),
    field("code", 63, 60, "PPR_CODE."),
    reserved(75, 64),
    field("address", 127, 76, "Bus address bits 63:12."),
  ],
});
