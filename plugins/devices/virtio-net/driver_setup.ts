/**
 * Bringing a virtio network device up: reset, negotiation, queues (virtio 1.4 §3.1, §5.1.5).
 *
 * @module
 */

import { type DriverContext, Errno, GuestMemoryError } from "@iova/core";
import {
  type Addressing,
  chooseAddressing,
  demandPlatform,
  DmaAddressing,
  type DriverQueue,
  type DriverTransport,
  Feature,
  FeatureSet,
  makeDriverQueue,
  negotiate,
  noLowRing,
  queueBytes,
  queueSizeWithin,
  resetDevice,
  ringFeatures,
  ringTooHigh,
  Status,
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

const SMALLEST_RING = 4096;
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
  const { guest } = context;
  if (transport.type !== NET_DEVICE) throw new Error(`virtio device type ${transport.type} is no network device`);
  if (!resetDevice(transport, () => guest.relax())) throw new Error("the device does not finish its reset");
  const features = negotiate(transport, known(transport.offered(), options));
  if (features === null) {
    transport.writeStatus(transport.readStatus() | Status.FAILED);
    throw new Error("the device refuses every set of features that this driver knows");
  }
  if (options.driverAddressing === "restricted") demandPlatform(context, { transport, features });
  const addressing = chooseAddressing(context, features, options.driverAddressing);
  const offered = features.has(NetFeature.MQ) ? transport.readConfig(NetConfig.at.max_virtqueue_pairs, 2) : 1;
  const pairs = Math.max(1, Math.min(options.pairs, offered));
  const make = (index: number) => makeQueue(transport, context, options, features, addressing, index);
  const queues: DriverQueue[] = [];
  try {
    const add = (index: number) => queues[queues.push(make(index)) - 1];
    const receive = Array.from({ length: pairs }, (_, pair) => add(receiveQueue(pair)));
    const transmit = Array.from({ length: pairs }, (_, pair) => add(transmitQueue(pair)));
    const control = features.has(NetFeature.CTRL_VQ) ? add(controlQueue(offered)) : null;
    const long = features.has(Feature.VERSION_1) || features.has(NetFeature.MRG_RXBUF);
    return { features, addressing, headerSize: long ? NetHeader.size : SHORT_HEADER, receive, transmit, control };
  } catch (error) {
    resetDevice(transport, () => guest.relax());
    for (const queue of queues) queue.release();
    throw error;
  }
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

function makeQueue(
  transport: DriverTransport,
  context: DriverContext,
  { queueSize, requestMemory }: NetDriverOptions,
  features: FeatureSet,
  addressing: Addressing,
  index: number,
): DriverQueue {
  const { guest } = context;
  let size = transport.queueSize(index);
  if (!transport.dictatesSize) size = queueSizeWithin(features, Math.min(queueSize, size));
  if (size === 0) throw new Error(`the device has no queue ${index}`);
  for (;;) {
    const queue = makeDriverQueue(features, {
      index,
      size,
      guest,
      addressing,
      notify: transport.notifier(index),
      coherentTables: requestMemory === "coherent",
    });
    if (queue !== null) {
      const refused = transport.enableQueue(index, size, queue.addresses);
      if (refused === 0) return queue;
      queue.release();
      if (refused === -Errno.E2BIG) throw ringTooHigh(context);
      throw new Error(`the device refuses a queue of ${size}`);
    }
    const bytes = queueBytes(features, size);
    if (transport.dictatesSize || bytes <= SMALLEST_RING || size <= 4) {
      if (addressing instanceof DmaAddressing && transport.legacy) throw noLowRing(context);
      throw new GuestMemoryError("the ring of a virtio network device", bytes);
    }
    // With little memory left a smaller ring will do, as on Linux.
    size = Math.floor(size / 2);
  }
}
