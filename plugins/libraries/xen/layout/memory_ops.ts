/**
 * Structures of memory operations (xen/include/public/memory.h, LP64).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const SOURCE = "xen/include/public/memory.h";
const guest = { writtenBy: "caller", readBy: "Xen" } as const;

/** `xen_add_to_physmap`. */
export const AddToPhysmap: Struct<{ domid: number; size: number; space: number; idx: bigint; gpfn: bigint }> =
  defineStruct({
    name: "xen_add_to_physmap",
    source: SOURCE,
    size: 24,
    endian: "little",
    fields: [
      { name: "domid", at: 0, bytes: 2, doc: "Whose physical map.", ...guest },
      { name: "size", at: 2, bytes: 2, doc: "Pages, for one of the spaces only.", ...guest },
      { name: "space", at: 4, bytes: 4, values: { grant_table: 1 }, doc: "XENMAPSPACE_*.", ...guest },
      { name: "idx", at: 8, bytes: 8, doc: "Frame of the table; bit 31 selects status frames.", ...guest },
      { name: "gpfn", at: 16, bytes: 8, doc: "Guest frame where it is to appear.", ...guest },
    ],
  });

/** `xen_memory_exchange`: gives extents of memory back and gets others. */
export const MemoryExchange: Struct<
  {
    in_extent_start: bigint;
    in_nr_extents: bigint;
    in_extent_order: number;
    in_mem_flags: number;
    in_domid: number;
    out_extent_start: bigint;
    out_nr_extents: bigint;
    out_extent_order: number;
    out_mem_flags: number;
    out_domid: number;
    nr_exchanged: bigint;
  }
> = defineStruct({
  name: "xen_memory_exchange",
  source: SOURCE,
  size: 72,
  endian: "little",
  fields: [
    { name: "in_extent_start", at: 0, bytes: 8, doc: "Address of a list of machine frames.", ...guest },
    { name: "in_nr_extents", at: 8, bytes: 8, doc: "Extents given.", ...guest },
    { name: "in_extent_order", at: 16, bytes: 4, doc: "log2 of pages in each.", ...guest },
    { name: "in_mem_flags", at: 20, bytes: 4, doc: "XENMEMF_*.", ...guest },
    { name: "in_domid", at: 24, bytes: 2, doc: "The caller.", ...guest },
    { at: 26, bytes: 6, reserved: true },
    {
      name: "out_extent_start",
      at: 32,
      bytes: 8,
      doc: "Address of a list: in, guest frames; out, machine frames.",
      ...guest,
    },
    { name: "out_nr_extents", at: 40, bytes: 8, doc: "Extents wanted.", ...guest },
    { name: "out_extent_order", at: 48, bytes: 4, doc: "log2 of pages in each.", ...guest },
    { name: "out_mem_flags", at: 52, bytes: 4, doc: "Bits 7:0: most address bits that they may have.", ...guest },
    { name: "out_domid", at: 56, bytes: 2, doc: "The caller.", ...guest },
    { at: 58, bytes: 6, reserved: true },
    { name: "nr_exchanged", at: 64, bytes: 8, doc: "Extents of `in` done.", writtenBy: "Xen", readBy: "caller" },
  ],
});

/** One entry of a p2m list, and of the machine-to-physical table: a frame number of 64 bits. */
export const P2mEntry: Struct<{ frame: bigint; identity: number; foreign: number }> = defineStruct({
  name: "p2m_entry",
  source: "Linux arch/x86/include/asm/xen/page.h",
  size: 8,
  endian: "little",
  fields: [
    { name: "frame", bits: [61, 0], doc: "Machine frame; all ones with the two flags: none.", ...guest },
    { name: "identity", bits: [62, 62], doc: "IDENTITY_FRAME_BIT: registers, machine frame = frame.", ...guest },
    { name: "foreign", bits: [63, 63], doc: "FOREIGN_FRAME_BIT: another domain's page, mapped by a grant.", ...guest },
  ],
});
