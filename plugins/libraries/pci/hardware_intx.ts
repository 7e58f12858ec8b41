/**
 * INTx: a function's level-triggered interrupt pin (PCI 3.0 §2.2.6), routed to a pin of the root bus.
 *
 * @module
 */

import type { PciBus } from "./hardware_bus.ts";
import type { ConfigSpace } from "./hardware_config.ts";
import { Command, Header0, Status } from "./layout.ts";

/** A unit that sends messages instead of driving the pin. */
interface Messages {
  readonly enabled: boolean;
}

/** A function's interrupt pin. */
export class Intx {
  #wanted = false;
  #driven = false;
  readonly #pin: number;
  readonly #config: ConfigSpace;
  readonly #bus: PciBus;
  readonly #messages: readonly (Messages | null)[];

  /** Pin `pin` (1 to 4) of `device` on `bus`, silent while one of `messages` is enabled. */
  constructor(config: ConfigSpace, bus: PciBus, device: number, pin: number, messages: readonly (Messages | null)[]) {
    this.#config = config;
    this.#bus = bus;
    this.#messages = messages;
    this.#pin = bus.rootPin(device, pin);
  }

  /** The function wants an interrupt, or no longer does. */
  want(wanted: boolean): void {
    this.#wanted = wanted;
    const { bytes } = this.#config;
    if (wanted) bytes[Header0.at.status] |= Status.mask.interrupt;
    else bytes[Header0.at.status] &= ~Status.mask.interrupt;
    this.update();
  }

  /** Drives the pin as the command register and messages allow. */
  update(): void {
    const command = this.#config.view.getUint16(Header0.at.command, true);
    const allowed = (command & Command.mask.interruptDisable) === 0 &&
      !this.#messages.some((unit) => unit !== null && unit.enabled);
    const drive = this.#wanted && allowed;
    if (drive === this.#driven) return;
    this.#driven = drive;
    this.#bus.host.drivePin(this.#pin, drive);
  }
}
