/**
 * The event log (AMD 48882 §2.5): 128 bits an entry. The IOMMU writes at the tail, software reads at the head.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Values of `code`. */
export const EventCode = {
  ILLEGAL_DEV_TABLE_ENTRY: 1,
  IO_PAGE_FAULT: 2,
  DEV_TAB_HARDWARE_ERROR: 3,
  PAGE_TAB_HARDWARE_ERROR: 4,
  ILLEGAL_COMMAND_ERROR: 5,
  COMMAND_HARDWARE_ERROR: 6,
  IOTLB_INV_TIMEOUT: 7,
  INVALID_DEVICE_REQUEST: 8,
  INVALID_PPR_REQUEST: 9,
  EVENT_COUNTER_ZERO: 10,
} as const;

/** Values of `type` in a hardware error. */
export const ErrorType = { MASTER_ABORT: 1, TARGET_ABORT: 2, DATA_ERROR: 3 } as const;

/** Values of `type` in INVALID_DEVICE_REQUEST with tr clear. */
export const InvalidRequest = {
  /** A read in the interrupt window. */
  READ_INTERRUPT_RANGE: 0,
  /** A translated request by a device that is not trusted. */
  PRETRANSLATED: 1,
  /** Port I/O while ioCtl forbids it. */
  PORT_IO: 2,
  /** A posted write to the system management range while sysMgt forbids it. */
  SYS_MGT_WRITE: 3,
  /** A read of the system management range. */
  SYS_MGT_READ: 4,
  /** A posted write to the interrupt and end-of-interrupt range while intCtl forbids it. */
  INTERRUPT: 5,
  /** A posted write to a reserved part of the interrupt range. */
  RESERVED_INTERRUPT: 6,
  /** ioCtl or sysMgt want a translation and tv is clear. */
  NO_TRANSLATION: 7,
} as const;

/** Values of `type` in INVALID_DEVICE_REQUEST with tr set. */
export const InvalidTranslationRequest = {
  /** The device table entry has v, tv or i clear. */
  NOT_ALLOWED: 0,
  /** The address is one of interrupts, port I/O or system management. */
  SPECIAL_RANGE: 1,
} as const;

const code = field("code", 63, 60, "See EventCode.");
const deviceId = field("deviceId", 15, 0, "Who did it.");
const address = field("address", 127, 64, "By code: a bus address, or the system physical address of an entry.");

/** What every event has. */
export const Event: Struct<{ detail: bigint; code: number; address: bigint }> = defineStruct({
  name: "event",
  source: "AMD 48882 §2.5",
  size: 16,
  endian: "little",
  fields: [field("detail", 59, 0, "By code."), code, address],
});

/** Values of {@linkcode FaultEvent}. */
export type FaultEventFields =
  & Record<
    "deviceId" | "pasidHigh" | "domainId" | "gn" | "nx" | "us" | "i" | "pr" | "rw" | "pe" | "rz" | "tr" | "code",
    number
  >
  & Record<"address", bigint>;

/** ILLEGAL_DEV_TABLE_ENTRY (domainId, pr, pe zero) and IO_PAGE_FAULT. */
export const FaultEvent: Struct<FaultEventFields> = defineStruct({
  name: "fault_event",
  source: "AMD 48882 §2.5.2, §2.5.3",
  size: 16,
  endian: "little",
  fields: [
    deviceId,
    field("pasidHigh", 19, 16, "With gn: PASID bits 19:16."),
    reserved(31, 20),
    field("domainId", 47, 32, "The domain; with gn: PASID bits 15:0."),
    field("gn", 48, 48, "With a PASID."),
    field("nx", 49, 49, "An instruction fetch."),
    field("us", 50, 50, "A user access."),
    field("i", 51, 51, "An interrupt request."),
    field("pr", 52, 52, "The entry was present."),
    field("rw", 53, 53, "A write."),
    field("pe", 54, 54, "A right was missing; only with pr."),
    field("rz", 55, 55, "1: reserved bit; 0: bad encoding; only with pr, without pe."),
    field("tr", 56, 56, "A translation request."),
    reserved(59, 57),
    code,
    address,
  ],
});

/** Values of {@linkcode HardwareErrorEvent}. */
export type HardwareErrorEventFields =
  & Record<"deviceId" | "domainId" | "gn" | "i" | "rw" | "tr" | "type" | "code", number>
  & Record<"address", bigint>;

/** DEV_TAB_HARDWARE_ERROR (domainId zero) and PAGE_TAB_HARDWARE_ERROR: `address` is of the entry. */
export const HardwareErrorEvent: Struct<HardwareErrorEventFields> = defineStruct({
  name: "hardware_error_event",
  source: "AMD 48882 §2.5.4, §2.5.5",
  size: 16,
  endian: "little",
  fields: [
    deviceId,
    reserved(31, 16),
    field("domainId", 47, 32, "The domain."),
    field("gn", 48, 48, "With a PASID."),
    reserved(50, 49),
    field("i", 51, 51, "An interrupt request."),
    reserved(52, 52),
    field("rw", 53, 53, "A write."),
    reserved(55, 54),
    field("tr", 56, 56, "A translation request."),
    field("type", 58, 57, "See ErrorType."),
    reserved(59, 59),
    code,
    address,
  ],
});

/** ILLEGAL_COMMAND_ERROR (type zero) and COMMAND_HARDWARE_ERROR: `address` is of the command, or of its store. */
export const CommandErrorEvent: Struct<{ type: number; code: number; address: bigint }> = defineStruct({
  name: "command_error_event",
  source: "AMD 48882 §2.5.6, §2.5.7",
  size: 16,
  endian: "little",
  fields: [reserved(56, 0), field("type", 58, 57, "See ErrorType."), reserved(59, 59), code, address],
});

/** IOTLB_INV_TIMEOUT: `address` is of the INVALIDATE_IOTLB_PAGES command. */
export const IotlbInvTimeoutEvent: Struct<{ deviceId: number; code: number; address: bigint }> = defineStruct({
  name: "iotlb_inv_timeout_event",
  source: "AMD 48882 §2.5.8",
  size: 16,
  endian: "little",
  fields: [deviceId, reserved(59, 16), code, address],
});

/** Values of {@linkcode InvalidDeviceRequestEvent}. */
export type InvalidDeviceRequestFields =
  & Record<"deviceId" | "pasidHigh" | "pasidLow" | "gn" | "us" | "tr" | "type" | "code", number>
  & Record<"address", bigint>;

/** INVALID_DEVICE_REQUEST. */
export const InvalidDeviceRequestEvent: Struct<InvalidDeviceRequestFields> = defineStruct({
  name: "invalid_device_request_event",
  source: "AMD 48882 §2.5.9",
  size: 16,
  endian: "little",
  fields: [
    deviceId,
    field("pasidHigh", 19, 16, "With gn: PASID bits 19:16."),
    reserved(31, 20),
    field("pasidLow", 47, 32, "With gn: PASID bits 15:0."),
    field("gn", 48, 48, "With a PASID."),
    reserved(49, 49),
    field("us", 50, 50, "A user access."),
    reserved(55, 51),
    field("tr", 56, 56, "A translation request."),
    field("type", 59, 57, "See InvalidRequest and, with tr, InvalidTranslationRequest."),
    code,
    address,
  ],
});

/** Values of {@linkcode InvalidPprRequestEvent}. */
export type InvalidPprRequestFields =
  & Record<"deviceId" | "pasidLow" | "tag" | "pasidHigh" | "gn" | "code", number>
  & Record<"address", bigint>;

/** INVALID_PPR_REQUEST. */
export const InvalidPprRequestEvent: Struct<InvalidPprRequestFields> = defineStruct({
  name: "invalid_ppr_request_event",
  source: "AMD 48882 §2.5.10",
  size: 16,
  endian: "little",
  fields: [
    deviceId,
    field("pasidLow", 31, 16, "PASID bits 15:0."),
    field("tag", 41, 32, "Page request group index; bit 9 marks the last of its group."),
    field("pasidHigh", 45, 42, "PASID bits 19:16."),
    reserved(47, 46),
    field("gn", 48, 48, "With a PASID."),
    reserved(59, 49),
    code,
    field("address", 127, 64, "Bus address asked for."),
  ],
});
