/**
 * The requests of a channel: what the driver knows of each, and its scatter list. Everything is made once.
 *
 * @module
 */

import type { BlockOp, BlockStatus } from "@iova/block";
import { Direction, type DmaOps, type PhysAddr, type ScatterEntry } from "@iova/core";
import type { IdeUnit } from "./driver_unit.ts";
import { PRD_BOUNDARY } from "./layout.ts";

/** One request. Reused. */
export class RequestSlot {
  unit!: IdeUnit;
  op: BlockOp = 0;
  sector = 0;
  buffer: PhysAddr = 0;
  length = 0;
  tag = 0;
  /** For a request made by promise: what resolves it; else null. */
  resolve: ((status: BlockStatus) => void) | null = null;
  /** Bytes done so far, when the CPU moves them. */
  done = 0;
  /** The DMA segments of {@linkcode RequestSlot.list}; 0: nothing is mapped. */
  segments = 0;
  /** What was mapped. */
  readonly list: ScatterEntry[] = [];
  direction: Direction = Direction.NONE;
  readonly #pool: ScatterEntry[] = [];

  /** A slot for requests of at most `longest` bytes. */
  constructor(readonly index: number, longest: number) {
    const most = Math.ceil(longest / PRD_BOUNDARY) + 1;
    for (let i = 0; i < most; i++) this.#pool.push({ cpu: 0, length: 0 });
  }

  /** Maps the buffer, cut where no region may cross; false when there is no room. */
  map(dma: DmaOps, direction: Direction): boolean {
    const { list } = this;
    list.length = 0;
    for (let at = this.buffer, left = this.length; left > 0;) {
      const part = Math.min(left, PRD_BOUNDARY - at % PRD_BOUNDARY);
      const entry = this.#pool[list.length];
      entry.cpu = at;
      entry.length = part;
      list.push(entry);
      at += part;
      left -= part;
    }
    this.direction = direction;
    this.segments = dma.mapSg(list, direction);
    return this.segments > 0;
  }

  /** Takes the buffer back. */
  unmap(dma: DmaOps): void {
    if (this.segments === 0) return;
    dma.unmapSg(this.list, this.direction);
    this.segments = 0;
  }
}

/** The slots of a channel, and the line of those that wait for their turn. */
export class SlotPool {
  readonly slots: readonly RequestSlot[];
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #line: Int32Array;
  #first = 0;
  #waiting = 0;

  /** `count` slots, a power of two, for requests of at most `longest` bytes. */
  constructor(readonly count: number, longest: number) {
    this.slots = Array.from({ length: count }, (_, index) => new RequestSlot(index, longest));
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
    this.#freeCount = count;
    this.#line = new Int32Array(count);
  }

  /** Requests that were taken and not given back. */
  get busy(): number {
    return this.count - this.#freeCount;
  }

  /** Takes a slot, or null when all are busy. */
  take(): RequestSlot | null {
    return this.#freeCount === 0 ? null : this.slots[this.#free[--this.#freeCount]];
  }

  /** Gives a slot back. */
  give(slot: RequestSlot): void {
    slot.resolve = null;
    this.#free[this.#freeCount++] = slot.index;
  }

  /** Puts a slot at the end of the line. */
  enqueue(slot: RequestSlot): void {
    this.#line[(this.#first + this.#waiting++) & (this.count - 1)] = slot.index;
  }

  /** The slot whose turn it is, or null. */
  dequeue(): RequestSlot | null {
    if (this.#waiting === 0) return null;
    this.#waiting--;
    const index = this.#line[this.#first];
    this.#first = (this.#first + 1) & (this.count - 1);
    return this.slots[index];
  }
}
