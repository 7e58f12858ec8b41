/**
 * Pages that the backend would not let go: they and their references are kept from further use and tried again, ten each
 * second, as Linux does for grants that end at a bad time. Nothing here is ever given up or reused by force.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";

/** Time between rounds, in nanoseconds. */
const PERIOD = 1e9;
/** Entries tried in a round. */
const PER_ROUND = 10;
/** Tries after which a warning is due. */
const PATIENCE = 60;

/** A mapping that waits for its end. */
interface Waiting {
  readonly ref: number;
  /** Ends it; false when it is still in use. */
  readonly end: () => boolean;
  readonly complain: (tries: number) => void;
  tries: number;
}

/** The queue of one guest. */
export class DeferredFrees {
  readonly #guest: GuestPort;
  #queue: Waiting[] = [];
  #ticking = false;

  /** A queue that runs on the guest's timers. */
  constructor(guest: GuestPort) {
    this.#guest = guest;
  }

  /** Mappings that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** Takes a mapping over: `end` is called until it says yes. */
  add(ref: number, end: () => boolean, complain: (tries: number) => void): void {
    this.#queue.push({ ref, end, complain, tries: 0 });
    this.#tick();
  }

  /** Tries every one of them now. */
  settle(): void {
    this.#queue = this.#queue.filter((waiting) => !waiting.end());
  }

  #tick(): void {
    if (this.#ticking || this.#queue.length === 0) return;
    this.#ticking = true;
    this.#guest.after(PERIOD, () => {
      this.#ticking = false;
      for (const waiting of this.#queue.splice(0, PER_ROUND)) {
        if (waiting.end()) continue;
        if (++waiting.tries === PATIENCE) waiting.complain(PATIENCE);
        this.#queue.push(waiting);
      }
      this.#tick();
    });
  }
}
