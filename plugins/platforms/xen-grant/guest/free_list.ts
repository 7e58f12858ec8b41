/**
 * The allocator of grant references, as Linux has it: a list linked through an array, last in first out, that hands out
 * ascending references while it is fresh; and runs of consecutive references from the ascending run at its end. When that
 * run is too short, the list is sorted anew and the first run that is long enough is taken.
 *
 * @module
 */

/** End of the list. */
const END = -1;
/** The run at the end starts at the head of the list. */
const AT_HEAD = -1;
/** There is no run at the end. */
const NO_RUN = -2;

/** Adds at least `wanted` references at the end of the table; returns how many it added, 0 when there is no room. */
export type Expand = (wanted: number) => number;

/** See the module's text. */
export class ReferenceList {
  /** Free references. */
  free = 0;
  readonly #expand: Expand;
  #size: number;
  #next = new Int32Array(0);
  #isFree = new Uint8Array(0);
  #head = END;
  #last = END;
  /** Whose successor starts the ascending run at the list's end: a reference, {@linkcode AT_HEAD} or {@linkcode NO_RUN}. */
  #run = NO_RUN;

  /** References from `first` to `size − 1` are free. */
  constructor(first: number, size: number, expand: Expand) {
    this.#expand = expand;
    this.#size = first;
    this.#add(size - first);
  }

  /** References that exist. */
  get size(): number {
    return this.#size;
  }

  /** One reference, or −1. */
  take(): number {
    if (this.free === 0 && !this.#grow(1)) return -1;
    const ref = this.#head;
    if (this.#run === ref) this.#run = AT_HEAD;
    this.#head = this.#next[ref];
    this.#isFree[ref] = 0;
    this.free--;
    if (this.free === 0) this.#forget();
    return ref;
  }

  /** The first of `count` consecutive references, or −1. */
  takeRun(count: number): number {
    if (this.free < count && !this.#grow(count - this.free)) return -1;
    if (this.#runLength() < count) {
      const found = this.#sort(count);
      if (found >= 0) return found;
      if (!this.#grow(count - this.#runLength())) return -1;
    }
    const first = this.#successor(this.#run);
    const after = this.#next[first + count - 1];
    if (this.#run === AT_HEAD) this.#head = after;
    else this.#next[this.#run] = after;
    this.#isFree.fill(0, first, first + count);
    this.free -= count;
    if (this.free === 0) this.#forget();
    else if (after === END) {
      this.#last = this.#run;
      this.#run = NO_RUN;
    }
    return first;
  }

  /** Gives a reference back: it is the next to be taken. */
  give(ref: number): void {
    this.#next[ref] = this.#head;
    this.#head = ref;
    if (this.free === 0) this.#last = ref;
    if (this.#run === AT_HEAD) this.#run = ref;
    this.free++;
    this.#isFree[ref] = 1;
  }

  /** Gives a run back, last to first, so that its first reference is the next to be taken. */
  giveRun(first: number, count: number): void {
    for (let ref = first + count - 1; ref >= first; ref--) this.give(ref);
  }

  #successor(run: number): number {
    return run === AT_HEAD ? this.#head : this.#next[run];
  }

  #runLength(): number {
    if (this.#run === NO_RUN || this.#last === END) return 0;
    const first = this.#successor(this.#run);
    return first === END ? 0 : this.#last - first + 1;
  }

  #forget(): void {
    this.#head = this.#last = END;
    this.#run = NO_RUN;
  }

  /** Sorts the list; takes the first run of `count` on the way, if there is one. */
  #sort(count: number): number {
    let found = -1;
    let last = END;
    this.#head = END;
    this.#run = AT_HEAD;
    for (let from = this.#nextFree(0); from < this.#size;) {
      const end = this.#nextTaken(from);
      if (found < 0 && end - from >= count) {
        found = from;
        this.#isFree.fill(0, from, from + count);
        this.free -= count;
        from += count;
      }
      if (from < end) {
        this.#run = last === END ? AT_HEAD : last;
        for (; from < end; from++) {
          this.#link(last, from);
          last = from;
        }
      }
      from = this.#nextFree(end);
    }
    this.#link(last, END);
    this.#last = last;
    // Only a run that ends where the table ends can be made longer.
    if (last !== this.#size - 1) this.#run = NO_RUN;
    return found;
  }

  #link(from: number, to: number): void {
    if (from === END) this.#head = to;
    else this.#next[from] = to;
  }

  #nextFree(from: number): number {
    const at = this.#isFree.indexOf(1, from);
    return at < 0 || at >= this.#size ? this.#size : at;
  }

  #nextTaken(from: number): number {
    const at = this.#isFree.indexOf(0, from);
    return at < 0 || at > this.#size ? this.#size : at;
  }

  #grow(wanted: number): boolean {
    const added = this.#expand(wanted);
    if (added < wanted) return false;
    this.#add(added);
    return true;
  }

  #add(count: number): void {
    const first = this.#size;
    this.#size += count;
    if (count === 0) return;
    this.#reserve(this.#size);
    for (let ref = first; ref < this.#size - 1; ref++) this.#next[ref] = ref + 1;
    this.#next[this.#size - 1] = END;
    if (this.free === 0) {
      this.#head = first;
      this.#run = AT_HEAD;
    } else {
      this.#next[this.#last] = first;
      if (this.#run === NO_RUN) this.#run = this.#last;
    }
    this.free += count;
    this.#last = this.#size - 1;
    this.#isFree.fill(1, first, this.#size);
  }

  #reserve(size: number): void {
    if (size <= this.#next.length) return;
    const length = Math.max(size, this.#next.length * 2);
    const next = new Int32Array(length);
    next.set(this.#next);
    this.#next = next;
    const isFree = new Uint8Array(length);
    isFree.set(this.#isFree);
    this.#isFree = isFree;
  }
}
