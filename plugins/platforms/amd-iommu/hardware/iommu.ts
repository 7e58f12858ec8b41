/**
 * One IOMMU: its chapters put together, its control register, its way into a bridge.
 *
 * @module
 */

import {
  type BusStatus,
  type BusTranslator,
  type FirmwareTable,
  type MachineServices,
  PAGE_SIZE,
  type PhysAddr,
  type RegisterBlock,
  roundUp,
  type Transaction,
  type Translation,
  type TranslatorHost,
  type TranslatorSnapshot,
  type Width,
} from "@iova/core";
import { announceFunction } from "@iova/pci";
import { Control, IOMMU_CLASS, levelShift, maskOf, MMIO_SIZE, PprAutoResponse, Register, Status } from "../layout.ts";
import { AddressCache } from "./address_cache.ts";
import { AtsRequests } from "./ats_requests.ts";
import { Ats } from "./ats_service.ts";
import { CommandRing } from "./commands.ts";
import { DeviceTable } from "./device_table.ts";
import { EventLog } from "./event_log.ts";
import { controlMask, feature2Bytes, featureBytes } from "./features.ts";
import { IommuFunction } from "./function.ts";
import { Invalidator } from "./invalidation.ts";
import { ivrsTable } from "./ivrs.ts";
import { LooseWalker } from "./loose_walk.ts";
import { EVENT_LOG, LogRing, PPR_LOG } from "./log_ring.ts";
import { Lookup } from "./lookup.ts";
import { type DeviceRange, type HardwareOptions, readExcluded } from "./options.ts";
import type { RequestParts } from "./parts.ts";
import { PERSONALITIES } from "./personality.ts";
import { RegisterFile } from "./register_file.ts";
import { Requests } from "./requests.ts";
import { ControlBit, Signals, StatusBit } from "./signals.ts";
import { PageWalker } from "./walk.ts";

const CONFIGURATION_SIZE = 4096;
const CONTROL = Register.CONTROL / 4;
/** Registers end here; the rest of the window reads as zero. */
const REGISTER_SPAN = Register.PPR_AUTO_RESPONSE + 8;
const CLEAR_ON_ONE = maskOf(Status, ["eventOverflow", "eventLogInt", "comWaitInt", "pprOverflow", "pprInt"]);

/** The registers of an IOMMU that no bridge has yet: they read as zero. */
class Socket implements RegisterBlock {
  block: RegisterBlock | null = null;
  /** Where the window starts in the reserved place. */
  start = 0;

  read(offset: number, width: Width): number {
    return this.block === null || offset < this.start ? 0 : this.block.read(offset - this.start, width);
  }

  write(offset: number, width: Width, value: number): void {
    if (offset >= this.start) this.block?.write(offset - this.start, width, value);
  }
}

/** An IOMMU as firmware knows it: places reserved, table made, not yet in a bridge. */
export class IommuSite {
  /** Physical address of its registers. */
  readonly mmio: PhysAddr;
  /** Physical address of its configuration space. */
  readonly configuration: PhysAddr;
  /** The ACPI table. */
  readonly ivrs: Uint8Array;
  readonly #socket = new Socket();
  readonly #fn: IommuFunction;
  readonly #services: MachineServices;
  readonly #options: HardwareOptions;
  readonly #excluded: readonly DeviceRange[];

  /** Reserves places for registers and configuration space. @throws {InputError} when an option is wrong. */
  constructor(services: MachineServices, options: HardwareOptions) {
    this.#services = services;
    this.#options = options;
    this.#excluded = readExcluded(options, services.where);
    // Places are multiples of a page; the base register wants a multiple of the window's size.
    const place = services.reserveRegisters(2 * MMIO_SIZE - PAGE_SIZE, "AMD IOMMU", this.#socket);
    this.mmio = roundUp(place, MMIO_SIZE);
    this.#socket.start = this.mmio - place;
    this.#fn = new IommuFunction(this.mmio, options);
    announceFunction(services.space, { name: "the IOMMU", classCode: IOMMU_CLASS, config: this.#fn.config });
    this.configuration = services.reserveRegisters(CONFIGURATION_SIZE, "AMD IOMMU configuration", this.#fn);
    this.ivrs = ivrsTable(this.mmio, options, this.#excluded);
  }

  /** Puts the IOMMU into a bridge. */
  connect(host: TranslatorHost): BusTranslator {
    const iommu = new Iommu(host, this.#services, this.#options, this.#excluded, this.#fn, this.ivrs);
    this.#socket.block = iommu.registers;
    return iommu;
  }
}

/** The translator. */
class Iommu implements BusTranslator {
  readonly name = "amd-iommu";
  readonly registers: RegisterFile;
  /** Absent when devices may have no translation caches. */
  readonly ats?: Ats;
  readonly #ivrs: Uint8Array;
  readonly #excluded: readonly DeviceRange[];
  readonly #fn: IommuFunction;
  readonly #parts: RequestParts;
  readonly #requests: Requests;
  readonly #atsRequests: AtsRequests;
  readonly #invalidator: Invalidator;
  readonly #service: Ats;
  readonly #signals: Signals;
  readonly #eventLog: LogRing;
  readonly #pprLog: LogRing;
  readonly #commands: CommandRing;

  constructor(
    host: TranslatorHost,
    services: MachineServices,
    options: HardwareOptions,
    excluded: readonly DeviceRange[],
    fn: IommuFunction,
    ivrs: Uint8Array,
  ) {
    const personality = PERSONALITIES[options.personality];
    this.registers = new RegisterFile(REGISTER_SPAN, personality.takesEveryBit);
    const { registers } = this;
    this.#ivrs = ivrs;
    this.#excluded = excluded;
    this.#fn = fn;
    const { memory } = host;
    const cache = (entries: number, grain: number) =>
      entries === 0 ? null : new AddressCache(entries, options.iotlbWays, options.iotlbPolicy, services.random, grain);
    const iotlb = cache(options.iotlb, levelShift(1));
    const directories = cache(options.walkCache, levelShift(2));
    const signals = this.#signals = new Signals(registers, memory, fn, personality.alwaysInterrupts);
    this.#eventLog = new LogRing(registers, EVENT_LOG, memory, signals, {
      run: StatusBit.EVENT_LOG_RUN,
      overflow: StatusBit.EVENT_OVERFLOW,
      interrupt: StatusBit.EVENT_LOG_INT,
      interruptEnable: ControlBit.EVENT_INT_EN,
    });
    this.#pprLog = new LogRing(registers, PPR_LOG, memory, signals, {
      run: StatusBit.PPR_LOG_RUN,
      overflow: StatusBit.PPR_OVERFLOW,
      interrupt: StatusBit.PPR_INT,
      interruptEnable: ControlBit.PPR_INT_EN,
    });
    const walker = personality.looseWalk ? new LooseWalker(memory, directories) : new PageWalker(memory, directories);
    const parts: RequestParts = this.#parts = {
      registers,
      table: new DeviceTable(registers, memory, options, excluded),
      lookup: new Lookup(iotlb, walker, options.npCache),
      walker,
      events: new EventLog(this.#eventLog, registers, host, personality.logsEvents),
      options,
      personality,
    };
    const progress = () => this.#commands.resume();
    this.#atsRequests = new AtsRequests(parts);
    this.#requests = new Requests(parts, this.#atsRequests, iotlb);
    this.#invalidator = new Invalidator(
      host,
      parts.table,
      iotlb,
      directories,
      progress,
      personality.invalidatesDomains,
    );
    this.#service = new Ats(parts, host, services.scheduler, this.#pprLog, signals, progress);
    if (options.ats) this.ats = this.#service;
    this.#commands = new CommandRing(parts, host, signals, this.#invalidator, this.#service);
    this.#defineRegisters(options);
    registers.reset();
  }

  translate(tx: Transaction, out: Translation): BusStatus {
    return this.#requests.translate(tx, out);
  }

  covers(requester: number): boolean {
    return !this.#excluded.some(({ first, last }) => requester >= first && requester <= last);
  }

  step(): boolean {
    return this.#commands.step();
  }

  firmware(): FirmwareTable[] {
    return [{ name: "IVRS", bytes: this.#ivrs }];
  }

  counters(): Record<string, number> {
    return {
      iotlbHits: this.#parts.lookup.hits,
      walks: this.#parts.walker.walks,
      deviceTableReads: this.#parts.table.reads,
      translationRequests: this.#atsRequests.translations,
      refused: this.#requests.refused,
      commands: this.#commands.executed,
      invalidationsSent: this.#service.sent,
      invalidationTimeouts: this.#service.timeouts,
      events: this.#eventLog.written,
      pageRequests: this.#pprLog.written,
      interrupts: this.#signals.interrupts,
    };
  }

  reset(): void {
    this.registers.reset();
    this.#fn.reset();
    this.#invalidator.forget();
    this.#service.reset();
    this.#requests.configure();
    this.#invalidator.switched();
  }

  /** Registers and configuration space; caches start cold, which hardware may do at any time. */
  snapshot(): TranslatorSnapshot {
    const state: State = { registers: [...this.registers.words], configuration: [...this.#fn.config.bytes] };
    return { name: this.name, version: 1, state };
  }

  restore(snapshot: TranslatorSnapshot): void {
    const { registers, configuration } = snapshot.state as State;
    this.reset();
    this.registers.words.set(registers);
    this.#fn.config.bytes.set(configuration);
    this.#requests.configure();
    this.#commands.kick();
  }

  #defineRegisters(options: HardwareOptions): void {
    const { registers } = this;
    const { personality } = this.#parts;
    registers.preset(Register.EFR, featureBytes(options));
    registers.preset(Register.EFR2, feature2Bytes(options));
    if (!personality.takesEveryBit) registers.define({ offset: Register.STATUS, clearOnOne: CLEAR_ON_ONE });
    registers.define({
      offset: Register.CONTROL,
      writable: controlMask(options),
      written: (before) => this.#controlled(before),
    });
    if (options.pri) registers.define({ offset: Register.PPR_AUTO_RESPONSE, writable: maskOf(PprAutoResponse) });
  }

  /** The control register was written: run bits follow each enable from 0 to 1 and from 1 to 0. */
  #controlled(before: number): void {
    const now = this.registers.words[CONTROL];
    this.#requests.configure();
    follow(before, now, Control.mask.eventLogEn, this.#eventLog);
    follow(before, now, Control.mask.pprLogEn, this.#pprLog);
    follow(before, now, Control.mask.cmdBufEn, this.#commands);
    if (((before ^ now) & Control.mask.iommuEn) !== 0) this.#invalidator.switched();
  }
}

interface State {
  registers: number[];
  configuration: number[];
}

/** Starts or stops a ring when IommuEn and its own enable, together, have changed. */
function follow(before: number, now: number, enable: number, ring: { start(): void; stop(): void }): void {
  const both = enable | Control.mask.iommuEn;
  const was = (before & both) === both;
  const is = (now & both) === both;
  if (is && !was) ring.start();
  else if (was && !is) ring.stop();
}
