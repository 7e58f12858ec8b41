/**
 * The registers of edu, as QEMU documents its teaching device (docs/specs/edu.rst). Offsets are bytes in BAR 0;
 * everything is little-endian. Below 0x80 accesses have 4 bytes, from there on 4 or 8.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** PCI vendor id. */
export const EDU_VENDOR = 0x1234;
/** PCI device id. */
export const EDU_DEVICE = 0x11e8;
/** Bytes of BAR 0. */
export const EDU_BAR_SIZE = 0x10_0000;
/** Where the DMA engine sees the device's own buffer. The CPU cannot reach it. */
export const BUFFER_START = 0x4_0000;
/** Bytes of that buffer. */
export const BUFFER_SIZE = 4096;
/** What `magic` says. */
export const EDU_MAGIC = 0xed;
/** The address lines that the device has unless told otherwise: 28. */
export const DEFAULT_DMA_MASK = 0xfff_ffffn;

/** Bits of the interrupt status that the device raises by itself. */
export const EduInterrupt = {
  /** A factorial is computed. */
  FACTORIAL: 0x001,
  /** A transfer has ended. */
  DMA: 0x100,
} as const;

/** The register block. */
export const EduRegisters: Struct<{
  magic: number;
  minor: number;
  major: number;
  liveness: number;
  factorial: number;
  computing: number;
  factorialInterrupt: number;
  interruptStatus: number;
  interruptRaise: number;
  interruptAcknowledge: number;
  source: bigint;
  destination: bigint;
  count: bigint;
  start: number;
  fromDevice: number;
  interrupt: number;
}> = defineStruct({
  name: "edu registers",
  source: "QEMU docs/specs/edu.rst, MMIO area spec",
  size: 0xa0,
  endian: "little",
  fields: [
    { name: "magic", at: 0, bytes: 4, bits: [7, 0], writtenBy: "device", readBy: "driver", doc: "0xed." },
    { at: 0, bytes: 4, bits: [15, 8], reserved: true },
    { name: "minor", at: 0, bytes: 4, bits: [23, 16], writtenBy: "device", readBy: "driver", doc: "Minor version." },
    { name: "major", at: 0, bytes: 4, bits: [31, 24], writtenBy: "device", readBy: "driver", doc: "Major version." },
    {
      name: "liveness",
      at: 0x04,
      bytes: 4,
      writtenBy: "driver",
      readBy: "driver",
      doc: "Reads as the bitwise inverse of what was written.",
    },
    {
      name: "factorial",
      at: 0x08,
      bytes: 4,
      writtenBy: "driver, device",
      readBy: "driver, device",
      doc: "A number; its factorial modulo 2^32 once `computing` is 0 again. Writes meanwhile are dropped.",
    },
    { at: 0x0c, bytes: 20, reserved: true },
    {
      name: "computing",
      at: 0x20,
      bytes: 4,
      bits: [0, 0],
      writtenBy: "device",
      readBy: "driver",
      doc: "A factorial is being computed.",
    },
    { at: 0x20, bytes: 4, bits: [6, 1], reserved: true },
    {
      name: "factorialInterrupt",
      at: 0x20,
      bytes: 4,
      bits: [7, 7],
      writtenBy: "driver",
      readBy: "device",
      doc: "Raise interrupt 0x001 when it is done.",
    },
    { at: 0x20, bytes: 4, bits: [31, 8], reserved: true },
    {
      name: "interruptStatus",
      at: 0x24,
      bytes: 4,
      writtenBy: "device",
      readBy: "driver",
      flags: { FACTORIAL: 0x001, DMA: 0x100 },
      doc: "Everything raised and not acknowledged. The pin is asserted while it is not 0.",
    },
    { at: 0x28, bytes: 56, reserved: true },
    { name: "interruptRaise", at: 0x60, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Bits to raise." },
    {
      name: "interruptAcknowledge",
      at: 0x64,
      bytes: 4,
      writtenBy: "driver",
      readBy: "device",
      doc: "Bits to clear.",
    },
    { at: 0x68, bytes: 24, reserved: true },
    {
      name: "source",
      at: 0x80,
      bytes: 8,
      writtenBy: "driver",
      readBy: "device",
      doc: "Where a transfer reads: a bus address, or a place in the device's buffer (from 0x40000 on).",
    },
    {
      name: "destination",
      at: 0x88,
      bytes: 8,
      writtenBy: "driver",
      readBy: "device",
      doc: "Where it writes.",
    },
    { name: "count", at: 0x90, bytes: 8, writtenBy: "driver", readBy: "device", doc: "Bytes." },
    {
      name: "start",
      at: 0x98,
      bytes: 8,
      bits: [0, 0],
      writtenBy: "driver, device",
      readBy: "driver, device",
      doc: "Starts a transfer, and is 1 until it has ended; meanwhile writes from 0x80 on are dropped.",
    },
    {
      name: "fromDevice",
      at: 0x98,
      bytes: 8,
      bits: [1, 1],
      writtenBy: "driver",
      readBy: "device",
      doc: "0: from memory to the device's buffer; 1: from the buffer to memory.",
    },
    {
      name: "interrupt",
      at: 0x98,
      bytes: 8,
      bits: [2, 2],
      writtenBy: "driver",
      readBy: "device",
      doc: "Raise interrupt 0x100 at the end.",
    },
    { at: 0x98, bytes: 8, bits: [63, 3], reserved: true },
  ],
});
