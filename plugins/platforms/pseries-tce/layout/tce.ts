/**
 * The translation control entry (LoPAR, "Translation Control Entry").
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** One TCE: 64 bits, big-endian, in hypervisor memory and in the list page of `H_PUT_TCE_INDIRECT`. */
export const Tce: Struct<{ rpn: bigint; write: number; read: number }> = defineStruct({
  name: "tce",
  source: "LoPAR, Translation Control Entry",
  size: 8,
  endian: "big",
  fields: [
    {
      name: "rpn",
      bits: [63, 12],
      writtenBy: "operating system, through hypercalls",
      readBy: "bridge",
      doc: "Page number, in units of 4 KiB whatever the window's page size.",
    },
    { bits: [11, 2], reserved: true, doc: "Written 0; no consumer checks them." },
    {
      name: "write",
      bits: [1, 1],
      writtenBy: "operating system, through hypercalls",
      readBy: "bridge",
      doc: "The device may write. With `read` clear too, the entry is not mapped and the other bits mean nothing.",
    },
    {
      name: "read",
      bits: [0, 0],
      writtenBy: "operating system, through hypercalls",
      readBy: "bridge",
      doc: "The device may read.",
    },
  ],
});

/** Bytes of an entry. */
export const TCE_BYTES: number = Tce.size;
/** The read bit, in the low 32 bits. */
export const TCE_READ: number = Tce.mask.read;
/** The write bit, in the low 32 bits. */
export const TCE_WRITE: number = Tce.mask.write;
/** Both control bits, in the low 32 bits. */
export const TCE_CONTROL: number = TCE_READ | TCE_WRITE;
/** Byte offset of an entry's bits 63:32. */
export const TCE_HIGH_AT = 0;
/** Byte offset of an entry's bits 31:0. */
export const TCE_LOW_AT: number = Tce.at.read;
