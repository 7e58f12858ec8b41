/**
 * The ports of PCI configuration mechanism #1 as PCs have them: one byte among them is the reset control register.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";
import { CONFIG_ADDRESS_PORT, type PciHost } from "@iova/pci";
import { Port } from "../layout.ts";

const RESET_CONTROL = Port.RESET_CONTROL - CONFIG_ADDRESS_PORT;
/** Bits of the reset control register (82371SB §2.5.4.4). */
const SYSTEM_RESET = 0x02;
const RESET_CPU = 0x04;

/** See the module's text. */
export class ConfigPorts implements RegisterBlock {
  readonly #host: PciHost;
  readonly #restart: () => void;
  #control = 0;

  /** `restart` resets the machine. */
  constructor(host: PciHost, restart: () => void) {
    this.#host = host;
    this.#restart = restart;
    host.services.io.add(CONFIG_ADDRESS_PORT, 8, this);
  }

  /** Back to power-on. */
  reset(): void {
    this.#control = 0;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    return offset === RESET_CONTROL && width === 1 ? this.#control : this.#host.read(offset, width);
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (offset !== RESET_CONTROL || width !== 1) this.#host.write(offset, width, value);
    else if ((value & RESET_CPU) !== 0) this.#restart();
    else this.#control = value & SYSTEM_RESET;
  }
}
