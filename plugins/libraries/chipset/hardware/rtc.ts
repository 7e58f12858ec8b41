/**
 * The MC146818A clock and its battery-backed memory, in which a PC's firmware finds how much RAM there is. It keeps the
 * time that it is given, in BCD or binary, 12 or 24 hours; the alarm rings, periods do not.
 *
 * @module
 */

import type { RegisterBlock, Scheduler, Timer, Width } from "@iova/core";
import { Cmos, CmosBit } from "../layout.ts";

const SIZE = 128;
const SECOND = 1e9;
const MILLISECOND = 1e6;
/** The first 244 µs of an update, during which UIP is set (MC146818A, figure on update cycles). */
const UIP_TIME = 244_000;
/** An alarm value from here on matches every value. */
const ANY = 0xc0;
/** The time registers, in the order in which `#fields` gives their values. */
const FIELDS: readonly number[] = [
  Cmos.SECONDS,
  Cmos.MINUTES,
  Cmos.HOURS,
  Cmos.WEEKDAY,
  Cmos.DAY,
  Cmos.MONTH,
  Cmos.YEAR,
  Cmos.CENTURY,
];

/** What the clock is wired to. */
export interface RtcWiring {
  /** Virtual time. */
  readonly scheduler: Scheduler;
  /** Its interrupt. */
  interrupt(asserted: boolean): void;
  /** What the clock says at power-on, in milliseconds of Unix time, UTC. */
  readonly start: number;
}

/** See the module's text. */
export class Rtc implements RegisterBlock {
  /** All bytes; those of the time are written when they are read. */
  readonly bytes: Uint8Array = new Uint8Array(SIZE);
  #index = 0;
  /** Unix milliseconds at virtual time 0. */
  #offset: number;
  #timer: Timer | null = null;
  #asserted = false;

  /** A clock that goes. */
  constructor(readonly wiring: RtcWiring) {
    this.#offset = wiring.start;
    this.bytes[Cmos.A] = 0x26;
    this.bytes[Cmos.B] = CmosBit.H24;
    this.bytes[Cmos.D] = CmosBit.VRT;
  }

  /** A reset of the machine: time and memory stay, interrupts are off. */
  reset(): void {
    this.bytes[Cmos.B] &= ~CmosBit.INTERRUPTS;
    this.bytes[Cmos.C] = 0;
    this.#drive();
  }

  /** See `RegisterBlock`: the index port reads as all ones. */
  read(offset: number, _width: Width): number {
    if (offset === 0) return 0xff;
    const index = this.#index;
    if (FIELDS.includes(index) && !this.#stands) this.#show();
    if (index === Cmos.A) return this.bytes[Cmos.A] & ~CmosBit.UIP | (this.#updating ? CmosBit.UIP : 0);
    const value = this.bytes[index];
    if (index === Cmos.C) {
      this.bytes[Cmos.C] = 0;
      this.#drive();
      this.#arm();
    }
    return value;
  }

  /** See `RegisterBlock`. */
  write(offset: number, _width: Width, value: number): void {
    if (offset === 0) this.#index = value & (SIZE - 1);
    else this.#set(this.#index, value & 0xff);
  }

  get #stands(): boolean {
    return (this.bytes[Cmos.B] & CmosBit.SET) !== 0;
  }

  get #updating(): boolean {
    return !this.#stands && SECOND - this.wiring.scheduler.now % SECOND <= UIP_TIME;
  }

  get #time(): number {
    return this.#offset + Math.floor(this.wiring.scheduler.now / MILLISECOND);
  }

  #set(index: number, value: number): void {
    if (index === Cmos.C || index === Cmos.D) return;
    if (FIELDS.includes(index) && !this.#stands) this.#show();
    if (index === Cmos.B) this.#control(value);
    else this.bytes[index] = index === Cmos.A ? value & ~CmosBit.UIP : value;
    if (FIELDS.includes(index) && !this.#stands) this.#take();
    this.#arm();
  }

  /** Setting the time begins with SET, which stops the clock, and ends when it goes. */
  #control(value: number): void {
    const stood = this.#stands;
    if (!stood && (value & CmosBit.SET) !== 0) this.#show();
    this.bytes[Cmos.B] = value;
    if (stood && (value & CmosBit.SET) === 0) this.#take();
  }

  /** Writes the time into its registers. */
  #show(): void {
    const date = new Date(this.#time);
    const year = date.getUTCFullYear();
    const values = [
      date.getUTCSeconds(),
      date.getUTCMinutes(),
      date.getUTCHours(),
      date.getUTCDay() + 1,
      date.getUTCDate(),
      date.getUTCMonth() + 1,
      year % 100,
      Math.floor(year / 100),
    ];
    FIELDS.forEach((index, i) => {
      this.bytes[index] = index === Cmos.HOURS ? this.#hour(values[i]) : this.#code(values[i]);
    });
  }

  /** Takes the time from its registers. */
  #take(): void {
    const [second, minute, , , day, month, year, century] = FIELDS.map((index) => this.#value(this.bytes[index]));
    const hour = this.#hourValue(this.bytes[Cmos.HOURS]);
    const set = Date.UTC(century * 100 + year, month - 1, day, hour, minute, second);
    this.#offset = set - Math.floor(this.wiring.scheduler.now / MILLISECOND);
  }

  #code(value: number): number {
    return (this.bytes[Cmos.B] & CmosBit.BINARY) !== 0 ? value : Math.floor(value / 10) << 4 | value % 10;
  }

  #value(code: number): number {
    return (this.bytes[Cmos.B] & CmosBit.BINARY) !== 0 ? code : (code >> 4) * 10 + (code & 15);
  }

  #hour(hour: number): number {
    if ((this.bytes[Cmos.B] & CmosBit.H24) !== 0) return this.#code(hour);
    return this.#code(hour % 12 || 12) | (hour >= 12 ? CmosBit.PM : 0);
  }

  #hourValue(code: number): number {
    if ((this.bytes[Cmos.B] & CmosBit.H24) !== 0) return this.#value(code);
    return this.#value(code & ~CmosBit.PM) % 12 + ((code & CmosBit.PM) !== 0 ? 12 : 0);
  }

  /** Waits for the next second that matters to somebody: nobody waits while nothing would be told. */
  #arm(): void {
    const { scheduler } = this.wiring;
    if (this.#timer !== null) scheduler.cancel(this.#timer);
    this.#timer = null;
    const wanted = this.bytes[Cmos.B] & (CmosBit.AF | CmosBit.UF) & ~this.bytes[Cmos.C];
    if (wanted === 0 || this.#stands) return;
    const second = SECOND - scheduler.now % SECOND;
    const wait = (wanted & CmosBit.UF) !== 0 ? 0 : this.#secondsToAlarm();
    this.#timer = scheduler.after(second + wait * SECOND, () => this.#ring());
  }

  #ring(): void {
    this.#timer = null;
    this.bytes[Cmos.C] |= CmosBit.UF | (this.#matches(new Date(this.#time)) ? CmosBit.AF : 0);
    this.#drive();
    this.#arm();
  }

  /** Whole seconds after the next one until the alarm; a day when it never rings. */
  #secondsToAlarm(): number {
    const DAY = 86_400;
    const next = Math.floor(this.#time / 1000) + 1;
    for (let i = 0; i < DAY; i++) if (this.#matches(new Date((next + i) * 1000))) return i;
    return DAY;
  }

  #matches(date: Date): boolean {
    const { bytes } = this;
    const at = (index: number, value: number) => bytes[index] >= ANY || bytes[index] === value;
    return at(Cmos.SECONDS_ALARM, this.#code(date.getUTCSeconds())) &&
      at(Cmos.MINUTES_ALARM, this.#code(date.getUTCMinutes())) &&
      at(Cmos.HOURS_ALARM, this.#hour(date.getUTCHours()));
  }

  #drive(): void {
    const wanted = (this.bytes[Cmos.C] & this.bytes[Cmos.B] & CmosBit.INTERRUPTS) !== 0;
    if (wanted) this.bytes[Cmos.C] |= CmosBit.IRQF;
    if (wanted === this.#asserted) return;
    this.#asserted = wanted;
    this.wiring.interrupt(wanted);
  }
}
