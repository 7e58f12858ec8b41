/**
 * A PCI function as its driver sees it.
 *
 * @module
 */

import { type GuestPort, type MessageInterrupt, TWO32, type Width } from "@iova/core";
import type { PciBar } from "./guest_bars.ts";
import type { GuestConfig } from "./guest_config.ts";
import {
  CapabilityHeader,
  CapabilityId,
  Command,
  formatRequester,
  Header0,
  MsiCapability,
  MsixCapability,
  MsixEntry,
} from "./layout.ts";

/** More capabilities than this do not fit configuration space: a list that goes on is a loop. */
const MOST_CAPABILITIES = 48;

interface Vector {
  readonly message: MessageInterrupt;
  handler: () => void;
}

/** A function that the guest has found. Configuration offsets are bytes, values little-endian and unsigned. */
export class PciDevice {
  /** Vendor id. */
  readonly vendor: number;
  /** Device id, in the vendor's numbers. */
  readonly device: number;
  /** Class, subclass and interface, 24 bits. */
  readonly classCode: number;
  /** Its base address registers, by index; those that are missing are absent. */
  readonly bars: ReadonlyMap<number, PciBar>;
  readonly #guest: GuestPort;
  readonly #config: GuestConfig;
  readonly #vectors: Vector[] = [];

  /** Made by the enumeration. */
  constructor(guest: GuestPort, config: GuestConfig, readonly requester: number, bars: readonly PciBar[]) {
    this.#guest = guest;
    this.#config = config;
    this.vendor = this.configRead(Header0.at.vendor, 2);
    this.device = this.configRead(Header0.at.device, 2);
    this.classCode = this.configRead(Header0.at.revision, 4) >>> 8;
    this.bars = new Map(bars.map((bar) => [bar.index, bar]));
  }

  /** Reads configuration space. */
  configRead(offset: number, width: Width): number {
    return this.#config.read(this.requester, offset, width);
  }

  /** Writes configuration space. */
  configWrite(offset: number, width: Width, value: number): void {
    this.#config.write(this.requester, offset, width, value);
  }

  /** BAR `index`. @throws {RangeError} when the function has none there, or it found no room. */
  bar(index: number): PciBar {
    const bar = this.bars.get(index);
    if (bar === undefined) throw new RangeError(`${formatRequester(this.requester)} has no BAR ${index}`);
    if (bar.address === 0) throw new RangeError(`${formatRequester(this.requester)}: no room for BAR ${index}`);
    return bar;
  }

  /** Reads a register at `offset` in a BAR. For hot paths take {@linkcode PciDevice.bar}'s address once instead. */
  read(bar: number, offset: number, width: Width): number {
    const { kind, address } = this.bar(bar);
    return kind === "io" ? this.#guest.ioRead(address + offset, width) : this.#guest.read(address + offset, width);
  }

  /** Writes a register; see {@linkcode PciDevice.read}. */
  write(bar: number, offset: number, width: Width, value: number): void {
    const { kind, address } = this.bar(bar);
    if (kind === "io") this.#guest.ioWrite(address + offset, width, value);
    else this.#guest.write(address + offset, width, value);
  }

  /** Offset of the first capability with this id after the one at `from` (default: of all), or 0. A loop ends. */
  findCapability(id: number, from = 0): number {
    let at = this.configRead(from === 0 ? Header0.at.capabilities : from + CapabilityHeader.at.next, 1) & 0xfc;
    for (let i = 0; at !== 0 && i < MOST_CAPABILITIES; i++) {
      const header = this.configRead(at, 2);
      if ((header & 0xff) === id) return at;
      at = header >>> 8 & 0xfc;
    }
    return 0;
  }

  /** The bytes of configuration space from `offset` on: a capability, say. */
  configBytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, (_, i) => this.configRead(offset + i, 1));
  }

  /** Lets the function access its bus. */
  enableBusMaster(): void {
    this.#command(Command.mask.busMaster, 0);
  }

  /** Stops the function's accesses. */
  disableBusMaster(): void {
    this.#command(0, Command.mask.busMaster);
  }

  /** Gives the function's MSI message a handler and enables it; INTx is off from then on. False: it has no MSI. */
  enableMsi(handler: () => void): boolean {
    const capability = this.findCapability(CapabilityId.MSI);
    if (capability === 0) return false;
    const { at, mask } = MsiCapability;
    const control = this.configRead(capability + at.enable, 2) & ~mask.granted;
    const is64Bit = (control & mask.address64) !== 0;
    const { message } = this.#vector(0, handler);
    this.configWrite(capability + at.address, 4, message.address % TWO32);
    if (is64Bit) this.configWrite(capability + at.upperAddress, 4, Math.floor(message.address / TWO32));
    // Without an upper address the data stands in its place.
    this.configWrite(capability + (is64Bit ? at.data : at.upperAddress), 2, message.data);
    this.#command(Command.mask.interruptDisable, 0);
    this.configWrite(capability + at.enable, 2, control | mask.enable);
    return true;
  }

  /** Turns MSI off and INTx on again. */
  disableMsi(): void {
    const capability = this.findCapability(CapabilityId.MSI);
    if (capability === 0) return;
    const { at, mask } = MsiCapability;
    this.configWrite(capability + at.enable, 2, this.configRead(capability + at.enable, 2) & ~mask.enable);
    this.#command(0, Command.mask.interruptDisable);
  }

  /** How many vectors its MSI-X table has; 0 without MSI-X. */
  get msixVectors(): number {
    const at = this.findCapability(CapabilityId.MSIX);
    if (at === 0) return 0;
    return (this.configRead(at + MsixCapability.at.tableSize, 2) & MsixCapability.mask.tableSize) + 1;
  }

  /**
   * Gives the first `handlers.length` vectors of the MSI-X table a handler each and enables MSI-X; INTx is off from then
   * on. False, and nothing changed, when the function has no MSI-X or fewer vectors.
   */
  enableMsix(handlers: readonly (() => void)[]): boolean {
    const table = this.#msixTable();
    if (table === null || handlers.length > table.vectors) return false;
    const { control, functionMask, enable } = table;
    this.configWrite(control, 2, enable | functionMask);
    this.#command(Command.mask.interruptDisable, 0);
    handlers.forEach((handler, index) => {
      const { message } = this.#vector(index, handler);
      const entry = table.offset + index * MsixEntry.size;
      this.write(table.bar, entry + MsixEntry.at.address, 4, message.address % TWO32);
      this.write(table.bar, entry + MsixEntry.at.upperAddress, 4, Math.floor(message.address / TWO32));
      this.write(table.bar, entry + MsixEntry.at.data, 4, message.data);
    });
    for (let index = 0; index < table.vectors; index++) this.#mask(table, index, index >= handlers.length);
    this.configWrite(control, 2, enable);
    return true;
  }

  /** Masks or unmasks a vector in the table. @throws {RangeError} when there is no MSI-X. */
  maskVector(index: number, masked: boolean): void {
    const table = this.#msixTable();
    if (table === null) throw new RangeError(`${formatRequester(this.requester)} has no MSI-X table`);
    this.#mask(table, index, masked);
  }

  /** Turns MSI-X off and INTx on again. */
  disableMsix(): void {
    const table = this.#msixTable();
    if (table === null) return;
    this.configWrite(table.control, 2, 0);
    this.#command(0, Command.mask.interruptDisable);
  }

  /**
   * Adds a handler for the function's interrupt line, which it may share; returns its remover. The handler must quiet
   * the device, or it is called again.
   *
   * @throws {RangeError} when the function has no interrupt pin.
   */
  interruptLine(handler: () => void): () => void {
    if (this.configRead(Header0.at.interruptPin, 1) === 0) {
      throw new RangeError(`${formatRequester(this.requester)} has no interrupt pin`);
    }
    return this.#guest.lineInterrupt(this.configRead(Header0.at.interruptLine, 1), handler);
  }

  #msixTable(): MsixTable | null {
    const at = this.findCapability(CapabilityId.MSIX);
    if (at === 0) return null;
    const { mask } = MsixCapability;
    const place = this.configRead(at + MsixCapability.at.tableBar, 4);
    const bar = (place & mask.tableBar) >>> 0;
    const holder = this.bars.get(bar);
    const offset = (place & mask.tableOffset) >>> 0;
    const vectors = (this.configRead(at + MsixCapability.at.tableSize, 2) & mask.tableSize) + 1;
    // A table outside its BAR would be somebody else's memory.
    if (!holder?.address || offset + vectors * MsixEntry.size > holder.size) return null;
    return {
      bar,
      offset,
      vectors,
      control: at + MsixCapability.at.enable,
      enable: mask.enable,
      functionMask: mask.functionMask,
    };
  }

  #mask(table: MsixTable, index: number, masked: boolean): void {
    this.write(
      table.bar,
      table.offset + index * MsixEntry.size + MsixEntry.at.mask,
      4,
      masked ? MsixEntry.mask.mask : 0,
    );
  }

  /** A message for vector `index`, set aside once: enabling again only changes the handler. */
  #vector(index: number, handler: () => void): Vector {
    const known = this.#vectors[index];
    if (known !== undefined) {
      known.handler = handler;
      return known;
    }
    const vector: Vector = { message: this.#guest.messageInterrupt(() => vector.handler()), handler };
    return this.#vectors[index] = vector;
  }

  #command(set: number, clear: number): void {
    const command = this.configRead(Header0.at.command, 2);
    this.configWrite(Header0.at.command, 2, command & ~clear | set);
  }
}

interface MsixTable {
  readonly bar: number;
  readonly offset: number;
  readonly vectors: number;
  /** Offset of the control word in configuration space. */
  readonly control: number;
  readonly enable: number;
  readonly functionMask: number;
}
