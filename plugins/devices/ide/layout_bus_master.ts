/**
 * Bus-master registers, eight bytes for each channel, and the table in memory that they point to (SFF-8038i rev. 1.0;
 * 82371SB §2.7).
 *
 * @module
 */

import { defineStruct } from "@iova/fields";
import type { Registers } from "./layout_task_file.ts";

/** One channel's registers. */
export const BusMaster: Registers<
  "start" | "toMemory" | "active" | "error" | "interrupt" | "capable0" | "capable1" | "simplex" | "table"
> = defineStruct({
  name: "bus master IDE registers",
  source: "SFF-8038i §3, 82371SB §2.7",
  size: 8,
  endian: "little",
  fields: [
    { name: "start", at: 0, bytes: 1, bits: [0, 0], writtenBy: "driver", readBy: "device", doc: "1 starts, 0 stops." },
    { at: 0, bytes: 1, bits: [2, 1], reserved: true },
    {
      name: "toMemory",
      at: 0,
      bytes: 1,
      bits: [3, 3],
      writtenBy: "driver",
      readBy: "device",
      doc: "The device writes memory: a disk is read.",
    },
    { at: 0, bytes: 1, bits: [7, 4], reserved: true },
    { at: 1, bytes: 1, reserved: true },
    { name: "active", at: 2, bytes: 1, bits: [0, 0], writtenBy: "device", readBy: "driver", doc: "It has work." },
    {
      name: "error",
      at: 2,
      bytes: 1,
      bits: [1, 1],
      writtenBy: "device",
      readBy: "driver",
      doc: "Bus error; 1 clears.",
    },
    {
      name: "interrupt",
      at: 2,
      bytes: 1,
      bits: [2, 2],
      writtenBy: "device",
      readBy: "driver",
      doc: "The channel's interrupt rose; 1 clears.",
    },
    { at: 2, bytes: 1, bits: [4, 3], reserved: true },
    {
      name: "capable0",
      at: 2,
      bytes: 1,
      bits: [5, 5],
      writtenBy: "driver",
      readBy: "driver",
      doc: "A note: DMA works.",
    },
    { name: "capable1", at: 2, bytes: 1, bits: [6, 6], writtenBy: "driver", readBy: "driver", doc: "As for device 1." },
    {
      name: "simplex",
      at: 2,
      bytes: 1,
      bits: [7, 7],
      writtenBy: "device",
      readBy: "driver",
      doc: "One channel at a time.",
    },
    { at: 3, bytes: 1, reserved: true },
    {
      name: "table",
      at: 4,
      bytes: 4,
      writtenBy: "driver",
      readBy: "device",
      doc: "Bus address of the table, 4-aligned.",
    },
  ],
});

/** A physical region descriptor: one entry of the table. The driver writes it, the device reads it. */
export const Prd: Registers<"base" | "count" | "eot"> = defineStruct({
  name: "PRD",
  source: "SFF-8038i §1.2",
  size: 8,
  endian: "little",
  fields: [
    { name: "base", at: 0, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Bus address, even." },
    {
      name: "count",
      at: 4,
      bytes: 4,
      bits: [15, 0],
      writtenBy: "driver",
      readBy: "device",
      doc: "Bytes, even; 0: 64 KiB.",
    },
    { at: 4, bytes: 4, bits: [30, 16], reserved: true },
    { name: "eot", at: 4, bytes: 4, bits: [31, 31], writtenBy: "driver", readBy: "device", doc: "The last entry." },
  ],
});

/** No region and no table may cross a multiple of this. */
export const PRD_BOUNDARY = 0x1_0000;
