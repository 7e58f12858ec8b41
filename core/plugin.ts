/**
 * The plugin contract. A plugin is one plain object: name, kind, API version, option schema, and what its kind creates.
 * Its module exports that object as `default`; a manifest's `use` names the module.
 *
 * @module
 */

import type { Bus } from "./bus.ts";
import type { BusTranslator, FirmwareTable, TranslatorHost } from "./bus_translator.ts";
import type { Random, Scheduler } from "./clock.ts";
import type { DmaOps, DmaStats } from "./dma_ops.ts";
import type { EventStream } from "./events.ts";
import type { Interrupts } from "./interrupts.ts";
import type { AddressSpace, IoSpace, RegisterBlock } from "./memory.ts";
import type { OptionSchema, OptionsOf } from "./options.ts";
import type { LoadOptions } from "./machine.ts";
import type { DevicePort, GuestPort, HypercallRegisters } from "./ports.ts";
import type { PhysAddr } from "./address.ts";
import type { MachineReport } from "./report/report.ts";

/** The version of this contract. A plugin made for another one is refused. */
export const API_VERSION = 1;

/** What every plugin has. */
export interface PluginHead<K extends string, S extends OptionSchema = OptionSchema> {
  /** The name by which manifests and messages call it. */
  readonly name: string;
  /** What it is. */
  readonly kind: K;
  /** {@linkcode API_VERSION} of the contract it was written for. */
  readonly api: number;
  /** One line for `plugins`. */
  readonly summary: string;
  /** Its options: one declaration for types, validation, help and JSON Schema. */
  readonly options: S;
}

/** What a machine lends to every plugin that it creates. */
export interface MachineServices {
  /** The CPU's physical address space. */
  readonly space: AddressSpace;
  /** I/O ports. */
  readonly io: IoSpace;
  /** Virtual time. */
  readonly scheduler: Scheduler;
  /** Where to tell what happens. */
  readonly events: EventStream;
  /** The interrupt controller. */
  readonly interrupts: Interrupts;
  /** A generator of its own for each plugin instance, seeded from the machine's seed and the instance's id. */
  readonly random: Random;
  /** Where the manifest names this instance: for {@linkcode InputError}s about its options. */
  readonly where: { readonly file: string; readonly path: string };
  /** Resolves a path in an option against the manifest's folder. */
  resolvePath(path: string): string;
  /** Reports a warning: it is printed with the report and is an event. `id` is stable (`D4`, `lease-timeout`, …). */
  warn(id: string, message: string, device?: string): void;
  /** Reserves `size` bytes of the physical address space for registers: page-aligned, below 4 GiB. */
  reserveRegisters(size: number, name: string, block: RegisterBlock): PhysAddr;
  /** Answers hypercall `number`; the handler returns the signed status and may write results into the registers. */
  onHypercall(number: number, handler: (registers: HypercallRegisters) => number): void;
}

/** What a platform's guest half is given for one device. */
export interface DmaContext {
  /** The CPU's port. */
  readonly guest: GuestPort;
  /** The device: its manifest id and its 16-bit requester id. */
  readonly device: { readonly id: string; readonly requester: number };
  /** The counters to keep; `BaseDmaOps` keeps them for its subclasses. */
  readonly stats: DmaStats;
  /** The operations of the platform in the next bridge towards memory, when bridges nest; else null. */
  readonly upstream: DmaOps | null;
  /** Where to tell what happens. */
  readonly events: EventStream;
  /** Reports misuse or exhaustion; see {@linkcode MachineServices.warn}. */
  warn(id: string, message: string): void;
}

/** A platform in one machine: two halves that meet only in memory, registers and hypercalls. */
export interface Platform {
  /** The hardware half: called once for each bridge that this platform sits in. Null: no translation at all. */
  translator(host: TranslatorHost): BusTranslator | null;
  /** The guest half: called once for each device behind it. */
  dmaOps(context: DmaContext): DmaOps;
  /**
   * Counters of the guest half, by name, for the report; those of the hardware half are the translator's. Called after
   * `stop`, too. Absent: none.
   */
  counters?(): Record<string, number>;
  /** Absent: nothing to undo. Called once when the machine stops. */
  stop?(): void;
}

/** A platform plugin. */
export interface PlatformPlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"platform", S> {
  /** Makes one instance for a machine. Not called for `check`. */
  create(services: MachineServices, options: OptionsOf<S>): Platform;
  /**
   * Makes the guest half alone, over hardware that is not simulated here and whose firmware tells `firmware`; its
   * translator is never asked for. Absent: `create` is called instead and its hardware half stays unused.
   */
  createGuest?(services: MachineServices, options: OptionsOf<S>, firmware: readonly FirmwareTable[]): Platform;
}

/** What a bus plugin makes of a machine's bus tree. */
export interface BusModel {
  /** Puts a bridge on `parent` and returns the bus below it. `at` is a place in the bus's own notation. */
  bridge(parent: Bus, id: string, at: string | undefined): Bus;
  /** What firmware and the operating system do before drivers start: numbering, address assignment. */
  start?(guest: GuestPort): void;
  /** Puts what is neither a device nor a translator back to power-on. Absent: there is nothing. */
  reset?(): void;
}

/** A bus plugin. */
export interface BusPlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"bus", S> {
  /** Makes one instance for a machine. Not called for `check`. */
  create(services: MachineServices, root: Bus, options: OptionsOf<S>): BusModel;
}

/** What lies where in a machine's physical address space before anything is plugged in. */
export interface MemoryMap {
  /** RAM, by address. */
  readonly ram: readonly { readonly base: PhysAddr; readonly size: number }[];
  /** Where the guest's heap begins. */
  readonly heap: PhysAddr;
  /** Where {@linkcode MachineServices.reserveRegisters} finds room: first address, and the first one after it. */
  readonly registers: { readonly first: PhysAddr; readonly end: PhysAddr };
}

/** What a machine lends to its profile. */
export interface ProfileServices extends MachineServices {
  /** Pulls the machine's reset line: everything is reset once the current work has returned. */
  reset(): void;
  /** What answers hypercall `number` so far, for a profile that answers some of its uses itself; null when nothing does. */
  hypercallHandler(number: number): ((registers: HypercallRegisters) => number) | null;
}

/** A profile plugin: a whole kind of machine, which decides about memory, the root bus, interrupts and ports. */
export interface ProfilePlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"profile", S> {
  /** The bus plugin whose place its root bus takes: what plugs into that plugs into this machine. */
  readonly bus: string;
  /** Lays a machine with `memory` bytes of RAM out. */
  memoryMap(memory: number, options: OptionsOf<S>): MemoryMap;
  /** Makes one instance for a machine, in a bus plugin's stead. Not called for `check`. */
  create(services: ProfileServices, root: Bus, options: OptionsOf<S>): BusModel;
}

/** What a device half is given. */
export interface DeviceContext extends MachineServices {
  /** The manifest id. */
  readonly id: string;
  /** The bus it is plugged into. Its bus library turns this into what the bus offers. */
  readonly bus: Bus;
  /** The place asked for, in the bus's notation; absent: the first free one. */
  readonly at?: string;
}

/** A device half in one machine. */
export interface Device {
  /** Its way onto the bus. */
  readonly port: DevicePort;
  /** Counters for the report: `requests` and `bytes` at least. */
  counters(): Record<string, number>;
  /** Returns to the state after power-on. */
  reset(): void;
  /** Pulls it off its bus without asking anybody: surprise removal. Absent: its port is unplugged and that is all. */
  unplug?(): void;
  /** Flushes and closes what it holds. Called once when the machine stops, also after an error. Absent: nothing held. */
  stop?(): void;
}

/** What a driver half is given. */
export interface DriverContext {
  /** The manifest id. */
  readonly id: string;
  /** The CPU's port. */
  readonly guest: GuestPort;
  /** The one way to make an address for the device. */
  readonly dma: DmaOps;
  /** Where the device is: its requester id, by which its bus library finds it. */
  readonly requester: number;
  /** A seeded generator of its own. */
  readonly random: Random;
  /** Where to tell what happens. */
  readonly events: EventStream;
  /** Reports a warning. */
  warn(id: string, message: string): void;
}

/** A driver half in one machine. Workloads know its interface from the library that defines it (`block`, `net`). */
export interface Driver {
  /** What it drives, in the library's word: `block`, `net`. */
  readonly drives: string;
  /** Whether the device refuses writes. Absent: it takes them. */
  readonly readOnly?: boolean;
  /** Unbinds: gives back every mapping. */
  stop(): void;
}

/** A device plugin: two halves that meet only in registers, rings and descriptors. */
export interface DevicePlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"device", S> {
  /** The bus plugins that it plugs into; the first is the root bus of a manifest that gives none. */
  readonly bus: string | readonly string[];
  /**
   * Whether, with these options, the device puts physical addresses on its bus and so passes every platform untranslated;
   * fixed when it is plugged in. Absent: it uses bus addresses, as hardware does.
   */
  physicallyAddressed?(options: OptionsOf<S>): boolean;
  /** Makes the device half and plugs it in. */
  create(context: DeviceContext, options: OptionsOf<S>): Device;
  /** Makes the driver half, after the bus has started. May talk to the device. */
  driver(context: DriverContext, options: OptionsOf<S>): Driver | Promise<Driver>;
}

/** A check in one machine. */
export interface Check {
  /** Puts something between a driver and its operations. Absent: nothing. */
  wrapDmaOps?(ops: DmaOps, context: DmaContext): DmaOps;
  /** Puts something between a bus and its translator. Absent: nothing. */
  wrapTranslator?(translator: BusTranslator): BusTranslator;
  /** Called after the workload, once drivers have stopped. Absent: nothing left to say. */
  finish?(): void;
}

/** A check plugin. */
export interface CheckPlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"check", S> {
  /** Makes one instance for a machine. Not called for `check`. */
  create(services: MachineServices, options: OptionsOf<S>): Check;
}

/** What a workload is given. */
export interface WorkloadContext {
  /** The driver of the manifest's `device`; null when the workload names none. */
  readonly driver: Driver | null;
  /** The manifest id of that device; empty when none. */
  readonly device: string;
  /** The CPU's port. */
  readonly guest: GuestPort;
  /** A seeded generator of its own. */
  readonly random: Random;
  /** Where to tell what happens. */
  readonly events: EventStream;
  /** Where the manifest names this workload: for {@linkcode InputError}s about its options. */
  readonly where: { readonly file: string; readonly path: string };
  /** The whole machine, for scripts. */
  readonly machine: import("./machine.ts").Machine;
  /** Resolves a path in an option against the manifest's folder. */
  resolvePath(path: string): string;
  /** Shows progress on a terminal; free in a pipe. */
  progress(done: number, total: number): void;
  /** Whether anybody compares: test it before building an observation. */
  readonly observing: boolean;
  /** Records something that the driver's side can observe. Two platforms are compared by these, in order. */
  observe(what: string): void;
}

/** How a workload ended. */
export interface WorkloadResult {
  /** Whether what it did could be verified and was right. */
  verified: boolean;
  /** Requests made. */
  requests: number;
  /** Bytes moved. */
  bytes: number;
  /** What the report says about it, by name (`sha256`, …). */
  details?: Record<string, string | number | boolean>;
  /** Why it was not verified. */
  failure?: string;
}

/** A workload plugin. */
export interface WorkloadPlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"workload", S> {
  /** What it drives (see {@linkcode Driver.drives}). Absent: it needs no device. */
  readonly drives?: string;
  /** Whether, with these options, it needs to write the device. Absent: it only reads. */
  writes?(options: OptionsOf<S>): boolean;
  /** Does it. Rejects only on a bug; what the device did wrong is in the result. */
  run(context: WorkloadContext, options: OptionsOf<S>): Promise<WorkloadResult>;
}

/** What a door's command was given. */
export interface DoorContext {
  /** What follows the command: a manifest's path, as a rule. */
  readonly names: readonly string[];
  /** How to load the manifest's machine: what `--set`, `--seed`, `--platform` and `--trace` ask for. */
  readonly load: LoadOptions;
  /** Whether results are wanted as one JSON document. */
  readonly json: boolean;
  /** Whether nothing but errors is to be printed. */
  readonly quiet: boolean;
  /** Prints what `run` prints of a run, as far as it is wanted. @returns the exit code. */
  report(report: MachineReport): number;
}

/**
 * A door plugin: a command that connects a machine, or a half of one, with a program outside. Its options become flags of
 * the command line: `pollTime` is `--poll-time`, and a boolean, whose default must be false, takes no value.
 */
export interface DoorPlugin<S extends OptionSchema = OptionSchema> extends PluginHead<"door", S> {
  /** The word on the command line: `serve`. */
  readonly command: string;
  /** What follows it: `<manifest>`. */
  readonly usage: string;
  /** How many names may follow, the least and the most. Absent: exactly one. */
  readonly names?: readonly [least: number, most: number];
  /** More for its help: the permissions that it needs. */
  readonly about: string;
  /** Does it. @returns the exit code: 0 all was well, 1 it was not, 2 bad input. */
  run(context: DoorContext, options: OptionsOf<S>): Promise<number>;
}

/** Any plugin that makes a piece of a machine's hardware. */
// deno-lint-ignore no-explicit-any
export type HardwarePlugin = PlatformPlugin<any> | BusPlugin<any> | ProfilePlugin<any> | DevicePlugin<any>;
/** Any plugin that a manifest can name. */
// deno-lint-ignore no-explicit-any
export type Part = HardwarePlugin | CheckPlugin<any> | WorkloadPlugin<any>;
/** Any plugin. */
// deno-lint-ignore no-explicit-any
export type Plugin = Part | DoorPlugin<any>;
/** The kinds of plugin. */
export type PluginKind = Plugin["kind"];
/** The plugin type of a kind. */
export type PluginOf<K extends PluginKind> = Extract<Plugin, { kind: K }>;

/** Gives a platform plugin its option types. */
export function definePlatform<const S extends OptionSchema>(plugin: PlatformPlugin<S>): PlatformPlugin<S> {
  return plugin;
}
/** Gives a bus plugin its option types. */
export function defineBus<const S extends OptionSchema>(plugin: BusPlugin<S>): BusPlugin<S> {
  return plugin;
}
/** Gives a profile plugin its option types. */
export function defineProfile<const S extends OptionSchema>(plugin: ProfilePlugin<S>): ProfilePlugin<S> {
  return plugin;
}
/** Gives a device plugin its option types. */
export function defineDevice<const S extends OptionSchema>(plugin: DevicePlugin<S>): DevicePlugin<S> {
  return plugin;
}
/** Gives a check plugin its option types. */
export function defineCheck<const S extends OptionSchema>(plugin: CheckPlugin<S>): CheckPlugin<S> {
  return plugin;
}
/** Gives a workload plugin its option types. */
export function defineWorkload<const S extends OptionSchema>(plugin: WorkloadPlugin<S>): WorkloadPlugin<S> {
  return plugin;
}
/** Gives a door plugin its option types. */
export function defineDoor<const S extends OptionSchema>(plugin: DoorPlugin<S>): DoorPlugin<S> {
  return plugin;
}
