/**
 * Structures of grant table operations (grant_table.h, LP64). `status` is a signed 16-bit number; here its bits.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const SOURCE = "xen/include/public/grant_table.h";
const guest = { writtenBy: "caller", readBy: "Xen" } as const;
const xen = { writtenBy: "Xen", readBy: "caller" } as const;
const STATUS = "GNTST_*, signed.";

/** `gnttab_map_grant_ref`. */
export const MapGrantRef: Struct<
  {
    host_addr: bigint;
    flags: number;
    ref: number;
    dom: number;
    status: number;
    handle: number;
    dev_bus_addr: bigint;
  }
> = defineStruct({
  name: "gnttab_map_grant_ref",
  source: SOURCE,
  size: 32,
  endian: "little",
  fields: [
    { name: "host_addr", at: 0, bytes: 8, doc: "Where the mapper wants the page.", ...guest },
    {
      name: "flags",
      at: 8,
      bytes: 4,
      flags: { device_map: 1, host_map: 2, readonly: 4, application_map: 8, contains_pte: 16 },
      doc: "GNTMAP_*; bits 31:16 are the guest's own page-table bits.",
      ...guest,
    },
    { name: "ref", at: 12, bytes: 4, doc: "Reference in the granter's table.", ...guest },
    { name: "dom", at: 16, bytes: 2, doc: "The granter.", ...guest },
    { name: "status", at: 18, bytes: 2, doc: STATUS, ...xen },
    { name: "handle", at: 20, bytes: 4, doc: "Names the mapping when it is taken down.", ...xen },
    { name: "dev_bus_addr", at: 24, bytes: 8, doc: "Machine address of the page.", ...xen },
  ],
});

/** `gnttab_unmap_grant_ref`. */
export const UnmapGrantRef: Struct<{ host_addr: bigint; dev_bus_addr: bigint; handle: number; status: number }> =
  defineStruct({
    name: "gnttab_unmap_grant_ref",
    source: SOURCE,
    size: 24,
    endian: "little",
    fields: [
      { name: "host_addr", at: 0, bytes: 8, doc: "As mapped; 0 leaves the CPU's mapping.", ...guest },
      { name: "dev_bus_addr", at: 8, bytes: 8, doc: "As mapped; 0 leaves the devices' mapping.", ...guest },
      { name: "handle", at: 16, bytes: 4, doc: "From the map operation.", ...guest },
      { name: "status", at: 20, bytes: 2, doc: STATUS, ...xen },
      { at: 22, bytes: 2, reserved: true },
    ],
  });

/** `gnttab_setup_table`. */
export const SetupTable: Struct<{ dom: number; nr_frames: number; status: number; frame_list: bigint }> = defineStruct({
  name: "gnttab_setup_table",
  source: SOURCE,
  size: 24,
  endian: "little",
  fields: [
    { name: "dom", at: 0, bytes: 2, doc: "Whose table.", ...guest },
    { at: 2, bytes: 2, reserved: true },
    { name: "nr_frames", at: 4, bytes: 4, doc: "Frames wanted.", ...guest },
    { name: "status", at: 8, bytes: 2, doc: STATUS, ...xen },
    { at: 10, bytes: 6, reserved: true },
    { name: "frame_list", at: 16, bytes: 8, doc: "Address of a list of 64-bit frame numbers.", ...guest },
  ],
});

/** `gnttab_transfer`. */
export const Transfer: Struct<{ mfn: bigint; domid: number; ref: number; status: number }> = defineStruct({
  name: "gnttab_transfer",
  source: SOURCE,
  size: 24,
  endian: "little",
  fields: [
    { name: "mfn", at: 0, bytes: 8, doc: "The frame that is given away.", ...guest },
    { name: "domid", at: 8, bytes: 2, doc: "Who gets it.", ...guest },
    { at: 10, bytes: 2, reserved: true },
    { name: "ref", at: 12, bytes: 4, doc: "Accepting entry of the receiver.", ...guest },
    { name: "status", at: 16, bytes: 2, doc: STATUS, ...xen },
    { at: 18, bytes: 6, reserved: true },
  ],
});

/** `gnttab_copy`. A side's first word is a reference (32 bits) or a frame (64 bits), as `flags` says. */
export const Copy: Struct<
  {
    source: bigint;
    source_domid: number;
    source_offset: number;
    dest: bigint;
    dest_domid: number;
    dest_offset: number;
    len: number;
    flags: number;
    status: number;
  }
> = defineStruct({
  name: "gnttab_copy",
  source: SOURCE,
  size: 40,
  endian: "little",
  fields: [
    { name: "source", at: 0, bytes: 8, doc: "Reference or frame.", ...guest },
    { name: "source_domid", at: 8, bytes: 2, doc: "Whose.", ...guest },
    { name: "source_offset", at: 10, bytes: 2, doc: "First byte in the page.", ...guest },
    { at: 12, bytes: 4, reserved: true },
    { name: "dest", at: 16, bytes: 8, doc: "Reference or frame.", ...guest },
    { name: "dest_domid", at: 24, bytes: 2, doc: "Whose.", ...guest },
    { name: "dest_offset", at: 26, bytes: 2, doc: "First byte in the page.", ...guest },
    { at: 28, bytes: 4, reserved: true },
    { name: "len", at: 32, bytes: 2, doc: "Bytes.", ...guest },
    { name: "flags", at: 34, bytes: 2, flags: { source_gref: 1, dest_gref: 2 }, doc: "GNTCOPY_*.", ...guest },
    { name: "status", at: 36, bytes: 2, doc: STATUS, ...xen },
    { at: 38, bytes: 2, reserved: true },
  ],
});

/** `gnttab_query_size`. */
export const QuerySize: Struct<{ dom: number; nr_frames: number; max_nr_frames: number; status: number }> =
  defineStruct({
    name: "gnttab_query_size",
    source: SOURCE,
    size: 16,
    endian: "little",
    fields: [
      { name: "dom", at: 0, bytes: 2, doc: "Whose table.", ...guest },
      { at: 2, bytes: 2, reserved: true },
      { name: "nr_frames", at: 4, bytes: 4, doc: "Frames now.", ...xen },
      { name: "max_nr_frames", at: 8, bytes: 4, doc: "Frames at most.", ...xen },
      { name: "status", at: 12, bytes: 2, doc: STATUS, ...xen },
      { at: 14, bytes: 2, reserved: true },
    ],
  });

/** `gnttab_unmap_and_replace`. */
export const UnmapAndReplace: Struct<{ host_addr: bigint; new_addr: bigint; handle: number; status: number }> =
  defineStruct({
    name: "gnttab_unmap_and_replace",
    source: SOURCE,
    size: 24,
    endian: "little",
    fields: [
      { name: "host_addr", at: 0, bytes: 8, doc: "As mapped.", ...guest },
      {
        name: "new_addr",
        at: 8,
        bytes: 8,
        doc: "What the address shows afterwards is what this one showed.",
        ...guest,
      },
      { name: "handle", at: 16, bytes: 4, doc: "From the map operation.", ...guest },
      { name: "status", at: 20, bytes: 2, doc: STATUS, ...xen },
      { at: 22, bytes: 2, reserved: true },
    ],
  });

/** `gnttab_set_version`. */
export const SetVersion: Struct<{ version: number }> = defineStruct({
  name: "gnttab_set_version",
  source: SOURCE,
  size: 4,
  endian: "little",
  fields: [{ name: "version", at: 0, bytes: 4, doc: "In: wanted. Out: in force.", writtenBy: "both", readBy: "both" }],
});

/** `gnttab_get_status_frames`. */
export const GetStatusFrames: Struct<{ nr_frames: number; dom: number; status: number; frame_list: bigint }> =
  defineStruct({
    name: "gnttab_get_status_frames",
    source: SOURCE,
    size: 16,
    endian: "little",
    fields: [
      { name: "nr_frames", at: 0, bytes: 4, doc: "Frames wanted.", ...guest },
      { name: "dom", at: 4, bytes: 2, doc: "Whose table.", ...guest },
      { name: "status", at: 6, bytes: 2, doc: STATUS, ...xen },
      { name: "frame_list", at: 8, bytes: 8, doc: "Address of a list of 64-bit frame numbers.", ...guest },
    ],
  });

/** `gnttab_get_version`. */
export const GetVersion: Struct<{ dom: number; version: number }> = defineStruct({
  name: "gnttab_get_version",
  source: SOURCE,
  size: 8,
  endian: "little",
  fields: [
    { name: "dom", at: 0, bytes: 2, doc: "Whose table.", ...guest },
    { at: 2, bytes: 2, reserved: true },
    { name: "version", at: 4, bytes: 4, doc: "In force.", ...xen },
  ],
});

/** `gnttab_swap_grant_ref`. */
export const SwapGrantRef: Struct<{ ref_a: number; ref_b: number; status: number }> = defineStruct({
  name: "gnttab_swap_grant_ref",
  source: SOURCE,
  size: 12,
  endian: "little",
  fields: [
    { name: "ref_a", at: 0, bytes: 4, doc: "One reference of the caller's.", ...guest },
    { name: "ref_b", at: 4, bytes: 4, doc: "Another.", ...guest },
    { name: "status", at: 8, bytes: 2, doc: STATUS, ...xen },
    { at: 10, bytes: 2, reserved: true },
  ],
});

/** `gnttab_cache_flush`. */
export const CacheFlush: Struct<{ dev_bus_addr: bigint; offset: number; length: number; op: number }> = defineStruct({
  name: "gnttab_cache_flush",
  source: SOURCE,
  size: 16,
  endian: "little",
  fields: [
    { name: "dev_bus_addr", at: 0, bytes: 8, doc: "Machine address of the page.", ...guest },
    { name: "offset", at: 8, bytes: 2, doc: "First byte in the page.", ...guest },
    { name: "length", at: 10, bytes: 2, doc: "Bytes.", ...guest },
    {
      name: "op",
      at: 12,
      bytes: 4,
      flags: { clean: 1, inval: 2 },
      doc: "GNTTAB_CACHE_*; bit 31: by reference.",
      ...guest,
    },
  ],
});
