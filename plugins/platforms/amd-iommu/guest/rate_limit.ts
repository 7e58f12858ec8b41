/**
 * Linux's limit on repeated messages (include/linux/ratelimit_types.h): ten in five seconds.
 *
 * @module
 */

const INTERVAL_NS = 5e9;
const BURST = 10;

/** Passes messages on, and says how many it swallowed. */
export class RateLimit {
  readonly #now: () => number;
  readonly #warn: (id: string, message: string) => void;
  #begin = -Infinity;
  #printed = 0;
  #missed = 0;

  /** `now` is in nanoseconds; `warn` is told of what was swallowed. */
  constructor(now: () => number, warn: (id: string, message: string) => void) {
    this.#now = now;
    this.#warn = warn;
  }

  /** Gives a message to `sink`, unless ten went before it in this interval. */
  print(id: string, message: string, sink: (id: string, message: string) => void): void {
    if (this.#now() >= this.#begin + INTERVAL_NS) {
      this.conclude();
      this.#begin = this.#now();
      this.#printed = 0;
    }
    if (this.#printed < BURST) {
      this.#printed++;
      sink(id, message);
    } else this.#missed++;
  }

  /** Says how many messages were swallowed since the last time. */
  conclude(): void {
    if (this.#missed > 0) this.#warn("suppressed", `amd_iommu_report_page_fault: ${this.#missed} callbacks suppressed`);
    this.#missed = 0;
  }
}
