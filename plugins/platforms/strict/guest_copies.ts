/**
 * Copying between buffers and the blocks that stand in for them, and poisoning.
 *
 * @module
 */

import { type AddressSpace, copyBytes, type PhysAddr } from "@iova/core";

/** Copies RAM to RAM; nothing is copied when either range is not RAM. */
export function copyMemory(memory: AddressSpace, to: PhysAddr, from: PhysAddr, length: number): void {
  const source = memory.ram(from);
  const target = memory.ram(to);
  if (source === null || target === null) return;
  copyBytes(target.bytes, to - target.base, source.bytes, from - source.base, length);
}

/** Fills RAM with one byte. */
export function fillMemory(memory: AddressSpace, at: PhysAddr, length: number, byte: number): void {
  const region = memory.ram(at)!;
  const first = at - region.base;
  region.bytes.fill(byte, first, first + length);
}

/** Whether two ranges of RAM hold the same bytes. */
export function sameMemory(memory: AddressSpace, a: PhysAddr, b: PhysAddr, length: number): boolean {
  const first = memory.ram(a);
  const second = memory.ram(b);
  if (first === null || second === null) return true;
  let at = a - first.base;
  let other = b - second.base;
  let left = length;
  if (first.words !== null && second.words !== null && at % 4 === 0 && other % 4 === 0) {
    const words = left >> 2;
    for (let i = 0; i < words; i++) if (first.words[(at >> 2) + i] !== second.words[(other >> 2) + i]) return false;
    at += 4 * words;
    other += 4 * words;
    left -= 4 * words;
  }
  for (let i = 0; i < left; i++) if (first.bytes[at + i] !== second.bytes[other + i]) return false;
  return true;
}
