/**
 * Which machine frame each pseudo-physical frame gets when the domain is built.
 *
 * @module
 */

import { type AddressSpace, PAGE_SIZE, type Random } from "@iova/core";

/** How machine frames follow each other. */
export type FrameOrder = "shuffled" | "reverse" | "ordered";

/** Every pseudo-physical frame that is RAM, ascending. */
export function ramFrames(space: AddressSpace): number[] {
  return space.ramRegions.flatMap(({ base, size }) =>
    Array.from({ length: Math.floor(size / PAGE_SIZE) }, (_, i) => base / PAGE_SIZE + i)
  );
}

/** The machine frames for `count` frames, from `first` on. */
export function machineFrames(order: FrameOrder, first: number, count: number, random: Random): number[] {
  const frames = Array.from({ length: count }, (_, i) => first + (order === "reverse" ? count - 1 - i : i));
  if (order === "shuffled") {
    for (let i = count - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [frames[i], frames[j]] = [frames[j], frames[i]];
    }
  }
  return frames;
}
