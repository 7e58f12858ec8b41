/**
 * The clock's registers of time, date and alarm, in the format that register B asks for.
 *
 * @module
 */

import { Cmos, CmosBit } from "../layout.ts";

/** An alarm value from here on matches every value. */
const ANY = 0xc0;

/** The registers of time and date. */
export const TIME_REGISTERS: readonly number[] = [
  Cmos.SECONDS,
  Cmos.MINUTES,
  Cmos.HOURS,
  Cmos.WEEKDAY,
  Cmos.DAY,
  Cmos.MONTH,
  Cmos.YEAR,
  Cmos.CENTURY,
];

/** See the module's text. */
export class Calendar {
  readonly #bytes: Uint8Array;

  /** Over the clock's bytes. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Writes a time, in Unix seconds, into its registers. */
  show(seconds: number): void {
    const date = new Date(seconds * 1000);
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
    TIME_REGISTERS.forEach((index, i) => {
      this.#bytes[index] = index === Cmos.HOURS ? this.#hour(values[i]) : this.#code(values[i]);
    });
  }

  /** The time in the registers, in Unix seconds; whatever they hold means some time. */
  get seconds(): number {
    const bytes = this.#bytes;
    const [second, minute, , , day, month, year, century] = TIME_REGISTERS.map((index) => this.#value(bytes[index]));
    const hour = this.#hourValue(bytes[Cmos.HOURS]);
    return Date.UTC(century * 100 + year, month - 1, day, hour, minute, second) / 1000;
  }

  /** Whether the alarm rings at a time, in Unix seconds. */
  rings(seconds: number): boolean {
    const bytes = this.#bytes;
    const at = (index: number, code: number) => bytes[index] >= ANY || bytes[index] === code;
    const ofDay = ((seconds % 86_400) + 86_400) % 86_400;
    return at(Cmos.SECONDS_ALARM, this.#code(ofDay % 60)) &&
      at(Cmos.MINUTES_ALARM, this.#code(Math.floor(ofDay / 60) % 60)) &&
      at(Cmos.HOURS_ALARM, this.#hour(Math.floor(ofDay / 3600)));
  }

  get #binary(): boolean {
    return (this.#bytes[Cmos.B] & CmosBit.BINARY) !== 0;
  }

  get #h24(): boolean {
    return (this.#bytes[Cmos.B] & CmosBit.H24) !== 0;
  }

  #code(value: number): number {
    return this.#binary ? value : Math.floor(value / 10) << 4 | value % 10;
  }

  #value(code: number): number {
    return this.#binary ? code : (code >> 4) * 10 + (code & 15);
  }

  #hour(hour: number): number {
    if (this.#h24) return this.#code(hour);
    return this.#code(hour % 12 || 12) | (hour >= 12 ? CmosBit.PM : 0);
  }

  #hourValue(code: number): number {
    if (this.#h24) return this.#value(code);
    return this.#value(code & ~CmosBit.PM) % 12 + ((code & CmosBit.PM) !== 0 ? 12 : 0);
  }
}
