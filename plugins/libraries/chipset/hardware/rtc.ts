/**
 * The MC146818A clock and its battery-backed memory, in which a PC's firmware finds how much RAM there is. It keeps the
 * time that it is given, in BCD or binary, 12 or 24 hours, and interrupts by alarm, update and period.
 *
 * Flags of register C are found out when somebody looks; time is waited for only while an interrupt is enabled whose flag is
 * clear, so that a clock that nobody listens to costs nothing.
 *
 * @module
 */

import type { RegisterBlock, Scheduler, Timer, Width } from "@iova/core";
import { Cmos, CmosBit } from "../layout.ts";
import { Calendar, TIME_REGISTERS } from "./rtc_calendar.ts";

const SIZE = 128;
const SECOND = 1e9;
const CLOCK = 32768;
/** How long before the end of an update UIP is set: 8 clocks. */
const UIP_TIME = Math.floor(8 * SECOND / CLOCK);
/** The first update comes this long after the divider has left reset. */
const AFTER_RESET = SECOND / 2;
/** Whole seconds in which every alarm rings that ever does. */
const DAY = 86_400;

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
  readonly #calendar = new Calendar(this.bytes);
  #index = 0;
  /** Unix seconds from `#reference` on, a virtual time. */
  #seconds: number;
  #reference: number;
  /** Updates up to this virtual time are in register C. */
  #checked = 0;
  /** When the last period ended. */
  #ticked = 0;
  #timer: Timer | null = null;
  #asserted = false;

  /** A clock that goes. */
  constructor(readonly wiring: RtcWiring) {
    this.#seconds = Math.floor(wiring.start / 1000);
    this.#reference = -(wiring.start % 1000) * 1e6;
    this.bytes[Cmos.A] = 0x26;
    this.bytes[Cmos.B] = CmosBit.H24;
    this.bytes[Cmos.D] = CmosBit.VRT;
  }

  /** A reset of the machine: time and memory stay, interrupts are off. */
  reset(): void {
    this.#check();
    this.bytes[Cmos.B] &= ~CmosBit.INTERRUPTS;
    this.bytes[Cmos.C] = 0;
    this.#follow();
  }

  /** See `RegisterBlock`: the index port reads as all ones. */
  read(offset: number, _width: Width): number {
    if (offset === 0) return 0xff;
    const index = this.#index;
    if (TIME_REGISTERS.includes(index) && !this.#stands) this.#show();
    if (index === Cmos.A) return this.bytes[Cmos.A] & ~CmosBit.UIP | (this.#updating ? CmosBit.UIP : 0);
    if (index !== Cmos.C) return this.bytes[index];
    this.#check();
    const flags = this.bytes[Cmos.C];
    this.bytes[Cmos.C] = 0;
    this.#follow();
    return flags;
  }

  /** See `RegisterBlock`. */
  write(offset: number, _width: Width, value: number): void {
    if (offset === 0) this.#index = value & (SIZE - 1);
    else this.#set(this.#index, value & 0xff);
  }

  get #now(): number {
    return this.wiring.scheduler.now;
  }

  /** It stands still while it is set, and while its divider is in reset. */
  get #stands(): boolean {
    return (this.bytes[Cmos.B] & CmosBit.SET) !== 0 ||
      (this.bytes[Cmos.A] & CmosBit.DIVIDER_RESET) === CmosBit.DIVIDER_RESET;
  }

  get #updating(): boolean {
    return !this.#stands && SECOND - this.#phase(this.#now) <= UIP_TIME;
  }

  /** Nanoseconds since the last update. */
  #phase(time: number): number {
    return (time - this.#reference) % SECOND;
  }

  /** Unix seconds at a virtual time. */
  #at(time: number): number {
    return this.#seconds + Math.floor((time - this.#reference) / SECOND);
  }

  #set(index: number, value: number): void {
    if (index === Cmos.C || index === Cmos.D) return;
    this.#check();
    const stood = this.#stands;
    const isTime = TIME_REGISTERS.includes(index);
    const wasReset = (this.bytes[Cmos.A] & CmosBit.DIVIDER_RESET) === CmosBit.DIVIDER_RESET;
    if (!stood && (isTime || index === Cmos.A || index === Cmos.B)) this.#show();
    this.bytes[index] = index === Cmos.A ? value & ~CmosBit.UIP : value;
    const isReset = (this.bytes[Cmos.A] & CmosBit.DIVIDER_RESET) === CmosBit.DIVIDER_RESET;
    if (!this.#stands && (stood || isTime)) this.#take(wasReset && !isReset ? AFTER_RESET : this.#phase(this.#now));
    this.#follow();
  }

  /** Writes the time into its registers. */
  #show(): void {
    this.#calendar.show(this.#at(this.#now));
  }

  /** Takes the time from its registers; the last update was `phase` nanoseconds ago. */
  #take(phase: number): void {
    this.#seconds = this.#calendar.seconds;
    this.#reference = this.#now - phase;
    this.#checked = this.#now;
  }

  /** Notes in register C what has happened since somebody last looked. */
  #check(): void {
    const { bytes } = this;
    const now = this.#now;
    const [before, after] = [this.#at(this.#checked), this.#at(now)];
    this.#checked = now;
    if (!this.#stands && after > before) {
      bytes[Cmos.C] |= CmosBit.UF;
      const first = Math.max(before + 1, after - DAY + 1);
      for (let second = first; second <= after && (bytes[Cmos.C] & CmosBit.AF) === 0; second++) {
        if (this.#calendar.rings(second)) bytes[Cmos.C] |= CmosBit.AF;
      }
    }
    const period = this.#period;
    if (period > 0 && now - this.#ticked >= period) {
      bytes[Cmos.C] |= CmosBit.PF;
      this.#ticked += Math.floor((now - this.#ticked) / period) * period;
    }
  }

  /** Nanoseconds of a period; 0 while nobody wants them. */
  get #period(): number {
    const rate = this.bytes[Cmos.A] & 0x0f;
    if (rate === 0 || (this.bytes[Cmos.B] & CmosBit.PF) === 0) {
      this.#ticked = this.#now;
      return 0;
    }
    // The two fastest rates are those of 8 and 9 again.
    return 2 ** ((rate <= 2 ? rate + 7 : rate) - 1) * SECOND / CLOCK;
  }

  /** Drives the interrupt as the registers have it, and waits for what would change that. */
  #follow(): void {
    const { bytes, wiring: { scheduler } } = this;
    const wanted = (bytes[Cmos.C] & bytes[Cmos.B] & CmosBit.INTERRUPTS) !== 0;
    if (wanted) bytes[Cmos.C] |= CmosBit.IRQF;
    if (wanted !== this.#asserted) {
      this.#asserted = wanted;
      this.wiring.interrupt(wanted);
    }
    if (this.#timer !== null) scheduler.cancel(this.#timer);
    const delay = this.#delay;
    this.#timer = delay === Infinity ? null : scheduler.after(delay, () => this.#ring());
  }

  #ring(): void {
    this.#timer = null;
    this.#check();
    this.#follow();
  }

  /** Nanoseconds until the first enabled interrupt whose flag is clear; Infinity when there is none. */
  get #delay(): number {
    const missing = this.bytes[Cmos.B] & CmosBit.INTERRUPTS & ~this.bytes[Cmos.C];
    const period = this.#period;
    const tick = (missing & CmosBit.PF) !== 0 && period > 0 ? this.#ticked + Math.ceil(period) - this.#now : Infinity;
    if (this.#stands || (missing & (CmosBit.AF | CmosBit.UF)) === 0) return tick;
    const update = SECOND - this.#phase(this.#now);
    const wait = (missing & CmosBit.UF) !== 0 ? 0 : this.#secondsToAlarm();
    return Math.min(tick, update + wait * SECOND);
  }

  /** Whole seconds after the next one until the alarm; a day when it never rings. */
  #secondsToAlarm(): number {
    const next = this.#at(this.#now) + 1;
    for (let i = 0; i < DAY; i++) if (this.#calendar.rings(next + i)) return i;
    return DAY;
  }
}
