/**
 * Configuration cycles: by mechanism #1, whose register is selected at port 0xCF8 and reached through 0xCFC, or in whatever
 * way a machine's firmware has.
 *
 * @module
 */

import type { GuestPort, Width } from "@iova/core";
import { CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, ConfigAddress } from "./layout.ts";

/** A way to make configuration cycles, by 16-bit requester id; offsets are bytes, values little-endian. */
export interface ConfigAccess {
  /** Reads a register; all ones where no function answers. `offset` is a multiple of `width`. */
  read(requester: number, offset: number, width: Width): number;
  /** Writes a register. `offset` is a multiple of `width`. */
  write(requester: number, offset: number, width: Width, value: number): void;
}

/** Mechanism #1. */
class PortAccess implements ConfigAccess {
  constructor(readonly guest: GuestPort) {}

  read(requester: number, offset: number, width: Width): number {
    this.#select(requester, offset);
    return this.guest.ioRead(CONFIG_DATA_PORT + (offset & 3), width);
  }

  write(requester: number, offset: number, width: Width, value: number): void {
    this.#select(requester, offset);
    this.guest.ioWrite(CONFIG_DATA_PORT + (offset & 3), width, value);
  }

  #select(requester: number, offset: number): void {
    const { shift, mask } = ConfigAddress;
    const address = mask.enable | requester << shift.function | offset & mask.register;
    this.guest.ioWrite(CONFIG_ADDRESS_PORT, 4, address >>> 0);
  }
}

/** Configuration space of every function; see {@linkcode ConfigAccess}. */
export class GuestConfig implements ConfigAccess {
  #access: ConfigAccess;

  /** Configuration cycles through `guest`'s I/O ports, until {@linkcode GuestConfig.through} says otherwise. */
  constructor(guest: GuestPort) {
    this.#access = new PortAccess(guest);
  }

  /** From now on in another way. */
  through(access: ConfigAccess): void {
    this.#access = access;
  }

  /** See {@linkcode ConfigAccess.read}. */
  read(requester: number, offset: number, width: Width): number {
    return this.#access.read(requester, offset, width);
  }

  /** See {@linkcode ConfigAccess.write}. */
  write(requester: number, offset: number, width: Width, value: number): void {
    this.#access.write(requester, offset, width, value);
  }
}
