/**
 * The CPU's copies between buffers and persistent pages.
 *
 * @module
 */

import { type AddressSpace, copyBytes, type PhysAddr } from "@iova/core";

/** Copies `length` bytes; what is no memory is left alone. */
export function copyMemory(memory: AddressSpace, to: PhysAddr, from: PhysAddr, length: number): void {
  for (let done = 0; done < length;) {
    const source = memory.ram(from + done);
    const target = memory.ram(to + done);
    if (source === null || target === null) return;
    const piece = Math.min(length - done, source.end - from - done, target.end - to - done);
    copyBytes(target.bytes, to + done - target.base, source.bytes, from + done - source.base, piece);
    done += piece;
  }
}
