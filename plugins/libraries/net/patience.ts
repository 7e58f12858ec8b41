/**
 * Waiting for frames that may never come.
 *
 * A simulated network is quiet when virtual time has nothing left to do; a socket's other end lives in real time. So who
 * waits does so in virtual time first, and then for a while in real time.
 *
 * @module
 */

import type { GuestPort, Timer } from "@iova/core";

/** Virtual nanoseconds without progress after which real time begins to count. */
const QUIET = 1e9;

/** See the module's text. */
export class Patience {
  /** Resolves to true when it was {@linkcode Patience.finish}ed, to false when nothing happened for too long. */
  readonly over: Promise<boolean>;
  readonly #guest: GuestPort;
  readonly #patience: number;
  #resolve: (finished: boolean) => void = () => {};
  #timer: Timer | null = null;
  #wall: ReturnType<typeof setTimeout> | undefined;
  #progress = 0;
  #seen = 0;
  #ended = false;

  /** Waits for `patience` milliseconds of real time at most, over and again. */
  constructor(guest: GuestPort, patience: number) {
    this.#guest = guest;
    this.#patience = patience;
    this.over = new Promise((resolve) => this.#resolve = resolve);
    this.#arm();
  }

  /** Something has happened. */
  progress(): void {
    this.#progress++;
  }

  /** Everything has happened. */
  finish(): void {
    this.#end(true);
  }

  #arm(): void {
    this.#seen = this.#progress;
    this.#timer = this.#guest.after(QUIET, this.#quiet);
  }

  readonly #quiet = (): void => {
    if (this.#ended) return;
    if (this.#progress !== this.#seen) return this.#arm();
    this.#wall = setTimeout(this.#tired, this.#patience);
  };

  readonly #tired = (): void => {
    if (this.#progress !== this.#seen) this.#arm();
    else this.#end(false);
  };

  #end(finished: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#wall);
    if (this.#timer !== null) this.#guest.cancel(this.#timer);
    this.#resolve(finished);
  }
}
