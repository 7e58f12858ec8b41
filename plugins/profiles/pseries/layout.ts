/**
 * What a partition of QEMU's `pseries` machine and its firmware share: where the host bridge's windows are, and the calls of
 * run-time firmware (RTAS) that make configuration cycles. Sources: LoPAR, "RTAS Call Function Definition" and "PCI
 * Configuration"; QEMU 7.2 for addresses and tokens.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const GIB = 1024 ** 3;

/** More memory than this goes on at 4 GiB, above the interrupt messages. */
export const SPLIT_AT = 3 * GIB;
/** Where the rest goes on. */
export const HIGH_MEMORY = 4 * GIB;

/** Unit id of the host bridge. */
export const BUID: { readonly hi: number; readonly lo: number } = { hi: 0x0800_0000, lo: 0x2000_0000 };

/** Where the CPU finds the bridge's ports, and how far above their bus addresses its memory below 4 GiB. */
export const WINDOW_BASE = 2 ** 45;
/** Ports in the window. */
export const PORTS = 0x10000;
/** First bus address of the window for memory below 4 GiB, which ends it. */
export const MEMORY_WINDOW = 0x8000_0000;
/** First address of the window for memory above, where both addresses are the same. */
export const MEMORY64_WINDOW = 0x2100_0000_0000;
/** A page of the hypervisor's own, for calls whose cells do not lie side by side. */
export const SCRATCH = 2 ** 44;
/** Bytes of the page. */
export const SCRATCH_SIZE = 4096;

/** The hypercall by which a partition enters run-time firmware; its argument is the address of a buffer. */
export const H_RTAS = 0xf000;
/** Status of a hypercall or call with a wrong parameter. */
export const H_PARAMETER = -4;

/** Tokens of calls, as QEMU numbers them: those answered here, then those of the platform. */
export const Token = {
  "get-time-of-day": 0x2001,
  "read-pci-config": 0x2014,
  "write-pci-config": 0x2015,
  "ibm,read-pci-config": 0x2016,
  "ibm,write-pci-config": 0x2017,
  "ibm,set-eeh-option": 0x2020,
  "ibm,read-slot-reset-state2": 0x2022,
  "ibm,set-slot-reset": 0x2023,
  "ibm,query-pe-dma-window": 0x2026,
  "ibm,create-pe-dma-window": 0x2027,
  "ibm,remove-pe-dma-window": 0x2028,
  "ibm,reset-pe-dma-window": 0x2029,
} as const;

/** Status of a call, its first result. */
export const RtasStatus = { SUCCESS: 0, HARDWARE: -1, PARAMETER: -3 } as const;
/** Most cells of arguments and results together. */
export const RTAS_CELLS = 16;

/** What every buffer begins with; arguments, then results follow, 32-bit and big-endian like these. */
export const RtasHead: Struct<{ token: number; nargs: number; nret: number }> = defineStruct({
  name: "rtas_head",
  source: "LoPAR, RTAS argument buffer",
  size: 12,
  endian: "big",
  fields: [
    { name: "token", at: 0, bytes: 4, writtenBy: "guest", readBy: "RTAS", doc: "Which call." },
    { name: "nargs", at: 4, bytes: 4, writtenBy: "guest", readBy: "RTAS", doc: "Cells of arguments." },
    { name: "nret", at: 8, bytes: 4, writtenBy: "guest", readBy: "RTAS", doc: "Cells of results." },
  ],
});

/** Which register of which function a configuration call means. */
export const ConfigAddr: Struct<{ register: number; devfn: number; bus: number; extended: number }> = defineStruct({
  name: "rtas_config_addr",
  source: "LoPAR, PCI configuration address format",
  size: 4,
  endian: "big",
  fields: [
    { name: "register", bits: [7, 0], writtenBy: "guest", readBy: "RTAS", doc: "Bits 7:0 of the offset." },
    { name: "devfn", bits: [15, 8], writtenBy: "guest", readBy: "RTAS", doc: "Device and function." },
    { name: "bus", bits: [23, 16], writtenBy: "guest", readBy: "RTAS", doc: "Bus." },
    { bits: [27, 24], reserved: true },
    { name: "extended", bits: [31, 28], writtenBy: "guest", readBy: "RTAS", doc: "Bits 11:8 of the offset." },
  ],
});
