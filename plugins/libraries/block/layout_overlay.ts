/**
 * The file of a copy-on-write overlay. Everything is little-endian.
 *
 * ```text
 * 0                     header: OverlayHeader, then zeros up to 4096
 * 4096                  one OverlayEntry of 8 bytes for each cluster of the medium, up to `capacity`
 * dataOffset(capacity)  clusters, numbered from 0, in the order in which they were first written
 * ```
 *
 * The header and every entry carry a CRC-32, so that a torn or foreign one is found and never followed. Data carries
 * none. An entry of 8 zero bytes, as holes in a file read, means that the base still has the cluster.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** What the file begins with: "iovaCoW1". */
export const OVERLAY_MAGIC = 0x3157_6f43_6176_6f69n;
/** Bytes of a cluster: what is copied from the base when a part of it is first written. */
export const CLUSTER_SIZE = 65536;
/** Bytes of the header. */
export const OVERLAY_HEADER_SIZE = 4096;
/** The slot of a cluster of zeros, which takes no place in the file. */
export const ZERO_SLOT = 0xffff_ffff;

const both = { writtenBy: "medium", readBy: "medium" } as const;

/** The header. */
export const OverlayHeader: Struct<
  { magic: bigint; size: bigint; baseSize: bigint; baseCheck: number; capacity: number; id: number; crc: number }
> = defineStruct({
  name: "overlay_header",
  source: "plugins/libraries/block/layout_overlay.ts",
  size: 40,
  endian: "little",
  fields: [
    { name: "magic", at: 0, bytes: 8, ...both, doc: "The letters iovaCoW1." },
    { name: "size", at: 8, bytes: 8, ...both, doc: "Bytes of the medium." },
    { name: "baseSize", at: 16, bytes: 8, ...both, doc: "Bytes of the base when the overlay was made." },
    { name: "baseCheck", at: 24, bytes: 4, ...both, doc: "CRC-32 of the base's first and last 64 KiB." },
    { name: "capacity", at: 28, bytes: 4, ...both, doc: "Entries in the table: how far the medium can grow." },
    { name: "id", at: 32, bytes: 4, ...both, doc: "A number of its own, part of every entry's checksum." },
    { name: "crc", at: 36, bytes: 4, ...both, doc: "CRC-32 of the bytes before." },
  ],
});

/** An entry of the table. */
export const OverlayEntry: Struct<{ slot: number; crc: number }> = defineStruct({
  name: "overlay_entry",
  source: "plugins/libraries/block/layout_overlay.ts",
  size: 8,
  endian: "little",
  fields: [
    { name: "slot", at: 0, bytes: 4, ...both, doc: "Number of the cluster in the file, plus 1; all ones: zeros." },
    { name: "crc", at: 4, bytes: 4, ...both, doc: "CRC-32 of overlay id, index of the entry, and slot." },
  ],
});

/** Where cluster 0 of the data begins. */
export function dataOffset(capacity: number): number {
  const end = OVERLAY_HEADER_SIZE + capacity * OverlayEntry.size;
  return Math.ceil(end / CLUSTER_SIZE) * CLUSTER_SIZE;
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? c >>> 1 ^ 0xedb8_8320 : c >>> 1;
  return c;
});

/** CRC-32 as in Ethernet and zip, unsigned; `seed` is the checksum of what came before. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  let c = ~seed;
  for (let i = 0; i < bytes.length; i++) c = CRC[(c ^ bytes[i]) & 0xff] ^ c >>> 8;
  return ~c >>> 0;
}

/** The bytes of an entry of overlay `id`. */
export function encodeEntry(id: number, index: number, slot: number): Uint8Array<ArrayBuffer> {
  return OverlayEntry.encode({ slot, crc: entryCrc(id, index, slot) });
}

/** The checksum of an entry. */
export function entryCrc(id: number, index: number, slot: number): number {
  return crc32(new Uint8Array(Uint32Array.of(id, index, slot).buffer));
}
