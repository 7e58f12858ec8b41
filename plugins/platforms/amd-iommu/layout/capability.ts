/**
 * The IOMMU's PCI function: its capability block and the message interrupt capability (AMD 48882 §3.2 to §3.4; PCI 3.0
 * §6.8.1). The header is an ordinary type 0 header.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Capability id: secure device. */
export const CAPABILITY_ID = 0x0f;
/** `capType` of an IOMMU. */
export const CAPABILITY_TYPE_IOMMU = 3;
/** Class 08h, subclass 06h, interface 00h: system peripheral, IOMMU. */
export const IOMMU_CLASS = 0x080600;
/** Vendor and device id that the function shows. */
export const IOMMU_VENDOR = 0x1022;
/** See {@linkcode IOMMU_VENDOR}. */
export const IOMMU_DEVICE = 0x1419;

/** Values of {@linkcode Capability}. */
export type CapabilityFields = Record<
  | "capId"
  | "next"
  | "capType"
  | "capRev"
  | "iotlbSup"
  | "htTunnel"
  | "npCache"
  | "efrSup"
  | "capExt"
  | "enable"
  | "baseLow"
  | "baseHigh"
  | "unitId"
  | "rngValid"
  | "busNumber"
  | "firstDevice"
  | "lastDevice"
  | "msiNum"
  | "gvaSize"
  | "paSize"
  | "vaSize"
  | "htAtsResv"
  | "msiNumPpr"
  | "msiNumGa",
  number
>;

/** The capability block: six 32-bit words. */
export const Capability: Struct<CapabilityFields> = defineStruct({
  name: "iommu_capability",
  source: "AMD 48882 §3.2",
  size: 24,
  endian: "little",
  fields: [
    field("capId", 7, 0, "CAPABILITY_ID."),
    field("next", 15, 8, "Next capability, or 0."),
    field("capType", 18, 16, "CAPABILITY_TYPE_IOMMU."),
    field("capRev", 23, 19, "Revision: 1."),
    field("iotlbSup", 24, 24, "Devices may have translation caches (ATS)."),
    field("htTunnel", 25, 25, "There is a HyperTransport tunnel."),
    field("npCache", 26, 26, "Not-present entries may be cached: invalidate after mapping too."),
    field("efrSup", 27, 27, "There is an extended feature register."),
    field("capExt", 28, 28, "The word at 14h is valid."),
    reserved(31, 29),
    field("enable", 32, 32, "Register window on; locks base and range until reset."),
    reserved(45, 33),
    field("baseLow", 63, 46, "Register base bits 31:14."),
    field("baseHigh", 95, 64, "Register base bits 63:32."),
    field("unitId", 100, 96, "HyperTransport unit."),
    reserved(102, 101),
    field("rngValid", 103, 103, "The range fields are valid."),
    field("busNumber", 111, 104, "Bus of the range."),
    field("firstDevice", 119, 112, "First device and function of the range."),
    field("lastDevice", 127, 120, "Last device and function of the range."),
    field("msiNum", 132, 128, "Message of events and commands."),
    field("gvaSize", 135, 133, "010b: 48 bits."),
    field("paSize", 142, 136, "Physical address bits."),
    field("vaSize", 149, 143, "Bus address bits."),
    field("htAtsResv", 150, 150, "No translation requests for the HyperTransport range."),
    reserved(154, 151),
    field("msiNumPpr", 159, 155, "Message of page requests."),
    field("msiNumGa", 164, 160, "Message of guest interrupt log."),
    reserved(191, 165),
  ],
});

/** Capability id: message interrupts. */
export const MSI_CAPABILITY_ID = 0x05;

/** Values of {@linkcode MsiCapability}. */
export type MsiFields = Record<
  | "capId"
  | "next"
  | "enable"
  | "multipleCapable"
  | "multipleEnable"
  | "address64"
  | "addressLow"
  | "addressHigh"
  | "data",
  number
>;

/** Message interrupts with a 64-bit address. */
export const MsiCapability: Struct<MsiFields> = defineStruct({
  name: "msi_capability",
  source: "PCI 3.0 §6.8.1, 64-bit message address",
  size: 16,
  endian: "little",
  fields: [
    field("capId", 7, 0, "MSI_CAPABILITY_ID."),
    field("next", 15, 8, "Next capability, or 0."),
    field("enable", 16, 16, "Messages are sent."),
    field("multipleCapable", 19, 17, "log2 of the messages that there are."),
    field("multipleEnable", 22, 20, "log2 of the messages that software granted."),
    field("address64", 23, 23, "The address has 64 bits."),
    reserved(31, 24),
    field("addressLow", 63, 32, "Where the message goes; bits 1:0 are zero."),
    field("addressHigh", 95, 64, "See addressLow."),
    field("data", 111, 96, "What is written."),
    reserved(127, 112),
  ],
});
