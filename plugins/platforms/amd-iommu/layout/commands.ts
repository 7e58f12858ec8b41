/**
 * Commands (AMD 48882 §2.4): 128 bits each, in the command ring. Software writes them at the tail, the IOMMU reads them
 * at the head. Unlisted bits must be zero.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Values of `opcode`. */
export const Opcode = {
  COMPLETION_WAIT: 1,
  INVALIDATE_DEVTAB_ENTRY: 2,
  INVALIDATE_IOMMU_PAGES: 3,
  INVALIDATE_IOTLB_PAGES: 4,
  INVALIDATE_INTERRUPT_TABLE: 5,
  PREFETCH_IOMMU_PAGES: 6,
  COMPLETE_PPR_REQUEST: 7,
  INVALIDATE_IOMMU_ALL: 8,
} as const;

const opcode = field("opcode", 63, 60, "See Opcode.");

/** What every command has. */
export const Command: Struct<{ operandLow: bigint; opcode: number; operandHigh: bigint }> = defineStruct({
  name: "command",
  source: "AMD 48882 §2.4",
  size: 16,
  endian: "little",
  fields: [
    field("operandLow", 59, 0, "By opcode."),
    opcode,
    field("operandHigh", 127, 64, "By opcode."),
  ],
});

/** Waits until every earlier command has done its work. */
export const CompletionWait: Struct<
  { s: number; i: number; f: number; storeAddress: bigint; opcode: number; storeData: bigint }
> = defineStruct({
  name: "completion_wait",
  source: "AMD 48882 §2.4.1",
  size: 16,
  endian: "little",
  fields: [
    field("s", 0, 0, "Store storeData when done."),
    field("i", 1, 1, "Interrupt when done."),
    field("f", 2, 2, "Later commands wait for this one."),
    field("storeAddress", 51, 3, "System physical address of the store, in units of 8 bytes."),
    reserved(59, 52),
    opcode,
    field("storeData", 127, 64, "What is stored, little-endian."),
  ],
});

/** Drops the cached device table entry. */
export const InvalidateDevtabEntry: Struct<{ deviceId: number; opcode: number }> = defineStruct({
  name: "invalidate_devtab_entry",
  source: "AMD 48882 §2.4.2",
  size: 16,
  endian: "little",
  fields: [field("deviceId", 15, 0, "Which device."), reserved(59, 16), opcode, reserved(127, 64)],
});

/** Drops translations of a domain. */
export const InvalidateIommuPages: Struct<
  { pasid: number; domainId: number; opcode: number; s: number; pde: number; gn: number; address: bigint }
> = defineStruct({
  name: "invalidate_iommu_pages",
  source: "AMD 48882 §2.4.3",
  size: 16,
  endian: "little",
  fields: [
    field("pasid", 19, 0, "With gn: which address space."),
    reserved(31, 20),
    field("domainId", 47, 32, "Which domain."),
    reserved(59, 48),
    opcode,
    field("s", 64, 64, "The address carries a size code; clear: one page of 4 KiB."),
    field("pde", 65, 65, "Cached directory entries as well."),
    field("gn", 66, 66, "Guest translations."),
    reserved(75, 67),
    field("address", 127, 76, "Bus address bits 63:12."),
  ],
});

/** Tells a device's own translation cache to drop translations. */
export const InvalidateIotlbPages: Struct<
  {
    deviceId: number;
    pasidMiddle: number;
    maxPend: number;
    queueId: number;
    pasidLow: number;
    pasidHigh: number;
    opcode: number;
    s: number;
    gn: number;
    type: number;
    address: bigint;
  }
> = defineStruct({
  name: "invalidate_iotlb_pages",
  source: "AMD 48882 §2.4.4; the PASID's place as Linux writes it",
  size: 16,
  endian: "little",
  fields: [
    field("deviceId", 15, 0, "Which device."),
    field("pasidMiddle", 23, 16, "PASID bits 15:8."),
    field("maxPend", 31, 24, "Invalidations that may be under way to queueId; 0 is 32 here."),
    field("queueId", 47, 32, "Which queue of the device; software uses the DeviceID."),
    field("pasidLow", 55, 48, "PASID bits 7:0."),
    field("pasidHigh", 59, 56, "PASID bits 19:16."),
    opcode,
    field("s", 64, 64, "The address carries a size code; clear: one page of 4 KiB."),
    reserved(65, 65),
    field("gn", 66, 66, "With a PASID."),
    reserved(67, 67),
    field("type", 69, 68, "Needs InvIotlbTypeSup."),
    reserved(75, 70),
    field("address", 127, 76, "Bus address bits 63:12."),
  ],
});

/** Drops cached interrupt remapping entries. */
export const InvalidateInterruptTable: Struct<{ deviceId: number; opcode: number }> = defineStruct({
  name: "invalidate_interrupt_table",
  source: "AMD 48882 §2.4.5",
  size: 16,
  endian: "little",
  fields: [field("deviceId", 15, 0, "Which device."), reserved(59, 16), opcode, reserved(127, 64)],
});

/** A hint to fetch translations; legal only with PreFSup. */
export const PrefetchIommuPages: Struct<
  {
    deviceId: number;
    pfCount: number;
    pasid: number;
    opcode: number;
    s: number;
    gn: number;
    inval: number;
    address: bigint;
  }
> = defineStruct({
  name: "prefetch_iommu_pages",
  source: "AMD 48882 §2.4.6",
  size: 16,
  endian: "little",
  fields: [
    field("deviceId", 15, 0, "Which device."),
    reserved(23, 16),
    field("pfCount", 31, 24, "Pages."),
    field("pasid", 51, 32, "With gn: which address space."),
    reserved(59, 52),
    opcode,
    field("s", 64, 64, "Size hint."),
    reserved(65, 65),
    field("gn", 66, 66, "With a PASID."),
    reserved(67, 67),
    field("inval", 68, 68, "Drop what is cached first."),
    reserved(75, 69),
    field("address", 127, 76, "Bus address bits 63:12."),
  ],
});

/** Answers a page request group; legal only with PPRSup. */
export const CompletePprRequest: Struct<
  { deviceId: number; pasid: number; opcode: number; gn: number; prgIndex: number; response: number }
> = defineStruct({
  name: "complete_ppr_request",
  source: "AMD 48882 §2.4.7",
  size: 16,
  endian: "little",
  fields: [
    field("deviceId", 15, 0, "Which device."),
    reserved(31, 16),
    field("pasid", 51, 32, "With gn: whose request it was."),
    reserved(59, 52),
    opcode,
    reserved(65, 64),
    field("gn", 66, 66, "With a PASID."),
    reserved(95, 67),
    field("prgIndex", 104, 96, "Page request group index: bits 8:0 of the completion tag."),
    reserved(107, 105),
    field("response", 111, 108, "See PprResponse: bits 15:12 of the completion tag."),
    reserved(127, 112),
  ],
});

/** Drops everything that is cached; legal only with IASup. */
export const InvalidateIommuAll: Struct<{ opcode: number }> = defineStruct({
  name: "invalidate_iommu_all",
  source: "AMD 48882 §2.4.8",
  size: 16,
  endian: "little",
  fields: [reserved(59, 0), opcode, reserved(127, 64)],
});
