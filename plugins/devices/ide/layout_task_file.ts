/**
 * The task file: the eight ports of the command block and the one of the control block (ATA/ATAPI-7 vol. 2 §5).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** A structure whose fields all fit 32 bits. */
export type Registers<Names extends string> = Struct<Record<Names, number>>;

/** Bytes in a sector. */
export const SECTOR = 512;

/** The command block. Registers 1 to 5 hold two values: a write moves the old one to where HOB shows it. */
export const CommandBlock: Registers<
  "data" | "features" | "count" | "lbaLow" | "lbaMid" | "lbaHigh" | "device" | "command"
> = defineStruct({
  name: "command block",
  source: "ATA/ATAPI-7 vol. 2 §5.3",
  size: 8,
  endian: "little",
  fields: [
    { name: "data", at: 0, bytes: 1, writtenBy: "driver, device", readBy: "both", doc: "16 bits wide." },
    { name: "features", at: 1, bytes: 1, writtenBy: "driver", readBy: "device", doc: "Reads as Error." },
    { name: "count", at: 2, bytes: 1, writtenBy: "driver", readBy: "device", doc: "0: 256, or 65536 in 48 bits." },
    { name: "lbaLow", at: 3, bytes: 1, writtenBy: "driver", readBy: "device", doc: "LBA 7:0; the sector of a CHS." },
    { name: "lbaMid", at: 4, bytes: 1, writtenBy: "driver", readBy: "device", doc: "LBA 15:8; cylinder low." },
    { name: "lbaHigh", at: 5, bytes: 1, writtenBy: "driver", readBy: "device", doc: "LBA 23:16; cylinder high." },
    { name: "device", at: 6, bytes: 1, writtenBy: "driver", readBy: "device", doc: "See Device." },
    { name: "command", at: 7, bytes: 1, writtenBy: "driver", readBy: "device", doc: "Reads as Status." },
  ],
});

/** The device register. */
export const Device: Registers<"head" | "dev" | "lba"> = defineStruct({
  name: "device",
  source: "ATA/ATAPI-7 vol. 2 §5.7",
  size: 1,
  endian: "little",
  fields: [
    { name: "head", bits: [3, 0], writtenBy: "driver", readBy: "device", doc: "Head, or LBA 27:24." },
    { name: "dev", bits: [4, 4], writtenBy: "driver", readBy: "device", doc: "Device 0 or 1." },
    { bits: [5, 5], reserved: true, doc: "Reads as 1." },
    { name: "lba", bits: [6, 6], writtenBy: "driver", readBy: "device", doc: "Addresses are LBA, not CHS." },
    { bits: [7, 7], reserved: true, doc: "Reads as 1." },
  ],
});
/** The bits of the device register that read as 1. */
export const DEVICE_ONES = 0xa0;

/** The status register; reading it at the command block also drops the interrupt. */
export const Status: Registers<"err" | "idx" | "corr" | "drq" | "dsc" | "df" | "drdy" | "bsy"> = defineStruct({
  name: "status",
  source: "ATA/ATAPI-7 vol. 2 §5.14",
  size: 1,
  endian: "little",
  fields: [
    { name: "err", bits: [0, 0], writtenBy: "device", readBy: "driver", doc: "Error is valid (CHK for packets)." },
    { name: "idx", bits: [1, 1], writtenBy: "device", readBy: "driver", doc: "Obsolete." },
    { name: "corr", bits: [2, 2], writtenBy: "device", readBy: "driver", doc: "Obsolete." },
    { name: "drq", bits: [3, 3], writtenBy: "device", readBy: "driver", doc: "Data wants to move." },
    { name: "dsc", bits: [4, 4], writtenBy: "device", readBy: "driver", doc: "Seek complete." },
    { name: "df", bits: [5, 5], writtenBy: "device", readBy: "driver", doc: "Device fault." },
    { name: "drdy", bits: [6, 6], writtenBy: "device", readBy: "driver", doc: "Ready for commands." },
    { name: "bsy", bits: [7, 7], writtenBy: "device", readBy: "driver", doc: "Nothing else is valid." },
  ],
});

/** The error register. */
export const ErrorBits: Registers<"amnf" | "nm" | "abrt" | "mcr" | "idnf" | "mc" | "unc" | "icrc"> = defineStruct({
  name: "error",
  source: "ATA/ATAPI-5 §7.9, with the obsolete bits",
  size: 1,
  endian: "little",
  fields: [
    { name: "amnf", bits: [0, 0], writtenBy: "device", readBy: "driver", doc: "Obsolete; 1 alone: passed the test." },
    { name: "nm", bits: [1, 1], writtenBy: "device", readBy: "driver", doc: "No medium." },
    { name: "abrt", bits: [2, 2], writtenBy: "device", readBy: "driver", doc: "Command aborted." },
    { name: "mcr", bits: [3, 3], writtenBy: "device", readBy: "driver", doc: "Medium change requested." },
    { name: "idnf", bits: [4, 4], writtenBy: "device", readBy: "driver", doc: "No such address." },
    { name: "mc", bits: [5, 5], writtenBy: "device", readBy: "driver", doc: "Medium changed." },
    { name: "unc", bits: [6, 6], writtenBy: "device", readBy: "driver", doc: "Data could not be read." },
    { name: "icrc", bits: [7, 7], writtenBy: "device", readBy: "driver", doc: "Transfer error on the cable." },
  ],
});

/** The control register; reading its port gives the status and drops nothing. */
export const Control: Registers<"nien" | "srst" | "hob"> = defineStruct({
  name: "device control",
  source: "ATA/ATAPI-7 vol. 2 §5.8",
  size: 1,
  endian: "little",
  fields: [
    { bits: [0, 0], reserved: true },
    { name: "nien", bits: [1, 1], writtenBy: "driver", readBy: "device", doc: "The interrupt pin is off." },
    { name: "srst", bits: [2, 2], writtenBy: "driver", readBy: "device", doc: "Both devices reset when it falls." },
    { bits: [6, 3], reserved: true },
    { name: "hob", bits: [7, 7], writtenBy: "driver", readBy: "device", doc: "Reads show the older values." },
  ],
});

/** What the address registers of a device hold after a reset: how software tells a disk from a packet device. */
export const Signature = {
  /** Count and LBA low, of either. */
  FIRST: 0x01,
  /** LBA mid and high of a disk. */
  DISK: 0x0000,
  /** LBA mid and high of a packet device: 14h, EBh. */
  PACKET: 0xeb14,
} as const;
