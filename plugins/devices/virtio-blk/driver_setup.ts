/**
 * Bringing a virtio block device up: reset, negotiation, queue, configuration (virtio 1.4 §3.1, §5.2.5).
 *
 * @module
 */

import { SECTOR_SIZE } from "@iova/block";
import { type DriverContext, Errno, GuestMemoryError } from "@iova/core";
import {
  type Addressing,
  chooseAddressing,
  demandPlatform,
  DmaAddressing,
  type DriverAddressing,
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
  type RingFeatures,
  ringFeatures,
  ringTooHigh,
  Status,
} from "@iova/virtio";
import { BLOCK_DEVICE, BlockConfig, type BlockConfigNumber, BlockFeature } from "./layout.ts";

/** What a person can choose about the driver. */
export interface BlockDriverOptions extends RingFeatures {
  /** Queues, if the device has as many. Default 1. */
  readonly queues?: number;
  /** Takes DISCARD when it is offered. Default true. */
  readonly discard?: boolean;
  /** Takes WRITE_ZEROES when it is offered. Default true. */
  readonly writeZeroes?: boolean;
  /** Takes SECURE_ERASE when it is offered. Default true. */
  readonly secureErase?: boolean;
  /** Takes CONFIG_WCE when it is offered. Default true. */
  readonly configWce?: boolean;
  /** Entries of each queue, if the device has as many. */
  readonly queueSize: number;
  /** Who makes addresses. */
  readonly driverAddressing: DriverAddressing;
  /** Whether header, status and indirect table of a request are mapped once or, as Linux does, for every request. */
  readonly requestMemory: "coherent" | "streaming";
}

/** What a device says of itself. Bytes, where nothing else is said; 0: it cannot do that. */
export interface BlockLimits {
  /** Of a block: what requests are whole multiples of. */
  readonly blockSize: number;
  /** Most data segments in one request. */
  readonly maxSegments: number;
  /** Longest data segment. */
  readonly maxSegmentSize: number;
  /** Longest DISCARD. */
  readonly maxDiscard: number;
  /** Longest WRITE_ZEROES. */
  readonly maxZeroes: number;
  /** Longest SECURE_ERASE. */
  readonly maxErase: number;
}

/** A device that has been set up, all but DRIVER_OK. */
export interface BlockSetup {
  readonly transport: DriverTransport;
  /** Its queues, by number. */
  readonly queues: readonly DriverQueue[];
  readonly addressing: Addressing;
  readonly features: FeatureSet;
  /** Sectors. */
  readonly capacity: number;
  readonly limits: BlockLimits;
}

const TWO32 = 4294967296;
const SMALLEST_RING = 4096;

/**
 * Sets the device up.
 *
 * @throws {Error} when it refuses.
 * @throws {InputError} when the platform's addresses are none for it.
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
  if (options.driverAddressing === "restricted") demandPlatform(context, { transport, features });
  const addressing = chooseAddressing(context, features, options.driverAddressing);
  const queues = makeQueues(transport, context, options, features, addressing);
  const limits = readLimits(transport, features, queues[0].size);
  return { transport, queues, addressing, features, capacity: readCapacity(transport), limits };
}

/** Descriptors of a request besides its data. */
const OVERHEAD = 2;

/** Every feature that this driver knows; ACCESS_PLATFORM it accepts whenever it is offered. */
function known(options: BlockDriverOptions): FeatureSet {
  const { discard = true, writeZeroes = true, secureErase = true, configWce = true } = options;
  return new FeatureSet([
    ...ringFeatures({ ...options, accessPlatform: true }),
    Feature.ANY_LAYOUT,
    BlockFeature.SIZE_MAX,
    BlockFeature.SEG_MAX,
    BlockFeature.RO,
    BlockFeature.BLK_SIZE,
    BlockFeature.FLUSH,
    BlockFeature.TOPOLOGY,
    BlockFeature.MQ,
    ...(configWce ? [BlockFeature.CONFIG_WCE] : []),
    ...(discard ? [BlockFeature.DISCARD] : []),
    ...(writeZeroes ? [BlockFeature.WRITE_ZEROES] : []),
    ...(secureErase ? [BlockFeature.SECURE_ERASE] : []),
  ]);
}

/** What the configuration says, as far as it is valid. */
function readLimits(transport: DriverTransport, features: FeatureSet, queueSize: number): BlockLimits {
  const read = (feature: number, name: BlockConfigNumber, otherwise: number) =>
    features.has(feature) ? transport.readConfig(BlockConfig.at[name], 4) : otherwise;
  const { SEG_MAX, SIZE_MAX, BLK_SIZE, DISCARD, WRITE_ZEROES, SECURE_ERASE } = BlockFeature;
  const blockSize = read(BLK_SIZE, "blk_size", SECTOR_SIZE);
  return {
    // What is no block size at all is no reason to read nothing.
    blockSize: isBlockSize(blockSize) ? blockSize : SECTOR_SIZE,
    maxSegments: Math.max(1, Math.min(read(SEG_MAX, "seg_max", 1), queueSize - OVERHEAD)),
    maxSegmentSize: read(SIZE_MAX, "size_max", Number.MAX_SAFE_INTEGER),
    maxDiscard: read(DISCARD, "max_discard_sectors", 0) * SECTOR_SIZE,
    maxZeroes: read(WRITE_ZEROES, "max_write_zeroes_sectors", 0) * SECTOR_SIZE,
    maxErase: read(SECURE_ERASE, "max_secure_erase_sectors", 0) * SECTOR_SIZE,
  };
}

/** Largest block that this driver knows. */
const LARGEST_BLOCK = 2 ** 20;

function isBlockSize(size: number): boolean {
  return size >= SECTOR_SIZE && size <= LARGEST_BLOCK && (size & (size - 1)) === 0;
}

/** As many queues as the device has and a person asks for. */
function makeQueues(
  transport: DriverTransport,
  context: DriverContext,
  options: BlockDriverOptions,
  features: FeatureSet,
  addressing: Addressing,
): DriverQueue[] {
  const offered = features.has(BlockFeature.MQ) ? transport.readConfig(BlockConfig.at.num_queues, 2) : 1;
  const queues: DriverQueue[] = [];
  try {
    for (let i = 0; i < Math.max(1, Math.min(options.queues ?? 1, offered)); i++) {
      queues.push(makeQueue(transport, context, options, features, addressing, i));
    }
    return queues;
  } catch (error) {
    // The device must have forgotten the rings before they are freed.
    resetDevice(transport, () => context.guest.relax());
    for (const queue of queues) queue.release();
    throw error;
  }
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
  context: DriverContext,
  { queueSize, requestMemory }: BlockDriverOptions,
  features: FeatureSet,
  addressing: Addressing,
  index: number,
): DriverQueue {
  const { guest } = context;
  let size = transport.queueSize(index);
  if (!transport.dictatesSize) size = queueSizeWithin(features, Math.min(queueSize, size));
  if (size === 0) throw new Error("the device has no queue");
  for (;;) {
    const queue = makeDriverQueue(features, {
      index,
      size,
      guest,
      addressing,
      notify: transport.notifier(index),
      depth: queueDepth(features, size),
      coherentTables: requestMemory === "coherent",
    });
    if (queue !== null) {
      const refused = transport.enableQueue(index, size, queue.addresses);
      if (refused === 0) return queue;
      queue.release();
      if (refused === -Errno.E2BIG) throw ringTooHigh(context);
      throw new Error(`the device refuses a queue of ${size}`);
    }
    // With little memory left a smaller ring will do, as on Linux.
    const bytes = queueBytes(features, size);
    if (transport.dictatesSize || bytes <= SMALLEST_RING || size <= 4) {
      if (addressing instanceof DmaAddressing && transport.legacy) throw noLowRing(context);
      throw new GuestMemoryError("the ring of a virtio block device", bytes);
    }
    size = Math.floor(size / 2);
  }
}

/** The capacity, read again when the configuration changed in between (virtio 1.4 §2.5.1). */
export function readCapacity(transport: DriverTransport): number {
  for (let i = 0;; i++) {
    const before = transport.generation();
    const low = transport.readConfig(BlockConfig.at.capacity, 4);
    const high = transport.readConfig(BlockConfig.at.capacity + 4, 4);
    if (transport.generation() === before || i === 100) return high * TWO32 + low;
  }
}
