/**
 * Memory that remembers, across a crash of the back-end, which requests it had taken and not finished
 * (vhost-user.rst, Inflight I/O tracking). The front-end keeps it; only back-ends write it.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const own = { writtenBy: "back-end", readBy: "back-end" } as const;

/** The head of a split ring's area. */
export const SplitRegion: Struct<
  { features: bigint; version: number; desc_num: number; last_batch_head: number; used_idx: number }
> = defineStruct({
  name: "QueueRegionSplit",
  source: "vhost-user.rst, Inflight I/O tracking, split virtqueue",
  size: 16,
  endian: "little",
  fields: [
    { name: "features", at: 0, bytes: 8, ...own, doc: "Features of the area; none exist." },
    { name: "version", at: 8, bytes: 2, ...own, doc: "0: fresh, 1: in use." },
    { name: "desc_num", at: 10, bytes: 2, ...own, doc: "Entries." },
    { name: "last_batch_head", at: 12, bytes: 2, ...own, doc: "Head of the batch that is being shown." },
    { name: "used_idx", at: 14, bytes: 2, ...own, doc: "The used index after the last batch." },
  ],
});

/** An entry of a split ring's area: the chain that begins at this descriptor. */
export const SplitEntry: Struct<{ inflight: number; next: number; counter: bigint }> = defineStruct({
  name: "DescStateSplit",
  source: "vhost-user.rst, Inflight I/O tracking, split virtqueue",
  size: 16,
  endian: "little",
  fields: [
    { name: "inflight", at: 0, bytes: 1, ...own, doc: "Taken and not finished." },
    { at: 1, bytes: 5, reserved: true },
    { name: "next", at: 6, bytes: 2, ...own, doc: "The next one of its batch." },
    { name: "counter", at: 8, bytes: 8, ...own, doc: "Order in which chains were taken." },
  ],
});

/** The head of a packed ring's area. */
export const PackedRegion: Struct<
  {
    features: bigint;
    version: number;
    desc_num: number;
    free_head: number;
    old_free_head: number;
    used_idx: number;
    old_used_idx: number;
    used_wrap_counter: number;
    old_used_wrap_counter: number;
  }
> = defineStruct({
  name: "QueueRegionPacked",
  source: "vhost-user.rst, Inflight I/O tracking, packed virtqueue",
  size: 32,
  endian: "little",
  fields: [
    { name: "features", at: 0, bytes: 8, ...own, doc: "Features of the area; none exist." },
    { name: "version", at: 8, bytes: 2, ...own, doc: "0: fresh, 1: in use." },
    { name: "desc_num", at: 10, bytes: 2, ...own, doc: "Entries." },
    { name: "free_head", at: 12, bytes: 2, ...own, doc: "First free entry; unused here." },
    { name: "old_free_head", at: 14, bytes: 2, ...own, doc: "The same before the last batch." },
    { name: "used_idx", at: 16, bytes: 2, ...own, doc: "Where the next chain is shown." },
    { name: "old_used_idx", at: 18, bytes: 2, ...own, doc: "The same before the last batch." },
    { name: "used_wrap_counter", at: 20, bytes: 1, ...own, doc: "Its lap." },
    { name: "old_used_wrap_counter", at: 21, bytes: 1, ...own, doc: "The same before the last batch." },
    { at: 22, bytes: 10, reserved: true },
  ],
});

/** An entry of a packed ring's area. */
export const PackedEntry: Struct<
  {
    inflight: number;
    next: number;
    last: number;
    num: number;
    counter: bigint;
    id: number;
    flags: number;
    len: number;
    addr: bigint;
  }
> = defineStruct({
  name: "DescStatePacked",
  source: "vhost-user.rst, Inflight I/O tracking, packed virtqueue",
  size: 32,
  endian: "little",
  fields: [
    { name: "inflight", at: 0, bytes: 1, ...own, doc: "Taken and not finished." },
    { at: 1, bytes: 1, reserved: true },
    { name: "next", at: 2, bytes: 2, ...own, doc: "The next one of its chain." },
    { name: "last", at: 4, bytes: 2, ...own, doc: "The last one of its chain." },
    { name: "num", at: 6, bytes: 2, ...own, doc: "Descriptors of the chain." },
    { name: "counter", at: 8, bytes: 8, ...own, doc: "Order in which chains were taken." },
    { name: "id", at: 16, bytes: 2, ...own, doc: "Buffer id." },
    { name: "flags", at: 18, bytes: 2, ...own, doc: "The descriptor's flags." },
    { name: "len", at: 20, bytes: 4, ...own, doc: "The descriptor's length." },
    { name: "addr", at: 24, bytes: 8, ...own, doc: "The descriptor's address." },
  ],
});

/** Alignment of each queue's area. */
export const AREA_ALIGN = 64;

/** Bytes of one queue's area. */
export function areaBytes(size: number, packed: boolean): number {
  const [head, entry] = packed ? [PackedRegion.size, PackedEntry.size] : [SplitRegion.size, SplitEntry.size];
  return Math.ceil((head + entry * size) / AREA_ALIGN) * AREA_ALIGN;
}
