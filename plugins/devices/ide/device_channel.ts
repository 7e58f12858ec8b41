/**
 * A channel: command block, control block, interrupt, and up to two drives.
 *
 * @module
 */

import { ALL_ONES, type RegisterBlock, type Scheduler, type Width } from "@iova/core";
import { BusMasterEngine, type EngineWiring } from "./device_bus_master.ts";
import { type Drive, type DriveBus, TaskFile } from "./device_drive.ts";
import type { Personality } from "./device_personality.ts";
import type { DmaRequest } from "./device_request.ts";
import { Command, CommandBlock, Control, Device, Status } from "./layout.ts";

const { at } = CommandBlock;
/** The signature of a device that is not there. */
const ABSENT = 0xffff;
const BUSY = Status.mask.bsy | Status.mask.drq;

/** What a channel is wired to, besides its engine. */
export interface ChannelWiring extends EngineWiring {
  /** Drives the interrupt line. */
  readonly interrupt: (asserted: boolean) => void;
  /** Whether the legacy ports answer. */
  readonly decodes: () => boolean;
  /** Makes the drive of place 0 or 1; null: there is none. */
  readonly drive: (place: number, bus: DriveBus, file: TaskFile) => Drive | null;
  /** Tells that a drive's command has ended. */
  readonly completed: (place: number, command: number, address: number, bytes: number, failed: boolean) => void;
}

/** See the module's text. */
export class Channel {
  /** The bus-master registers and what is behind them. */
  readonly engine: BusMasterEngine;
  /** The drives, by place. */
  readonly drives: readonly (Drive | null)[];
  /** The eight ports of the command block. */
  readonly commandPorts: RegisterBlock;
  /** The one port of the control block. */
  readonly controlPorts: RegisterBlock;
  readonly #files = [new TaskFile(), new TaskFile()];
  readonly #wiring: ChannelWiring;
  readonly #behaviour: Personality;
  readonly #scheduler: Scheduler;
  #selected = 0;
  #control = 0;
  #wanted = false;
  #line = false;
  #life = 0;

  /** A channel after power-on. */
  constructor(wiring: ChannelWiring) {
    this.#wiring = wiring;
    this.#behaviour = wiring.behaviour;
    this.#scheduler = wiring.scheduler;
    this.engine = new BusMasterEngine(wiring);
    this.drives = this.#files.map((file, place) => wiring.drive(place, this.#bus(place), file));
    this.commandPorts = this.#answering({
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => this.#write(offset, width, value),
    });
    this.controlPorts = this.#answering({
      read: () => this.#isEmpty ? this.#nothing(1) : this.#status(),
      write: (_offset, _width, value) => this.#writeControl(value & 0xff),
    });
    this.reset();
  }

  /** Back to power-on. */
  reset(): void {
    this.#life++;
    this.engine.reset();
    this.#selected = this.#control = 0;
    for (const file of this.#files) {
      file.clear();
      file.sign(ABSENT);
    }
    for (const drive of this.drives) drive?.powerOn();
    this.#acknowledge();
  }

  /** Takes the interrupt line down for good: the function is gone. */
  unplug(): void {
    this.engine.reset();
    this.#life++;
    this.#acknowledge();
  }

  get #isEmpty(): boolean {
    return this.drives[0] === null && this.drives[1] === null;
  }

  get #drive(): Drive | null {
    return this.drives[this.#selected];
  }

  #bus(place: number): DriveBus {
    return {
      behaviour: this.#behaviour,
      interrupt: () => this.#interrupt(),
      arm: (request: DmaRequest) => this.engine.arm(request),
      later: (work) => this.#later(work),
      completed: (command, address, bytes, failed) => this.#wiring.completed(place, command, address, bytes, failed),
    };
  }

  #answering(block: RegisterBlock): RegisterBlock {
    const { decodes } = this.#wiring;
    return {
      read: (offset, width) => decodes() ? block.read(offset, width) : ALL_ONES[width],
      write: (offset, width, value) => decodes() && block.write(offset, width, value),
    };
  }

  #later(work: () => void): void {
    const life = this.#life;
    this.#scheduler.post(() => {
      if (life === this.#life) work();
    });
  }

  /** What a channel without devices reads as. */
  #nothing(width: Width): number {
    const byte = this.#behaviour.emptyChannel;
    return (byte * 0x01010101 & -1 >>> (32 - 8 * width)) >>> 0;
  }

  #read(offset: number, width: Width): number {
    if (this.#isEmpty) return this.#nothing(width);
    if (offset === at.data) return this.#drive?.readData(width) ?? 0;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | this.#readByte(offset + i);
    return value >>> 0;
  }

  #readByte(register: number): number {
    if (register > at.command) return 0xff;
    if (register === at.features) return this.#error();
    if (register === at.command) {
      this.#acknowledge();
      return this.#status();
    }
    const { current, previous } = this.#files[this.#selected];
    const older = (this.#control & Control.mask.hob) !== 0 && register !== at.device;
    return older ? previous[register] : current[register];
  }

  #error(): number {
    const drive = this.#drive;
    if (drive === null) return 0;
    return (this.#control & Control.mask.hob) !== 0 ? this.#files[this.#selected].previous[at.features] : drive.error;
  }

  #status(): number {
    return this.#drive?.status ?? 0;
  }

  #write(offset: number, width: Width, value: number): void {
    if (offset === at.data) return this.#drive?.writeData(width, value);
    for (let i = 0; i < width; i++) this.#writeByte(offset + i, value >>> (8 * i) & 0xff);
  }

  #writeByte(register: number, value: number): void {
    if (register > at.command) return;
    if (register === at.command) {
      this.#control &= ~Control.mask.hob;
      this.#acknowledge();
      return this.#command(value);
    }
    if ((this.#status() & BUSY) !== 0) return;
    this.#control &= ~Control.mask.hob;
    for (const file of this.#files) file.write(register, value);
    if (register === at.count) { for (const drive of this.drives) drive?.counted?.(value); }
    if (register === at.device) this.#selected = (value & Device.mask.dev) === 0 ? 0 : 1;
  }

  #command(command: number): void {
    const drive = this.#drive;
    if ((this.#status() & BUSY) !== 0 && !(command === Command.DEVICE_RESET && drive?.knows(command))) return;
    if (command === Command.EXECUTE_DEVICE_DIAGNOSTIC) return this.#diagnose();
    if (command === Command.DEVICE_RESET && drive?.knows(command)) this.#abandon();
    drive?.start(command);
  }

  /** Both drives test themselves, whichever is selected, and device 0 answers; on QEMU the selected one does it all. */
  #diagnose(): void {
    const { diagnosesSelected } = this.#behaviour;
    const tested = diagnosesSelected ? [this.#drive] : this.drives;
    for (const drive of tested) drive?.diagnose();
    if (!diagnosesSelected) this.#selected = 0;
    // A packet device leaves its status clear, and QEMU's does not interrupt.
    if (tested.some((drive) => drive !== null && (drive.status !== 0 || !diagnosesSelected))) this.#interrupt();
  }

  /** What a drive's reset leaves of its DMA: nothing, or what QEMU leaves. */
  #abandon(): void {
    if (!this.#behaviour.resetKeepsArmed) return this.engine.cancel();
    if (this.engine.isRunning) this.engine.drain();
  }

  #writeControl(value: number): void {
    const before = this.#control & Control.mask.srst;
    const now = value & Control.mask.srst;
    this.#control = value;
    if (before === 0 && now !== 0) this.#resetRises();
    if (before !== 0 && now === 0 && !this.#behaviour.resetsOnRise) this.#later(() => this.#softReset());
    this.#updateLine();
  }

  #resetRises(): void {
    this.#life++;
    this.#abandon();
    for (const drive of this.drives) if (drive !== null) drive.status |= Status.mask.bsy;
    if (this.#behaviour.resetsOnRise) {
      this.#later(() => {
        this.#control &= ~Control.mask.srst;
        this.#softReset();
      });
    } else this.#acknowledge();
  }

  #softReset(): void {
    if (!this.#behaviour.resetKeepsSelection) this.#selected = 0;
    for (const drive of this.drives) drive?.reset();
    const { resetInterrupts } = this.#behaviour;
    if (resetInterrupts && this.drives.some((drive) => drive !== null && drive.status !== 0)) this.#interrupt();
  }

  #interrupt(): void {
    const masked = (this.#control & Control.mask.nien) !== 0;
    if (masked && this.#behaviour.losesMaskedInterrupt) return;
    this.#wanted = true;
    if (this.#line && this.#behaviour.interruptBitAlways) this.engine.interrupted();
    this.#updateLine();
  }

  #acknowledge(): void {
    this.#wanted = false;
    this.#updateLine();
  }

  /** The line is what the drives want, unless nIEN holds it; a rising edge is kept by the bus master. */
  #updateLine(): void {
    const masked = (this.#control & Control.mask.nien) !== 0 && !this.#behaviour.losesMaskedInterrupt;
    const level = this.#wanted && !masked;
    if (level === this.#line) return;
    this.#line = level;
    if (level) this.engine.interrupted();
    this.#wiring.interrupt(level);
  }
}
