/**
 * The ACPI table in which firmware says where configuration space lies in memory (PCI Firmware Specification 3.2 §4.1.2):
 * 44 bytes of header, then one allocation for each range of buses. Firmware writes it, software reads it.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Bytes before the first allocation: ACPI's 36, and 8 reserved ones. */
export const MCFG_HEADER_SIZE = 44;

/** One range of buses. The space of function `id` begins at `base + (id << 12)`. */
export const McfgAllocation: Struct<{ base: bigint; segment: number; startBus: number; endBus: number }> = defineStruct(
  {
    name: "mcfg_allocation",
    source: "PCI Firmware Specification 3.2 §4.1.2, table 4-3",
    size: 16,
    endian: "little",
    fields: [
      { name: "base", at: 0, bytes: 8, doc: "Physical address for bus 0, whatever the first bus is." },
      { name: "segment", at: 8, bytes: 2, doc: "PCI segment." },
      { name: "startBus", at: 10, bytes: 1, doc: "First bus." },
      { name: "endBus", at: 11, bytes: 1, doc: "Last bus." },
      { at: 12, bytes: 4, reserved: true },
    ],
  },
);
