/**
 * The register window (AMD 48882 §3.4). Registers are 64 bits, little-endian, accessed as 4 or 8 aligned bytes.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { field, reserved } from "./table.ts";

/** Byte offsets of the registers that the hardware half has; every other offset reads as zero. */
export const Register = {
  DEV_TAB_BASE: 0x0000,
  CMD_BUF_BASE: 0x0008,
  EVT_LOG_BASE: 0x0010,
  CONTROL: 0x0018,
  EXCL_BASE: 0x0020,
  EXCL_LIMIT: 0x0028,
  EFR: 0x0030,
  PPR_LOG_BASE: 0x0038,
  HW_EVT_LOW: 0x0040,
  HW_EVT_HIGH: 0x0048,
  HW_EVT_STATUS: 0x0050,
  EFR2: 0x01a0,
  CMD_HEAD: 0x2000,
  CMD_TAIL: 0x2008,
  EVT_HEAD: 0x2010,
  EVT_TAIL: 0x2018,
  STATUS: 0x2020,
  PPR_HEAD: 0x2030,
  PPR_TAIL: 0x2038,
  PPR_AUTO_RESPONSE: 0x2080,
} as const;

/** Device table base. */
export const DevTabBase: Struct<{ size: number; base: bigint }> = defineStruct({
  name: "dev_tab_base",
  source: "AMD 48882 §3.4.1",
  size: 8,
  endian: "little",
  fields: [
    field("size", 8, 0, "Pages of 4 KiB, less one: each holds 128 entries."),
    reserved(11, 9),
    field("base", 51, 12, "System physical address, in pages."),
    reserved(63, 52),
  ],
});

/** Base of the command ring, the event log and the page request log. */
export const RingBase: Struct<{ base: bigint; length: number }> = defineStruct({
  name: "ring_base",
  source: "AMD 48882 §3.4.2, §3.4.3, §3.4.7",
  size: 8,
  endian: "little",
  fields: [
    reserved(11, 0),
    field("base", 51, 12, "System physical address, in pages."),
    reserved(55, 52),
    field("length", 59, 56, "2^length entries of 16 bytes; 8 to 15."),
    reserved(63, 60),
  ],
});

/** Head and tail pointers. */
export const RingPointer: Struct<{ offset: number }> = defineStruct({
  name: "ring_pointer",
  source: "AMD 48882 §3.4.13 and following",
  size: 8,
  endian: "little",
  fields: [reserved(3, 0), field("offset", 18, 4, "Entries from the ring's start."), reserved(63, 19)],
});

/** Values of {@linkcode Control}. */
export type ControlFields = Record<
  | "iommuEn"
  | "htTunEn"
  | "eventLogEn"
  | "eventIntEn"
  | "comWaitIntEn"
  | "invTimeOut"
  | "passPw"
  | "resPassPw"
  | "coherent"
  | "isoc"
  | "cmdBufEn"
  | "pprLogEn"
  | "pprIntEn"
  | "pprEn"
  | "gtEn"
  | "gaEn"
  | "crw"
  | "smiFEn"
  | "slfWbDis"
  | "smiFLogEn"
  | "gamEn"
  | "gaLogEn"
  | "gaIntEn"
  | "dualPprLogEn"
  | "dualEventLogEn"
  | "devTblSegEn"
  | "privAbrtEn"
  | "pprAutoRspEn"
  | "marcEn"
  | "blkStopMrkEn"
  | "pprAutoRspAon"
  | "numIntRemapMode"
  | "ephEn"
  | "hadUpdate"
  | "gdUpdateDis"
  | "xtEn"
  | "intCapXtEn"
  | "vCmdEn"
  | "vIommuEn"
  | "gaUpdateDis"
  | "gappiEn"
  | "tmpmEn"
  | "gcr3TrpMode"
  | "irtCacheDis"
  | "gstBufferTrpMode"
  | "snpAvicEn",
  number
>;

/** The control register. A bit whose feature is not offered reads as zero. */
export const Control: Struct<ControlFields> = defineStruct({
  name: "control",
  source: "AMD 48882 §3.4.4",
  size: 8,
  endian: "little",
  fields: [
    field("iommuEn", 0, 0, "Translation is on; clear: everything passes."),
    field("htTunEn", 1, 1, "HyperTransport tunnel."),
    field("eventLogEn", 2, 2, "Event log."),
    field("eventIntEn", 3, 3, "Interrupt for events."),
    field("comWaitIntEn", 4, 4, "Interrupt for COMPLETION_WAIT."),
    field("invTimeOut", 7, 5, "Time allowed for a device's invalidation; see INV_TIME_OUT_NS."),
    field("passPw", 8, 8, "Pass posted writes."),
    field("resPassPw", 9, 9, "Responses pass posted writes."),
    field("coherent", 10, 10, "Table walks snoop."),
    field("isoc", 11, 11, "Isochronous."),
    field("cmdBufEn", 12, 12, "Command ring."),
    field("pprLogEn", 13, 13, "Page request log."),
    field("pprIntEn", 14, 14, "Interrupt for page requests."),
    field("pprEn", 15, 15, "Page requests are processed."),
    field("gtEn", 16, 16, "Guest translation; needs GTSup."),
    field("gaEn", 17, 17, "128-bit interrupt entries; needs GASup."),
    field("crw", 21, 18, "Reserved for HyperTransport."),
    field("smiFEn", 22, 22, "SMI filter; needs SmiFSup."),
    field("slfWbDis", 23, 23, "Self write-back disable."),
    field("smiFLogEn", 24, 24, "SMI filter log; needs SmiFSup."),
    field("gamEn", 27, 25, "Guest vAPIC mode; needs GAMSup."),
    field("gaLogEn", 28, 28, "Guest vAPIC log; needs GASup."),
    field("gaIntEn", 29, 29, "Its interrupt; needs GASup."),
    field("dualPprLogEn", 31, 30, "Needs DualPprLogSup."),
    field("dualEventLogEn", 33, 32, "Needs DualEventLogSup."),
    field("devTblSegEn", 36, 34, "log2 of device table segments; needs DevTblSegSup."),
    field("privAbrtEn", 38, 37, "Needs USSup."),
    field("pprAutoRspEn", 39, 39, "Automatic page responses; needs PprAutoRspSup."),
    field("marcEn", 40, 40, "Needs MarcSup."),
    field("blkStopMrkEn", 41, 41, "Stop markers are not logged; needs BlkStopMrkSup."),
    field("pprAutoRspAon", 42, 42, "Automatic page responses always; needs PprAutoRspSup."),
    field("numIntRemapMode", 44, 43, "Interrupts for each device; needs NumIntRemapSup."),
    field("ephEn", 45, 45, "Needs EPHSup."),
    field("hadUpdate", 47, 46, "01: access bits; 11: access and dirty bits; needs HASup, HDSup."),
    field("gdUpdateDis", 48, 48, "Needs V2HDDisSup."),
    reserved(49, 49),
    field("xtEn", 50, 50, "Needs XTSup."),
    field("intCapXtEn", 51, 51, "Needs XTSup."),
    field("vCmdEn", 52, 52, "Needs vIOMMUSup."),
    field("vIommuEn", 53, 53, "Needs vIOMMUSup."),
    field("gaUpdateDis", 54, 54, "Needs GAUpdateDisSup."),
    field("gappiEn", 55, 55, "Needs GAPPISup."),
    field("tmpmEn", 56, 56, "Tiered memory page migration."),
    reserved(57, 57),
    field("gcr3TrpMode", 58, 58, "Needs GCR3TRPModeSup."),
    field("irtCacheDis", 59, 59, "Interrupt entries are not cached."),
    field("gstBufferTrpMode", 60, 60, "Needs GstBufferTRPModeSup."),
    field("snpAvicEn", 63, 61, "Needs SNPAVICSup."),
  ],
});

/** Nanoseconds for each value of `invTimeOut`; Infinity: wait for ever. The last is reserved and waits for ever too. */
export const INV_TIME_OUT_NS: readonly number[] = [Infinity, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, Infinity];

/** First address of the exclusion range, and its switches. */
export const ExclBase: Struct<{ exEn: number; allow: number; base: bigint }> = defineStruct({
  name: "excl_base",
  source: "AMD 48882 §3.4.5",
  size: 8,
  endian: "little",
  fields: [
    field("exEn", 0, 0, "The range is excluded from translation for devices with ex in their entry."),
    field("allow", 1, 1, "For every device."),
    reserved(11, 2),
    field("base", 51, 12, "First page."),
    reserved(63, 52),
  ],
});

/** Last page of the exclusion range, inclusive. */
export const ExclLimit: Struct<{ limit: bigint }> = defineStruct({
  name: "excl_limit",
  source: "AMD 48882 §3.4.5",
  size: 8,
  endian: "little",
  fields: [reserved(11, 0), field("limit", 51, 12, "Last page."), reserved(63, 52)],
});

/** Values of {@linkcode Efr}. */
export type EfrFields = Record<
  | "preFSup"
  | "pprSup"
  | "xtSup"
  | "nxSup"
  | "gtSup"
  | "gappiSup"
  | "iaSup"
  | "gaSup"
  | "heSup"
  | "pcSup"
  | "hats"
  | "gats"
  | "glxSup"
  | "smiFSup"
  | "smiFRc"
  | "gamSup"
  | "dualPprLogSup"
  | "dualEventLogSup"
  | "satsSup"
  | "pasMax"
  | "usSup"
  | "devTblSegSup"
  | "pprOvrflwEarlySup"
  | "pprAutoRspSup"
  | "marcSup"
  | "blkStopMrkSup"
  | "perfOptSup"
  | "msiCapMmioSup"
  | "snoopAttrSup"
  | "gIoSup"
  | "haSup"
  | "ephSup"
  | "attrFwSup"
  | "hdSup"
  | "v2HdDisSup"
  | "invIotlbTypeSup"
  | "vIommuSup"
  | "vmGuardIoSup"
  | "vmTableSize"
  | "gaUpdateDisSup"
  | "forcePhyDestSup"
  | "snpSup",
  number
>;

/** Extended features: read-only. */
export const Efr: Struct<EfrFields> = defineStruct({
  name: "efr",
  source: "AMD 48882 §3.4.6",
  size: 8,
  endian: "little",
  fields: [
    field("preFSup", 0, 0, "PREFETCH_IOMMU_PAGES."),
    field("pprSup", 1, 1, "Page requests."),
    field("xtSup", 2, 2, "x2APIC."),
    field("nxSup", 3, 3, "No-execute."),
    field("gtSup", 4, 4, "Guest translation."),
    field("gappiSup", 5, 5, "Guest APIC physical processor interrupt."),
    field("iaSup", 6, 6, "INVALIDATE_IOMMU_ALL."),
    field("gaSup", 7, 7, "Guest virtual APIC."),
    field("heSup", 8, 8, "Hardware error registers."),
    field("pcSup", 9, 9, "Performance counters."),
    field("hats", 11, 10, "Host levels: 0 is 4, 1 is 5, 2 is 6, 3 is none."),
    field("gats", 13, 12, "Guest levels: 0 is 4, 1 is 5, 2 is 6."),
    field("glxSup", 15, 14, "CR3 table levels, less one."),
    field("smiFSup", 17, 16, "SMI filter."),
    field("smiFRc", 20, 18, "log2 of SMI filter registers."),
    field("gamSup", 23, 21, "Guest vAPIC modes."),
    field("dualPprLogSup", 25, 24, "Two page request logs."),
    reserved(27, 26),
    field("dualEventLogSup", 29, 28, "Two event logs."),
    reserved(30, 30),
    field("satsSup", 31, 31, "Secure ATS."),
    field("pasMax", 36, 32, "PASID bits, less one."),
    field("usSup", 37, 37, "User and supervisor protection."),
    field("devTblSegSup", 39, 38, "log2 of device table segments."),
    field("pprOvrflwEarlySup", 40, 40, "Early overflow warning."),
    field("pprAutoRspSup", 41, 41, "Automatic page responses."),
    field("marcSup", 43, 42, "Memory access routing."),
    field("blkStopMrkSup", 44, 44, "Stop markers can be blocked."),
    field("perfOptSup", 45, 45, "Performance optimisation."),
    field("msiCapMmioSup", 46, 46, "Message capability mirrored in registers."),
    field("snoopAttrSup", 47, 47, "Snoop attributes."),
    field("gIoSup", 48, 48, "Guest I/O protection."),
    field("haSup", 49, 49, "Host access bits."),
    field("ephSup", 50, 50, "Enhanced page request handling."),
    field("attrFwSup", 51, 51, "Attribute forwarding."),
    field("hdSup", 52, 52, "Host dirty bits."),
    field("v2HdDisSup", 53, 53, "Guest dirty updates can be off."),
    field("invIotlbTypeSup", 54, 54, "Type in INVALIDATE_IOTLB_PAGES."),
    field("vIommuSup", 55, 55, "Virtualised IOMMU."),
    field("vmGuardIoSup", 56, 56, "Guarded guest I/O."),
    field("vmTableSize", 60, 57, "Guest table size."),
    field("gaUpdateDisSup", 61, 61, "Guest APIC updates can be off."),
    field("forcePhyDestSup", 62, 62, "Forced physical destinations."),
    field("snpSup", 63, 63, "Secure nested paging."),
  ],
});

/** More extended features: read-only. */
export const Efr2: Struct<
  {
    sevSnpIoSup: number;
    gcr3TrpModeSup: number;
    snpAvicSup: number;
    numIntRemapSup: number;
    htRangeIgnore: number;
  }
> = defineStruct({
  name: "efr2",
  source: "AMD 48882 §3.4.14",
  size: 8,
  endian: "little",
  fields: [
    reserved(0, 0),
    field("sevSnpIoSup", 1, 1, "Encrypted guests."),
    reserved(2, 2),
    field("gcr3TrpModeSup", 3, 3, "CR3 table root by physical address."),
    reserved(4, 4),
    field("snpAvicSup", 7, 5, "Guest interrupts with secure nested paging."),
    field("numIntRemapSup", 9, 8, "Interrupts for each device."),
    reserved(10, 10),
    field("htRangeIgnore", 11, 11, "The HyperTransport range is translated like any other."),
    reserved(63, 12),
  ],
});

/** Whether a hardware error is in the hardware event registers. */
export const HwEvtStatus: Struct<{ valid: number; overflow: number }> = defineStruct({
  name: "hw_evt_status",
  source: "AMD 48882 §3.4.9",
  size: 8,
  endian: "little",
  fields: [
    field("valid", 0, 0, "HEV: the event registers hold an event; clears on 1."),
    field("overflow", 1, 1, "HEO: another one followed; clears on 1."),
    reserved(63, 2),
  ],
});

/** Values of {@linkcode Status}. */
export type StatusFields = Record<
  | "eventOverflow"
  | "eventLogInt"
  | "comWaitInt"
  | "eventLogRun"
  | "cmdBufRun"
  | "pprOverflow"
  | "pprInt"
  | "pprLogRun"
  | "gaLogRun"
  | "gaLogOverflow"
  | "gaInt"
  | "pprOverflowB"
  | "pprLogActive"
  | "evtOverflowB"
  | "evtLogActive"
  | "pprOverflowEarlyB"
  | "pprOverflowEarlyA",
  number
>;

/** The status register: run bits are read-only, the others clear on 1. */
export const Status: Struct<StatusFields> = defineStruct({
  name: "status",
  source: "AMD 48882 §3.4.15",
  size: 8,
  endian: "little",
  fields: [
    field("eventOverflow", 0, 0, "An event was lost; clears on 1."),
    field("eventLogInt", 1, 1, "An event was logged; clears on 1."),
    field("comWaitInt", 2, 2, "COMPLETION_WAIT with i has completed; clears on 1."),
    field("eventLogRun", 3, 3, "The event log takes events."),
    field("cmdBufRun", 4, 4, "Commands are executed."),
    field("pprOverflow", 5, 5, "A page request was lost; clears on 1."),
    field("pprInt", 6, 6, "A page request was logged; clears on 1."),
    field("pprLogRun", 7, 7, "The page request log takes requests."),
    field("gaLogRun", 8, 8, "Needs GASup."),
    field("gaLogOverflow", 9, 9, "Needs GASup."),
    field("gaInt", 10, 10, "Needs GASup."),
    field("pprOverflowB", 11, 11, "Needs DualPprLogSup."),
    field("pprLogActive", 12, 12, "Needs DualPprLogSup."),
    reserved(14, 13),
    field("evtOverflowB", 15, 15, "Needs DualEventLogSup."),
    field("evtLogActive", 16, 16, "Needs DualEventLogSup."),
    field("pprOverflowEarlyB", 17, 17, "Needs PprOvrflwEarlySup."),
    field("pprOverflowEarlyA", 18, 18, "Needs PprOvrflwEarlySup."),
    reserved(63, 19),
  ],
});

/** What the IOMMU answers by itself to a page request that finds the log full. */
export const PprAutoResponse: Struct<{ code: number; maskGn: number }> = defineStruct({
  name: "ppr_auto_response",
  source: "AMD 48882 §3.4.22",
  size: 8,
  endian: "little",
  fields: [
    field("code", 3, 0, "See PprResponse."),
    field("maskGn", 4, 4, "Without PASID."),
    reserved(63, 5),
  ],
});
