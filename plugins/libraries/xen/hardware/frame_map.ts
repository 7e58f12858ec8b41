/**
 * A table from frame numbers to numbers: open addressing over typed arrays, so that entering and removing allocate
 * nothing and cost the same at any size.
 *
 * @module
 */

const INITIAL = 64;
const EMPTY = -1;

/** See the module's text. Keys are non-negative integers below 2^53. */
export class FrameMap {
  /** Entries. */
  size = 0;
  #keys = new Float64Array(INITIAL).fill(EMPTY);
  #values = new Float64Array(INITIAL);

  /** The value of `key`, or −1. */
  get(key: number): number {
    const mask = this.#keys.length - 1;
    for (let i = home(key) & mask;; i = (i + 1) & mask) {
      const found = this.#keys[i];
      if (found === key) return this.#values[i];
      if (found === EMPTY) return -1;
    }
  }

  /** Enters or replaces. */
  set(key: number, value: number): void {
    if (this.size * 2 >= this.#keys.length) this.#grow();
    const mask = this.#keys.length - 1;
    let i = home(key) & mask;
    while (this.#keys[i] !== EMPTY && this.#keys[i] !== key) i = (i + 1) & mask;
    if (this.#keys[i] === EMPTY) this.size++;
    this.#keys[i] = key;
    this.#values[i] = value;
  }

  /** Removes; false when there is nothing. Entries that had to step aside move up. */
  delete(key: number): boolean {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let hole = home(key) & mask;
    while (keys[hole] !== key) {
      if (keys[hole] === EMPTY) return false;
      hole = (hole + 1) & mask;
    }
    for (let i = (hole + 1) & mask; keys[i] !== EMPTY; i = (i + 1) & mask) {
      if (((i - home(keys[i])) & mask) < ((i - hole) & mask)) continue;
      keys[hole] = keys[i];
      this.#values[hole] = this.#values[i];
      hole = i;
    }
    keys[hole] = EMPTY;
    this.size--;
    return true;
  }

  /** Removes everything. */
  clear(): void {
    this.#keys.fill(EMPTY);
    this.size = 0;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 2).fill(EMPTY);
    this.#values = new Float64Array(keys.length * 2);
    this.size = 0;
    for (let i = 0; i < keys.length; i++) if (keys[i] !== EMPTY) this.set(keys[i], values[i]);
  }
}

function home(key: number): number {
  const mixed = Math.imul(key | 0, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
