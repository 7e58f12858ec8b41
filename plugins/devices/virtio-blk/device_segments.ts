/**
 * DISCARD, WRITE_ZEROES and SECURE_ERASE: requests about ranges of the medium (virtio 1.4 §5.2.6). All segments are
 * checked before the first is executed.
 *
 * @module
 */

import { type BlockBackend, discard, SECTOR_SIZE, writeZeroes, zeroFill } from "@iova/block";
import { MAX_SECTORS } from "./device_config.ts";
import { RequestStatus, Segment, SegmentFlag } from "./layout.ts";

/** What one kind of range request does. */
export interface RangeAction {
  /** Flags that a segment may have. */
  readonly flags: number;
  /** Does it; false on a host error. */
  readonly run: (backend: BlockBackend, position: number, length: number, flags: number) => boolean;
}

/** DISCARD: afterwards the bytes read as zeros. */
export const DISCARD_ACTION: RangeAction = { flags: 0, run: discard };
/** WRITE_ZEROES. */
export const ZEROES_ACTION: RangeAction = {
  flags: SegmentFlag.UNMAP,
  run: (backend, position, length, flags) =>
    (flags & SegmentFlag.UNMAP) !== 0 ? discard(backend, position, length) : writeZeroes(backend, position, length),
};
/** SECURE_ERASE: zeros are written over what was there, whatever else the medium could do. */
export const ERASE_ACTION: RangeAction = { flags: 0, run: zeroFill };

const SECTOR_HI = Segment.at.sector / 4 + 1;
const SECTOR_LO = Segment.at.sector / 4;
const COUNT = Segment.at.num_sectors / 4;
const FLAGS = Segment.at.flags / 4;
const WORDS = Segment.size / 4;
const TWO32 = 4294967296;

/** Whether `sectors` sectors from `sector` are on the medium and at whole blocks. */
export type RangeCheck = (sector: number, sectors: number) => boolean;

/** Executes `count` segments, which stand in `words`. The status. */
export function runSegments(
  backend: BlockBackend,
  action: RangeAction,
  words: Int32Array,
  count: number,
  inRange: RangeCheck,
): number {
  // The range first, then the flags: QEMU's order (virtio_blk_handle_discard_write_zeroes).
  for (let i = 0; i < count; i++) {
    const sectors = words[i * WORDS + COUNT] >>> 0;
    if (sectors > MAX_SECTORS || !inRange(sectorOf(words, i), sectors)) return RequestStatus.IOERR;
    if ((words[i * WORDS + FLAGS] & ~action.flags) !== 0) return RequestStatus.UNSUPP;
  }
  for (let i = 0; i < count; i++) {
    const length = (words[i * WORDS + COUNT] >>> 0) * SECTOR_SIZE;
    const position = sectorOf(words, i) * SECTOR_SIZE;
    if (!action.run(backend, position, length, words[i * WORDS + FLAGS])) return RequestStatus.IOERR;
  }
  return RequestStatus.OK;
}

/** A sector above 2^53 is beyond every medium, however it is rounded. */
function sectorOf(words: Int32Array, i: number): number {
  return (words[i * WORDS + SECTOR_HI] >>> 0) * TWO32 + (words[i * WORDS + SECTOR_LO] >>> 0);
}
