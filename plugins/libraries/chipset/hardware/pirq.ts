/**
 * The interrupt router between PCI pins and ISA interrupt lines: one configuration byte for each of its inputs.
 *
 * @module
 */

import type { Interrupts } from "@iova/core";
import type { ConfigSpace } from "@iova/pci";

/** Bit 7 of a route register: the input leads nowhere. */
const DISABLED = 0x80;
const LINE = 0x0f;

/** See the module's text. Call {@linkcode PirqRouter.reroute} after a route register was written. */
export class PirqRouter {
  readonly #levels: number[];
  /** The line that each input drives now; −1: none. */
  readonly #driven: number[];

  /** A router whose inputs' routes stand at `registers` in `config`. */
  constructor(
    readonly interrupts: Interrupts,
    readonly config: ConfigSpace,
    readonly registers: readonly number[],
  ) {
    this.#levels = registers.map(() => 0);
    this.#driven = registers.map(() => -1);
  }

  /** One of an input's sources asserts it or no longer does. */
  drive(input: number, asserted: boolean): void {
    this.#levels[input] += asserted ? 1 : -1;
    this.#update(input);
  }

  /** Takes the route registers as they stand now. */
  reroute(): void {
    for (let input = 0; input < this.registers.length; input++) this.#update(input);
  }

  #update(input: number): void {
    const route = this.config.bytes[this.registers[input]];
    const line = this.#levels[input] > 0 && (route & DISABLED) === 0 ? route & LINE : -1;
    const before = this.#driven[input];
    if (line === before) return;
    this.#driven[input] = line;
    if (before >= 0) this.interrupts.drive(before, false);
    if (line >= 0) this.interrupts.drive(line, true);
  }
}
