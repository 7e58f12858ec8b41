/**
 * Which kind of ring a driver uses: what it negotiated decides.
 *
 * @module
 */

import { PackedDriverQueue } from "./driver_packed.ts";
import type { DriverQueue, DriverRingOptions } from "./driver_queue.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { Feature, type FeatureSet } from "./layout_features.ts";
import type { DriverTransport } from "./driver_transport.ts";
import { isPackedSize, packedBytes } from "./layout_packed.ts";
import { MAX_QUEUE_SIZE, placeSplit } from "./layout_ring.ts";

/** What a queue is made with besides what negotiation says. */
export type DriverQueuePlace = Pick<
  DriverRingOptions,
  "index" | "size" | "guest" | "addressing" | "notify" | "tableEntries" | "depth" | "coherentTables" | "align"
>;

/** A queue of the kind that `features`, as negotiated, ask for, in fresh memory; null when there is none. */
export function makeDriverQueue(features: FeatureSet, place: DriverQueuePlace): DriverQueue | null {
  const options: DriverRingOptions = {
    ...place,
    indirect: features.has(Feature.INDIRECT_DESC),
    eventIndex: features.has(Feature.EVENT_IDX),
    inOrder: features.has(Feature.IN_ORDER),
    legacy: !features.has(Feature.VERSION_1),
  };
  return features.has(Feature.RING_PACKED) ? PackedDriverQueue.create(options) : SplitDriverQueue.create(options);
}

/** Bytes of the largest block of memory that such a queue needs. */
export function queueBytes(features: FeatureSet, size: number, align?: number): number {
  return features.has(Feature.RING_PACKED) ? packedBytes(size) : placeSplit(size, align).bytes;
}

/** The largest size of such a queue that is not above `most`; 0 when there is none. */
export function queueSizeWithin(features: FeatureSet, most: number): number {
  const size = Math.min(most, MAX_QUEUE_SIZE);
  if (features.has(Feature.RING_PACKED)) return isPackedSize(size) ? size : 0;
  return size > 0 ? 2 ** Math.floor(Math.log2(size)) : 0;
}

/**
 * Stops one queue while its device goes on, takes back what it was working on, and starts it again over a fresh ring
 * (RING_RESET, virtio 1.4 §2.6.1). `lost` hears each token; `remake` makes the new ring.
 *
 * @returns the new queue; null when the device cannot do it (nothing has changed), or when there is no memory or the device
 * refuses the new ring (the old one is freed, the queue stays stopped).
 */
export function restartQueue(
  transport: DriverTransport,
  queue: DriverQueue,
  lost: (token: number) => void,
  remake: () => DriverQueue | null,
): DriverQueue | null {
  if (!transport.resetQueue(queue.index)) return null;
  for (let token = queue.detachUnused(); token >= 0; token = queue.detachUnused()) lost(token);
  queue.release();
  const fresh = remake();
  if (fresh === null || transport.enableQueue(fresh.index, fresh.size, fresh.addresses) === 0) return fresh;
  fresh.release();
  return null;
}
