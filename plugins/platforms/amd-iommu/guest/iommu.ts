/**
 * One IOMMU as Linux brings it up and serves it: the order of initialisation, devices and their table entries,
 * interrupts (drivers/iommu/amd/init.c, `early_enable_iommu`; iommu.c).
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import {
  DevTabBase,
  type DteFields,
  Efr,
  Efr2,
  type EfrFields,
  EventCode,
  PprLogEntry,
  PprResponse,
  Register,
  Status,
} from "../layout.ts";
import { CommandQueue } from "./command_queue.ts";
import { DeviceTable } from "./dte_table.ts";
import { eventDevice, formatEvent } from "./event_text.ts";
import { InvalidationRange } from "./invalidation_range.ts";
import type { IommuDescription } from "./ivrs.ts";
import { EVENT_LOG, Log, PPR_LOG } from "./log.ts";
import { TableMemory } from "./memory.ts";
import { IommuPciFunction } from "./pci_config.ts";
import { Registers } from "./registers.ts";

/** `invTimeOut` as Linux sets it: one second. */
const INV_TIMEOUT_1S = 4;
/** Interrupt causes that are served; the message comes again for what arrives meanwhile. */
const CAUSES = Status.mask.eventOverflow | Status.mask.eventLogInt | Status.mask.pprOverflow | Status.mask.pprInt;
/** Rounds of one interrupt. */
const MOST_ROUNDS = 16;
/** Switches that are turned off before anything else, in Linux's order. */
const OFF = ["cmdBufEn", "eventIntEn", "eventLogEn", "gaLogEn", "gaIntEn", "pprLogEn", "pprIntEn", "iommuEn"] as const;

/** Where an event is reported: the device's own warnings if it is one of ours, the machine's otherwise. */
export type EventSink = (device: number | null, name: string, text: string) => void;

/** What an IOMMU is brought up with. */
export interface IommuWiring {
  readonly guest: GuestPort;
  readonly description: IommuDescription;
  /** Where firmware put its configuration space. */
  readonly configuration: number;
  /** Reports the kernel's own trouble. */
  warn(id: string, message: string): void;
  readonly event: EventSink;
}

/** See the module's text. */
export class Iommu {
  readonly memory: TableMemory;
  readonly commands: CommandQueue;
  readonly deviceTable: DeviceTable;
  readonly features: EfrFields;
  /** Mapping needs a flush as well, and only strict mode is right. */
  readonly npCache: boolean;
  /** The HyperTransport range is no exception. */
  readonly htRangeIgnore: boolean;
  readonly description: IommuDescription;
  readonly #wiring: IommuWiring;
  readonly #registers: Registers;
  readonly #pci: IommuPciFunction;
  readonly #events: Log;
  readonly #requests: Log | null;
  readonly #all = new InvalidationRange().everything();

  /** Allocates, programs and enables. @throws {GuestMemoryError} when tables or rings find no room. */
  constructor(wiring: IommuWiring) {
    const { guest, description, configuration } = wiring;
    this.#wiring = wiring;
    this.description = description;
    this.memory = new TableMemory(guest.memory);
    this.#registers = new Registers(guest, description.mmio);
    this.#pci = new IommuPciFunction(guest, configuration);
    this.features = Efr.decode(this.#registers.read64(Register.EFR));
    this.htRangeIgnore = Efr2.decode(this.#registers.read64(Register.EFR2)).htRangeIgnore === 1;
    this.npCache = this.#pci.npCache;
    this.deviceTable = new DeviceTable(guest, this.memory, description.lastDeviceId);
    this.commands = new CommandQueue(guest, this.#registers, this.memory, wiring.warn);
    this.#events = new Log(EVENT_LOG, guest, this.#registers, this.memory);
    this.#requests = this.features.pprSup ? new Log(PPR_LOG, guest, this.#registers, this.memory) : null;
    this.#enable();
  }

  /** Levels that host page tables may have. */
  get levels(): number {
    return 4 + Math.min(this.features.hats, 2);
  }

  /** Writes a device's entry, and that of the id under which its requests arrive; drops the cached ones. */
  setDevice(deviceId: number, fields: Partial<DteFields>): boolean {
    return this.#eachId(deviceId, (id) => this.deviceTable.write(id, fields));
  }

  /** Lets a device do nothing any more. */
  blockDevice(deviceId: number): void {
    this.#eachId(deviceId, (id) => {
      this.deviceTable.block(id);
      return true;
    });
  }

  /** Reads what the logs hold now. The interrupt does this; without one the owner has to. */
  poll(): void {
    this.#events.poll((entry) => this.#report(entry));
    this.#requests?.poll((entry) => this.#answer(entry));
  }

  /** Turns everything off, in the order in which it was turned on, and gives the memory back. */
  disable(): void {
    this.poll();
    for (const field of OFF) this.#registers.control(field, 0);
    this.commands.stop();
    this.#events.stop();
    this.#requests?.stop();
    this.deviceTable.free();
  }

  #enable(): void {
    const registers = this.#registers;
    const { htTunEn, passPw, resPassPw, isoc } = this.description.flags;
    for (const field of OFF) registers.control(field, 0);
    registers.control("htTunEn", htTunEn);
    registers.control("passPw", passPw);
    registers.control("resPassPw", resPassPw);
    registers.control("isoc", isoc);
    registers.control("coherent", 1);
    registers.control("invTimeOut", INV_TIMEOUT_1S);
    if (this.features.ephSup) registers.control("ephEn", 1);
    const { base, size } = this.deviceTable;
    registers.write64(Register.DEV_TAB_BASE, DevTabBase.encode({ base: BigInt(base) >> 12n, size: size / 4096 - 1 }));
    this.commands.enable();
    this.#events.enable();
    registers.control("iommuEn", 1);
    this.#flushEverything();
    if (this.#pci.enableMessage(() => this.#interrupt())) registers.control("eventIntEn", 1);
    if (this.#requests === null) return;
    this.#requests.enable();
    registers.control("pprIntEn", 1);
    registers.control("pprEn", 1);
  }

  /** One command where the IOMMU has it, otherwise every entry and every domain by itself. */
  #flushEverything(): void {
    const { commands } = this;
    if (this.features.iaSup) commands.invalidateAll();
    else {
      const { entries } = this.deviceTable;
      for (let id = 0; id < entries; id++) commands.invalidateDevtabEntry(id);
      commands.wait();
      for (let id = 0; id < entries; id++) commands.invalidateInterruptTable(id);
      commands.wait();
      for (let domain = 0; domain < 0x10000; domain++) commands.invalidatePages(domain, this.#all);
    }
    commands.wait();
  }

  #eachId(deviceId: number, set: (id: number) => boolean): boolean {
    const alias = this.description.aliases.get(deviceId);
    const ids = alias === undefined || alias === deviceId ? [deviceId] : [deviceId, alias];
    const done = ids.map(set).every((one) => one);
    for (const id of ids) this.commands.invalidateDevtabEntry(id);
    return done;
  }

  #interrupt(): void {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const causes = this.#registers.read(Register.STATUS) & CAUSES;
      if (causes === 0) return;
      this.#registers.write(Register.STATUS, causes);
      this.poll();
      if ((causes & Status.mask.eventOverflow) !== 0) this.#restarted(this.#events, "Event");
      if ((causes & Status.mask.pprOverflow) !== 0 && this.#requests) this.#restarted(this.#requests, "PPR");
    }
  }

  #restarted(log: Log, name: string): void {
    if (log.restart()) this.#wiring.warn("log-overflow", `AMD-Vi: IOMMU ${name} log restarting`);
  }

  #report(entry: Uint8Array): void {
    const code = entry[7] >> 4;
    if (code === 0) return this.#wiring.warn("event-log", "AMD-Vi: No event written to event log");
    const name = Object.entries(EventCode).find(([, value]) => value === code)?.[0] ?? "UNKNOWN";
    this.#wiring.event(eventDevice(entry), name, formatEvent(entry));
  }

  /** Nobody here can bring pages in: the group is answered when its last request has come. */
  #answer(entry: Uint8Array): void {
    const { deviceId, prgIndex, last } = PprLogEntry.decode(entry);
    if (last === 0) return;
    this.commands.completePpr(deviceId, prgIndex, PprResponse.INVALID);
    this.commands.wait();
  }
}
