/**
 * Chains that a device has finished and a ring has not shown yet.
 *
 * @module
 */

import type { Chain } from "./device_chain.ts";

/** Private: a chain that is not finished. */
const UNFINISHED = -1;

/** Chains in flight, in the order in which they came: what IN_ORDER needs. */
class Order {
  readonly #id: Uint16Array;
  readonly #writable: Float64Array;
  readonly #written: Float64Array;
  #first = 0;
  #count = 0;

  constructor(size: number) {
    this.#id = new Uint16Array(size);
    this.#writable = new Float64Array(size);
    this.#written = new Float64Array(size);
  }

  add({ id, writeBytes }: Chain): void {
    const at = this.#at(this.#count++);
    this.#id[at] = id;
    this.#writable[at] = writeBytes;
    this.#written[at] = UNFINISHED;
  }

  removeLast(): void {
    this.#count--;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Notes that the first unfinished chain `id` is finished. A chain that is not there is nobody's business. */
  finish(id: number, written: number): void {
    for (let i = 0; i < this.#count; i++) {
      const at = this.#at(i);
      if (this.#id[at] !== id || this.#written[at] !== UNFINISHED) continue;
      this.#written[at] = written;
      return;
    }
  }

  /** Moves the finished chains at the front to `list`. */
  drain(list: DoneList): void {
    while (this.#count > 0 && this.#written[this.#first] !== UNFINISHED) {
      const at = this.#first;
      list.append(this.#id[at], this.#written[at], this.#written[at] === this.#writable[at]);
      this.#first = this.#at(1);
      this.#count--;
    }
  }

  #at(i: number): number {
    const at = this.#first + i;
    return at < this.#id.length ? at : at - this.#id.length;
  }
}

/** What a ring will show at its next publication, in the order in which it will. */
export class DoneList {
  /** Entries. */
  count = 0;
  /** The chain, by entry. */
  readonly id: Uint16Array;
  /** Bytes written, by entry. */
  readonly written: Uint32Array;
  /** Whether that is all that could be written, by entry. */
  readonly #whole: Uint8Array;
  readonly #order: Order | null;

  /** A list for a ring of `size`; with `inOrder` chains come out as they went in. */
  constructor(size: number, inOrder: boolean) {
    this.id = new Uint16Array(size);
    this.written = new Uint32Array(size);
    this.#whole = new Uint8Array(size);
    this.#order = inOrder ? new Order(size) : null;
  }

  /** The device has taken a chain. */
  popped(chain: Chain): void {
    this.#order?.add(chain);
  }

  /** The device has put the chain that it took last back. */
  unpopped(): void {
    this.#order?.removeLast();
  }

  /** The device has finished a chain. */
  push(id: number, written: number): void {
    if (this.#order === null) return this.append(id, written, true);
    this.#order.finish(id, written);
    this.#order.drain(this);
  }

  /** Adds an entry at the end. */
  append(id: number, written: number, whole: boolean): void {
    this.id[this.count] = id;
    this.written[this.count] = written;
    this.#whole[this.count++] = whole ? 1 : 0;
  }

  /**
   * The last entry of the batch that entry `first` begins. One used element stands for a batch (§2.7.9, §2.8.9); a driver
   * takes every chain of it but the last for wholly written, so one that is not ends its batch.
   */
  batchEnd(first: number): number {
    let last = first;
    if (this.#order !== null) { while (last + 1 < this.count && this.#whole[last] === 1) last++; }
    return last;
  }

  /** Forgets everything. */
  clear(): void {
    this.count = 0;
    this.#order?.clear();
  }
}
