/**
 * What the medium should hold, block by block.
 *
 * @module
 */

import type { BlockHash } from "@iova/block";

const UNKNOWN = 0;
const KNOWN = 1;

/** Checksums of what was read or written, and how often each block was written. */
export class Ledger {
  /** How often each block was written, as far as its content is known. */
  readonly generations: Uint32Array;
  readonly #state: Uint8Array;
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;

  /** A ledger of blocks of which nothing is known. */
  constructor(blocks: number) {
    this.generations = new Uint32Array(blocks);
    this.#state = new Uint8Array(blocks);
    this.#hi = new Int32Array(blocks);
    this.#lo = new Int32Array(blocks);
  }

  /** Whether anything is known of a block. */
  knows(block: number): boolean {
    return this.#state[block] === KNOWN;
  }

  /** Whether a block that was read is what it was; the first reading of a block is believed. */
  agrees(block: number, hash: BlockHash): boolean {
    if (this.#state[block] === KNOWN) return this.#hi[block] === hash.hi && this.#lo[block] === hash.lo;
    this.learn(block, hash);
    return true;
  }

  /** Takes it that the block holds this. */
  learn(block: number, hash: BlockHash): void {
    this.#state[block] = KNOWN;
    this.#hi[block] = hash.hi;
    this.#lo[block] = hash.lo;
  }

  /** Nobody knows what the block holds: writing it failed. */
  forget(block: number): void {
    this.#state[block] = UNKNOWN;
  }
}
