/**
 * Bringing a virtio block device up: reset, negotiation, queue, configuration (virtio 1.4 §3.1, §5.2.5).
 *
 * @module
 */

import { type DriverContext, Errno, GuestMemoryError } from "@iova/core";
import {
  type Addressing,
  chooseAddressing,
  type DriverAddressing,
  type DriverQueue,
  type DriverTransport,
  Feature,
  FeatureSet,
  makeDriverQueue,
  negotiate,
  queueBytes,
  queueSizeWithin,
  resetDevice,
  type RingFeatures,
  ringFeatures,
  Status,
} from "@iova/virtio";
import { BLOCK_DEVICE, BlockConfig, BlockFeature } from "./layout.ts";

/** What a person can choose about the driver. */
export interface BlockDriverOptions extends RingFeatures {
  /** Entries of the queue, if the device has as many. */
  readonly queueSize: number;
  /** Who makes addresses. */
  readonly driverAddressing: DriverAddressing;
  /** Whether header, status and indirect table of a request are mapped once or, as Linux does, for every request. */
  readonly requestMemory: "coherent" | "streaming";
}

/** A device that has been set up, all but DRIVER_OK. */
export interface BlockSetup {
  readonly transport: DriverTransport;
  readonly queue: DriverQueue;
  readonly addressing: Addressing;
  readonly features: FeatureSet;
  /** Sectors. */
  readonly capacity: number;
  /** Most data segments in one request. */
  readonly maxSegments: number;
}

/** What a legacy driver says of a ring that its 32 bits of page frame number do not reach. */
const TOO_HIGH = "platform bug: a legacy virtio interface must not be used with rings above 16 TiB";
const TWO32 = 4294967296;
const SMALLEST_RING = 4096;

/**
 * Sets the device up.
 *
 * @throws {Error} when it refuses.
 * @throws {GuestMemoryError} when there is no memory for its ring.
 */
export function setUp(transport: DriverTransport, context: DriverContext, options: BlockDriverOptions): BlockSetup {
  const { guest } = context;
  if (transport.type !== BLOCK_DEVICE) throw new Error(`virtio device type ${transport.type} is no block device`);
  if (!resetDevice(transport, () => guest.relax())) throw new Error("the device does not finish its reset");
  const features = negotiate(transport, known(options));
  if (features === null) {
    transport.writeStatus(transport.readStatus() | Status.FAILED);
    throw new Error("the device refuses every set of features that this driver knows");
  }
  const addressing = chooseAddressing(context, features, options.driverAddressing);
  const queue = makeQueue(transport, context, options, features, addressing);
  const segments = features.has(BlockFeature.SEG_MAX) ? transport.readConfig(BlockConfig.at.seg_max, 4) : 1;
  const maxSegments = Math.max(1, Math.min(segments, queue.size - OVERHEAD));
  return { transport, queue, addressing, features, capacity: readCapacity(transport), maxSegments };
}

/** Descriptors of a request besides its data. */
const OVERHEAD = 2;

/** Every feature that this driver knows; ACCESS_PLATFORM it accepts whenever it is offered. */
function known(options: BlockDriverOptions): FeatureSet {
  return new FeatureSet([
    ...ringFeatures({ ...options, accessPlatform: true }),
    BlockFeature.SEG_MAX,
    BlockFeature.RO,
    BlockFeature.BLK_SIZE,
    BlockFeature.FLUSH,
  ]);
}

/** Descriptors of the shortest request with data. */
const DESCRIPTORS = 3;

/**
 * Requests in flight at most. With tables as many as a split ring has entries. In a packed ring, where a request's
 * descriptors lie in a row, half as many, so that most need no table.
 */
export function queueDepth(features: FeatureSet, size: number): number {
  if (!features.has(Feature.INDIRECT_DESC)) return Math.max(1, Math.floor(size / DESCRIPTORS));
  return features.has(Feature.RING_PACKED) ? Math.ceil(size / 2) : size;
}

function makeQueue(
  transport: DriverTransport,
  { guest }: DriverContext,
  { queueSize, requestMemory }: BlockDriverOptions,
  features: FeatureSet,
  addressing: Addressing,
): DriverQueue {
  let size = transport.queueSize(0);
  // A legacy device dictates the size.
  if (!transport.legacy) size = queueSizeWithin(features, Math.min(queueSize, size));
  if (size === 0) throw new Error("the device has no queue");
  for (;;) {
    const queue = makeDriverQueue(features, {
      index: 0,
      size,
      guest,
      addressing,
      notify: transport.notifier(0),
      depth: queueDepth(features, size),
      coherentTables: requestMemory === "coherent",
    });
    if (queue !== null) {
      const refused = transport.enableQueue(0, size, queue.addresses);
      if (refused === 0) return queue;
      queue.release();
      throw new Error(refused === -Errno.E2BIG ? TOO_HIGH : `the device refuses a queue of ${size}`);
    }
    // With little memory left a smaller ring will do, as on Linux.
    const bytes = queueBytes(features, size);
    if (transport.legacy || bytes <= SMALLEST_RING || size <= 4) {
      throw new GuestMemoryError("the ring of a virtio block device", bytes);
    }
    size = Math.floor(size / 2);
  }
}

/** The capacity, read again when the configuration changed in between (virtio 1.4 §2.5.1). */
function readCapacity(transport: DriverTransport): number {
  for (let i = 0;; i++) {
    const before = transport.generation();
    const low = transport.readConfig(BlockConfig.at.capacity, 4);
    const high = transport.readConfig(BlockConfig.at.capacity + 4, 4);
    if (transport.generation() === before || i === 100) return high * TWO32 + low;
  }
}
