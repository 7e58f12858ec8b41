/**
 * Words of any number of bytes, as bigints: for encoders and printers, not for hot paths.
 *
 * @module
 */

import type { Endian } from "./spec.ts";

/** The index of byte `significance` (0 is the least significant) of the word of `length` bytes at `at`. */
export function byteIndex(at: number, length: number, endian: Endian, significance: number): number {
  return endian === "little" ? at + significance : at + length - 1 - significance;
}

/** The word of `length` bytes at `at`. */
export function readWord(bytes: Uint8Array, at: number, length: number, endian: Endian): bigint {
  let word = 0n;
  for (let i = length - 1; i >= 0; i--) word = word << 8n | BigInt(bytes[byteIndex(at, length, endian, i)]);
  return word;
}

/** Writes the word of `length` bytes at `at`. */
export function writeWord(bytes: Uint8Array, at: number, length: number, endian: Endian, word: bigint): void {
  for (let i = 0; i < length; i++) {
    bytes[byteIndex(at, length, endian, i)] = Number(word >> BigInt(8 * i) & 0xffn);
  }
}
