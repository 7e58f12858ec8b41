/**
 * Physical memory as a CPU of QEMU's reads and writes it in any length: RAM at once, registers in the widths that they
 * take, and nothing where there is nothing: reads give zero there.
 *
 * @module
 */

import type { AddressSpace, Width } from "@iova/core";

/** Physical addresses end here. */
const END = 2 ** 52;

/** See the module's text. */
export class CpuMemory {
  readonly #space: AddressSpace;

  /** The memory of a machine. */
  constructor(space: AddressSpace) {
    this.#space = space;
  }

  /** Reads `into.length` bytes. Addresses from 2^52 on are empty. */
  read(address: number, into: Uint8Array): void {
    this.#walk(address, into.length, (at, length, done) => {
      const region = this.#space.ram(at);
      if (region !== null) into.set(region.bytes.subarray(at - region.base, at - region.base + length), done);
      else this.#readRegister(at, length as Width, into, done);
    });
  }

  /** Writes `from.length` bytes. */
  write(address: number, from: Uint8Array): void {
    this.#walk(address, from.length, (at, length, done) => {
      const region = this.#space.ram(at);
      if (region !== null) region.bytes.set(from.subarray(done, done + length), at - region.base);
      else this.#writeRegister(at, length as Width, from, done);
    });
  }

  /** Writes `length` times the same byte; a length beyond everything that is there costs nothing. */
  fill(address: number, length: number, byte: number): void {
    this.#walk(address, length, (at, length) => {
      const region = this.#space.ram(at);
      if (region !== null) region.bytes.fill(byte, at - region.base, at - region.base + length);
      else this.#space.write(at, length as Width, byte * 0x0101_0101 % 2 ** (8 * length));
    });
  }

  /** Calls `visit` for each piece of RAM, and for each register access of 4, 2 or 1 bytes. */
  #walk(address: number, length: number, visit: (at: number, length: number, done: number) => void): void {
    const end = Math.min(address + length, END);
    for (let at = address; at < end;) {
      const registers = this.#space.registers(at);
      const ram = registers === null ? this.#space.ram(at) : null;
      let piece: number;
      if (registers !== null) piece = accessWidth(at, Math.min(end, registers.base + registers.size) - at);
      else piece = Math.min(end, ram?.end ?? this.#nextRegion(at)) - at;
      if (registers !== null || ram !== null) visit(at, piece, at - address);
      at += piece;
    }
  }

  /** Where the next thing begins above an address where nothing is. */
  #nextRegion(address: number): number {
    const { ramRegions, registerRegions } = this.#space;
    let next = END;
    for (const { base } of ramRegions) if (base > address) next = Math.min(next, base);
    for (const { base } of registerRegions) if (base > address) next = Math.min(next, base);
    return next;
  }

  #readRegister(at: number, width: Width, into: Uint8Array, offset: number): void {
    const value = this.#space.read(at, width);
    for (let i = 0; i < width; i++) into[offset + i] = value >>> 8 * i;
  }

  #writeRegister(at: number, width: Width, from: Uint8Array, offset: number): void {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | from[offset + i];
    this.#space.write(at, width, value >>> 0);
  }
}

/** The widest access that is aligned and stays within `left` bytes. */
function accessWidth(address: number, left: number): Width {
  if (address % 4 === 0 && left >= 4) return 4;
  return address % 2 === 0 && left >= 2 ? 2 : 1;
}
