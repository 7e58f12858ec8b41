/**
 * What the stream consists of: byte n is known without keeping what was sent.
 *
 * @module
 */

/** Length of the pattern: a prime, so that no frame repeats another at the same place. */
const PERIOD = 65521;
/** Longest piece that is asked for at once. */
const LONGEST = 65536;

/** The stream's bytes. */
export class Content {
  readonly #pattern = new Uint8Array(PERIOD + LONGEST);

  /** The stream that belongs to `seed`. */
  constructor(seed: number) {
    let state = seed >>> 0 || 1;
    for (let i = 0; i < PERIOD; i++) {
      state = Math.imul(state, 1664525) + 1013904223 >>> 0;
      this.#pattern[i] = state >>> 24;
    }
    this.#pattern.copyWithin(PERIOD, 0, LONGEST);
  }

  /** Writes `length` bytes of the stream from byte `position` on to `into[offset]`. */
  write(position: number, into: Uint8Array, offset: number, length: number): void {
    const at = position % PERIOD;
    into.set(this.#pattern.subarray(at, at + length), offset);
  }

  /** Where `length` bytes at `bytes[offset]` are not the stream's from `position` on; −1 when they all are. */
  differs(position: number, bytes: Uint8Array, offset: number, length: number): number {
    const at = position % PERIOD;
    const pattern = this.#pattern;
    for (let i = 0; i < length; i++) if (bytes[offset + i] !== pattern[at + i]) return i;
    return -1;
  }
}
