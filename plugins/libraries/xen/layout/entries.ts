/**
 * Grant entries as they stand in shared frames (grant_table.h). All fields are in guest byte order: little-endian.
 *
 * @module
 */

import { defineStruct, type FieldSpec, type Struct } from "@iova/fields";

const SOURCE = "xen/include/public/grant_table.h";
const guest = { writtenBy: "granter", readBy: "Xen" } as const;
const xen = { writtenBy: "Xen", readBy: "granter" } as const;

/** The header that every entry begins with: flags and the domain that may use it. */
const HEADER = [
  {
    name: "type",
    at: 0,
    bytes: 2,
    bits: [1, 0],
    values: { invalid: 0, permit_access: 1, accept_transfer: 2, transitive: 3 },
    doc: "GTF_type_mask: what the entry allows.",
    ...guest,
  },
  {
    name: "readonly",
    at: 0,
    bytes: 2,
    bits: [2, 2],
    doc: "GTF_readonly; of an accept_transfer entry GTF_transfer_committed, written by Xen.",
    ...guest,
  },
  {
    name: "reading",
    at: 0,
    bytes: 2,
    bits: [3, 3],
    doc: "GTF_reading (version 1 only): mapped; of an accept_transfer entry GTF_transfer_completed.",
    ...xen,
  },
  { name: "writing", at: 0, bytes: 2, bits: [4, 4], doc: "GTF_writing (version 1 only): mapped for writing.", ...xen },
  { name: "pwt", at: 0, bytes: 2, bits: [5, 5], doc: "GTF_PWT: cache attribute of mappings.", ...guest },
  { name: "pcd", at: 0, bytes: 2, bits: [6, 6], doc: "GTF_PCD: cache attribute of mappings.", ...guest },
  { name: "pat", at: 0, bytes: 2, bits: [7, 7], doc: "GTF_PAT: cache attribute of mappings.", ...guest },
  {
    name: "sub_page",
    at: 0,
    bytes: 2,
    bits: [8, 8],
    doc: "GTF_sub_page (version 2): a part of a page, for copies only.",
    ...guest,
  },
  { at: 0, bytes: 2, bits: [15, 9], reserved: true },
  { name: "domid", at: 2, bytes: 2, doc: "The domain that may use the entry.", ...guest },
] as const satisfies readonly FieldSpec[];

/** Values of the header. */
export interface GrantHeader {
  /** GTF_type_mask. */
  type: number;
  /** GTF_readonly, or GTF_transfer_committed. */
  readonly: number;
  /** GTF_reading, or GTF_transfer_completed. */
  reading: number;
  /** GTF_writing. */
  writing: number;
  /** GTF_PWT. */
  pwt: number;
  /** GTF_PCD. */
  pcd: number;
  /** GTF_PAT. */
  pat: number;
  /** GTF_sub_page. */
  sub_page: number;
  /** The domain that may use the entry. */
  domid: number;
}

/** `grant_entry_v1_t`: 512 in a frame. */
export const GrantEntryV1: Struct<GrantHeader & { frame: number }> = defineStruct({
  name: "grant_entry_v1",
  source: SOURCE,
  size: 8,
  endian: "little",
  fields: [
    ...HEADER,
    {
      name: "frame",
      at: 4,
      bytes: 4,
      doc: "Frame that is granted, or slot for a transfer; after a transfer to a PV domain the machine frame.",
      ...guest,
    },
  ],
});

/** `grant_entry_v2_t`, a whole page: 256 in a frame. */
export const GrantEntryV2FullPage: Struct<GrantHeader & { frame: bigint }> = defineStruct({
  name: "grant_entry_v2_full_page",
  source: SOURCE,
  size: 16,
  endian: "little",
  fields: [
    ...HEADER,
    { at: 4, bytes: 4, reserved: true },
    { name: "frame", at: 8, bytes: 8, doc: "Frame that is granted.", ...guest },
  ],
});

/** `grant_entry_v2_t`, a part of a page. */
export const GrantEntryV2SubPage: Struct<GrantHeader & { page_off: number; length: number; frame: bigint }> =
  defineStruct({
    name: "grant_entry_v2_sub_page",
    source: SOURCE,
    size: 16,
    endian: "little",
    fields: [
      ...HEADER,
      { name: "page_off", at: 4, bytes: 2, doc: "First byte in the page.", ...guest },
      { name: "length", at: 6, bytes: 2, doc: "Bytes.", ...guest },
      { name: "frame", at: 8, bytes: 8, doc: "Frame that is granted.", ...guest },
    ],
  });

/** `grant_entry_v2_t`, passing on what another domain granted. */
export const GrantEntryV2Transitive: Struct<GrantHeader & { trans_domid: number; gref: number }> = defineStruct({
  name: "grant_entry_v2_transitive",
  source: SOURCE,
  size: 16,
  endian: "little",
  fields: [
    ...HEADER,
    { name: "trans_domid", at: 4, bytes: 2, doc: "The domain that granted it.", ...guest },
    { at: 6, bytes: 2, reserved: true },
    { name: "gref", at: 8, bytes: 4, doc: "Reference in that domain's table.", ...guest },
    { at: 12, bytes: 4, reserved: true },
  ],
});

/** `grant_status_t`: one for each version 2 entry, in frames of their own. */
export const GrantStatusWord: Struct<{ reading: number; writing: number }> = defineStruct({
  name: "grant_status",
  source: SOURCE,
  size: 2,
  endian: "little",
  fields: [
    { at: 0, bytes: 2, bits: [2, 0], reserved: true },
    { name: "reading", at: 0, bytes: 2, bits: [3, 3], doc: "GTF_reading: mapped.", ...xen },
    { name: "writing", at: 0, bytes: 2, bits: [4, 4], doc: "GTF_writing: mapped for writing.", ...xen },
    { at: 0, bytes: 2, bits: [15, 5], reserved: true },
  ],
});
