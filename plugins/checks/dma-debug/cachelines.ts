/**
 * Which cache lines live mappings that a device may write begin in (Linux kernel/dma/debug.c, `active_cacheline_*`). Only
 * the first line of each entry is tracked, as there.
 *
 * @module
 */

import { Direction } from "@iova/core";
import type { Entry } from "./entries.ts";

/** log2 of a cache line. */
const LINE_SHIFT = 6;
/** Overlaps of one line that are counted. */
export const MAX_OVERLAP = 7;

/** See the module's text. */
export class ActiveLines {
  /** Mappings beyond the first, by line. */
  readonly #overlaps = new Map<number, number>();

  /** Enters a mapping; returns how many others begin in its line. */
  enter({ cpu, direction }: Entry): number {
    if (direction === Direction.TO_DEVICE) return 0;
    const line = lineOf(cpu);
    const others = (this.#overlaps.get(line) ?? -1) + 1;
    this.#overlaps.set(line, others);
    return others;
  }

  /** Takes it out again. */
  leave({ cpu, direction }: Entry): void {
    if (direction === Direction.TO_DEVICE) return;
    const line = lineOf(cpu);
    const others = this.#overlaps.get(line);
    if (others === undefined) return;
    if (others === 0) this.#overlaps.delete(line);
    else this.#overlaps.set(line, others - 1);
  }
}

function lineOf(cpu: number): number {
  return Math.floor(cpu / 2 ** LINE_SHIFT);
}
