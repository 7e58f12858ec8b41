/**
 * Where a PC's memory lies: in front of its registers, and from 4 GiB on what has no room there.
 *
 * @module
 */

import type { MemoryMap } from "@iova/core";

/** How a chipset splits memory; bytes. */
export interface MemorySplit {
  /** From this much on it is split; less lies in one piece. */
  readonly from: number;
  /** Where low memory then ends. */
  readonly at: number;
}

const HIGH_MEMORY = 2 ** 32;

/** The map of a PC with `memory` bytes. */
export function pcMemoryMap(memory: number, { from, at }: MemorySplit): MemoryMap {
  const low = memory >= from ? at : memory;
  return {
    ram: [{ base: 0, size: low }, ...(memory > low ? [{ base: HIGH_MEMORY, size: memory - low }] : [])],
    heap: memory > 2 ** 21 ? 2 ** 20 : 4096,
    registers: { first: 0xfed8_0000, end: 0xfee0_0000 },
  };
}
