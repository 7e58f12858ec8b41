/**
 * Progress on a terminal: one line that is written over again.
 *
 * @module
 */

const INTERVAL_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

/** Where the line goes. */
export interface ProgressOutput {
  writeSync(bytes: Uint8Array): number;
}

/** The progress line. */
export class Progress {
  #last: number;
  #shown = false;
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #encoder = new TextEncoder();

  /** Writes to `output`, first after a moment and then ten times a second; `now` is in milliseconds. */
  constructor(output: ProgressOutput, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
    this.#last = now();
  }

  /** Says how far `label` is; most calls do nothing. */
  update(label: string, done: number, total: number): void {
    const now = this.#now();
    if (now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    this.#shown = true;
    const percent = total > 0 ? Math.floor(done / total * 100) : 0;
    this.#write(`${CLEAR_LINE}${label}  ${percent} %`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown) this.#write(CLEAR_LINE);
    this.#shown = false;
  }

  #write(text: string): void {
    this.#output.writeSync(this.#encoder.encode(text));
  }
}
