/**
 * The 8254 timer: three counters that count virtual time down, as far as software reads them. They interrupt nobody.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";

/** Counts a second (three times 14.31818 MHz / 36). */
const FREQUENCY = 1_193_182;
const SECOND = 1e9;

/** Values of the access field of a control word. */
const Access = { LATCH: 0, LOW: 1, HIGH: 2, WORD: 3 } as const;
const READ_BACK = 3;
const NOT_COUNT = 0x20;
const NOT_STATUS = 0x10;

/** One counter. */
class Counter {
  /** What it counts from; 0 stands for 65536. */
  reload = 0;
  access: number = Access.WORD;
  mode = 3;
  #started = 0;
  #latched: number[] = [];
  #highNext = false;
  #low = 0;

  constructor(readonly now: () => number) {}

  /** How many counts have passed since it was loaded. */
  get #elapsed(): number {
    return Math.floor((this.now() - this.#started) * FREQUENCY / SECOND);
  }

  get #period(): number {
    return this.reload || 0x10000;
  }

  /** The count as it stands (8254, modes). */
  get count(): number {
    const elapsed = this.#elapsed;
    if (this.mode === 3) return this.#period - 2 * elapsed % this.#period & 0xffff;
    if (this.mode === 2) return this.#period - elapsed % this.#period & 0xffff;
    return this.reload - elapsed & 0xffff;
  }

  /** The output pin. */
  get output(): boolean {
    const elapsed = this.#elapsed;
    if (this.mode === 3) return elapsed % this.#period < (this.#period + 1) / 2;
    if (this.mode === 2) return elapsed % this.#period !== this.#period - 1;
    return elapsed >= this.#period;
  }

  control(access: number, mode: number): void {
    this.access = access;
    this.mode = mode > 5 ? mode - 4 : mode;
    this.#highNext = false;
    this.#latched = [];
  }

  latch(count: boolean, status: boolean): void {
    if (this.#latched.length > 0) return;
    if (status) this.#latched.push((this.output ? 0x80 : 0) | this.access << 4 | this.mode << 1);
    if (count) this.#latched.push(...this.#bytes());
  }

  read(): number {
    const latched = this.#latched.shift();
    if (latched !== undefined) return latched;
    const bytes = this.#bytes();
    if (bytes.length === 1) return bytes[0];
    this.#highNext = !this.#highNext;
    return bytes[this.#highNext ? 0 : 1];
  }

  write(value: number): void {
    if (this.access === Access.WORD && !this.#highNext) {
      this.#low = value;
      this.#highNext = true;
      return;
    }
    this.#highNext = false;
    this.reload = this.access === Access.LOW ? value : value << 8 | (this.access === Access.WORD ? this.#low : 0);
    this.#started = this.now();
  }

  #bytes(): number[] {
    const { count, access } = this;
    if (access === Access.LOW) return [count & 0xff];
    return access === Access.HIGH ? [count >> 8] : [count & 0xff, count >> 8];
  }
}

/** See the module's text. */
export class Pit implements RegisterBlock {
  #counters: Counter[];

  /** A timer that counts the time that `now` tells, in nanoseconds. */
  constructor(readonly now: () => number) {
    this.#counters = this.#fresh();
  }

  /** The output of the speaker's counter. */
  get speaker(): boolean {
    return this.#counters[2].output;
  }

  /** Back to power-on. */
  reset(): void {
    this.#counters = this.#fresh();
  }

  /** See `RegisterBlock`. The control register reads as zero. */
  read(offset: number, _width: Width): number {
    return this.#counters[offset]?.read() ?? 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, _width: Width, value: number): void {
    const counter = this.#counters[offset];
    if (counter !== undefined) counter.write(value & 0xff);
    else this.#control(value);
  }

  #control(value: number): void {
    const which = value >> 6 & 3;
    const access = value >> 4 & 3;
    if (which === READ_BACK) this.#readBack(value);
    else if (access === Access.LATCH) this.#counters[which].latch(true, false);
    else this.#counters[which].control(access, value >> 1 & 7);
  }

  #readBack(value: number): void {
    this.#counters.forEach((counter, i) => {
      if ((value & 2 << i) !== 0) counter.latch((value & NOT_COUNT) === 0, (value & NOT_STATUS) === 0);
    });
  }

  #fresh(): Counter[] {
    return [0, 1, 2].map(() => new Counter(this.now));
  }
}
