/**
 * What a notification carries when NOTIFICATION_DATA is negotiated (virtio 1.4 §2.9, §4.1.5.2, §4.2.3.3).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** A notification with data: one 32-bit write. Of a split ring, `next_off` and `next_wrap` are one available index. */
export const Notification: Struct<{ vq_index: number; next_off: number; next_wrap: number }> = defineStruct({
  name: "virtq_notification",
  source: "virtio 1.4 §4.1.5.2",
  size: 4,
  endian: "little",
  fields: [
    {
      name: "vq_index",
      at: 0,
      bytes: 4,
      bits: [15, 0],
      writtenBy: "driver",
      readBy: "device",
      doc: "The queue, or the number that the device gave for it.",
    },
    {
      name: "next_off",
      at: 0,
      bytes: 4,
      bits: [30, 16],
      writtenBy: "driver",
      readBy: "device",
      doc: "Where the next request will stand: a slot; of a split ring bits 14:0 of the available index.",
    },
    {
      name: "next_wrap",
      at: 0,
      bytes: 4,
      bits: [31, 31],
      writtenBy: "driver",
      readBy: "device",
      doc: "Wrap counter of that slot; of a split ring bit 15 of the available index.",
    },
  ],
});

const NEXT_SHIFT: number = Notification.shift.next_off;

/** The word, unsigned; `next` is what `DriverQueue.nextAvailable` says. */
export function notificationWord(queue: number, next: number): number {
  return (queue | next << NEXT_SHIFT) >>> 0;
}

/** Bits 16 to 31 of such a word: where the next request will stand. */
export function nextOf(word: number): number {
  return word >>> NEXT_SHIFT;
}
