/**
 * Virtual time and the scheduler: seeded, deterministic, single-threaded. Time is in nanoseconds and moves in two ways
 * only: somebody spends it ({@linkcode Scheduler.spend}), or the scheduler skips to the next entry.
 *
 * @module
 */

/** A scheduled piece of work; cancel it with {@linkcode Scheduler.cancel}. */
export interface Timer {
  /** When it is due, in nanoseconds of virtual time. */
  readonly due: number;
}

/** Turns given to promises before a macrotask gives all of them theirs. */
const YIELDS = 32;

class Entry implements Timer {
  cancelled = false;
  constructor(readonly due: number, readonly order: number, readonly work: () => void) {}
}

/** The scheduler of one machine: a heap of timers and a queue of work that is due at once. */
export class Scheduler {
  /** Virtual time since the machine was made, in nanoseconds. */
  now = 0;
  #order = 0;
  #heap: Entry[] = [];
  // Work due now sits in a ring of its own: posting it allocates nothing in the steady state.
  #ready: ((() => void) | undefined)[] = new Array(64);
  #head = 0;
  #count = 0;
  #wake: (() => void) | null = null;

  /** True when nothing is scheduled. */
  get idle(): boolean {
    return this.#count === 0 && this.#heap.length === 0;
  }

  /** Spends `nanoseconds` of the CPU's virtual time. */
  spend(nanoseconds: number): void {
    this.now += nanoseconds;
  }

  /** Runs `work` as soon as what runs now has returned, in the order of posting. */
  post(work: () => void): void {
    if (this.#count === this.#ready.length) this.#grow();
    this.#ready[(this.#head + this.#count++) & (this.#ready.length - 1)] = work;
    this.#wakeUp();
  }

  /** Runs `work` once, `delay` nanoseconds of virtual time from now. */
  after(delay: number, work: () => void): Timer {
    const entry = new Entry(this.now + delay, this.#order++, work);
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
    this.#wakeUp();
    return entry;
  }

  /** Cancels a timer; one that has run already is left alone. */
  cancel(timer: Timer): void {
    (timer as Entry).cancelled = true;
    this.#dropCancelled();
  }

  /** Runs the next piece of work: a timer that is overdue comes before posted work. False when there is none. */
  step(): boolean {
    if (this.#count > 0 && !this.#timerIsOverdue()) {
      const work = this.#ready[this.#head]!;
      this.#ready[this.#head] = undefined;
      this.#head = (this.#head + 1) & (this.#ready.length - 1);
      this.#count--;
      work();
      return true;
    }
    if (this.#heap.length === 0) return false;
    const entry = this.#pop();
    this.#dropCancelled();
    if (entry.due > this.now) this.now = entry.due;
    entry.work();
    return true;
  }

  /** When the next timer is due; Infinity when there is none. */
  get nextDue(): number {
    return this.#heap[0]?.due ?? Infinity;
  }

  /** Lets virtual time go on to `time`, and runs whatever is due by then. */
  advance(time: number): void {
    this.settle();
    while (this.nextDue <= time) {
      this.step();
      this.settle();
    }
    this.now = Math.max(this.now, time);
  }

  /** Resolves when somebody posts work or sets a timer. */
  work(): Promise<void> {
    return new Promise((wake) => void (this.#wake = wake));
  }

  /** Runs work that is due, `most` pieces of it, without letting virtual time skip ahead to a timer. Whether any is left. */
  settle(most = Infinity): boolean {
    while (this.#count > 0 || this.#timerIsOverdue()) {
      if (most-- > 0) this.step();
      else return true;
    }
    return false;
  }

  /**
   * Drives the machine until `until` settles: runs everything that is scheduled, and lets JavaScript's own queue run in
   * between. When nothing is scheduled it waits for `until` or for new work, without polling.
   */
  async run<T>(until: Promise<T>): Promise<T> {
    let settled = false;
    const done = until.then(() => void (settled = true), () => void (settled = true));
    while (!settled) {
      this.settle();
      // Promises resolved by an interrupt handler get their turn before virtual time skips to a later timer: the near
      // ones by giving way a few times (0.1 µs each), any of them by a macrotask (2 µs, and 5 ms for the first).
      for (let i = 0; i < YIELDS && !settled && this.#count === 0; i++) await undefined;
      if (settled || this.#count > 0) continue;
      await macrotask();
      if (settled || this.#count > 0) continue;
      if (!this.step()) await Promise.race([done, this.work()]);
    }
    return until;
  }

  /** Time that was spent may have passed a timer: a machine that is never idle must not put it off for ever. */
  #timerIsOverdue(): boolean {
    return this.#heap.length > 0 && this.#heap[0].due < this.now;
  }

  /** The first entry of the heap is never a cancelled one. */
  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0].cancelled) this.#pop();
  }

  #wakeUp(): void {
    if (this.#wake === null) return;
    this.#wake();
    this.#wake = null;
  }

  #grow(): void {
    const size = this.#ready.length;
    const grown = new Array<(() => void) | undefined>(size * 2);
    for (let i = 0; i < size; i++) grown[i] = this.#ready[(this.#head + i) & (size - 1)];
    this.#ready = grown;
    this.#head = 0;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/** Resolves after every promise that is ready has had its turn (about 1 µs; a timer would take 2 ms). */
function macrotask(): Promise<void> {
  return new Promise((wake) => void setImmediate(wake));
}

/** A seeded generator of pseudo-random numbers (xorshift128): same seed, same sequence, on every machine. */
export class Random {
  readonly #state = new Int32Array(4);

  /** A generator for `seed`; any integer will do. */
  constructor(seed: number) {
    let s = seed | 0;
    for (let i = 0; i < 4; i++) {
      s = (s + 0x9e3779b9) | 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = (z ^ (z >>> 16)) || 1;
    }
  }

  /** 32 random bits, unsigned. */
  next(): number {
    const s = this.#state;
    const t = s[3] ^ (s[3] << 11);
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = s[0] ^ (s[0] >>> 19) ^ t ^ (t >>> 8);
    return s[0] >>> 0;
  }

  /** An integer in 0 … `limit` − 1; `limit` at most 2^32. */
  below(limit: number): number {
    return Math.floor(this.next() / 4294967296 * limit);
  }

  /** Fills `bytes` with random bytes. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.next() >>> 24;
  }
}
