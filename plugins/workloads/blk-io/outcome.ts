/**
 * What went wrong and how long it took.
 *
 * @module
 */

import { BlockOp, BlockStatus, OP_NAMES, STATUS_NAMES } from "@iova/block";

/** What went wrong in a run. The first of each kind is told; the others are counted. */
export class Outcome {
  /** Requests that failed. */
  errors = 0;
  /** Blocks that were not as they should be. */
  mismatches = 0;
  /** The device is gone: nothing more is worth asking. */
  gone = false;
  #firstError = "";
  #firstMismatch = "";

  /** A request failed. */
  failed(op: BlockOp, sector: number, status: BlockStatus): void {
    if (status === BlockStatus.DEVICE_GONE) this.gone = true;
    if (this.errors++ > 0) return;
    const what = op === BlockOp.FLUSH ? "a flush" : `the ${OP_NAMES[op]} of sector ${sector}`;
    this.#firstError = `${what}: ${STATUS_NAMES[status]}`;
  }

  /** The block at `sector` was not as it should be. */
  differed(sector: number, how: string): void {
    if (this.mismatches++ === 0) this.#firstMismatch = `sector ${sector} ${how}`;
  }

  /** Everything in one line; undefined when nothing went wrong. */
  get failure(): string | undefined {
    const parts: string[] = [];
    if (this.mismatches > 0) parts.push(`${plural(this.mismatches, "block")} wrong, first: ${this.#firstMismatch}`);
    if (this.errors > 0) parts.push(`${plural(this.errors, "request")} failed, first: ${this.#firstError}`);
    return parts.length === 0 ? undefined : parts.join("; ");
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Times from submission to completion, in nanoseconds of virtual time. */
export class Latency {
  /** How many. */
  count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  /** One more. */
  add(nanoseconds: number): void {
    this.count++;
    this.#sum += nanoseconds;
    if (nanoseconds < this.#min) this.#min = nanoseconds;
    if (nanoseconds > this.#max) this.#max = nanoseconds;
  }

  /** For a report. */
  details(): Record<string, number> {
    if (this.count === 0) return {};
    return {
      latencyMinNs: this.#min,
      latencyMeanNs: Math.round(this.#sum / this.count * 10) / 10,
      latencyMaxNs: this.#max,
    };
  }
}
