/**
 * PCI configuration space: the bytes in which the hardware half and the guest half meet. Everything is little-endian;
 * offsets are bytes from the start of a function's 256 bytes. Sources: PCI Local Bus 3.0 (§ numbers below), PCI-to-PCI
 * Bridge Architecture 1.2 (PPB).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** A structure whose fields all fit 32 bits. */
export type Registers<Names extends string> = Struct<Record<Names, number>>;

/** Bytes of a function's configuration space. */
export const CONFIG_SIZE = 256;
/** Where the first capability lies: the first byte after the header. */
export const CAPABILITIES_START = 0x40;

/** The fields that both header types share. */
export type CommonNames =
  | "vendor"
  | "device"
  | "command"
  | "status"
  | "revision"
  | "classCode"
  | "cacheLineSize"
  | "latencyTimer"
  | "headerType"
  | "bist"
  | "capabilities"
  | "expansionRom"
  | "interruptLine"
  | "interruptPin";

const common = [
  { name: "vendor", at: 0x00, bytes: 2, writtenBy: "device", readBy: "guest", doc: "Who made it." },
  {
    name: "device",
    at: 0x02,
    bytes: 2,
    writtenBy: "device",
    readBy: "guest",
    doc: "What it is, in the vendor's numbers.",
  },
  { name: "command", at: 0x04, bytes: 2, writtenBy: "guest", readBy: "device", doc: "See Command." },
  {
    name: "status",
    at: 0x06,
    bytes: 2,
    writtenBy: "device",
    readBy: "guest",
    doc: "See Status; error bits clear on 1.",
  },
  { name: "revision", at: 0x08, bytes: 1, writtenBy: "device", readBy: "guest", doc: "Revision." },
  { name: "classCode", at: 0x09, bytes: 3, writtenBy: "device", readBy: "guest", doc: "Class, subclass, interface." },
  { name: "cacheLineSize", at: 0x0c, bytes: 1, writtenBy: "guest", readBy: "device", doc: "In 32-bit words." },
  { name: "latencyTimer", at: 0x0d, bytes: 1, writtenBy: "guest", readBy: "device", doc: "In bus clocks." },
  {
    name: "headerType",
    at: 0x0e,
    bytes: 1,
    writtenBy: "device",
    readBy: "guest",
    doc: "Layout; bit 7: more functions.",
  },
  { name: "bist", at: 0x0f, bytes: 1, writtenBy: "device", readBy: "guest", doc: "Built-in self test." },
] as const;

/** Names of the fields of a type 0 header. */
export type Header0Names =
  | CommonNames
  | "bar0"
  | "bar1"
  | "bar2"
  | "bar3"
  | "bar4"
  | "bar5"
  | "cardbusCis"
  | "subsystemVendor"
  | "subsystem"
  | "minGrant"
  | "maxLatency";

/** The header of an ordinary function. */
export const Header0: Registers<Header0Names> = defineStruct({
  name: "pci_header_type0",
  source: "PCI 3.0 §6.1, figure 6-1",
  size: 64,
  endian: "little",
  fields: [
    ...common,
    { name: "bar0", at: 0x10, bytes: 4, writtenBy: "guest", readBy: "device", doc: "See MemoryBar, IoBar." },
    { name: "bar1", at: 0x14, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Also the high half of bar0." },
    { name: "bar2", at: 0x18, bytes: 4, writtenBy: "guest", readBy: "device", doc: "See MemoryBar, IoBar." },
    { name: "bar3", at: 0x1c, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Also the high half of bar2." },
    { name: "bar4", at: 0x20, bytes: 4, writtenBy: "guest", readBy: "device", doc: "See MemoryBar, IoBar." },
    { name: "bar5", at: 0x24, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Also the high half of bar4." },
    { name: "cardbusCis", at: 0x28, bytes: 4, writtenBy: "device", readBy: "guest", doc: "CardBus only." },
    { name: "subsystemVendor", at: 0x2c, bytes: 2, writtenBy: "device", readBy: "guest", doc: "Who made the card." },
    { name: "subsystem", at: 0x2e, bytes: 2, writtenBy: "device", readBy: "guest", doc: "Which card it is." },
    { name: "expansionRom", at: 0x30, bytes: 4, writtenBy: "guest", readBy: "device", doc: "0: no ROM." },
    { name: "capabilities", at: 0x34, bytes: 1, writtenBy: "device", readBy: "guest", doc: "First capability, or 0." },
    { at: 0x35, bytes: 7, reserved: true },
    {
      name: "interruptLine",
      at: 0x3c,
      bytes: 1,
      writtenBy: "guest",
      readBy: "guest",
      doc: "A note of the firmware's.",
    },
    {
      name: "interruptPin",
      at: 0x3d,
      bytes: 1,
      writtenBy: "device",
      readBy: "guest",
      doc: "0 none, 1 to 4 INTA to INTD.",
    },
    { name: "minGrant", at: 0x3e, bytes: 1, writtenBy: "device", readBy: "guest", doc: "In 250 ns." },
    { name: "maxLatency", at: 0x3f, bytes: 1, writtenBy: "device", readBy: "guest", doc: "In 250 ns." },
  ],
});

/** Names of the fields of a type 1 header. */
export type Header1Names =
  | CommonNames
  | "bar0"
  | "bar1"
  | "primaryBus"
  | "secondaryBus"
  | "subordinateBus"
  | "secondaryLatencyTimer"
  | "ioBase"
  | "ioLimit"
  | "secondaryStatus"
  | "memoryBase"
  | "memoryLimit"
  | "prefetchBase"
  | "prefetchLimit"
  | "prefetchBaseUpper"
  | "prefetchLimitUpper"
  | "ioBaseUpper"
  | "ioLimitUpper"
  | "bridgeControl";

/** The header of a PCI-to-PCI bridge. */
export const Header1: Registers<Header1Names> = defineStruct({
  name: "pci_header_type1",
  source: "PPB 1.2 §3.2, figure 3-2",
  size: 64,
  endian: "little",
  fields: [
    ...common,
    { name: "bar0", at: 0x10, bytes: 4, writtenBy: "guest", readBy: "bridge", doc: "The bridge's own registers." },
    { name: "bar1", at: 0x14, bytes: 4, writtenBy: "guest", readBy: "bridge", doc: "Also the high half of bar0." },
    { name: "primaryBus", at: 0x18, bytes: 1, writtenBy: "guest", readBy: "bridge", doc: "Number of the bus above." },
    { name: "secondaryBus", at: 0x19, bytes: 1, writtenBy: "guest", readBy: "bridge", doc: "Number of the bus below." },
    { name: "subordinateBus", at: 0x1a, bytes: 1, writtenBy: "guest", readBy: "bridge", doc: "Highest number below." },
    { name: "secondaryLatencyTimer", at: 0x1b, bytes: 1, writtenBy: "guest", readBy: "bridge", doc: "In bus clocks." },
    {
      name: "ioBase",
      at: 0x1c,
      bytes: 1,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "Bits 7:4 are address bits 15:12.",
    },
    {
      name: "ioLimit",
      at: 0x1d,
      bytes: 1,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "Bits 7:4 are address bits 15:12.",
    },
    {
      name: "secondaryStatus",
      at: 0x1e,
      bytes: 2,
      writtenBy: "bridge",
      readBy: "guest",
      doc: "Status of the bus below.",
    },
    {
      name: "memoryBase",
      at: 0x20,
      bytes: 2,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "Bits 15:4 are address bits 31:20.",
    },
    {
      name: "memoryLimit",
      at: 0x22,
      bytes: 2,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "Bits 15:4 are address bits 31:20.",
    },
    {
      name: "prefetchBase",
      at: 0x24,
      bytes: 2,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "As memoryBase; bit 0: 64 bits.",
    },
    {
      name: "prefetchLimit",
      at: 0x26,
      bytes: 2,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "As memoryLimit; bit 0: 64 bits.",
    },
    { name: "prefetchBaseUpper", at: 0x28, bytes: 4, writtenBy: "guest", readBy: "bridge", doc: "Address bits 63:32." },
    {
      name: "prefetchLimitUpper",
      at: 0x2c,
      bytes: 4,
      writtenBy: "guest",
      readBy: "bridge",
      doc: "Address bits 63:32.",
    },
    { name: "ioBaseUpper", at: 0x30, bytes: 2, writtenBy: "guest", readBy: "bridge", doc: "Port bits 31:16." },
    { name: "ioLimitUpper", at: 0x32, bytes: 2, writtenBy: "guest", readBy: "bridge", doc: "Port bits 31:16." },
    { name: "capabilities", at: 0x34, bytes: 1, writtenBy: "bridge", readBy: "guest", doc: "First capability, or 0." },
    { at: 0x35, bytes: 3, reserved: true },
    { name: "expansionRom", at: 0x38, bytes: 4, writtenBy: "guest", readBy: "bridge", doc: "0: no ROM." },
    {
      name: "interruptLine",
      at: 0x3c,
      bytes: 1,
      writtenBy: "guest",
      readBy: "guest",
      doc: "A note of the firmware's.",
    },
    { name: "interruptPin", at: 0x3d, bytes: 1, writtenBy: "bridge", readBy: "guest", doc: "0: none of its own." },
    { name: "bridgeControl", at: 0x3e, bytes: 2, writtenBy: "guest", readBy: "bridge", doc: "Kept, without effect." },
  ],
});

/** The two layouts, in the low bits of the header type; bit 7 says that the device has more functions. */
export const HeaderType = { FUNCTION: 0, BRIDGE: 1, MULTI_FUNCTION: 0x80 } as const;

/** The command register. */
export const Command: Registers<
  | "io"
  | "memory"
  | "busMaster"
  | "specialCycles"
  | "memoryWriteInvalidate"
  | "vgaSnoop"
  | "parityErrorResponse"
  | "serr"
  | "fastBackToBack"
  | "interruptDisable"
> = defineStruct({
  name: "pci_command",
  source: "PCI 3.0 §6.2.2",
  size: 2,
  endian: "little",
  fields: [
    { name: "io", bits: [0, 0], writtenBy: "guest", readBy: "device", doc: "I/O BARs answer." },
    { name: "memory", bits: [1, 1], writtenBy: "guest", readBy: "device", doc: "Memory BARs answer." },
    { name: "busMaster", bits: [2, 2], writtenBy: "guest", readBy: "device", doc: "It may access the bus." },
    { name: "specialCycles", bits: [3, 3], writtenBy: "guest", readBy: "device", doc: "Not implemented: reads 0." },
    {
      name: "memoryWriteInvalidate",
      bits: [4, 4],
      writtenBy: "guest",
      readBy: "device",
      doc: "Not implemented: reads 0.",
    },
    { name: "vgaSnoop", bits: [5, 5], writtenBy: "guest", readBy: "device", doc: "Not implemented: reads 0." },
    { name: "parityErrorResponse", bits: [6, 6], writtenBy: "guest", readBy: "device", doc: "Kept, without effect." },
    { bits: [7, 7], reserved: true },
    { name: "serr", bits: [8, 8], writtenBy: "guest", readBy: "device", doc: "Kept, without effect." },
    { name: "fastBackToBack", bits: [9, 9], writtenBy: "guest", readBy: "device", doc: "Not implemented: reads 0." },
    { name: "interruptDisable", bits: [10, 10], writtenBy: "guest", readBy: "device", doc: "INTx stays deasserted." },
    { bits: [15, 11], reserved: true },
  ],
});

/** The status register. */
export const Status: Registers<
  | "interrupt"
  | "capabilities"
  | "mhz66"
  | "fastBackToBack"
  | "masterDataParityError"
  | "devselTiming"
  | "signaledTargetAbort"
  | "receivedTargetAbort"
  | "receivedMasterAbort"
  | "signaledSystemError"
  | "detectedParityError"
> = defineStruct({
  name: "pci_status",
  source: "PCI 3.0 §6.2.3",
  size: 2,
  endian: "little",
  fields: [
    { bits: [2, 0], reserved: true },
    { name: "interrupt", bits: [3, 3], writtenBy: "device", readBy: "guest", doc: "INTx is wanted, disabled or not." },
    { name: "capabilities", bits: [4, 4], writtenBy: "device", readBy: "guest", doc: "There is a capability list." },
    { name: "mhz66", bits: [5, 5], writtenBy: "device", readBy: "guest", doc: "66 MHz." },
    { bits: [6, 6], reserved: true },
    { name: "fastBackToBack", bits: [7, 7], writtenBy: "device", readBy: "guest", doc: "Fast back-to-back capable." },
    { name: "masterDataParityError", bits: [8, 8], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
    { name: "devselTiming", bits: [10, 9], writtenBy: "device", readBy: "guest", doc: "Fast, medium, slow." },
    { name: "signaledTargetAbort", bits: [11, 11], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
    { name: "receivedTargetAbort", bits: [12, 12], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
    { name: "receivedMasterAbort", bits: [13, 13], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
    { name: "signaledSystemError", bits: [14, 14], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
    { name: "detectedParityError", bits: [15, 15], writtenBy: "device", readBy: "guest", doc: "Clears on 1." },
  ],
});

/** A memory BAR; its upper half, when it has 64 bits, is the next BAR. */
export const MemoryBar: Registers<"io" | "type" | "prefetchable" | "base"> = defineStruct({
  name: "pci_memory_bar",
  source: "PCI 3.0 §6.2.5.1, figure 6-5",
  size: 4,
  endian: "little",
  fields: [
    { name: "io", bits: [0, 0], writtenBy: "device", readBy: "guest", doc: "0: memory." },
    {
      name: "type",
      bits: [2, 1],
      values: { BITS_32: 0, BITS_64: 2 },
      writtenBy: "device",
      readBy: "guest",
      doc: "Width of the address.",
    },
    { name: "prefetchable", bits: [3, 3], writtenBy: "device", readBy: "guest", doc: "Reads have no side effects." },
    { name: "base", bits: [31, 4], writtenBy: "guest", readBy: "device", doc: "Address bits 31:4; below the size 0." },
  ],
});

/** An I/O BAR. */
export const IoBar: Registers<"io" | "base"> = defineStruct({
  name: "pci_io_bar",
  source: "PCI 3.0 §6.2.5.1, figure 6-6",
  size: 4,
  endian: "little",
  fields: [
    { name: "io", bits: [0, 0], writtenBy: "device", readBy: "guest", doc: "1: I/O." },
    { bits: [1, 1], reserved: true },
    { name: "base", bits: [31, 2], writtenBy: "guest", readBy: "device", doc: "Port bits 31:2; below the size 0." },
  ],
});

/** What every capability begins with. */
export const CapabilityHeader: Registers<"id" | "next"> = defineStruct({
  name: "pci_capability",
  source: "PCI 3.0 §6.7",
  size: 2,
  endian: "little",
  fields: [
    { name: "id", at: 0, bytes: 1, writtenBy: "device", readBy: "guest", doc: "What it is." },
    { name: "next", at: 1, bytes: 1, writtenBy: "device", readBy: "guest", doc: "Offset of the next one, or 0." },
  ],
});

/** Capability ids (PCI Code and ID Assignment §2). */
export const CapabilityId = { MSI: 0x05, VENDOR: 0x09, MSIX: 0x11 } as const;

/** The MSI capability with a 64-bit address and without masking of single vectors. */
export const MsiCapability: Registers<
  "id" | "next" | "enable" | "capable" | "granted" | "address64" | "address" | "upperAddress" | "data"
> = defineStruct({
  name: "msi_capability",
  source: "PCI 3.0 §6.8.1",
  size: 14,
  endian: "little",
  fields: [
    { name: "id", at: 0, bytes: 1, writtenBy: "device", readBy: "guest", doc: "0x05." },
    { name: "next", at: 1, bytes: 1, writtenBy: "device", readBy: "guest", doc: "Offset of the next one, or 0." },
    { name: "enable", at: 2, bytes: 2, bits: [0, 0], writtenBy: "guest", readBy: "device", doc: "Instead of INTx." },
    {
      name: "capable",
      at: 2,
      bytes: 2,
      bits: [3, 1],
      writtenBy: "device",
      readBy: "guest",
      doc: "log2 of the messages that there are.",
    },
    {
      name: "granted",
      at: 2,
      bytes: 2,
      bits: [6, 4],
      writtenBy: "guest",
      readBy: "device",
      doc: "log2 of those that the guest allows.",
    },
    { name: "address64", at: 2, bytes: 2, bits: [7, 7], writtenBy: "device", readBy: "guest", doc: "1: 64 bits." },
    { at: 2, bytes: 2, bits: [15, 8], reserved: true },
    { name: "address", at: 4, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Bits 31:0; a multiple of 4." },
    { name: "upperAddress", at: 8, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Bits 63:32." },
    { name: "data", at: 12, bytes: 2, writtenBy: "guest", readBy: "device", doc: "What is written there." },
  ],
});

/** The MSI-X capability. */
export const MsixCapability: Registers<
  "id" | "next" | "tableSize" | "functionMask" | "enable" | "tableBar" | "tableOffset" | "pbaBar" | "pbaOffset"
> = defineStruct({
  name: "msix_capability",
  source: "PCI 3.0 §6.8.2",
  size: 12,
  endian: "little",
  fields: [
    { name: "id", at: 0, bytes: 1, writtenBy: "device", readBy: "guest", doc: "0x11." },
    { name: "next", at: 1, bytes: 1, writtenBy: "device", readBy: "guest", doc: "Offset of the next one, or 0." },
    { name: "tableSize", at: 2, bytes: 2, bits: [10, 0], writtenBy: "device", readBy: "guest", doc: "Vectors − 1." },
    { at: 2, bytes: 2, bits: [13, 11], reserved: true },
    { name: "functionMask", at: 2, bytes: 2, bits: [14, 14], writtenBy: "guest", readBy: "device", doc: "All masked." },
    { name: "enable", at: 2, bytes: 2, bits: [15, 15], writtenBy: "guest", readBy: "device", doc: "Instead of INTx." },
    { name: "tableBar", at: 4, bytes: 4, bits: [2, 0], writtenBy: "device", readBy: "guest", doc: "BAR of the table." },
    { name: "tableOffset", at: 4, bytes: 4, bits: [31, 3], writtenBy: "device", readBy: "guest", doc: "In 8 bytes." },
    {
      name: "pbaBar",
      at: 8,
      bytes: 4,
      bits: [2, 0],
      writtenBy: "device",
      readBy: "guest",
      doc: "BAR of pending bits.",
    },
    { name: "pbaOffset", at: 8, bytes: 4, bits: [31, 3], writtenBy: "device", readBy: "guest", doc: "In 8 bytes." },
  ],
});

/** An entry of the MSI-X table. */
export const MsixEntry: Registers<"address" | "upperAddress" | "data" | "mask"> = defineStruct({
  name: "msix_table_entry",
  source: "PCI 3.0 §6.8.2.6 to §6.8.2.9",
  size: 16,
  endian: "little",
  fields: [
    { name: "address", at: 0, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Bits 31:0; a multiple of 4." },
    { name: "upperAddress", at: 4, bytes: 4, writtenBy: "guest", readBy: "device", doc: "Bits 63:32." },
    { name: "data", at: 8, bytes: 4, writtenBy: "guest", readBy: "device", doc: "What is written there." },
    {
      name: "mask",
      at: 12,
      bytes: 4,
      bits: [0, 0],
      writtenBy: "guest",
      readBy: "device",
      doc: "Hold it back; 1 at reset.",
    },
    { at: 12, bytes: 4, bits: [31, 1], reserved: true },
  ],
});

/** Extended capability ids (PCI Express 5.0 §7.7 to §7.9). */
export const ExtendedCapabilityId = { ATS: 0x000f, PRI: 0x0013, PASID: 0x001b } as const;

/** What every extended capability begins with. */
export const ExtendedCapabilityHeader: Registers<"id" | "version" | "next"> = defineStruct({
  name: "pci_extended_capability",
  source: "PCI Express 5.0 §7.6.3",
  size: 4,
  endian: "little",
  fields: [
    { name: "id", bits: [15, 0], writtenBy: "device", readBy: "guest", doc: "Which capability." },
    { name: "version", bits: [19, 16], writtenBy: "device", readBy: "guest", doc: "Its version." },
    { name: "next", bits: [31, 20], writtenBy: "device", readBy: "guest", doc: "Offset of the next one, or 0." },
  ],
});

/** The ATS capability, header included. */
export const AtsCapability: Registers<
  "id" | "version" | "next" | "queueDepth" | "pageAligned" | "globalInvalidate" | "smallestUnit" | "enable"
> = defineStruct({
  name: "pci_ats_capability",
  source: "PCI Express 5.0 §10.5.1",
  size: 8,
  endian: "little",
  fields: [
    { name: "id", at: 0, bytes: 2, writtenBy: "device", readBy: "guest", doc: "0x000f." },
    { name: "version", at: 2, bytes: 2, bits: [3, 0], writtenBy: "device", readBy: "guest", doc: "Its version." },
    { name: "next", at: 2, bytes: 2, bits: [15, 4], writtenBy: "device", readBy: "guest", doc: "The next one, or 0." },
    {
      name: "queueDepth",
      at: 4,
      bytes: 2,
      bits: [4, 0],
      writtenBy: "device",
      readBy: "guest",
      doc: "Invalidations at once; 0 is 32.",
    },
    {
      name: "pageAligned",
      at: 4,
      bytes: 2,
      bits: [5, 5],
      writtenBy: "device",
      readBy: "guest",
      doc: "Requests are for whole pages.",
    },
    {
      name: "globalInvalidate",
      at: 4,
      bytes: 2,
      bits: [6, 6],
      writtenBy: "device",
      readBy: "guest",
      doc: "Takes invalidations for every PASID.",
    },
    { at: 4, bytes: 2, bits: [15, 7], reserved: true },
    {
      name: "smallestUnit",
      at: 6,
      bytes: 2,
      bits: [4, 0],
      writtenBy: "guest",
      readBy: "device",
      doc: "log2 of its pages, less 12.",
    },
    { at: 6, bytes: 2, bits: [14, 5], reserved: true },
    { name: "enable", at: 6, bytes: 2, bits: [15, 15], writtenBy: "guest", readBy: "device", doc: "Use the cache." },
  ],
});

/** The port that selects a register, and the four ports that reach it (configuration mechanism #1). */
export const CONFIG_ADDRESS_PORT = 0xcf8;
/** See {@linkcode CONFIG_ADDRESS_PORT}. */
export const CONFIG_DATA_PORT = 0xcfc;

/** What is written to {@linkcode CONFIG_ADDRESS_PORT}. */
export const ConfigAddress: Registers<"register" | "function" | "device" | "bus" | "enable"> = defineStruct({
  name: "pci_config_address",
  source: "PCI 3.0 §3.2.2.3.2, figure 3-2",
  size: 4,
  endian: "little",
  fields: [
    { bits: [1, 0], reserved: true },
    { name: "register", bits: [7, 2], writtenBy: "guest", readBy: "host bridge", doc: "32-bit register." },
    { name: "function", bits: [10, 8], writtenBy: "guest", readBy: "host bridge", doc: "Function." },
    { name: "device", bits: [15, 11], writtenBy: "guest", readBy: "host bridge", doc: "Device." },
    { name: "bus", bits: [23, 16], writtenBy: "guest", readBy: "host bridge", doc: "Bus." },
    { bits: [30, 24], reserved: true },
    {
      name: "enable",
      bits: [31, 31],
      writtenBy: "guest",
      readBy: "host bridge",
      doc: "The data port is configuration.",
    },
  ],
});

/** The 16-bit requester id (bus, device, function) of a function. */
export function requesterId(bus: number, device: number, fn: number): number {
  return bus << 8 | device << 3 | fn;
}

/** A requester id as it is written in logs: `01:03.0`. */
export function formatRequester(requester: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  return `${hex(requester >> 8)}:${hex(requester >> 3 & 31)}.${requester & 7}`;
}

/** Interrupt lines of the root bus: INTA to INTD of device 0 are the first to the fourth. A PC's I/O APIC has them here. */
export const FIRST_INTX_LINE = 16;

/** The pin (1 to 4) that `pin` of `device` is on the bus above: PPB §9.1. */
export function swizzlePin(device: number, pin: number): number {
  return (pin - 1 + device) % 4 + 1;
}
