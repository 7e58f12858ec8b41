/**
 * What is written: content that follows from seed, sector and generation alone, so that a reader knows every byte. A
 * sector begins with its number and its generation, 32 bits each, little-endian, then pseudo-random words.
 *
 * @module
 */

import { SECTOR_SIZE } from "@iova/block";

/** Which version of a block: its first sector, and how often it has been written, from 1. */
export interface Version {
  readonly seed: number;
  readonly sector: number;
  readonly generation: number;
}

/** Fills `length` bytes, whole sectors, at `offset` of `view`. */
export function fillContent(view: DataView, offset: number, length: number, version: Version): void {
  let { sector } = version;
  for (let at = offset; at < offset + length; at += SECTOR_SIZE, sector++) {
    view.setInt32(at, sector, true);
    view.setInt32(at + 4, version.generation, true);
    let word = seedOf(version.seed, sector, version.generation);
    for (let i = at + 8; i < at + SECTOR_SIZE; i += 4) {
      word = scramble(word);
      view.setInt32(i, word, true);
    }
  }
}

/** The offset, within the block, of the first 32-bit word that is not as {@linkcode fillContent} wrote it; −1: none. */
export function firstDifference(view: DataView, offset: number, length: number, version: Version): number {
  let { sector } = version;
  for (let at = offset; at < offset + length; at += SECTOR_SIZE, sector++) {
    if (view.getInt32(at, true) !== (sector | 0)) return at - offset;
    if (view.getInt32(at + 4, true) !== (version.generation | 0)) return at + 4 - offset;
    let word = seedOf(version.seed, sector, version.generation);
    for (let i = at + 8; i < at + SECTOR_SIZE; i += 4) {
      word = scramble(word);
      if (view.getInt32(i, true) !== word) return i - offset;
    }
  }
  return -1;
}

function seedOf(seed: number, sector: number, generation: number): number {
  const high = Math.floor(sector / 4294967296);
  let word = Math.imul(seed ^ 0x2545f491, 0x9e3779b1) ^ Math.imul(sector, 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 15) ^ high, 0xc2b2ae35) ^ Math.imul(generation, 0x27d4eb2f);
  return word ^ (word >>> 16) || 1;
}

/** The next word of a sector: xorshift, which never leads to zero. */
function scramble(word: number): number {
  word ^= word << 13;
  word ^= word >>> 17;
  return word ^ (word << 5);
}
