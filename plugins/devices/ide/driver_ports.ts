/**
 * A channel's registers, as its driver reaches them: legacy ports for the task file, BAR 4 for the bus master.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { BusMaster, type ChannelPlace, CommandBlock, Control, Device, DEVICE_ONES, Status } from "./layout.ts";

const { at } = CommandBlock;
const TWO24 = 0x100_0000;
const TWO32 = 0x1_0000_0000;

/** The ports of one channel. */
export class ChannelPorts {
  readonly #guest: GuestPort;
  readonly #command: number;
  readonly #control: number;
  readonly #master: number;

  /** The channel at `place`, with its bus-master registers from port `master` on. */
  constructor(guest: GuestPort, readonly place: ChannelPlace, master: number) {
    this.#guest = guest;
    this.#command = place.command;
    this.#control = place.control;
    this.#master = master;
  }

  /** The status; reading it drops the interrupt. */
  status(): number {
    return this.#guest.ioRead(this.#command + at.command, 1);
  }

  /** The status, without touching the interrupt. */
  alternate(): number {
    return this.#guest.ioRead(this.#control, 1);
  }

  /** A register of the command block. */
  read(register: number): number {
    return this.#guest.ioRead(this.#command + register, 1);
  }

  /** Writes a register of the command block. */
  write(register: number, value: number): void {
    this.#guest.ioWrite(this.#command + register, 1, value);
  }

  /** Writes the control register: {@linkcode Control}'s bits. */
  control(bits: number): void {
    this.#guest.ioWrite(this.#control, 1, bits);
  }

  /** Holds the channel in reset, with its interrupt off; {@linkcode ChannelPorts.control} of 0 ends it. */
  assertReset(): void {
    this.control(Control.mask.srst | Control.mask.nien);
  }

  /** Selects device 0 or 1. */
  select(device: number): void {
    this.write(at.device, DEVICE_ONES | (device === 0 ? 0 : Device.mask.dev));
  }

  /** Puts device, address and count of a 28-bit command into the registers. */
  address28(device: number, sector: number, count: number): void {
    const dev = device === 0 ? 0 : Device.mask.dev;
    this.write(at.device, DEVICE_ONES | Device.mask.lba | dev | Math.floor(sector / TWO24) & Device.mask.head);
    this.#three(sector % TWO24, count);
  }

  /** Puts device, address and count of a 48-bit command into the registers: the high halves first. */
  address48(device: number, sector: number, count: number): void {
    const dev = device === 0 ? 0 : Device.mask.dev;
    this.write(at.device, DEVICE_ONES | Device.mask.lba | dev);
    const high = Math.floor(sector / TWO32);
    this.#three((high % 0x10000) * 0x100 + Math.floor(sector / TWO24) % 0x100, count >>> 8);
    this.#three(sector % TWO24, count);
  }

  /** Reads `length` bytes of data into memory, word by word. */
  input(buffer: PhysAddr, length: number): void {
    const region = this.#guest.memory.ram(buffer)!;
    const offset = buffer - region.base;
    for (let i = 0; i < length; i += 2) {
      region.view.setUint16(offset + i, this.#guest.ioRead(this.#command, 2), true);
    }
  }

  /** Writes `length` bytes of data from memory, word by word. */
  output(buffer: PhysAddr, length: number): void {
    const region = this.#guest.memory.ram(buffer)!;
    const offset = buffer - region.base;
    for (let i = 0; i < length; i += 2) {
      this.#guest.ioWrite(this.#command, 2, region.view.getUint16(offset + i, true));
    }
  }

  /** A word of data. */
  inputWord(): number {
    return this.#guest.ioRead(this.#command, 2);
  }

  /** Gives a word of data. */
  outputWord(value: number): void {
    this.#guest.ioWrite(this.#command, 2, value);
  }

  /** Takes `length` bytes of data that nobody wants. */
  discard(length: number): void {
    for (let i = 0; i < length; i += 2) this.inputWord();
  }

  /** The bus master's status. */
  masterStatus(): number {
    return this.#guest.ioRead(this.#master + BusMaster.at.active, 1);
  }

  /** Stops the engine, clears what it has to say, and points it to a table. */
  prepareMaster(table: number, toMemory: boolean): void {
    const { mask } = BusMaster;
    this.#guest.ioWrite(this.#master + BusMaster.at.table, 4, table);
    this.#guest.ioWrite(this.#master + BusMaster.at.start, 1, toMemory ? mask.toMemory : 0);
    this.clearMaster();
  }

  /** Starts the engine. */
  startMaster(toMemory: boolean): void {
    const { mask } = BusMaster;
    this.#guest.ioWrite(this.#master + BusMaster.at.start, 1, toMemory ? mask.start | mask.toMemory : mask.start);
  }

  /** Stops the engine. */
  stopMaster(): void {
    this.#guest.ioWrite(this.#master + BusMaster.at.start, 1, 0);
  }

  /** Clears error and interrupt. */
  clearMaster(): void {
    const { mask } = BusMaster;
    this.#guest.ioWrite(this.#master + BusMaster.at.active, 1, mask.error | mask.interrupt);
  }

  /** Waits a little, on the spot, until BSY is gone and `bits` are there, or an error. False: not in this time. */
  spin(bits: number): boolean {
    for (let i = 0; i < SPINS; i++) {
      const status = this.alternate();
      if ((status & Status.mask.bsy) === 0 && (status & (bits | Status.mask.err)) !== 0) {
        return (status & bits) === bits;
      }
      this.#guest.relax();
    }
    return false;
  }

  #three(address: number, count: number): void {
    this.write(at.count, count & 0xff);
    this.write(at.lbaLow, address & 0xff);
    this.write(at.lbaMid, address >>> 8 & 0xff);
    this.write(at.lbaHigh, address >>> 16 & 0xff);
  }
}

/** How often a status is read on the spot. */
const SPINS = 1000;
