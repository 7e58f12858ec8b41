/**
 * Bringing a virtio network device up: reset, negotiation, queues (virtio 1.4 §3.1, §5.1.5).
 *
 * @module
 */

import type { DriverContext } from "@iova/core";
import {
  type Addressing,
  bringUp,
  type DriverQueue,
  type DriverTransport,
  Feature,
  FeatureSet,
  ringFeatures,
  setUpQueues,
} from "@iova/virtio";
import type { NetDriverOptions } from "./driver_options.ts";
import {
  controlQueue,
  NET_DEVICE,
  NetConfig,
  NetFeature,
  NetHeader,
  receiveQueue,
  SHORT_HEADER,
  transmitQueue,
} from "./layout.ts";

/** A device that has been set up, all but DRIVER_OK. */
export interface NetSetup {
  readonly features: FeatureSet;
  readonly addressing: Addressing;
  /** Bytes of a frame's header. */
  readonly headerSize: number;
  /** By pair. */
  readonly receive: readonly DriverQueue[];
  /** By pair. */
  readonly transmit: readonly DriverQueue[];
  /** Null without CTRL_VQ. */
  readonly control: DriverQueue | null;
}

/** Longest received frame with its header, when it is not cut (virtio 1.4 §5.1.6.3.1). */
export const BIG_BUFFER = 65562;

/** Received frames that are not cut need buffers that hold them, or merging. */
const BIG_FEATURES: readonly number[] = [
  NetFeature.GUEST_TSO4,
  NetFeature.GUEST_TSO6,
  NetFeature.GUEST_ECN,
  NetFeature.GUEST_USO4,
  NetFeature.GUEST_USO6,
];

const KNOWN: readonly number[] = Object.values(NetFeature).filter((feature) => !BIG_FEATURES.includes(feature));

/**
 * Sets the device up.
 *
 * @throws {Error} when it refuses.
 * @throws {InputError} when the platform's addresses are none for it.
 * @throws {GuestMemoryError} when there is no memory for its rings.
 */
export function setUp(transport: DriverTransport, context: DriverContext, options: NetDriverOptions): NetSetup {
  const device = bringUp(transport, context, {
    type: NET_DEVICE,
    kind: "network",
    known: (offered) => known(offered, options),
    driverAddressing: options.driverAddressing,
  });
  const { features, addressing } = device;
  const offered = features.has(NetFeature.MQ) ? transport.readConfig(NetConfig.at.max_virtqueue_pairs, 2) : 1;
  const pairs = Math.max(1, Math.min(options.pairs, offered));
  const long = features.has(Feature.VERSION_1) || features.has(NetFeature.MRG_RXBUF);
  const queues = setUpQueues(device, options, (make) => ({
    receive: Array.from({ length: pairs }, (_, pair) => make(receiveQueue(pair))),
    transmit: Array.from({ length: pairs }, (_, pair) => make(transmitQueue(pair))),
    control: features.has(NetFeature.CTRL_VQ) ? make(controlQueue(offered)) : null,
  }));
  return { features, addressing, headerSize: long ? NetHeader.size : SHORT_HEADER, ...queues };
}

/** Every feature that this driver knows and can use; ACCESS_PLATFORM it accepts whenever it is offered. */
function known(offered: FeatureSet, options: NetDriverOptions): FeatureSet {
  const big = offered.has(NetFeature.MRG_RXBUF) || options.rxBuffer >= BIG_BUFFER;
  return new FeatureSet([
    ...ringFeatures({ ...options, accessPlatform: true }),
    ...KNOWN,
    ...(big ? BIG_FEATURES : []),
  ]);
}
