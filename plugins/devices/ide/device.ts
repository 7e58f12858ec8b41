/**
 * The device half: an IDE function with two channels, as in Intel's 82371SB (PIIX3).
 *
 * @module
 */

import type { FlushGate } from "@iova/block";
import { type BusPort, BusStatus, type EventStream, type Interrupts, type IoSpace, type Scheduler } from "@iova/core";
import type { PciBus, PciFunction } from "@iova/pci";
import { Command as PciCommand, Header0, Status as PciStatus } from "@iova/pci";
import { type CdOptions, CdRom } from "./device_cd.ts";
import { Channel } from "./device_channel.ts";
import { Disk, type DiskOptions } from "./device_disk.ts";
import type { Drive, DriveBus, TaskFile } from "./device_drive.ts";
import { type FaultPolicy, type Personality, personality, type PersonalityName } from "./device_personality.ts";
import {
  BUS_MASTER_BAR,
  BUS_MASTER_SIZE,
  BUS_MASTER_STRIDE,
  CHANNELS,
  IDE_CLASS,
  IDE_DEVICE,
  IDE_STATUS,
  IDE_VENDOR,
  Timing,
} from "./layout.ts";

export type { CdOptions } from "./device_cd.ts";
export type { DiskOptions } from "./device_disk.ts";
export type { FaultPolicy, PersonalityName } from "./device_personality.ts";

/** A drive, as it is built in. */
export type DriveOptions = ({ readonly kind: "disk" } & DiskOptions) | ({ readonly kind: "cdrom" } & CdOptions);

/** What a controller is made with. */
export interface IdeOptions {
  /** The manifest id, for reports. */
  readonly id: string;
  /** The bus that it stands on, and where; absent: the first free place. */
  readonly bus: PciBus;
  readonly at?: string;
  readonly io: IoSpace;
  readonly interrupts: Interrupts;
  readonly scheduler: Scheduler;
  readonly events: EventStream;
  /** Primary master and slave, secondary master and slave; null: nothing there. */
  readonly drives: readonly (DriveOptions | null)[];
  readonly personality: PersonalityName;
  /** Absent: the personality's. */
  readonly faultPolicy?: FaultPolicy;
  /** Bytes that move at once when transfers take time. */
  readonly burst: number;
  /** Nanoseconds of a burst; 0: a transfer is done in one go. */
  readonly burstTime: number;
  /** Reports a driver's mistake. */
  readonly warn: (id: string, message: string) => void;
}

/** QEMU's subsystem, which software written for its machines knows. */
const SUBSYSTEM = { subsystemVendor: 0x1af4, subsystem: 0x1100 } as const;

/** An IDE controller on its bus. */
export class IdeController {
  readonly fn: PciFunction;
  /** Primary and secondary. */
  readonly channels: readonly Channel[];
  /** Commands that ended. */
  requests = 0;
  /** Bytes that they moved. */
  bytes = 0;
  /** Commands that ended with an error. */
  errors = 0;
  readonly #options: IdeOptions;
  readonly #behaviour: Personality;
  readonly #decodes = [false, false];

  /**
   * Plugs a controller in.
   *
   * @throws {PlaceError} when its place is taken.
   * @throws {RangeError} when somebody has its legacy ports.
   */
  constructor(options: IdeOptions) {
    this.#options = options;
    this.#behaviour = personality(options.personality);
    this.fn = this.#function();
    this.channels = CHANNELS.map((_, index) => this.#channel(index));
    this.#addPorts();
    this.#header();
    this.fn.config.watch(Header0.at.command, 2, { written: () => this.#commanded() });
    this.fn.config.watch(Timing.FIRST, Timing.SIZE, { written: () => this.#decode() });
    this.#decode();
  }

  /** Holes in memory that transfers passed over. */
  get holes(): number {
    return this.channels.reduce((sum, { engine }) => sum + engine.holes, 0);
  }

  /** Transfers that ended with a bus error. */
  get busErrors(): number {
    return this.channels.reduce((sum, { engine }) => sum + engine.busErrors, 0);
  }

  /** The gate that the flushes of a disk pass; null where no disk is. */
  flushGate(place: number): FlushGate | null {
    const drive = this.channels[place >> 1]?.drives[place & 1];
    return drive instanceof Disk ? drive.gate : null;
  }

  /** Back to power-on. */
  powerOn(): void {
    for (const channel of this.channels) channel.reset();
    this.fn.reset();
    this.#header();
  }

  /** Surprise removal. */
  unplug(): void {
    for (const channel of this.channels) {
      channel.unplug();
      this.#options.io.remove(channel.commandPorts);
      this.#options.io.remove(channel.controlPorts);
    }
    this.fn.remove();
  }

  /** Stops what is under way. */
  stop(): void {
    for (const { engine } of this.channels) engine.cancel();
  }

  get #port(): BusPort {
    return this.fn.port;
  }

  #function(): PciFunction {
    const { id, bus, at } = this.#options;
    return bus.addFunction({
      id,
      ...(at !== undefined && { at }),
      vendor: IDE_VENDOR,
      device: IDE_DEVICE,
      classCode: IDE_CLASS,
      ...SUBSYSTEM,
      bars: [{
        index: BUS_MASTER_BAR,
        kind: "io",
        size: BUS_MASTER_SIZE,
        block: {
          read: (offset, width) => this.#engine(offset).read(offset % BUS_MASTER_STRIDE, width),
          write: (offset, width, value) => this.#engine(offset).write(offset % BUS_MASTER_STRIDE, width, value),
        },
      }],
    });
  }

  #engine(offset: number) {
    return this.channels[offset < BUS_MASTER_STRIDE ? 0 : 1].engine;
  }

  #channel(index: number): Channel {
    const { scheduler, interrupts, burst, burstTime, faultPolicy, drives } = this.#options;
    return new Channel({
      port: this.#port,
      scheduler,
      behaviour: this.#behaviour,
      faultPolicy: faultPolicy ?? this.#behaviour.faultPolicy,
      burst,
      burstTime,
      refused: (status) => this.#refused(status),
      warn: this.#options.warn,
      interrupt: (asserted) => interrupts.drive(CHANNELS[index].irq, asserted),
      decodes: () => this.#decodes[index],
      drive: (place, bus, file) => makeDrive(drives[2 * index + place] ?? null, bus, file),
      completed: (place, command, address, bytes, failed) =>
        this.#completed(2 * index + place, command, address, bytes, failed),
    });
  }

  #addPorts(): void {
    const { io } = this.#options;
    try {
      CHANNELS.forEach(({ command, control }, index) => {
        io.add(command, 8, this.channels[index].commandPorts);
        io.add(control, 1, this.channels[index].controlPorts);
      });
    } catch (error) {
      this.unplug();
      throw error;
    }
  }

  /** What a header says that the PCI library has no words for. */
  #header(): void {
    const { config } = this.fn;
    config.view.setUint16(Header0.at.status, IDE_STATUS, true);
    for (let at = Timing.FIRST; at < Timing.FIRST + Timing.SIZE; at += 4) config.allow(at, 4, -1);
  }

  /** Whether a channel's legacy ports answer: noted when a register changes, because every access asks. */
  #decode(): void {
    const { decodesAlways } = this.#behaviour;
    const io = (this.fn.command & PciCommand.mask.io) !== 0;
    CHANNELS.forEach((_, index) => {
      const enabled = this.fn.config.bytes[Timing.FIRST + 2 * index + 1] & Timing.DECODE;
      this.#decodes[index] = decodesAlways || (io && enabled !== 0);
    });
  }

  #commanded(): void {
    this.#decode();
    if (this.#port.busMaster) { for (const { engine } of this.channels) engine.resume(); }
  }

  /** A master that nobody answers notes a master abort, one that is refused a target abort (PCI 3.0 §6.2.3). */
  #refused(status: BusStatus): void {
    const { receivedMasterAbort, receivedTargetAbort } = PciStatus.mask;
    const bit = status === BusStatus.COMPLETER_ABORT ? receivedTargetAbort : receivedMasterAbort;
    const { view } = this.fn.config;
    view.setUint16(Header0.at.status, view.getUint16(Header0.at.status, true) | bit, true);
  }

  #completed(place: number, command: number, address: number, bytes: number, failed: boolean): void {
    this.requests++;
    this.bytes += bytes;
    if (failed) this.errors++;
    const { events, id } = this.#options;
    if (events.listening) events.emit({ type: "request", device: id, drive: place, command, address, bytes, failed });
  }
}

function makeDrive(options: DriveOptions | null, bus: DriveBus, file: TaskFile): Drive | null {
  if (options === null) return null;
  return options.kind === "disk" ? new Disk(bus, file, options) : new CdRom(bus, file, options);
}
