/**
 * The hardware's table of mappings: sorted by address, in typed arrays, found by proportion and bisection. A removed entry stays as a
 * gap until gaps outnumber entries, so that entering and removing cost the same with one mapping as with ten thousand.
 *
 * @module
 */

/** Address bits below bit 63 as a number: exact for every address that can be entered. */
export type Offset = number;

/** Entries at first. */
const INITIAL = 64;

/** Disjoint ranges of one half of the address space. Positions that it returns hold until the next change. */
export class RangeTable {
  /** First offset of each entry; ascending. */
  first: Float64Array = new Float64Array(INITIAL);
  /** Last offset of each entry, inclusive; below `first` for a gap. */
  last: Float64Array = new Float64Array(INITIAL);
  /** Bits 63:32 of the frame. */
  frameHi: Int32Array = new Int32Array(INITIAL);
  /** Bits 31:0 of the frame. */
  frameLo: Int32Array = new Int32Array(INITIAL);
  /** log2 of the largest block that the entry can be translated in. */
  shift: Uint8Array = new Uint8Array(INITIAL);
  rights: Uint8Array = new Uint8Array(INITIAL);
  requester: Uint16Array = new Uint16Array(INITIAL);
  /** Entries that are no gaps. */
  live = 0;
  #count = 0;
  /** Where the last look-up ended: the next one is often there too. */
  #recent = 0;

  /** Position of the entry that holds `offset`, or −1. */
  find(offset: Offset): number {
    const recent = this.#recent;
    if (offset >= this.first[recent] && offset <= this.last[recent] && recent < this.#count) return recent;
    const at = this.before(offset);
    if (at < 0 || offset > this.last[at]) return -1;
    return this.#recent = at;
  }

  /** Position of the last entry, or gap, that starts at or before `offset`; −1 when there is none. */
  before(offset: Offset): number {
    const { first } = this;
    let high = this.#count;
    if (high === 0 || offset < first[0]) return -1;
    if (offset >= first[high - 1]) return high - 1;
    // Addresses were handed out one after another, so that a proportion comes near; from there in growing steps.
    let low = Math.floor((offset - first[0]) / (first[high - 1] - first[0]) * (high - 1));
    let step = 4;
    if (first[low] <= offset) {
      for (; low + step < high && first[low + step] <= offset; step *= 2) low += step;
      high = Math.min(high, low + step);
    } else {
      for (; first[low] > offset; step *= 2) {
        high = low;
        low = Math.max(0, low - step);
      }
    }
    // first[low] ≤ offset < first[high]
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (first[middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Whether a range is free of entries. */
  isFree(first: Offset, last: Offset): boolean {
    for (let at = this.before(last); at >= 0; at--) {
      if (this.last[at] >= this.first[at]) return this.last[at] < first;
    }
    return true;
  }

  /** Makes room for a range that is free, and returns its position; the caller fills in the rest. */
  insert(first: Offset, last: Offset): number {
    if (this.#count === this.first.length) this.#grow();
    const at = this.before(first) + 1;
    // The guest hands out ascending addresses, so there is nothing to move as a rule.
    if (at < this.#count) { for (const column of this.#columns()) column.copyWithin(at + 1, at, this.#count); }
    this.first[at] = first;
    this.last[at] = last;
    this.#count++;
    this.live++;
    return at;
  }

  /** Makes the entry at a position a gap. */
  remove(at: number): void {
    this.last[at] = this.first[at] - 1;
    this.live--;
    while (this.#count > 0 && this.last[this.#count - 1] < this.first[this.#count - 1]) this.#count--;
    if (this.#count > 2 * this.live + INITIAL) this.#compact();
  }

  /** Forgets everything. */
  clear(): void {
    this.live = this.#count = 0;
  }

  #columns() {
    return [this.first, this.last, this.frameHi, this.frameLo, this.shift, this.rights, this.requester];
  }

  #compact(): void {
    let kept = 0;
    for (let at = 0; at < this.#count; at++) {
      if (this.last[at] >= this.first[at]) this.#move(at, kept++);
    }
    this.#count = kept;
  }

  /** Column by column, not in a loop over them: each is of another type. */
  #move(from: number, to: number): void {
    this.first[to] = this.first[from];
    this.last[to] = this.last[from];
    this.frameHi[to] = this.frameHi[from];
    this.frameLo[to] = this.frameLo[from];
    this.shift[to] = this.shift[from];
    this.rights[to] = this.rights[from];
    this.requester[to] = this.requester[from];
  }

  #grow(): void {
    const size = this.first.length * 2;
    this.first = grown(this.first, new Float64Array(size));
    this.last = grown(this.last, new Float64Array(size));
    this.frameHi = grown(this.frameHi, new Int32Array(size));
    this.frameLo = grown(this.frameLo, new Int32Array(size));
    this.shift = grown(this.shift, new Uint8Array(size));
    this.rights = grown(this.rights, new Uint8Array(size));
    this.requester = grown(this.requester, new Uint16Array(size));
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
