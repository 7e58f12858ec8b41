/**
 * Lines from a stream of bytes, of bounded length.
 *
 * @module
 */

const NEWLINE = 0x0a;

/** Splits what arrives into lines. One that is too long is dropped up to its end, and told apart. */
export class LineSplitter {
  readonly #most: number;
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];
  #length = 0;
  #dropping = false;

  /** Takes lines of at most `most` bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The lines that `chunk` ends, without their ends; null stands for one that was too long. */
  *push(chunk: Uint8Array): Generator<string | null> {
    for (let from = 0; from < chunk.length;) {
      const end = chunk.indexOf(NEWLINE, from);
      this.#keep(chunk.subarray(from, end < 0 ? chunk.length : end));
      if (end < 0) return;
      yield this.#take();
      from = end + 1;
    }
  }

  #keep(part: Uint8Array): void {
    if (this.#length + part.length > this.#most) this.#dropping = true;
    if (this.#dropping) this.#parts = [];
    else this.#parts.push(part.slice());
    this.#length += part.length;
  }

  #take(): string | null {
    const dropped = this.#dropping;
    const line = dropped ? null : this.#parts.map((part) => this.#decoder.decode(part, { stream: true })).join("");
    this.#decoder.decode();
    this.#parts = [];
    this.#length = 0;
    this.#dropping = false;
    return line;
  }
}
