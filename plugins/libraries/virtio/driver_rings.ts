/**
 * Which kind of ring a driver uses: what it negotiated decides.
 *
 * @module
 */

import { PackedDriverQueue } from "./driver_packed.ts";
import type { DriverQueue, DriverRingOptions } from "./driver_queue.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { Feature, type FeatureSet } from "./layout_features.ts";
import { packedBytes } from "./layout_packed.ts";
import { placeSplit } from "./layout_ring.ts";

/** What a queue is made with besides what negotiation says. */
export type DriverQueuePlace = Pick<
  DriverRingOptions,
  "index" | "size" | "guest" | "addressing" | "notify" | "tableEntries" | "coherentTables" | "align"
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
