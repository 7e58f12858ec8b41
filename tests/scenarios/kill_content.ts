/**
 * What the machine that is to be killed writes: write number n of a run goes to a block, and fills it with content, that
 * both follow from the seed and n.
 *
 * @module
 */

import { Random } from "@iova/core";

/** Bytes of a block. */
export const BLOCK = 4096;
/** Blocks of the image. */
export const BLOCKS = 256;
/** Writes between two flushes; they go to different blocks. */
export const BATCH = 8;

/** The blocks that batch number `batch` writes, in order. */
export function blocksOf(seed: number, batch: number): number[] {
  const random = new Random(Math.imul(seed, 1_000_003) + batch);
  const blocks = new Set<number>();
  while (blocks.size < BATCH) blocks.add(random.below(BLOCKS));
  return [...blocks];
}

/** Fills `length` bytes with what batch `batch` writes to `block`. Every sector begins with `seed` and `batch`. */
export function fillBlock(bytes: Uint8Array, seed: number, batch: number, block: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 512) {
    const random = new Random(Math.imul(seed, 31) + Math.imul(batch, 7_919) + block * 8 + at / 512);
    view.setUint32(at, seed, true);
    view.setUint32(at + 4, batch, true);
    for (let i = 8; i < 512; i += 4) view.setUint32(at + i, random.next(), true);
  }
}
