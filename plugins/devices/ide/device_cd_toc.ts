/**
 * The table of contents of a disc with one data track (MMC-4 §6.25).
 *
 * @module
 */

import { CD_FRAMES, CD_PREGAP } from "./layout.ts";

const LEAD_OUT = 0xaa;
/** A data track that may be copied; of its position only. */
const DATA_TRACK = 0x14;
const LEAD_OUT_CONTROL = 0x16;

/**
 * The answer to READ TOC in `format` (0 contents, 1 sessions), with times instead of blocks if `time`, from track `first`
 * on; null when there is no such format or track.
 */
export function readToc(blocks: number, format: number, time: boolean, first: number): Uint8Array | null {
  if (format === 1) return Uint8Array.of(0, 10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  if (format !== 0 || (first > 1 && first !== LEAD_OUT)) return null;
  const tracks = [
    ...(first <= 1 ? [[0, DATA_TRACK, 1, 0, ...place(0, time)]] : []),
    [0, LEAD_OUT_CONTROL, LEAD_OUT, 0, ...place(blocks, time)],
  ];
  const body = tracks.flat();
  return Uint8Array.of(0, body.length + 2, 1, 1, ...body);
}

/** A block as 32 bits, or as minutes, seconds and frames. */
function place(block: number, time: boolean): number[] {
  if (!time) return [block >>> 24, block >>> 16 & 0xff, block >>> 8 & 0xff, block & 0xff];
  const frames = block + CD_PREGAP;
  const seconds = Math.floor(frames / CD_FRAMES);
  return [0, Math.floor(seconds / 60), seconds % 60, frames % CD_FRAMES];
}
