/**
 * Time as it passes: for a machine whose hardware is another process. Timers are due by the wall clock, nobody can spend
 * time, and while nothing is to be done the hardware is asked for what it has to tell.
 *
 * @module
 */

import { Scheduler } from "@iova/core";

/** What the clock asks while it waits. */
export interface HardwareNews {
  /** Takes in what has happened, waiting up to `wait` milliseconds for it. True when there was something. */
  poll(wait: number): boolean;
}

/** Turns without news after which waiting blocks instead of spinning. */
const EAGER_TURNS = 50;
/** Milliseconds of one blocking wait: interrupts that arrive in memory alone wake nobody. */
const WAIT_MS = 1;

/** See the module's text. Nanoseconds since it was made. */
export class WallClock extends Scheduler {
  readonly #start = performance.now();
  readonly #news: HardwareNews;
  #quiet = 0;

  /** A clock that asks `news`. */
  constructor(news: HardwareNews) {
    super();
    this.#news = news;
    // The scheduler's own field, which moves when somebody moves it, becomes one that moves by itself.
    Object.defineProperty(this, "now", { get: () => this.#read(), set: () => {} });
  }

  override spend(_nanoseconds: number): void {}

  #read(): number {
    return Math.round((performance.now() - this.#start) * 1e6);
  }

  override async run<T>(until: Promise<T>): Promise<T> {
    let settled = false;
    until.then(() => settled = true, () => settled = true);
    while (!settled) {
      this.settle();
      await new Promise((wake) => void setImmediate(wake));
      if (settled) break;
      const wait = ++this.#quiet > EAGER_TURNS ? WAIT_MS : 0;
      if (this.#news.poll(wait)) this.#quiet = 0;
    }
    return until;
  }
}
