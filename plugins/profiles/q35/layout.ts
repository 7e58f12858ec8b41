/**
 * What QEMU's `q35` machine is made of, as far as software sees it. Measured on QEMU 7.2; sources of the registers: Intel
 * 82G33/31/35 MCH (316966), ICH9 (316972).
 *
 * @module
 */

import type { MemorySplit } from "@iova/chipset";
import { defineStruct, type Struct } from "@iova/fields";

const GIB = 1024 ** 3;

/** Memory that does not reach the configuration window lies in one piece; more than that ends at 2 GiB. */
export const SPLIT: MemorySplit = { from: 0xb000_0000, at: 2 * GIB };

/** The host bridge. */
export const HOST_BRIDGE = {
  name: "the host bridge",
  at: "00.0",
  vendor: 0x8086,
  device: 0x29c0,
  classCode: 0x060000,
  // PAM, the configuration window's place, SMRAM.
  registers: { 0x50: 0x10, 0x63: 0xb0, 0x9d: 0x02, 0x9e: 0x38 },
} as const;

/** Where PCIEXBAR is in the host bridge's configuration space. */
export const PCIEXBAR_AT = 0x60;
/** Place and size of configuration space in memory. */
export const PciExBar: Struct<{ enable: number; length: number; base: number; baseHigh: number }> = defineStruct({
  name: "PCIEXBAR",
  source: "316966 §5.1.15",
  size: 8,
  endian: "little",
  fields: [
    { name: "enable", at: 0, bytes: 4, bits: [0, 0], writtenBy: "firmware", readBy: "host bridge", doc: "It answers." },
    {
      name: "length",
      at: 0,
      bytes: 4,
      bits: [2, 1],
      values: { "256 MiB": 0, "128 MiB": 1, "64 MiB": 2 },
      writtenBy: "firmware",
      readBy: "host bridge",
      doc: "How many buses it holds.",
    },
    { at: 0, bytes: 4, bits: [25, 3], reserved: true },
    {
      name: "base",
      at: 0,
      bytes: 4,
      bits: [31, 26],
      writtenBy: "firmware",
      readBy: "host bridge",
      doc: "First address; bits below its size count as zero.",
    },
    {
      name: "baseHigh",
      at: 4,
      bytes: 4,
      bits: [3, 0],
      writtenBy: "firmware",
      readBy: "host bridge",
      doc: "Bits 35:32.",
    },
    { at: 4, bytes: 4, bits: [31, 4], reserved: true },
  ],
});
/** Bytes of the window by `length`; the last code is reserved and changes nothing. */
export const WINDOW_SIZES: readonly (number | null)[] = [1 << 28, 1 << 27, 1 << 26, null];

/** The LPC bridge. */
export const LPC = {
  name: "the LPC bridge",
  at: "1f.0",
  vendor: 0x8086,
  device: 0x2918,
  revision: 2,
  classCode: 0x060100,
  headerType: 0x80,
  registers: {
    0x40: 0x01,
    0x60: 0x80,
    0x61: 0x80,
    0x62: 0x80,
    0x63: 0x80,
    0x68: 0x80,
    0x69: 0x80,
    0x6a: 0x80,
    0x6b: 0x80,
  },
} as const;
/** Its requester id. */
export const LPC_ID = 0x00f8;
/** Its route registers for PIRQA to PIRQH. */
export const PIRQ_ROUTES: readonly number[] = [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b];
/** The I/O APIC's input for PIRQA. */
export const FIRST_PIRQ_LINE = 16;

/** The router's input for a pin (1 to 4) as it arrives on the root bus: PIRQE to PIRQH. */
export function pirqOf(pin: number): number {
  return 4 + pin - 1;
}

/** Where an IOMMU goes: its class code, and the place that QEMU gives to the first device. */
export const IOMMU_HOME = { 0x080600: "01.0" } as const;

/** The lines that firmware routes PIRQA to PIRQH to. */
export const PIRQ_LINES: readonly number[] = [10, 10, 11, 11, 10, 10, 11, 11];
/** What firmware writes to the edge/level control registers: lines 10 and 11 are levels. */
export const ELCR_LEVELS = 0x0c00;
/** Where firmware turns the configuration window on. */
export const CONFIG_WINDOW = 0xb000_0000;
/** Bus addresses that firmware gives to memory BARs, and ports that it gives to I/O BARs. */
export const PCI_WINDOW = {
  memory: { first: 0xc000_0000, end: 0xfec0_0000 },
  io: { first: 0xc000, end: 0x10000 },
} as const;
