/**
 * What a virtio block device and its driver agree on (virtio 1.4 §5.2): request header, segments, status, configuration,
 * features. Everything is little-endian; positions are in sectors of 512 bytes.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Virtio device type of a block device. */
export const BLOCK_DEVICE = 2;
/** Bytes of a serial number (§5.2.6): padded with NUL, and without one when all are used. */
export const SERIAL_SIZE = 20;
/** Bytes of the status that ends every request. */
export const STATUS_SIZE = 1;

/** What a request does. */
export const RequestType = {
  IN: 0,
  OUT: 1,
  /** Legacy: a SCSI command. */
  SCSI_CMD: 2,
  /** Legacy: the same. */
  SCSI_CMD_OUT: 3,
  FLUSH: 4,
  /** Legacy: another word for FLUSH. */
  FLUSH_OUT: 5,
  GET_ID: 8,
  GET_LIFETIME: 10,
  DISCARD: 11,
  WRITE_ZEROES: 13,
  SECURE_ERASE: 14,
} as const;

/** Bit 31 of a request type, legacy: requests before it are done before requests behind it. */
export const BARRIER_BIT = 0x8000_0000;

/** How a request ended. */
export const RequestStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

/** Feature bits of a block device (§5.2.3). */
export const BlockFeature = {
  /** `size_max` limits a segment. */
  SIZE_MAX: 1,
  /** `seg_max` limits the segments of a request. */
  SEG_MAX: 2,
  /** Cylinders, heads and sectors are valid. */
  GEOMETRY: 4,
  /** The device is read-only. */
  RO: 5,
  /** `blk_size` is valid. */
  BLK_SIZE: 6,
  /** Legacy: SCSI commands. */
  SCSI: 7,
  /** The device can flush its cache. */
  FLUSH: 9,
  /** Physical block size and I/O sizes are valid. */
  TOPOLOGY: 10,
  /** The driver can turn the cache on and off. */
  CONFIG_WCE: 11,
  /** `num_queues` is valid. */
  MQ: 12,
  /** The device knows DISCARD. */
  DISCARD: 13,
  /** The device knows WRITE_ZEROES. */
  WRITE_ZEROES: 14,
  /** The device knows SECURE_ERASE. */
  SECURE_ERASE: 16,
} as const;

/** The header of a request (§5.2.6). */
export const RequestHeader: Struct<{ type: number; sector: bigint }> = defineStruct({
  name: "virtio_blk_req",
  source: "virtio 1.4 §5.2.6",
  size: 16,
  endian: "little",
  fields: [
    {
      name: "type",
      at: 0,
      bytes: 4,
      writtenBy: "driver",
      readBy: "device",
      values: RequestType,
      doc: "What it does.",
    },
    { at: 4, bytes: 4, reserved: true },
    { name: "sector", at: 8, bytes: 8, writtenBy: "driver", readBy: "device", doc: "First sector." },
  ],
});

/** Bits of a segment's flags. */
export const SegmentFlag = {
  /** WRITE_ZEROES: the device may forget the sectors, if they read as zeros then. */
  UNMAP: 1,
} as const;

/** A segment of DISCARD, WRITE_ZEROES and SECURE_ERASE (§5.2.6). */
export const Segment: Struct<{ sector: bigint; num_sectors: number; flags: number }> = defineStruct({
  name: "virtio_blk_discard_write_zeroes",
  source: "virtio 1.4 §5.2.6",
  size: 16,
  endian: "little",
  fields: [
    { name: "sector", at: 0, bytes: 8, writtenBy: "driver", readBy: "device", doc: "First sector." },
    { name: "num_sectors", at: 8, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Sectors." },
    { name: "flags", at: 12, bytes: 4, writtenBy: "driver", readBy: "device", flags: SegmentFlag, doc: "How." },
  ],
});

const ro = { writtenBy: "device", readBy: "driver" } as const;

/** The names in the configuration that hold numbers of up to 32 bits. */
export type BlockConfigNumber =
  | "size_max"
  | "seg_max"
  | "cylinders"
  | "heads"
  | "sectors"
  | "blk_size"
  | "physical_block_exp"
  | "alignment_offset"
  | "min_io_size"
  | "opt_io_size"
  | "writeback"
  | "num_queues"
  | "max_discard_sectors"
  | "max_discard_seg"
  | "discard_sector_alignment"
  | "max_write_zeroes_sectors"
  | "max_write_zeroes_seg"
  | "write_zeroes_may_unmap"
  | "max_secure_erase_sectors"
  | "max_secure_erase_seg"
  | "secure_erase_sector_alignment";

/** The configuration, as far as the features of {@linkcode BlockFeature} go (§5.2.4). */
export const BlockConfig: Struct<{ capacity: bigint } & Record<BlockConfigNumber, number>> = defineStruct({
  name: "virtio_blk_config",
  source: "virtio 1.4 §5.2.4",
  size: 72,
  endian: "little",
  fields: [
    { name: "capacity", at: 0, bytes: 8, ...ro, doc: "Sectors." },
    { name: "size_max", at: 8, bytes: 4, ...ro, doc: "Longest segment in bytes, with SIZE_MAX." },
    { name: "seg_max", at: 12, bytes: 4, ...ro, doc: "Most data segments of a request, with SEG_MAX." },
    { name: "cylinders", at: 16, bytes: 2, ...ro, doc: "With GEOMETRY." },
    { name: "heads", at: 18, bytes: 1, ...ro, doc: "With GEOMETRY." },
    { name: "sectors", at: 19, bytes: 1, ...ro, doc: "With GEOMETRY." },
    { name: "blk_size", at: 20, bytes: 4, ...ro, doc: "Block size in bytes, with BLK_SIZE." },
    { name: "physical_block_exp", at: 24, bytes: 1, ...ro, doc: "Blocks in a physical block, as a power of 2." },
    { name: "alignment_offset", at: 25, bytes: 1, ...ro, doc: "First aligned block." },
    { name: "min_io_size", at: 26, bytes: 2, ...ro, doc: "Smallest good I/O in blocks, with TOPOLOGY." },
    { name: "opt_io_size", at: 28, bytes: 4, ...ro, doc: "Best I/O in blocks, with TOPOLOGY." },
    {
      name: "writeback",
      at: 32,
      bytes: 1,
      writtenBy: "both",
      readBy: "both",
      doc: "1: writes may stay in a cache. The driver writes it with CONFIG_WCE.",
    },
    { at: 33, bytes: 1, reserved: true },
    { name: "num_queues", at: 34, bytes: 2, ...ro, doc: "Queues, with MQ." },
    { name: "max_discard_sectors", at: 36, bytes: 4, ...ro, doc: "Most sectors of a segment of DISCARD." },
    { name: "max_discard_seg", at: 40, bytes: 4, ...ro, doc: "Most segments of DISCARD." },
    { name: "discard_sector_alignment", at: 44, bytes: 4, ...ro, doc: "What segments of DISCARD are best aligned to." },
    { name: "max_write_zeroes_sectors", at: 48, bytes: 4, ...ro, doc: "Most sectors of a segment of WRITE_ZEROES." },
    { name: "max_write_zeroes_seg", at: 52, bytes: 4, ...ro, doc: "Most segments of WRITE_ZEROES." },
    { name: "write_zeroes_may_unmap", at: 56, bytes: 1, ...ro, doc: "1: UNMAP may really forget." },
    { at: 57, bytes: 3, reserved: true },
    { name: "max_secure_erase_sectors", at: 60, bytes: 4, ...ro, doc: "Most sectors of a segment of SECURE_ERASE." },
    { name: "max_secure_erase_seg", at: 64, bytes: 4, ...ro, doc: "Most segments of SECURE_ERASE." },
    { name: "secure_erase_sector_alignment", at: 68, bytes: 4, ...ro, doc: "As for DISCARD." },
  ],
});
