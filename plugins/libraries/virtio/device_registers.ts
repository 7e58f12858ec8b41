/**
 * A block of registers made of a field table and of what each register does.
 *
 * @module
 */

import { ALL_ONES, type RegisterBlock, type Width } from "@iova/core";

/** What a register does; one without `set` is read-only. Values are unsigned. */
export interface Register {
  /** Reads it. */
  readonly get: () => number;
  /** Writes it. */
  readonly set?: (value: number) => void;
}

/** Where registers lie: the part of a field table that counts here. */
export interface RegisterLayout<Name extends string> {
  /** First byte of each. */
  readonly at: Readonly<Record<Name, number>>;
  /** Bits of each. */
  readonly width: Readonly<Record<Name, number>>;
}

/**
 * How accesses that are no register's are decoded. `bytes`: byte by byte, so that one that covers several registers
 * reaches each of them once, and a write to a part of one leaves its other bytes as they read. `start`: by the first
 * byte alone, as QEMU's transports do; the register's value is cut to the width.
 */
export type Decoding = "bytes" | "start";

interface Placed extends Register {
  readonly at: number;
  readonly bytes: number;
}

/** See the module's text. */
export class RegisterTable implements RegisterBlock {
  readonly #placed: Placed[] = [];
  readonly #decoding: Decoding;
  readonly #nothing: 0 | -1;

  /** Registers in the places of `layout`; where there is none, reads give zeros or (`nothing` −1) all ones. */
  constructor(decoding: Decoding, nothing: 0 | -1 = 0) {
    this.#decoding = decoding;
    this.#nothing = nothing;
  }

  /** Adds registers. */
  add<Name extends string>(layout: RegisterLayout<Name>, registers: Readonly<Record<Name, Register>>): this {
    for (const name of Object.keys(registers) as Name[]) {
      const at = layout.at[name];
      const bytes = layout.width[name] / 8;
      const { get, set } = registers[name];
      for (let i = at; i < at + bytes; i++) this.#placed[i] = { get, ...(set && { set }), at, bytes };
    }
    return this;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    return this.#decoding === "bytes" ? this.#readBytes(offset, width) : this.#readStart(offset, width);
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (this.#decoding === "bytes") return this.#writeBytes(offset, width, value);
    const register = this.#placed[offset];
    if (register?.at !== offset) return;
    // What is wider than the register is cut off.
    register.set?.((value & ALL_ONES[width] & ALL_ONES[register.bytes as Width]) >>> 0);
  }

  #readStart(offset: number, width: Width): number {
    const register = this.#placed[offset];
    const value = register?.at === offset ? register.get() : this.#nothing;
    return (value & ALL_ONES[width]) >>> 0;
  }

  #readBytes(offset: number, width: Width): number {
    let value = 0;
    for (let i = 0; i < width;) {
      const register = this.#placed[offset + i];
      if (register === undefined) {
        value |= (this.#nothing & 0xff) << (8 * i++);
        continue;
      }
      const skip = offset + i - register.at;
      value |= register.get() >>> (8 * skip) << (8 * i);
      i += register.bytes - skip;
    }
    return (value & ALL_ONES[width]) >>> 0;
  }

  #writeBytes(offset: number, width: Width, value: number): void {
    for (let i = 0; i < width;) {
      const register = this.#placed[offset + i];
      if (register === undefined) {
        i++;
        continue;
      }
      const skip = offset + i - register.at;
      const part = Math.min(register.bytes - skip, width - i);
      const mask = part === 4 ? -1 : (2 ** (8 * part) - 1) << (8 * skip);
      const shifted = value >>> (8 * i) << (8 * skip);
      register.set?.(((part === register.bytes ? 0 : register.get() & ~mask) | (shifted & mask)) >>> 0);
      i += part;
    }
  }
}
