/**
 * Freed ranges kept for reuse (Linux's "rcache"): six size classes, 2^0 to 2^5 pages; for each CPU and class two
 * magazines of 127 ranges, last in first out; behind them a depot of full magazines.
 *
 * @module
 */

import { NIL } from "./tree.ts";

/** Ranges in a full magazine (IOVA_MAG_SIZE). */
export const MAGAZINE_SIZE = 127;
/** Size classes (IOVA_RANGE_CACHE_MAX_SIZE). */
export const SIZE_CLASSES = 6;
/** Nanoseconds between two looks at a depot (IOVA_DEPOT_DELAY, 100 ms). */
export const DEPOT_DELAY = 100e6;

/**
 * What happens to full magazines. `trim`: the depot grows, and one magazine a tenth of a second goes back to the tree
 * while it holds more than one for each CPU (Linux since 6.7). A number: the depot holds that many and what does not fit
 * goes back at once (Linux before, 32).
 */
export type DepotPolicy = "trim" | number;

/** What the caches are like. */
export interface IovaCacheOptions {
  /** CPUs. Default 1. */
  cpus?: number;
  /** Size classes; 0: no caches. Default 6. */
  classes?: number;
  /** Default `trim`. */
  depot?: DepotPolicy;
  /** Runs `work` after `delay` nanoseconds. Absent: the depot is never trimmed. */
  after?(delay: number, work: () => void): unknown;
}

class Magazine {
  readonly nodes = new Int32Array(MAGAZINE_SIZE);
  size = 0;
}

class CpuCache {
  loaded = new Magazine();
  previous = new Magazine();

  swap(): void {
    [this.loaded, this.previous] = [this.previous, this.loaded];
  }
}

/** One size class. */
class SizeClass {
  readonly cpus: CpuCache[];
  readonly depot: Magazine[] = [];
  trimming = false;

  constructor(cpus: number, readonly trim: () => void) {
    this.cpus = Array.from({ length: cpus }, () => new CpuCache());
  }
}

/** The caches of one space. They hold nodes of its tree; `release` takes back those that do not fit. */
export class IovaCaches {
  /** The CPU that calls. */
  cpu = 0;
  /** Requests below this many pages are rounded up to a power of two. */
  readonly roundBelow: number;
  readonly #classes: SizeClass[];
  readonly #options: IovaCacheOptions;
  readonly #release: (node: number) => void;
  readonly #spare: Magazine[] = [];

  /** Caches that give nodes back through `release`. */
  constructor(options: IovaCacheOptions, release: (node: number) => void) {
    const { cpus = 1, classes = SIZE_CLASSES } = options;
    this.#options = options;
    this.#release = release;
    this.roundBelow = 2 ** (classes - 1);
    this.#classes = Array.from({ length: classes }, (_, order) => new SizeClass(cpus, () => this.#trim(order)));
  }

  /** A kept range of 2^`order` pages whose first page in `lo` is at most `last`, or {@linkcode NIL}. */
  get(order: number, lo: Float64Array, last: number): number {
    const kept = this.#classes[order];
    if (kept === undefined) return NIL;
    const cpu = kept.cpus[this.cpu];
    if (cpu.loaded.size === 0) {
      if (cpu.previous.size > 0) cpu.swap();
      else if (kept.depot.length > 0) {
        this.#spare.push(cpu.loaded);
        cpu.loaded = kept.depot.pop()!;
      } else return NIL;
    }
    return pop(cpu.loaded, lo, last);
  }

  /** Keeps a range; false when its size has no class. */
  put(order: number, node: number): boolean {
    const kept = this.#classes[order];
    if (kept === undefined) return false;
    const cpu = kept.cpus[this.cpu];
    if (cpu.loaded.size === MAGAZINE_SIZE) {
      if (cpu.previous.size < MAGAZINE_SIZE) cpu.swap();
      else {
        this.#store(kept, cpu.loaded);
        cpu.loaded = this.#spare.pop() ?? new Magazine();
      }
    }
    cpu.loaded.nodes[cpu.loaded.size++] = node;
    return true;
  }

  /** Gives everything back. */
  flush(): void {
    for (const kept of this.#classes) {
      for (const { loaded, previous } of kept.cpus) {
        this.#empty(loaded);
        this.#empty(previous);
      }
      while (kept.depot.length > 0) this.#drop(kept.depot.pop()!);
    }
  }

  #store(kept: SizeClass, full: Magazine): void {
    const { depot = "trim", after } = this.#options;
    if (depot !== "trim" && kept.depot.length >= depot) return this.#drop(full);
    kept.depot.push(full);
    if (depot !== "trim" || kept.trimming || after === undefined) return;
    kept.trimming = true;
    after(DEPOT_DELAY, kept.trim);
  }

  #trim(order: number): void {
    const kept = this.#classes[order];
    const more = kept.depot.length > kept.cpus.length;
    if (more) this.#drop(kept.depot.pop()!);
    kept.trimming = more;
    if (more) this.#options.after!(DEPOT_DELAY, kept.trim);
  }

  #drop(magazine: Magazine): void {
    this.#empty(magazine);
    this.#spare.push(magazine);
  }

  #empty(magazine: Magazine): void {
    for (let i = 0; i < magazine.size; i++) this.#release(magazine.nodes[i]);
    magazine.size = 0;
  }
}

/** The newest range that fits below the limit; the last one fills its place. */
function pop(magazine: Magazine, lo: Float64Array, last: number): number {
  const { nodes } = magazine;
  let at = magazine.size - 1;
  while (at >= 0 && lo[nodes[at]] > last) at--;
  if (at < 0) return NIL;
  const node = nodes[at];
  nodes[at] = nodes[--magazine.size];
  return node;
}
