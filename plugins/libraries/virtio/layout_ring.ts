/**
 * The split ring (virtio 1.4 §2.7): descriptor table, available ring, used ring. Everything is little-endian.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Flags of a descriptor. */
export const DescFlag = {
  /** The chain goes on at `next`. */
  NEXT: 1,
  /** The device may only write; clear: it may only read. */
  WRITE: 2,
  /** The buffer is a table of descriptors. */
  INDIRECT: 4,
} as const;

/** Flag of the available ring: the driver wants no interrupt. Means nothing with EVENT_IDX. */
export const AVAIL_NO_INTERRUPT = 1;
/** Flag of the used ring: the device wants no kick. Means nothing with EVENT_IDX. */
export const USED_NO_NOTIFY = 1;
/** The largest split ring. */
export const MAX_QUEUE_SIZE = 32768;

/** An entry of the descriptor table. Only the driver writes it. */
export const VirtqDesc: Struct<{ addr: bigint; len: number; flags: number; next: number }> = defineStruct({
  name: "virtq_desc",
  source: "virtio 1.4 §2.7.5",
  size: 16,
  endian: "little",
  fields: [
    { name: "addr", at: 0, bytes: 8, writtenBy: "driver", readBy: "device", doc: "Bus address of the buffer." },
    { name: "len", at: 8, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Bytes." },
    { name: "flags", at: 12, bytes: 2, writtenBy: "driver", readBy: "device", flags: DescFlag, doc: "What it is." },
    { name: "next", at: 14, bytes: 2, writtenBy: "driver", readBy: "device", doc: "Where the chain goes on." },
  ],
});

/** The head of the available ring; 16-bit slots follow, and `used_event` after them. */
export const VirtqAvail: Struct<{ flags: number; idx: number }> = defineStruct({
  name: "virtq_avail",
  source: "virtio 1.4 §2.7.6",
  size: 4,
  endian: "little",
  fields: [
    {
      name: "flags",
      at: 0,
      bytes: 2,
      writtenBy: "driver",
      readBy: "device",
      flags: { NO_INTERRUPT: AVAIL_NO_INTERRUPT },
      doc: "Whether interrupts are wanted.",
    },
    { name: "idx", at: 2, bytes: 2, writtenBy: "driver", readBy: "device", doc: "Chains made available, modulo 2^16." },
  ],
});

/** The head of the used ring; elements follow, and `avail_event` after them. */
export const VirtqUsed: Struct<{ flags: number; idx: number }> = defineStruct({
  name: "virtq_used",
  source: "virtio 1.4 §2.7.8",
  size: 4,
  endian: "little",
  fields: [
    {
      name: "flags",
      at: 0,
      bytes: 2,
      writtenBy: "device",
      readBy: "driver",
      flags: { NO_NOTIFY: USED_NO_NOTIFY },
      doc: "Whether kicks are wanted.",
    },
    { name: "idx", at: 2, bytes: 2, writtenBy: "device", readBy: "driver", doc: "Chains used, modulo 2^16." },
  ],
});

/** An element of the used ring. */
export const VirtqUsedElem: Struct<{ id: number; len: number }> = defineStruct({
  name: "virtq_used_elem",
  source: "virtio 1.4 §2.7.8",
  size: 8,
  endian: "little",
  fields: [
    { name: "id", at: 0, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Head of the chain." },
    { name: "len", at: 4, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Bytes written into the buffer." },
  ],
});

/** Bytes of a slot of the available ring. */
export const AVAIL_SLOT_SIZE = 2;
/** Required alignment of each part, in bytes. */
export const RingAlign = { DESC: 16, AVAIL: 2, USED: 4 } as const;

/** Byte offset of slot 0 in the available ring. */
export const AVAIL_RING: number = VirtqAvail.size;
/** Byte offset of element 0 in the used ring. */
export const USED_RING: number = VirtqUsed.size;

/** Bytes of the descriptor table. */
export function descBytes(size: number): number {
  return size * VirtqDesc.size;
}

/** Byte offset of `used_event` in the available ring. */
export function usedEventAt(size: number): number {
  return AVAIL_RING + size * AVAIL_SLOT_SIZE;
}

/** Byte offset of `avail_event` in the used ring. */
export function availEventAt(size: number): number {
  return USED_RING + size * VirtqUsedElem.size;
}

/** Bytes of an event index. */
export const EVENT_SIZE = 2;

/** Where the three parts lie in one block of memory. */
export interface SplitPlacement {
  /** Offset of the descriptor table: always 0. */
  readonly desc: number;
  /** Offset of the available ring. */
  readonly avail: number;
  /** Offset of the used ring. */
  readonly used: number;
  /** Bytes of all three. */
  readonly bytes: number;
}

/** Places a ring of `size` as Linux's `vring_init` does: used at the next multiple of `align` bytes (4096 on PCI). */
export function placeSplit(size: number, align = 4096): SplitPlacement {
  const avail = descBytes(size);
  const availEnd = avail + usedEventAt(size) + EVENT_SIZE;
  const used = Math.ceil(availEnd / align) * align;
  return { desc: 0, avail, used, bytes: used + availEventAt(size) + EVENT_SIZE };
}

/** Whether moving an index from `old` to `now` passes `event` (`vring_need_event`); all modulo 2^16. */
export function crosses(event: number, now: number, old: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
}

/** Whether `size` can be the size of a split ring. */
export function isRingSize(size: number): boolean {
  return size > 0 && size <= MAX_QUEUE_SIZE && (size & (size - 1)) === 0;
}
