/**
 * Bringing a virtio block device up: reset, negotiation, queue, configuration (virtio 1.4 §3.1, §5.2.5).
 *
 * @module
 */

import { SECTOR_SIZE } from "@iova/block";
import type { DriverContext } from "@iova/core";
import {
  type Addressing,
  bringUp,
  type BroughtUp,
  type DriverAddressing,
  type DriverQueue,
  type DriverTransport,
  Feature,
  FeatureSet,
  type RingFeatures,
  ringFeatures,
  setUpQueues,
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

/**
 * Sets the device up.
 *
 * @throws {Error} when it refuses.
 * @throws {InputError} when the platform's addresses are none for it.
 * @throws {GuestMemoryError} when there is no memory for its ring.
 */
export function setUp(transport: DriverTransport, context: DriverContext, options: BlockDriverOptions): BlockSetup {
  const device = bringUp(transport, context, {
    type: BLOCK_DEVICE,
    kind: "block",
    known: () => known(options),
    driverAddressing: options.driverAddressing,
  });
  const { features, addressing } = device;
  const queues = makeQueues(device, options);
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
function makeQueues(device: BroughtUp, options: BlockDriverOptions): DriverQueue[] {
  const { transport, features } = device;
  const offered = features.has(BlockFeature.MQ) ? transport.readConfig(BlockConfig.at.num_queues, 2) : 1;
  const length = Math.max(1, Math.min(options.queues ?? 1, offered));
  const { queueSize, requestMemory } = options;
  const wishes = { queueSize, requestMemory, depth: (size: number) => queueDepth(features, size) };
  return setUpQueues(device, wishes, (make) => Array.from({ length }, (_, index) => make(index)));
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

/** The capacity, read again when the configuration changed in between (virtio 1.4 §2.5.1). */
export function readCapacity(transport: DriverTransport): number {
  for (let i = 0;; i++) {
    const before = transport.generation();
    const low = transport.readConfig(BlockConfig.at.capacity, 4);
    const high = transport.readConfig(BlockConfig.at.capacity + 4, 4);
    if (transport.generation() === before || i === 100) return high * TWO32 + low;
  }
}
