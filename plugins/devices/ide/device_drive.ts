/**
 * What disks and packet devices have in common: task file, status, and data that moves through the data register.
 *
 * @module
 */

import type { Width } from "@iova/core";
import type { Personality } from "./device_personality.ts";
import type { DmaRequest } from "./device_request.ts";
import { CommandBlock, DEVICE_ONES, ErrorBits, Signature, Status } from "./layout.ts";

const { at } = CommandBlock;
const READY = Status.mask.drdy | Status.mask.dsc;

/** What a drive sees of its channel. */
export interface DriveBus {
  readonly behaviour: Personality;
  /** Raises the interrupt. */
  interrupt(): void;
  /** Hands a request to the bus master. */
  arm(request: DmaRequest): void;
  /** Runs work after the current register access, unless the channel is reset before. */
  later(work: () => void): void;
  /** Tells that a command has ended. */
  completed(command: number, address: number, bytes: number, failed: boolean): void;
}

/** The registers of a place on a channel, with a drive or without: both places receive every write. */
export class TaskFile {
  /** What was written last, by register number. */
  readonly current: Uint8Array = new Uint8Array(CommandBlock.size);
  /** What was written before: HOB shows it. */
  readonly previous: Uint8Array = new Uint8Array(CommandBlock.size);

  /** After power-on. */
  constructor() {
    this.clear();
  }

  /** A write to registers 1 to 6. */
  write(register: number, value: number): void {
    if (register === at.device) this.current[register] = value | DEVICE_ONES;
    else {
      this.previous[register] = this.current[register];
      this.current[register] = value;
    }
  }

  /** Forgets everything that was written. */
  clear(): void {
    this.current.fill(0);
    this.previous.fill(0);
    this.current[at.device] = DEVICE_ONES;
  }

  /** The signature that tells a disk from a packet device, in bits 15:0 of `kind`. */
  sign(kind: number): void {
    const { current } = this;
    current[at.count] = current[at.lbaLow] = Signature.FIRST;
    current[at.lbaMid] = kind & 0xff;
    current[at.lbaHigh] = kind >>> 8;
  }
}

/** A drive on a channel. */
export abstract class Drive {
  /** The status register. */
  status: number = READY;
  /** The error register. */
  error: number;
  /** Whether `command` is known. */
  abstract knows(command: number): boolean;
  /** Does a known command. BSY is set. */
  protected abstract execute(command: number): void;
  /** Back to the state after a reset, besides registers. */
  protected abstract clear(): void;
  /** Its signature: LBA mid and high. */
  protected abstract readonly signature: number;
  /** Status after a reset. */
  protected abstract readonly resetStatus: number;

  protected readonly buffer: Uint8Array;
  protected command = 0;
  #at = 0;
  #end = 0;
  #filling = false;
  #then: () => void = () => {};

  /** A drive with room for `room` bytes in its buffer. */
  constructor(protected readonly bus: DriveBus, readonly file: TaskFile, room: number) {
    this.buffer = new Uint8Array(room);
    this.error = bus.behaviour.powerOnError;
  }

  /** A command from the command register. */
  start(command: number): void {
    this.command = command;
    this.status = Status.mask.drdy | Status.mask.bsy;
    this.error = 0;
    if (this.knows(command)) this.execute(command);
    else this.abort();
  }

  /** Power-on, or a software reset: nothing that was before counts. */
  reset(): void {
    this.endData();
    this.clear();
    this.file.clear();
    this.diagnose();
  }

  /** The drive tests itself and shows its signature. */
  diagnose(): void {
    this.endData();
    this.file.sign(this.signature);
    this.file.current[at.device] = DEVICE_ONES;
    this.status = this.resetStatus;
    this.error = ErrorBits.mask.amnf;
  }

  /** Power-on. */
  powerOn(): void {
    this.reset();
    this.error = this.bus.behaviour.powerOnError;
  }

  /** The driver has written the count register. Absent: nothing depends on it but a command's start. */
  counted?(count: number): void;

  /** A read of the data register; without data it is 0. A byte takes a whole word. */
  readData(width: Width): number {
    if (this.#filling || this.#at === this.#end) return 0;
    const { buffer } = this;
    let value = 0;
    const length = Math.min(width === 4 ? 4 : 2, this.#end - this.#at);
    for (let i = length - 1; i >= 0; i--) value = value << 8 | buffer[this.#at + i];
    this.#moved(length);
    return (width === 1 ? value & 0xff : value) >>> 0;
  }

  /** A write to the data register; without a wish for data it vanishes. */
  writeData(width: Width, value: number): void {
    if (!this.#filling || this.#at === this.#end) return;
    const length = Math.min(width === 4 ? 4 : 2, this.#end - this.#at);
    for (let i = 0; i < length; i++) this.buffer[this.#at + i] = value >>> (8 * i);
    this.#moved(length);
  }

  /** Offers `length` bytes of the buffer from `from` to the host; `then` runs when it has taken them. */
  protected offer(from: number, length: number, then: () => void): void {
    this.#data(from, length, false, then);
  }

  /** Asks the host for `length` bytes, into the start of the buffer. */
  protected request(length: number, then: () => void): void {
    this.#data(0, length, true, then);
  }

  /** Done: ready. The error register is as the command has left it: 0 from its start. */
  protected idle(): void {
    this.endData();
    this.status = READY;
  }

  /** Done, with an interrupt. */
  protected done(): void {
    this.idle();
    this.bus.interrupt();
  }

  /** Refused or failed. */
  protected abort(error: number = ErrorBits.mask.abrt): void {
    this.endData();
    this.status = Status.mask.drdy | Status.mask.err;
    this.error = error;
    this.bus.completed(this.command, 0, 0, true);
    this.bus.interrupt();
  }

  /** No data moves any more. */
  protected endData(): void {
    this.#at = this.#end = 0;
    this.status &= ~Status.mask.drq;
  }

  #data(from: number, length: number, filling: boolean, then: () => void): void {
    this.#at = from;
    this.#end = from + length;
    this.#filling = filling;
    this.#then = then;
    this.status = READY | Status.mask.drq;
  }

  #moved(length: number): void {
    this.#at += length;
    if (this.#at < this.#end) return;
    this.endData();
    this.#then();
  }
}
