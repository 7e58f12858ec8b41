/**
 * A bitmap of table entries that finds free ones fast however many are taken: above the bits lie summaries, one bit for
 * each word that is full, up to a single word.
 *
 * @module
 */

const WORD_SHIFT = 5;
const WORD_BITS = 32;
const BIT_MASK = 31;
const FULL = -1;

/** Which entries are in use. */
export class Bitmap {
  /** Entries in use. */
  used = 0;
  // The bits, then the summaries, each one bit per word of the level below. Bits beyond the end are set for ever.
  readonly #levels: Int32Array[] = [];

  /** `size` free entries. */
  constructor(readonly size: number) {
    for (let bits = size;; bits = Math.ceil(bits / WORD_BITS)) {
      const words = new Int32Array(Math.max(1, Math.ceil(bits / WORD_BITS)));
      if (bits % WORD_BITS !== 0 || bits === 0) words[words.length - 1] = FULL << (bits & BIT_MASK);
      this.#levels.push(words);
      if (words.length === 1) break;
    }
  }

  /** Whether an entry is in use. */
  has(index: number): boolean {
    return (this.#levels[0][index >>> WORD_SHIFT] >>> (index & BIT_MASK) & 1) === 1;
  }

  /** Takes `count` entries, free or not. */
  set(first: number, count: number): void {
    for (let at = first, end = first + count; at < end;) {
      const word = at >>> WORD_SHIFT;
      const mask = maskOf(at, end);
      this.used += bitCount(mask & ~this.#levels[0][word]);
      this.#raise(word, mask);
      at = (word + 1) * WORD_BITS;
    }
  }

  /** Frees `count` entries, taken or not. */
  clear(first: number, count: number): void {
    for (let at = first, end = first + count; at < end;) {
      const word = at >>> WORD_SHIFT;
      const mask = maskOf(at, end);
      this.used -= bitCount(mask & this.#levels[0][word]);
      this.#lower(word, mask);
      at = (word + 1) * WORD_BITS;
    }
  }

  /** The first free entry from `from` on; −1 when there is none. */
  nextFree(from: number): number {
    const levels = this.#levels;
    let index = from;
    for (let level = 0; level < levels.length; level++) {
      const word = index >>> WORD_SHIFT;
      const free = word < levels[level].length ? ~levels[level][word] & (FULL << (index & BIT_MASK)) : 0;
      if (free !== 0) return this.#descend(level, word * WORD_BITS + lowestBit(free));
      index = word + 1;
    }
    return -1;
  }

  /** The first entry in use from `from` on, below `end`; `end` when there is none. */
  nextUsed(from: number, end: number): number {
    const bits = this.#levels[0];
    for (let at = from; at < end;) {
      const word = at >>> WORD_SHIFT;
      const used = bits[word] & (FULL << (at & BIT_MASK));
      if (used !== 0) return Math.min(end, word * WORD_BITS + lowestBit(used));
      at = (word + 1) * WORD_BITS;
    }
    return end;
  }

  /** The first of `count` free entries in a row from `from` on, below `end`, at a multiple of `align`; −1 when none. */
  findFree(from: number, end: number, count: number, align: number): number {
    for (let start = from;;) {
      const free = this.nextFree(start);
      if (free < 0) return -1;
      const first = align === 1 ? free : Math.ceil(free / align) * align;
      if (first + count > end) return -1;
      if (count === 1 && first === free) return first;
      const used = this.nextUsed(first, first + count);
      if (used === first + count) return first;
      start = used + 1;
    }
  }

  #descend(level: number, index: number): number {
    while (level > 0) {
      level--;
      index = index * WORD_BITS + lowestBit(~this.#levels[level][index]);
    }
    return index;
  }

  #raise(word: number, mask: number): void {
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level];
      words[word] |= mask;
      if (words[word] !== FULL) return;
      mask = 1 << (word & BIT_MASK);
      word >>>= WORD_SHIFT;
    }
  }

  #lower(word: number, mask: number): void {
    for (let level = 0; level < this.#levels.length; level++) {
      const words = this.#levels[level];
      const was = words[word];
      words[word] = was & ~mask;
      if (was !== FULL) return;
      mask = 1 << (word & BIT_MASK);
      word >>>= WORD_SHIFT;
    }
  }
}

/** The bits from `at` to the end of its word, as far as they lie below `end`. */
function maskOf(at: number, end: number): number {
  const low = at & BIT_MASK;
  const count = Math.min(WORD_BITS - low, end - at);
  return count === WORD_BITS ? FULL : ((1 << count) - 1) << low;
}

function lowestBit(word: number): number {
  return BIT_MASK - Math.clz32(word & -word);
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
