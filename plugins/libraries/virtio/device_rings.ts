/**
 * Which kind of ring a device serves: the driver's choice of features decides.
 *
 * @module
 */

import { PackedDeviceQueue } from "./device_packed.ts";
import type { DeviceQueue, DeviceRingOptions } from "./device_queue.ts";
import { MANNERS } from "./device_manners.ts";
import type { RingRules } from "./device_rules.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { Feature, type FeatureSet } from "./layout_features.ts";
import { isPackedSize } from "./layout_packed.ts";
import { isRingSize } from "./layout_ring.ts";

/** What a ring is made with besides what negotiation says. */
export type DeviceQueuePlace = Pick<DeviceRingOptions, "size" | "port" | "addresses" | "rules" | "stats">;

/** The ring that `features`, as negotiated, ask for. Its addresses have not been touched yet. */
export function makeDeviceQueue(features: FeatureSet, place: DeviceQueuePlace): DeviceQueue {
  const options: DeviceRingOptions = {
    ...place,
    indirect: features.has(Feature.INDIRECT_DESC),
    eventIndex: features.has(Feature.EVENT_IDX),
    inOrder: features.has(Feature.IN_ORDER),
    notifyOnEmpty: features.has(Feature.NOTIFY_ON_EMPTY),
  };
  return features.has(Feature.RING_PACKED) ? new PackedDeviceQueue(options) : new SplitDeviceQueue(options);
}

/** Whether the ring that `features` ask for may have `size` entries. */
export function isQueueSize(features: FeatureSet, size: number, rules: RingRules = MANNERS.spec.rings): boolean {
  return features.has(Feature.RING_PACKED) || !rules.powersOfTwo ? isPackedSize(size) : isRingSize(size);
}
