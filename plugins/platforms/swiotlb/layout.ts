/**
 * What the two halves of `swiotlb` share: the registers of the bus firewall that stands behind a restricted pool.
 * Firmware programs the window once, before drivers start, and locks it. Everything is little-endian.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Version of the register block. */
export const FIREWALL_VERSION = 1;

/** The registers, 32 bits each. Addresses are physical, in pages of 4 KiB. */
export const FirewallRegisters: Struct<
  { version: number; basePage: number; pages: number; enable: number; lock: number; refused: number }
> = defineStruct({
  name: "firewall registers",
  source: "this plugin",
  size: 20,
  endian: "little",
  fields: [
    { name: "version", at: 0, bytes: 4, writtenBy: "hardware", readBy: "guest", doc: "Version of this block: 1." },
    { name: "basePage", at: 4, bytes: 4, writtenBy: "guest", readBy: "hardware", doc: "First page of the window." },
    { name: "pages", at: 8, bytes: 4, writtenBy: "guest", readBy: "hardware", doc: "Pages of the window." },
    {
      name: "enable",
      at: 12,
      bytes: 4,
      bits: [0, 0],
      writtenBy: "guest",
      readBy: "hardware",
      doc: "The window counts. While it is 0 no device reaches any memory.",
    },
    {
      name: "lock",
      at: 12,
      bytes: 4,
      bits: [1, 1],
      writtenBy: "guest",
      readBy: "hardware",
      doc: "Writes to every register are dropped from now on.",
    },
    { at: 12, bytes: 4, bits: [31, 2], reserved: true },
    { name: "refused", at: 16, bytes: 4, writtenBy: "hardware", readBy: "guest", doc: "Accesses refused so far." },
  ],
});
