/**
 * What a virtio block device and its driver agree on (virtio 1.4 §5.2): request header, status, configuration, features.
 * Everything is little-endian; positions are in sectors of 512 bytes.
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
  FLUSH: 4,
  GET_ID: 8,
} as const;

/** How a request ended. */
export const RequestStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

/** Feature bits of a block device (§5.2.3). */
export const BlockFeature = {
  /** `size_max` limits a segment. */
  SIZE_MAX: 1,
  /** `seg_max` limits the segments of a request. */
  SEG_MAX: 2,
  /** The device is read-only. */
  RO: 5,
  /** `blk_size` is valid. */
  BLK_SIZE: 6,
  /** The device can flush its cache. */
  FLUSH: 9,
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

const ro = { writtenBy: "device", readBy: "driver" } as const;

/** The configuration, as far as the features of {@linkcode BlockFeature} go (§5.2.4). */
export const BlockConfig: Struct<
  {
    capacity: bigint;
    size_max: number;
    seg_max: number;
    cylinders: number;
    heads: number;
    sectors: number;
    blk_size: number;
  }
> = defineStruct({
  name: "virtio_blk_config",
  source: "virtio 1.4 §5.2.4",
  size: 24,
  endian: "little",
  fields: [
    { name: "capacity", at: 0, bytes: 8, ...ro, doc: "Sectors." },
    { name: "size_max", at: 8, bytes: 4, ...ro, doc: "Longest segment in bytes, with SIZE_MAX." },
    { name: "seg_max", at: 12, bytes: 4, ...ro, doc: "Most data segments of a request, with SEG_MAX." },
    { name: "cylinders", at: 16, bytes: 2, ...ro, doc: "With GEOMETRY." },
    { name: "heads", at: 18, bytes: 1, ...ro, doc: "With GEOMETRY." },
    { name: "sectors", at: 19, bytes: 1, ...ro, doc: "With GEOMETRY." },
    { name: "blk_size", at: 20, bytes: 4, ...ro, doc: "Block size in bytes, with BLK_SIZE." },
  ],
});
