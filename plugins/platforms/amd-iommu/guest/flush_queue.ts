/**
 * The lazy flush queue of Linux's IOMMU layer (drivers/iommu/dma-iommu.c): 256 entries of which 255 can be used, emptied
 * by one flush of the whole domain when it is full or ten milliseconds after the first entry.
 *
 * @module
 */

import type { GuestPort, Timer } from "@iova/core";

/** Entries (IOVA_DEFAULT_FQ_SIZE); one stays empty, so that a full queue and an empty one differ. */
export const QUEUE_SIZE = 256;
/** Nanoseconds until the timer flushes (IOVA_DEFAULT_FQ_TIMEOUT, 10 ms). */
export const QUEUE_TIMEOUT = 10e6;

/** One CPU's queue for one domain. */
export class FlushQueue {
  readonly #pages = new Float64Array(QUEUE_SIZE);
  readonly #guest: GuestPort;
  readonly #flushAll: () => void;
  readonly #recycle: (page: number) => void;
  readonly #onTimer = () => {
    this.#timer = null;
    this.flush();
  };
  #head = 0;
  #tail = 0;
  #timer: Timer | null = null;

  /** `flushAll` drops every translation of the domain; `recycle` frees one allocation afterwards. */
  constructor(guest: GuestPort, flushAll: () => void, recycle: (page: number) => void) {
    this.#guest = guest;
    this.#flushAll = flushAll;
    this.#recycle = recycle;
  }

  /** Entries that wait. */
  get length(): number {
    return (this.#tail - this.#head) & (QUEUE_SIZE - 1);
  }

  /** Queues an allocation whose translations are cleared. A full queue is flushed first. */
  add(page: number): void {
    if (((this.#tail + 1) & (QUEUE_SIZE - 1)) === this.#head) this.flush();
    this.#pages[this.#tail] = page;
    this.#tail = (this.#tail + 1) & (QUEUE_SIZE - 1);
    // The timer is not stopped by a flush: it runs from the first entry after it last fired.
    this.#timer ??= this.#guest.after(QUEUE_TIMEOUT, this.#onTimer);
  }

  /** Flushes the domain and frees everything that waits, oldest first. */
  flush(): void {
    this.#flushAll();
    while (this.#head !== this.#tail) {
      this.#recycle(this.#pages[this.#head]);
      this.#head = (this.#head + 1) & (QUEUE_SIZE - 1);
    }
  }

  /** Flushes what waits and stops the timer. */
  stop(): void {
    if (this.#timer !== null) this.#guest.cancel(this.#timer);
    this.#timer = null;
    if (this.length > 0) this.flush();
  }
}
