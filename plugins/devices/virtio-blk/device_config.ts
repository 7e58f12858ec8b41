/**
 * What a block device says of itself: features and configuration (virtio 1.4 §5.2.3, §5.2.4).
 *
 * @module
 */

import { SECTOR_SIZE } from "@iova/block";
import { BlockConfig, BlockFeature } from "./layout.ts";

/** What a person chooses about it. */
export interface BlockTraits {
  /** Refuses writes. Default false. */
  readonly readOnly?: boolean;
  /** Queues. Default 1. */
  readonly queues?: number;
  /** Entries of each queue: at least 4. */
  readonly queueSize: number;
  /** Bytes of a block: a power of two, at least 512. Default 512. */
  readonly blockSize?: number;
  /** Bytes of a physical block: a power of two, at least a block. Default: a block. */
  readonly physicalBlockSize?: number;
  /** Smallest good I/O in bytes; 0: nothing is said. Default 0. */
  readonly minIo?: number;
  /** Best I/O in bytes; 0: nothing is said. Default 0. */
  readonly optIo?: number;
  /** Longest data segment in bytes; 0: SIZE_MAX is not offered. Default 0. */
  readonly sizeMax?: number;
  /** Most data segments; 0: as many as the queue holds. Default 0. */
  readonly segMax?: number;
  /** Offers DISCARD. Default true. */
  readonly discard?: boolean;
  /** Offers WRITE_ZEROES. Default true. */
  readonly writeZeroes?: boolean;
  /** Offers SECURE_ERASE. Default false. */
  readonly secureErase?: boolean;
  /** Most segments of one such request. Default 1. */
  readonly maxSegments?: number;
  /** Offers CONFIG_WCE. Default true. */
  readonly configWce?: boolean;
  /** Writes may stay in the host's cache until a flush. Default true. */
  readonly writeCache?: boolean;
}

/** The same with every default filled in. */
export type FullTraits = Required<BlockTraits>;

/** Fills the defaults in. */
export function fullTraits(traits: BlockTraits): FullTraits {
  return {
    readOnly: false,
    queues: 1,
    blockSize: SECTOR_SIZE,
    minIo: 0,
    optIo: 0,
    sizeMax: 0,
    discard: true,
    writeZeroes: true,
    secureErase: false,
    maxSegments: 1,
    configWce: true,
    writeCache: true,
    ...traits,
    physicalBlockSize: traits.physicalBlockSize || (traits.blockSize ?? SECTOR_SIZE),
    segMax: traits.segMax || traits.queueSize - OVERHEAD,
  };
}

/** Sectors in one request: 2^31 − 512 bytes (QEMU's BDRV_REQUEST_MAX_SECTORS). */
export const MAX_SECTORS = 0x3fffff;
/** Descriptors that a request needs besides its data: header and status. */
const OVERHEAD = 2;
/** Bytes of the configuration up to what WRITE_ZEROES needs, and with what SECURE_ERASE needs. */
const WITHOUT_ERASE = BlockConfig.at.max_secure_erase_sectors;

/** The feature bits that a device with these traits offers. Nothing that writes is offered by one that refuses writes. */
export function blockFeatures(traits: FullTraits): number[] {
  const { readOnly, queues, sizeMax, discard, writeZeroes, secureErase, configWce } = traits;
  const offered: [number, boolean][] = [
    [BlockFeature.SIZE_MAX, sizeMax > 0],
    [BlockFeature.SEG_MAX, true],
    [BlockFeature.GEOMETRY, true],
    [BlockFeature.RO, readOnly],
    [BlockFeature.BLK_SIZE, true],
    [BlockFeature.FLUSH, true],
    [BlockFeature.TOPOLOGY, true],
    [BlockFeature.CONFIG_WCE, configWce],
    [BlockFeature.MQ, queues > 1],
    [BlockFeature.DISCARD, discard && !readOnly],
    [BlockFeature.WRITE_ZEROES, writeZeroes && !readOnly],
    [BlockFeature.SECURE_ERASE, secureErase && !readOnly],
  ];
  return offered.filter(([, does]) => does).map(([bit]) => bit);
}

/** Bytes of the configuration of such a device; `fixed`, if not 0, whatever it offers. */
export function configSize({ secureErase, readOnly }: FullTraits, fixed: number): number {
  return fixed || (secureErase && !readOnly ? BlockConfig.size : WITHOUT_ERASE);
}

/** The configuration of a medium of `capacity` sectors. */
export function blockConfig(traits: FullTraits, capacity: number): Uint8Array {
  const { queues, blockSize, physicalBlockSize, minIo, optIo, sizeMax, segMax, maxSegments, writeCache } = traits;
  const offers = new Set(blockFeatures(traits));
  const sectors = (feature: number) => offers.has(feature) ? MAX_SECTORS : 0;
  const segments = (feature: number) => offers.has(feature) ? maxSegments : 0;
  const alignment = (feature: number) => offers.has(feature) ? blockSize / SECTOR_SIZE : 0;
  return BlockConfig.encode({
    capacity: BigInt(capacity),
    size_max: sizeMax,
    seg_max: segMax,
    ...geometry(capacity),
    blk_size: blockSize,
    physical_block_exp: Math.log2(physicalBlockSize / blockSize),
    min_io_size: Math.floor(minIo / blockSize),
    opt_io_size: Math.floor(optIo / blockSize),
    writeback: writeCache ? 1 : 0,
    num_queues: queues,
    max_discard_sectors: sectors(BlockFeature.DISCARD),
    max_discard_seg: segments(BlockFeature.DISCARD),
    discard_sector_alignment: alignment(BlockFeature.DISCARD),
    max_write_zeroes_sectors: sectors(BlockFeature.WRITE_ZEROES),
    max_write_zeroes_seg: segments(BlockFeature.WRITE_ZEROES),
    write_zeroes_may_unmap: offers.has(BlockFeature.WRITE_ZEROES) ? 1 : 0,
    max_secure_erase_sectors: sectors(BlockFeature.SECURE_ERASE),
    max_secure_erase_seg: segments(BlockFeature.SECURE_ERASE),
    secure_erase_sector_alignment: alignment(BlockFeature.SECURE_ERASE),
  });
}

const HEADS = 16;
const SECTORS = 63;
const MOST_CYLINDERS = 16383;

/** What an ATA disk of this size would say; nothing depends on it. */
function geometry(capacity: number) {
  const cylinders = Math.floor(capacity / (HEADS * SECTORS));
  return { cylinders: Math.min(MOST_CYLINDERS, Math.max(2, cylinders)), heads: HEADS, sectors: SECTORS };
}
