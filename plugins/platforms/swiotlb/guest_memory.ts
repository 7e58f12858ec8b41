/**
 * Copies within guest memory.
 *
 * @module
 */

import { type AddressSpace, copyBytes, PAGE_SIZE, type PhysAddr } from "@iova/core";

/** Up to here a loop over words is quicker than a call. */
const SHORT = 128;

/** Copies `bytes` bytes of RAM; false, and nothing copied, when either side is not in RAM. */
export function moveBytes(memory: AddressSpace, to: PhysAddr, from: PhysAddr, bytes: number): boolean {
  const target = memory.ram(to);
  const source = memory.ram(from);
  if (target === null || source === null) return false;
  const toOffset = to - target.base;
  const fromOffset = from - source.base;
  const { words } = target;
  if (bytes <= SHORT && ((toOffset | fromOffset | bytes) & 3) === 0 && words !== null && source.words !== null) {
    const first = toOffset / 4;
    const distance = fromOffset / 4 - first;
    for (let word = first; word < first + bytes / 4; word++) words[word] = source.words[word + distance];
  } else if (bytes === PAGE_SIZE && fromOffset % PAGE_SIZE === 0) {
    target.bytes.set(source.page(fromOffset / PAGE_SIZE), toOffset);
  } else copyBytes(target.bytes, toOffset, source.bytes, fromOffset, bytes);
  return true;
}
