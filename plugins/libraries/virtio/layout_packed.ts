/**
 * The packed ring (virtio 1.4 §2.8): one ring of descriptors that both sides write, and two event suppression
 * structures. Everything is little-endian.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";
import { DescFlag, MAX_QUEUE_SIZE } from "./layout_ring.ts";

/** Flags of a descriptor in a packed ring. */
export const PackedFlag = {
  ...DescFlag,
  /** Available, when it equals the driver's wrap counter and USED does not. */
  AVAIL: 0x80,
  /** Used, when it and AVAIL equal the device's wrap counter. */
  USED: 0x8000,
} as const;

/** Values of `flags` in an event suppression structure. */
export const EventFlag = {
  /** Notifications are wanted. */
  ENABLE: 0,
  /** None is wanted. */
  DISABLE: 1,
  /** One is wanted when the descriptor at `off_wrap` is passed; needs EVENT_IDX. */
  DESC: 2,
} as const;

/** The wrap counter in `off_wrap`. */
export const EVENT_WRAP = 0x8000;
/** The offset in `off_wrap`. */
export const EVENT_OFFSET = 0x7fff;

/** An entry of the descriptor ring. The driver makes it available, the device overwrites it when it is used. */
export const PackedDesc: Struct<{ addr: bigint; len: number; id: number; flags: number }> = defineStruct({
  name: "pvirtq_desc",
  source: "virtio 1.4 §2.8.13",
  size: 16,
  endian: "little",
  fields: [
    { name: "addr", at: 0, bytes: 8, writtenBy: "driver", readBy: "device", doc: "Bus address of the buffer." },
    { name: "len", at: 8, bytes: 4, writtenBy: "both", readBy: "both", doc: "Bytes; when used: bytes written." },
    { name: "id", at: 12, bytes: 2, writtenBy: "both", readBy: "both", doc: "Which buffer; in its last descriptor." },
    { name: "flags", at: 14, bytes: 2, writtenBy: "both", readBy: "both", flags: PackedFlag, doc: "What it is." },
  ],
});

/** An event suppression structure: the driver's says when it wants interrupts, the device's when it wants kicks. */
export const PackedEvent: Struct<{ off_wrap: number; flags: number }> = defineStruct({
  name: "pvirtq_event_suppress",
  source: "virtio 1.4 §2.8.14",
  size: 4,
  endian: "little",
  fields: [
    { name: "off_wrap", at: 0, bytes: 2, writtenBy: "either", readBy: "other", doc: "Offset, and wrap in bit 15." },
    { name: "flags", at: 2, bytes: 2, bits: [1, 0], writtenBy: "either", readBy: "other", doc: "Of `EventFlag`." },
    { at: 2, bytes: 2, bits: [15, 2], reserved: true },
  ],
});

/** Required alignment of each part, in bytes. */
export const PackedAlign = { DESC: 16, EVENT: 4 } as const;

/** Bytes of the descriptor ring. */
export function packedBytes(size: number): number {
  return size * PackedDesc.size;
}

/** Whether `size` can be the size of a packed ring: any, powers of two or not. */
export function isPackedSize(size: number): boolean {
  return size > 0 && size <= MAX_QUEUE_SIZE;
}

/**
 * Whether moving by `steps` from `position` (with wrap counter 0 or 1) passes the place that `offWrap` names. The ring
 * has `size` places, and `steps` is at most that.
 */
export function passes(offWrap: number, position: number, wrap: number, steps: number, size: number): boolean {
  const ahead = (offWrap & EVENT_OFFSET) - position + ((offWrap >>> 15) === wrap ? 0 : size);
  return ahead >= 0 && ahead < steps;
}
