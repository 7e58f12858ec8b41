/**
 * Packets of a CD-ROM (MMC-4, SPC-3) and their answers. Big-endian, as everything in SCSI.
 *
 * @module
 */

import { defineStruct } from "@iova/fields";
import type { Registers } from "./layout_task_file.ts";

/** Bytes of a packet. */
export const PACKET_SIZE = 12;
/** Bytes of a CD-ROM's block. */
export const CD_BLOCK = 2048;
/** Frames in a second, and the frames before block 0, of a disc's time. */
export const CD_FRAMES = 75;
/** See {@linkcode CD_FRAMES}. */
export const CD_PREGAP = 150;
/** Blocks from which on a disc is a DVD: more than 80 minutes. */
export const CD_MAX_BLOCKS = 80 * 60 * CD_FRAMES;

/** Operation codes. */
export const Packet = {
  TEST_UNIT_READY: 0x00,
  REQUEST_SENSE: 0x03,
  INQUIRY: 0x12,
  START_STOP_UNIT: 0x1b,
  PREVENT_ALLOW_MEDIUM_REMOVAL: 0x1e,
  READ_CAPACITY: 0x25,
  READ_10: 0x28,
  SEEK_10: 0x2b,
  READ_TOC: 0x43,
  GET_CONFIGURATION: 0x46,
  GET_EVENT_STATUS_NOTIFICATION: 0x4a,
  MODE_SENSE_10: 0x5a,
  READ_12: 0xa8,
  SET_CD_SPEED: 0xbb,
} as const;

/** Sense keys (SPC-3 §4.5.6). */
export const SenseKey = { NONE: 0, NOT_READY: 2, MEDIUM_ERROR: 3, ILLEGAL_REQUEST: 5, UNIT_ATTENTION: 6 } as const;

/** Additional sense codes (SPC-3 annex D). */
export const SenseCode = {
  NONE: 0x00,
  UNRECOVERED_READ_ERROR: 0x11,
  INVALID_COMMAND: 0x20,
  LBA_OUT_OF_RANGE: 0x21,
  INVALID_FIELD: 0x24,
  MEDIUM_MAY_HAVE_CHANGED: 0x28,
  SAVING_NOT_SUPPORTED: 0x39,
  MEDIUM_NOT_PRESENT: 0x3a,
  REMOVAL_PREVENTED: 0x53,
} as const;

/** Interrupt reason, in the count register of a packet device (ATA/ATAPI-7 vol. 2 §5.3, table of PACKET). */
export const Reason: Registers<"cd" | "io" | "rel"> = defineStruct({
  name: "interrupt reason",
  source: "ATA/ATAPI-7 vol. 1 §6.25",
  size: 1,
  endian: "little",
  fields: [
    { name: "cd", bits: [0, 0], writtenBy: "device", readBy: "driver", doc: "A packet or a status, not data." },
    { name: "io", bits: [1, 1], writtenBy: "device", readBy: "driver", doc: "To the host." },
    { name: "rel", bits: [2, 2], writtenBy: "device", readBy: "driver", doc: "Released: never." },
    { bits: [7, 3], reserved: true },
  ],
});

/** Bits of the features register of PACKET. */
export const PacketFeature = { DMA: 0x01, OVERLAP: 0x02 } as const;

/** READ (10). */
export const Read10: Registers<"operation" | "lba" | "length"> = defineStruct({
  name: "READ (10)",
  source: "MMC-4 §6.19",
  size: 12,
  endian: "big",
  fields: [
    { name: "operation", at: 0, bytes: 1, writtenBy: "driver", readBy: "device", doc: "28h." },
    { at: 1, bytes: 1, reserved: true },
    { name: "lba", at: 2, bytes: 4, writtenBy: "driver", readBy: "device", doc: "First block." },
    { at: 6, bytes: 1, reserved: true },
    { name: "length", at: 7, bytes: 2, writtenBy: "driver", readBy: "device", doc: "Blocks." },
    { at: 9, bytes: 3, reserved: true },
  ],
});

/** READ (12). */
export const Read12: Registers<"operation" | "lba" | "length"> = defineStruct({
  name: "READ (12)",
  source: "MMC-4 §6.20",
  size: 12,
  endian: "big",
  fields: [
    { name: "operation", at: 0, bytes: 1, writtenBy: "driver", readBy: "device", doc: "A8h." },
    { at: 1, bytes: 1, reserved: true },
    { name: "lba", at: 2, bytes: 4, writtenBy: "driver", readBy: "device", doc: "First block." },
    { name: "length", at: 6, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Blocks." },
    { at: 10, bytes: 2, reserved: true },
  ],
});

/** The answer to READ CAPACITY. */
export const Capacity: Registers<"last" | "blockLength"> = defineStruct({
  name: "READ CAPACITY data",
  source: "MMC-4 §6.21",
  size: 8,
  endian: "big",
  fields: [
    { name: "last", at: 0, bytes: 4, writtenBy: "device", readBy: "driver", doc: "The last block." },
    { name: "blockLength", at: 4, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Bytes of a block." },
  ],
});

/** The answer to REQUEST SENSE, fixed format. */
export const Sense: Registers<"responseCode" | "valid" | "key" | "additional" | "code"> = defineStruct({
  name: "sense data",
  source: "SPC-3 §4.5.3",
  size: 18,
  endian: "big",
  fields: [
    {
      name: "responseCode",
      at: 0,
      bytes: 1,
      bits: [6, 0],
      writtenBy: "device",
      readBy: "driver",
      doc: "70h: current.",
    },
    {
      name: "valid",
      at: 0,
      bytes: 1,
      bits: [7, 7],
      writtenBy: "device",
      readBy: "driver",
      doc: "Information is valid.",
    },
    { at: 1, bytes: 1, reserved: true },
    { name: "key", at: 2, bytes: 1, bits: [3, 0], writtenBy: "device", readBy: "driver", doc: "See SenseKey." },
    { at: 2, bytes: 1, bits: [7, 4], reserved: true },
    { at: 3, bytes: 4, reserved: true },
    { name: "additional", at: 7, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Bytes that follow: 10." },
    { at: 8, bytes: 4, reserved: true },
    { name: "code", at: 12, bytes: 1, writtenBy: "device", readBy: "driver", doc: "See SenseCode." },
    { at: 13, bytes: 5, reserved: true },
  ],
});

/** The answer to INQUIRY; vendor, product and revision follow as text from byte 8 on. */
export const Inquiry: Registers<"type" | "removable" | "version" | "format" | "atapi" | "additional"> = defineStruct({
  name: "INQUIRY data",
  source: "SFF-8020i §10.8.1, SPC-3 §6.4.2",
  size: 36,
  endian: "big",
  fields: [
    { name: "type", at: 0, bytes: 1, writtenBy: "device", readBy: "driver", doc: "5: CD or DVD." },
    { at: 1, bytes: 1, bits: [6, 0], reserved: true },
    { name: "removable", at: 1, bytes: 1, bits: [7, 7], writtenBy: "device", readBy: "driver", doc: "The medium is." },
    { name: "version", at: 2, bytes: 1, writtenBy: "device", readBy: "driver", doc: "0: none claimed." },
    { name: "format", at: 3, bytes: 1, bits: [3, 0], writtenBy: "device", readBy: "driver", doc: "Of this answer: 1." },
    { name: "atapi", at: 3, bytes: 1, bits: [7, 4], writtenBy: "device", readBy: "driver", doc: "ATAPI version: 2." },
    { name: "additional", at: 4, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Bytes that follow: 31." },
    { at: 5, bytes: 3, reserved: true },
    { at: 8, bytes: 28, reserved: true, doc: "Text: vendor 8, product 16, revision 4." },
  ],
});

/** Where INQUIRY's texts lie. */
export const InquiryText = { VENDOR: 8, PRODUCT: 16, REVISION: 32, END: 36 } as const;
