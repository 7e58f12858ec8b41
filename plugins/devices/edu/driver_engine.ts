/**
 * The driver's hands: registers, the interrupt, and one transfer at a time.
 *
 * @module
 */

import { type DmaAddr, DmaHandle, type GuestPort, type PhysAddr } from "@iova/core";
import { BUFFER_START, EduInterrupt, EduRegisters } from "./layout.ts";

const { at, mask } = EduRegisters;

/** Nanoseconds of virtual time after which a device that does not answer is given up. */
const TIMEOUT = 60e9;
const ALL_ONES = 0xffff_ffff;

/** See the module's text. */
export class EduEngine {
  readonly #guest: GuestPort;
  readonly #registers: PhysAddr;
  readonly #removeHandler: () => void;
  readonly #half = new DmaHandle();
  #turn: Promise<unknown> = Promise.resolve();
  #awaited = 0;
  #resolve: ((raised: boolean) => void) | null = null;
  /** Whether {@linkcode EduEngine.stop} was called: from then on nothing moves. */
  stopped = false;

  /** Talks to the registers at `registers`; `listen` adds a handler to the device's interrupt line. */
  constructor(guest: GuestPort, registers: PhysAddr, listen: (handler: () => void) => () => void) {
    this.#guest = guest;
    this.#registers = registers;
    this.#removeHandler = listen(() => this.#interrupted());
  }

  /** Reads a register of 4 bytes. */
  read(offset: number): number {
    return this.#guest.read(this.#registers + offset, 4);
  }

  /** Writes a register of 4 bytes. */
  write(offset: number, value: number): void {
    this.#guest.write(this.#registers + offset, 4, value >>> 0);
  }

  /** Runs `work` when what was begun before has ended. */
  turn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Waits for an interrupt with any of `bits`; false when none comes. */
  interrupt(bits: number): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = this.#guest.after(TIMEOUT, () => this.#settle(false));
      this.#awaited = bits;
      this.#resolve = (raised) => {
        this.#guest.cancel(timer);
        resolve(raised);
      };
    });
  }

  /**
   * Moves `count` bytes between bus address `address` and the device's buffer from `offset` on; false when the device does
   * not say that it has ended.
   */
  move(address: DmaAddr, count: number, toDevice: boolean, offset: number): Promise<boolean> {
    if (this.stopped) return Promise.resolve(false);
    const { hi, lo } = this.#half.set(address);
    const [bus, own] = toDevice ? [at.source, at.destination] : [at.destination, at.source];
    this.#write64(bus, hi, lo);
    this.#write64(own, 0, BUFFER_START + offset);
    this.#write64(at.count, 0, count);
    this.write(at.start, mask.start | mask.interrupt | (toDevice ? 0 : mask.fromDevice));
    return this.interrupt(EduInterrupt.DMA);
  }

  /** Gives up whatever is awaited, and the interrupt. */
  stop(): void {
    this.stopped = true;
    this.#removeHandler();
    this.#settle(false);
  }

  /** The low half first: writing it clears the high one. */
  #write64(offset: number, hi: number, lo: number): void {
    this.write(offset, lo);
    if (hi !== 0) this.write(offset + 4, hi);
  }

  #interrupted(): void {
    const status = this.read(at.interruptStatus);
    // The line may be another device's; all ones is a device that is not there any more.
    if (status === 0 || status === ALL_ONES) return;
    this.write(at.interruptAcknowledge, status);
    if ((status & this.#awaited) !== 0) this.#settle(true);
  }

  #settle(raised: boolean): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    this.#awaited = 0;
    resolve?.(raised);
  }
}
