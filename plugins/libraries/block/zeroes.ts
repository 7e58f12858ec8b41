/**
 * Zeros on media that have no word of their own for them.
 *
 * @module
 */

import type { BlockBackend } from "./contract.ts";

const ZEROS = new Uint8Array(64 * 1024);

/** Writes `length` zeros at byte `position`, piece by piece; false on a host error. */
export function zeroFill(backend: Pick<BlockBackend, "write">, position: number, length: number): boolean {
  for (let at = 0; at < length; at += ZEROS.length) {
    if (!backend.write(position + at, ZEROS, 0, Math.min(ZEROS.length, length - at))) return false;
  }
  return true;
}

/** Makes `length` bytes read as zeros, in the medium's own way if it has one; false on a host error. */
export function writeZeroes(backend: BlockBackend, position: number, length: number): boolean {
  return backend.writeZeroes ? backend.writeZeroes(position, length) : zeroFill(backend, position, length);
}

/** Forgets `length` bytes, which read as zeros afterwards; false on a host error. */
export function discard(backend: BlockBackend, position: number, length: number): boolean {
  return backend.discard ? backend.discard(position, length) : writeZeroes(backend, position, length);
}
