/**
 * What the two halves of `strict` share: a block of registers, and the command block in guest memory that a doorbell
 * points at. Everything is little-endian.
 *
 * The guest fills a command block, writes its address to `doorbell`, and reads `status`. There is no queue: a command is
 * done when the write to `doorbell` returns.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** The registers, 32 bits each. */
export const StrictRegisters: Struct<
  { version: number; doorbell: number; status: number; live: number; pending: number }
> = defineStruct({
  name: "strict registers",
  source: "this plugin",
  size: 20,
  endian: "little",
  fields: [
    { name: "version", at: 0, bytes: 4, writtenBy: "hardware", readBy: "guest", doc: "Version of this interface: 1." },
    {
      name: "doorbell",
      at: 4,
      bytes: 4,
      writtenBy: "guest",
      readBy: "hardware",
      doc: "Physical address of a command block, divided by 64: executes the command.",
    },
    {
      name: "status",
      at: 8,
      bytes: 4,
      writtenBy: "hardware",
      readBy: "guest",
      values: { OK: 0, FULL: 1, OVERLAP: 2, NOT_FOUND: 3, INVALID: 4 },
      doc: "How the last command ended.",
    },
    {
      name: "live",
      at: 12,
      bytes: 4,
      writtenBy: "hardware",
      readBy: "guest",
      doc: "Mappings entered and not removed.",
    },
    {
      name: "pending",
      at: 16,
      bytes: 4,
      writtenBy: "hardware",
      readBy: "guest",
      doc:
        "Removals after which a device may still be touching the memory: none of it may be used again before this is 0.",
    },
  ],
});

/** The value of `version`. */
export const STRICT_VERSION = 1;

/** Values of `status`. */
export const CommandStatus = { OK: 0, FULL: 1, OVERLAP: 2, NOT_FOUND: 3, INVALID: 4 } as const;

/** Command blocks start at a multiple of this, in bytes; `doorbell` counts in these units. */
export const COMMAND_ALIGN = 64;

/** Values of `opcode`. */
export const Opcode = { ENTER: 1, REMOVE: 2 } as const;

/** A command block, written by the guest and read by the hardware while it handles the doorbell. */
export const StrictCommand: Struct<
  { opcode: number; rights: number; requester: number; size: number; address: bigint; frame: bigint }
> = defineStruct({
  name: "strict command",
  source: "this plugin",
  size: 32,
  endian: "little",
  fields: [
    {
      name: "opcode",
      at: 0,
      bytes: 4,
      writtenBy: "guest",
      readBy: "hardware",
      values: { ENTER: 1, REMOVE: 2 },
      doc: "ENTER adds a mapping; REMOVE takes the one that starts at `address` away and looks at nothing else.",
    },
    {
      name: "rights",
      at: 4,
      bytes: 4,
      bits: [1, 0],
      writtenBy: "guest",
      readBy: "hardware",
      flags: { READ: 1, WRITE: 2 },
      doc: "What the device may do.",
    },
    { at: 4, bytes: 4, bits: [31, 2], reserved: true },
    {
      name: "requester",
      at: 8,
      bytes: 4,
      bits: [15, 0],
      writtenBy: "guest",
      readBy: "hardware",
      doc: "The one function that may use the mapping: bus, device, function.",
    },
    { at: 8, bytes: 4, bits: [31, 16], reserved: true },
    { name: "size", at: 12, bytes: 4, writtenBy: "guest", readBy: "hardware", doc: "Bytes: 1 to 2^30." },
    {
      name: "address",
      at: 16,
      bytes: 8,
      writtenBy: "guest",
      readBy: "hardware",
      doc: "First byte on the device's bus. Bits 62:53 are zero.",
    },
    { name: "frame", at: 24, bytes: 8, writtenBy: "guest", readBy: "hardware", doc: "First byte on the parent bus." },
  ],
});

/** The largest mapping in bytes. */
export const MAX_SIZE = 0x4000_0000;
