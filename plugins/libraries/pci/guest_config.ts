/**
 * Configuration cycles by mechanism #1: the register is selected at port 0xCF8 and reached through 0xCFC.
 *
 * @module
 */

import type { GuestPort, Width } from "@iova/core";
import { CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, ConfigAddress } from "./layout.ts";

/** Configuration space of every function, by 16-bit requester id; offsets are bytes, values little-endian. */
export class GuestConfig {
  readonly #guest: GuestPort;

  /** Configuration cycles through `guest`'s I/O ports. */
  constructor(guest: GuestPort) {
    this.#guest = guest;
  }

  /** Reads a register; all ones where no function answers. `offset` is a multiple of `width`. */
  read(requester: number, offset: number, width: Width): number {
    this.#select(requester, offset);
    return this.#guest.ioRead(CONFIG_DATA_PORT + (offset & 3), width);
  }

  /** Writes a register. `offset` is a multiple of `width`. */
  write(requester: number, offset: number, width: Width, value: number): void {
    this.#select(requester, offset);
    this.#guest.ioWrite(CONFIG_DATA_PORT + (offset & 3), width, value);
  }

  #select(requester: number, offset: number): void {
    const { shift, mask } = ConfigAddress;
    const address = mask.enable | requester << shift.function | offset & mask.register;
    this.#guest.ioWrite(CONFIG_ADDRESS_PORT, 4, address >>> 0);
  }
}
