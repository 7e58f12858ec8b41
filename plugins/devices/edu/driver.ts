/**
 * The driver half: what the device's own documentation asks of a driver, and hands for probing a bus with it.
 *
 * @module
 */

import {
  type CoherentBuffer,
  Direction,
  type DmaAddr,
  type Driver,
  type DriverContext,
  formatAddress,
  GuestMemoryError,
  InputError,
  type PhysAddr,
} from "@iova/core";
import { type PciDevice, pciGuest } from "@iova/pci";
import { EduEngine } from "./driver_engine.ts";
import { BUFFER_SIZE, EDU_MAGIC, EduInterrupt, EduRegisters } from "./layout.ts";

const { at, mask, shift } = EduRegisters;
const { TO_DEVICE, FROM_DEVICE } = Direction;

/** How a transfer ended, as far as a driver of this device can know: the device does not tell whether the bus refused. */
export type TransferResult =
  /** The device says that it has ended. */
  | { readonly ok: true }
  /** `too-long`: not within the device's buffer. `not-mapped`: no bus address could be had. `gone`: no answer. */
  | { readonly ok: false; readonly reason: "too-long" | "not-mapped" | "gone" };

const DONE: TransferResult = { ok: true };
const TOO_LONG: TransferResult = { ok: false, reason: "too-long" };
const NOT_MAPPED: TransferResult = { ok: false, reason: "not-mapped" };
const GONE: TransferResult = { ok: false, reason: "gone" };

/** A driver of edu. Its calls may overlap; they take their turns. */
export class EduDriver implements Driver {
  readonly drives = "edu";
  readonly #context: DriverContext;
  readonly #engine: EduEngine;
  readonly #staging: CoherentBuffer;
  readonly #dmaMask: bigint;
  readonly #pci: PciDevice;
  /** Takes the buffer of a transfer under way back. */
  #takeBack: (() => void) | null = null;

  /**
   * Finds the device and sets its mask.
   *
   * @throws {InputError} when the platform's addresses do not fit `dmaMask`.
   */
  constructor(context: DriverContext, dmaMask: bigint) {
    this.#context = context;
    this.#dmaMask = dmaMask;
    const { dma, guest } = context;
    if (dma.setMaskAndCoherent(dmaMask) !== 0) throw this.#doesNotFit("which the platform refuses (EIO)");
    const staging = dma.allocCoherent(BUFFER_SIZE);
    if (staging === null) throw new GuestMemoryError("the probe's page, below its DMA mask", BUFFER_SIZE);
    if (staging.handle + BigInt(BUFFER_SIZE - 1) > dmaMask) {
      throw this.#doesNotFit(`below which ${formatAddress(staging.handle)} does not lie`);
    }
    this.#staging = staging;
    this.#pci = pciGuest(guest).function(context.requester);
    this.#pci.enableBusMaster();
    this.#engine = new EduEngine(guest, this.#pci.bar(0).address, (handler) => this.#pci.interruptLine(handler));
  }

  /** The device's version; null when it is no edu. */
  identify(): { readonly major: number; readonly minor: number } | null {
    const value = this.#engine.read(at.magic);
    if ((value & mask.magic) !== EDU_MAGIC) return null;
    return { major: value >>> shift.major, minor: (value & mask.minor) >>> shift.minor };
  }

  /** Whether the device inverts `value`, as a live one does. */
  isAlive(value = 0x1234_5678): boolean {
    this.#engine.write(at.liveness, value);
    return this.#engine.read(at.liveness) === (~value >>> 0);
  }

  /** `value`! modulo 2^32, computed by the device and announced by interrupt; null when there was no answer. */
  factorial(value: number): Promise<number | null> {
    return this.#engine.turn(async () => {
      this.#engine.write(at.computing, mask.factorialInterrupt);
      this.#engine.write(at.factorial, value);
      const raised = await this.#engine.interrupt(EduInterrupt.FACTORIAL);
      return raised ? this.#engine.read(at.factorial) : null;
    });
  }

  /** Has the CPU raise `bits` in the device; true when the interrupt came. */
  raiseInterrupt(bits = 0x2): Promise<boolean> {
    return this.#engine.turn(() => {
      this.#engine.write(at.interruptRaise, bits);
      return this.#engine.interrupt(bits);
    });
  }

  /**
   * Moves `length` bytes between memory at `buffer` and the device's own buffer, from byte `offset` of it on. The memory
   * is the device's until the promise resolves.
   */
  transfer(buffer: PhysAddr, length: number, toDevice: boolean, offset = 0): Promise<TransferResult> {
    const { dma } = this.#context;
    if (length < 1 || offset < 0 || offset + length > BUFFER_SIZE) return Promise.resolve(TOO_LONG);
    return this.#engine.turn(async () => {
      if (this.#engine.stopped) return GONE;
      const direction = toDevice ? TO_DEVICE : FROM_DEVICE;
      const handle = dma.mapSingle(buffer, length, direction);
      if (dma.mappingError(handle) !== 0) return NOT_MAPPED;
      this.#takeBack = () => dma.unmapSingle(handle, length, direction);
      if (handle + BigInt(length - 1) > this.#dmaMask) {
        this.#giveUp();
        throw this.#doesNotFit(`below which ${formatAddress(handle)} does not lie`);
      }
      const ended = await this.#engine.move(handle, length, toDevice, offset);
      this.#giveUp();
      return ended ? DONE : GONE;
    });
  }

  /**
   * Has the device write `bytes`, at most 4096, to any bus address, mapped or not. Bits beyond the device's mask are lost
   * on the way. Whether they arrived the device does not say.
   */
  poke(address: DmaAddr, bytes: Uint8Array): Promise<TransferResult> {
    if (bytes.length < 1 || bytes.length > BUFFER_SIZE) return Promise.resolve(TOO_LONG);
    return this.#engine.turn(async () => {
      const loaded = await this.#load(bytes);
      return loaded && await this.#engine.move(address, bytes.length, false, 0) ? DONE : GONE;
    });
  }

  /**
   * Has the device read `length` bytes, at most 4096, from any bus address. What the bus refused reads as all ones. Null
   * when there was no answer.
   */
  peek(address: DmaAddr, length: number): Promise<Uint8Array | null> {
    if (length < 1 || length > BUFFER_SIZE) return Promise.resolve(null);
    return this.#engine.turn(async () => {
      const { cpu, handle } = this.#staging;
      // A read that fails leaves the device's buffer as it was.
      if (!await this.#load(new Uint8Array(length).fill(0xff))) return null;
      if (!await this.#engine.move(address, length, true, 0)) return null;
      if (!await this.#engine.move(handle, length, false, 0)) return null;
      return this.#context.guest.memory.bytes(cpu, length).slice();
    });
  }

  stop(): void {
    // The device must be off the bus before its memory is anybody else's.
    this.#pci.disableBusMaster();
    this.#engine.stop();
    this.#giveUp();
    const { size, cpu, handle } = this.#staging;
    this.#context.dma.freeCoherent(size, cpu, handle);
  }

  #giveUp(): void {
    this.#takeBack?.();
    this.#takeBack = null;
  }

  /** Brings bytes into the device's buffer, which the CPU cannot reach. */
  #load(bytes: Uint8Array): Promise<boolean> {
    const { cpu, handle } = this.#staging;
    this.#context.guest.memory.bytes(cpu, bytes.length).set(bytes);
    return this.#engine.move(handle, bytes.length, true, 0);
  }

  #doesNotFit(why: string): InputError {
    return new InputError({
      file: `device "${this.#context.id}"`,
      path: "with.dmaMask",
      found: `${formatAddress(this.#dmaMask)}, ${why}`,
      expected: "a mask that covers the bus addresses that this platform hands out",
    });
  }
}
