/**
 * The machine: puts together what a resolved manifest names, runs its workloads, and stops it cleanly.
 *
 * @module
 */

import { formatSize, PAGE_SIZE, type PhysAddr, roundUp, TWO32 } from "./address.ts";
import { Bridge, Bus, type BusContext, HardwareWork, MemoryTarget } from "./bus.ts";
import type { BusTranslator, TranslatorHost } from "./bus_translator.ts";
import { Random, Scheduler } from "./clock.ts";
import { type DmaOps, dmaStats } from "./dma_ops.ts";
import { PhysicalDmaOps } from "./dma_ops_base.ts";
import { blamed, whole, wrong } from "./complaints.ts";
import { guarded, GuestMemoryError, PlaceError } from "./errors.ts";
import { type EventListener, EventStream } from "./events.ts";
import { foreignDevice, type ForeignHardware } from "./foreign.ts";
import { SimulatedGuest } from "./guest.ts";
import { Interrupts, MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE } from "./interrupts.ts";
import {
  type ResolvedBridge,
  type ResolvedDevice,
  resolveDevice,
  type ResolvedMachine,
  type ResolvedWorkload,
  resolvePath,
} from "./manifest/loader.ts";
import type { DeviceEntry, Manifest } from "./manifest/manifest.ts";
import { resolveSource, type SourceOptions } from "./manifest/source.ts";
import { machineTree } from "./report/tree.ts";
import { LeaseTable } from "./mapping.ts";
import { AddressSpace, IoSpace, RamRegion, type RegisterBlock } from "./memory.ts";
import { memoryMap } from "./memory_map.ts";
import type { GuestPort } from "./ports.ts";
import type {
  BusModel,
  Check,
  Device,
  DeviceContext,
  DmaContext,
  Driver,
  MachineServices,
  MemoryMap,
  Platform,
  WorkloadContext,
} from "./plugin.ts";
import { machineReport, type ReportedSlot } from "./report/build.ts";
import {
  type MachineReport,
  OBSERVATION_LIMIT,
  type TreeNode,
  type WarningReport,
  type WorkloadReport,
} from "./report/report.ts";

/** How to load a machine. */
export interface LoadOptions extends SourceOptions {
  /** Hardware only: no firmware numbers the buses, no driver is bound. For a machine that is driven from outside. */
  bare?: boolean;
  /** Hears every event from power-on. */
  listen?: EventListener;
  /** Keep observations for a comparison. */
  observe?: boolean;
  /** Is told how far a workload is. */
  progress?: (label: string, done: number, total: number) => void;
  /** Hardware to use instead of a simulation. */
  hardware?: ForeignHardware;
}

/** Loads a machine from a manifest's path or URL, or from a manifest object, and powers it on: drivers are ready. */
export async function loadMachine(source: string | URL | Manifest, options: LoadOptions = {}): Promise<Machine> {
  const machine = new Machine(await resolveSource(source, options), options);
  await machine.start();
  return machine;
}

/** A device in its machine: both halves and what connects them. */
interface Slot extends ReportedSlot {
  dma: DmaOps | null;
  driver: Driver | null;
  removed: boolean;
}

/** A bridge in its machine. */
interface BridgeNode {
  readonly bus: Bus;
  readonly parent: BridgeNode | null;
  readonly resolved: ResolvedBridge | null;
  /** The platform that sits in this bridge; null when none does. */
  platform: Platform | null;
  translator: BusTranslator | null;
}

/** A platform in a bridge, or in the root's for one device. */
interface PlacedPlatform {
  readonly platform: Platform;
  readonly name: string;
  translator: BusTranslator | null;
}

/** Different warnings that are kept: a plugin may put addresses into its texts. */
const WARNING_LIMIT = 1000;

/** A machine. Scripts get one from {@linkcode loadMachine}; its parts are open to look at and to drive. */
export class Machine {
  /** Virtual time. */
  readonly scheduler: Scheduler;
  /** Everything that happens. */
  readonly events: EventStream = new EventStream(() => this.scheduler.now);
  /** Physical addresses. */
  readonly space: AddressSpace = new AddressSpace();
  /** I/O ports. */
  readonly io: IoSpace = new IoSpace();
  /** The interrupt controller. */
  readonly interrupts: Interrupts;
  /** The CPU's port. */
  readonly guest: GuestPort;
  /** The root bus. */
  readonly root: Bus;
  /** What the machine was built from. */
  readonly resolved: ResolvedMachine;
  readonly #options: LoadOptions;
  readonly #simulated: SimulatedGuest;
  readonly #context: BusContext;
  readonly #slots = new Map<string, Slot>();
  readonly #nodes = new Map<string, BridgeNode>();
  readonly #platforms: PlacedPlatform[] = [];
  readonly #checks: { check: Check; name: string }[] = [];
  readonly #warnings = new Map<string, WarningReport>();
  readonly #unkept: WarningReport = { id: "more", message: "further warnings that are not listed", count: 0 };
  readonly #observations: string[] = [];
  #observationCount = 0;
  #model: BusModel | null = null;
  readonly #map: MemoryMap;
  #nextRegisters: PhysAddr;
  #stopped = false;

  /** Builds the parts that every machine has; {@linkcode Machine.start} adds what the manifest names. */
  constructor(resolved: ResolvedMachine, options: LoadOptions = {}) {
    this.resolved = resolved;
    this.#options = options;
    if (options.listen) this.events.listen(options.listen);
    const { hardware } = options;
    const scheduler = this.scheduler = hardware?.scheduler ?? new Scheduler();
    const interrupts = this.interrupts = hardware?.interrupts ?? new Interrupts(scheduler);
    const { space, events, io } = this;
    this.#map = memoryMap(resolved);
    this.#nextRegisters = this.#map.registers.first;
    if (hardware === undefined) this.#addRam();
    else for (const region of hardware.guest.memory.ramRegions) space.addRam(region);
    const work = new HardwareWork(scheduler);
    const policy = { ...resolved.invalidation, checked: resolved.leases === "checked" };
    const leases = new LeaseTable(scheduler, policy, (id, message, device) => this.warn(id, message, device));
    this.#context = { space, scheduler, events, leases, hardware: work };
    this.#simulated = new SimulatedGuest({ space, io, scheduler, interrupts, hardware: work }, this.#map.heap);
    this.guest = hardware?.guest ?? this.#simulated;
    const doorbell = space.addRegisters(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, "interrupt messages", interrupts);
    this.root = new Bus(resolved.busTree.id, new Bridge(new MemoryTarget(space)), null, this.#context);
    this.root.redirect = resolved.busTree.acs;
    this.root.claim(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, doorbell, true);
  }

  /** Makes and connects everything that the manifest names. On an error, what was opened is closed. */
  async start(): Promise<void> {
    try {
      this.#makeChecks();
      this.#makeBuses();
      for (const device of this.resolved.devices) this.#makeDevice(device);
      await this.#startDrivers();
      for (const entry of this.resolved.workload) this.#checkWorkload(entry);
    } catch (error) {
      this.#stopAfter(error);
    }
  }

  /** Runs every workload in order and stops the machine; images are flushed also when something fails. */
  async run(): Promise<MachineReport> {
    if (this.#stopped) throw new RangeError("the machine has stopped; load another one");
    const workloads: WorkloadReport[] = [];
    try {
      for (const entry of this.resolved.workload) workloads.push(await this.#runWorkload(entry));
    } catch (error) {
      this.#stopAfter(error);
    }
    this.stop();
    return this.#report(workloads);
  }

  /**
   * Plugs a device into the running machine; firmware and drivers take it up, unless the machine is bare.
   *
   * @throws {InputError} as for a device in a manifest; nothing is plugged in then.
   */
  async plug(entry: DeviceEntry): Promise<void> {
    const device = await resolveDevice(entry, this.resolved);
    if (this.#slots.get(device.id)?.removed === false) {
      throw wrong({ file: this.resolved.file, path: "devices[0].id" }, `"${device.id}" again`, "an id that is free");
    }
    this.#makeDevice(device);
    await this.#startDrivers();
  }

  /** Lets the machine run until `until` settles: scripts await a driver's promise through this. */
  settle<T>(until: Promise<T>): Promise<T> {
    return this.scheduler.run(until);
  }

  /** The driver of a device. @throws {RangeError} when there is no such device. */
  driver<T extends Driver = Driver>(id: string): T {
    const { driver } = this.#slot(id);
    if (driver === null) throw new RangeError(`device "${id}" has no driver: it was removed`);
    return driver as T;
  }

  /** The ids of the devices that are plugged in. */
  get deviceIds(): string[] {
    return [...this.#slots].filter(([, { removed }]) => !removed).map(([id]) => id);
  }

  /** The device half of a device. @throws {RangeError} when there is no such device. */
  device(id: string): Device {
    return this.#slot(id).device;
  }

  /** The `DmaOps` that a device's driver uses. @throws {RangeError} when there is no such device. */
  dma(id: string): DmaOps {
    return this.#slot(id).dma!;
  }

  /** Reports a warning. */
  warn(id: string, message: string, device?: string): void {
    const key = `${id} ${device ?? ""} ${message}`;
    const known = this.#warnings.get(key);
    if (known !== undefined) known.count++;
    else if (this.#warnings.size >= WARNING_LIMIT) this.#unkept.count++;
    else this.#warnings.set(key, { id, message, ...(device !== undefined && { device }), count: 1 });
    if (this.events.listening) this.events.emit({ type: "warning", id, message, device });
  }

  /**
   * Resets every device and translator, as a reset of the whole machine does, and lets firmware number the buses again.
   * Drivers find their devices reset.
   */
  reset(): void {
    if (this.events.listening) this.events.emit({ type: "reset" });
    for (const { resolved, device, removed } of this.#slots.values()) {
      if (removed) continue;
      device.port.revokeAll("reset");
      guarded(resolved.use.plugin.name, "reset", () => device.reset());
    }
    for (const { name, translator } of this.#platforms) guarded(name, "reset", () => translator?.reset?.());
    guarded(this.#busName, "reset", () => this.#model?.reset?.());
    if (this.#options.bare !== true) this.#startBuses();
  }

  /**
   * Takes a device out. `orderly`: its driver gives everything back first. `surprise`: the hardware is gone, and the
   * driver finds out. Removing twice is harmless.
   */
  remove(id: string, manner: "orderly" | "surprise"): void {
    const slot = this.#slot(id);
    if (slot.removed) return;
    const { name } = slot.resolved.use.plugin;
    if (manner === "orderly") {
      guarded(name, "driver stop", () => slot.driver?.stop());
      this.scheduler.settle();
    }
    if (slot.device.unplug) guarded(name, "unplug", () => slot.device.unplug!());
    slot.device.port.revokeAll("removed");
    slot.device.port.busMaster = false;
    const { requester } = slot.device.port;
    for (let node = this.#nodes.get(slot.resolved.busId) ?? null; node !== null; node = node.parent) {
      node.bus.bridge.forget(requester);
    }
    if (manner === "surprise") guarded(name, "driver stop", () => slot.driver?.stop());
    guarded(name, "stop", () => slot.device.stop?.());
    slot.driver = null;
    slot.removed = true;
  }

  /** What goes wrong while stopping matters less than what went wrong before. */
  #stopAfter(error: unknown): never {
    try {
      this.stop();
    } catch { /* said by `error` */ }
    throw this.#explain(error);
  }

  /** Stops the machine: drivers unbind, checks conclude, devices flush and close. Stopping twice is harmless. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const slots = [...this.#slots.values()];
    const failures: unknown[] = [];
    const each = (name: string, operation: string, work: () => void) => {
      try {
        guarded(name, operation, work);
      } catch (error) {
        failures.push(error);
      }
    };
    // Whatever fails, every device gets its turn to flush.
    for (const { driver, resolved } of slots) each(resolved.use.plugin.name, "driver stop", () => driver?.stop());
    each("machine", "settle", () => this.scheduler.settle());
    for (const { check, name } of this.#checks) each(name, "finish", () => check.finish?.());
    for (const { device, removed, resolved } of slots) {
      if (!removed) each(resolved.use.plugin.name, "stop", () => device.stop?.());
    }
    for (const { platform, name } of this.#platforms) each(name, "stop", () => platform.stop?.());
    if (failures.length > 0) throw failures[0];
  }

  #addRam(): void {
    const { memory, file } = this.resolved;
    try {
      for (const { base, size } of this.#map.ram) this.space.addRam(new RamRegion(base, new ArrayBuffer(size)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const expected = "memory that this computer can give";
      throw wrong({ file, path: "memory" }, formatSize(memory), expected);
    }
  }

  #slot(id: string): Slot {
    const slot = this.#slots.get(id);
    if (slot === undefined) throw new RangeError(`no device "${id}"; there are ${[...this.#slots.keys()].join(", ")}`);
    return slot;
  }

  #services(id: string, path: string): MachineServices {
    const { space, io, scheduler, events, interrupts } = this;
    return {
      space,
      io,
      scheduler,
      events,
      interrupts,
      random: this.#random(id),
      where: { file: this.resolved.file, path },
      resolvePath: (name) => resolvePath(name, this.resolved.base),
      warn: (warning, message, device) => this.warn(warning, message, device),
      reserveRegisters: (size, name, block) => this.#reserveRegisters(size, name, block),
      onHypercall: (number, handler) => this.#simulated.onHypercall(number, handler),
    };
  }

  #random(id: string): Random {
    const { seed } = this.resolved;
    let hash = seed ^ Math.floor(seed / TWO32);
    for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
    return new Random(hash);
  }

  #reserveRegisters(size: number, name: string, block: RegisterBlock): PhysAddr {
    const base = this.#nextRegisters;
    this.#nextRegisters += roundUp(size, PAGE_SIZE);
    if (this.#nextRegisters > this.#map.registers.end) throw new RangeError(`no room for the registers of ${name}`);
    this.space.addRegisters(base, size, name, block);
    return base;
  }

  #makeChecks(): void {
    this.resolved.checks.forEach(({ plugin, options, path }) => {
      const services = this.#services(path, path);
      this.#checks.push({
        check: guarded(plugin.name, "create", () => plugin.create(services, options)),
        name: plugin.name,
      });
    });
  }

  #makeBuses(): void {
    const { busTree, bus, platform } = this.resolved;
    const root: BridgeNode = { bus: this.root, parent: null, resolved: null, platform: null, translator: null };
    this.#nodes.set(busTree.id, root);
    this.#placePlatform(root, platform);
    if (bus === undefined) return;
    const reset = () => this.scheduler.post(() => this.reset());
    const hypercallHandler = (number: number) => this.#simulated.handlerOf(number);
    const services = { ...this.#services(busTree.id, bus.path), reset, hypercallHandler };
    this.#model = guarded(bus.plugin.name, "create", () => bus.plugin.create(services, this.root, bus.options));
    for (const bridge of busTree.bridges) this.#makeBridge(root, bridge);
  }

  #makeBridge(parent: BridgeNode, resolved: ResolvedBridge): void {
    const { id, at, acs } = resolved;
    const make = () => guarded(this.#busName, "bridge", () => this.#model!.bridge(parent.bus, id, at));
    const bus = this.#placed(`bridge "${id}"`, make);
    bus.redirect = acs;
    const node: BridgeNode = { bus, parent, resolved, platform: null, translator: null };
    this.#nodes.set(id, node);
    if (resolved.platform !== undefined) {
      this.#placePlatform(node, resolved.platform);
      // Interrupt messages pass every bridge untranslated.
      bus.claim(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, this.space.registers(MESSAGE_DOORBELL)!, true);
    }
    for (const child of resolved.bridges) this.#makeBridge(node, child);
  }

  #placePlatform(node: BridgeNode, use: ResolvedMachine["platform"], requester?: number): Platform {
    const { plugin, options, path } = use;
    const { hardware } = this.#options;
    const services = this.#services(path, path);
    const create = () =>
      hardware !== undefined && plugin.createGuest
        ? plugin.createGuest(services, options, hardware.firmware)
        : plugin.create(services, options);
    const platform = guarded(plugin.name, "create", create);
    const placed: PlacedPlatform = { platform, name: plugin.name, translator: null };
    this.#platforms.push(placed);
    const translate = (host: TranslatorHost) => {
      const made = guarded(plugin.name, "translator", () => platform.translator(host));
      if (made === null) return null;
      whole(plugin.name, "translator", made, "translate");
      return this.#checks.reduce((inner, { check }) => check.wrapTranslator?.(inner) ?? inner, made);
    };
    if (hardware === undefined) placed.translator = node.bus.bridge.translate(this.#context, translate, requester);
    if (requester === undefined) {
      node.platform = platform;
      node.translator = placed.translator;
    }
    return platform;
  }

  /** Says where in the manifest a place stands that cannot be had. */
  #placed<T>(path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof PlaceError)) throw error;
      throw wrong({ file: this.resolved.file, path }, error.found, error.expected);
    }
  }

  get #busName(): string {
    return this.resolved.bus?.plugin.name ?? "";
  }

  async #startDrivers(): Promise<void> {
    if (this.#options.bare === true) return;
    this.#startBuses();
    for (const slot of this.#slots.values()) if (slot.driver === null && !slot.removed) await this.#bindDriver(slot);
  }

  #startBuses(): void {
    this.#placed("bus", () => guarded(this.#busName, "start", () => this.#model?.start?.(this.guest)));
  }

  #makeDevice(resolved: ResolvedDevice): void {
    const { id, busId, at, use } = resolved;
    const node = this.#nodes.get(busId)!;
    const context: DeviceContext = {
      ...this.#services(id, use.path),
      id,
      bus: node.bus,
      ...(at !== undefined && { at }),
    };
    const { hardware } = this.#options;
    const create = hardware !== undefined
      ? () => foreignDevice(hardware, node.bus, id)
      : () => guarded(use.plugin.name, "create", () => use.plugin.create(context, use.options));
    const device = whole(use.plugin.name, "create", this.#placed(`${use.path}.at`, create), "port");
    const bypass = this.#bypasses(resolved, node);
    const slot = { resolved, device, stats: dmaStats(), above: [], bypass, dma: null, driver: null, removed: false };
    this.#slots.set(id, slot);
    // No driver will ask for operations, but bridges must know whom they let pass.
    if (this.#options.bare === true) this.#platformsFor(slot);
  }

  /**
   * The nearest word counts: the device's own, then its plugin's, then that of each bridge towards the root, then the root
   * bus's. A plugin's word is about IOMMUs: it takes no device off the bus that memory itself is on.
   */
  #bypasses({ bypass, use }: ResolvedDevice, node: BridgeNode): boolean {
    if (bypass !== undefined) return bypass;
    const path: BridgeNode[] = [];
    for (let at: BridgeNode | null = node; at !== null; at = at.parent) path.push(at);
    if (use.plugin.physicallyAddressed?.(use.options)) return !path.some(({ translator }) => translator?.isMemoryBus);
    return path.find(({ resolved }) => resolved?.bypass !== undefined)?.resolved?.bypass ??
      this.resolved.busTree.bypass ?? false;
  }

  async #bindDriver(slot: Slot): Promise<void> {
    const { id, use } = slot.resolved;
    const { requester } = slot.device.port;
    slot.dma = this.#dmaOps(slot);
    const context = {
      id,
      guest: this.guest,
      dma: slot.dma,
      requester,
      random: this.#random(`${id} driver`),
      events: this.events,
      warn: (warning: string, message: string) => this.warn(warning, message, id),
    };
    const driver = guarded(use.plugin.name, "driver", () => use.plugin.driver(context, use.options));
    slot.driver = driver instanceof Promise ? await this.settle(driver) : driver;
    whole(use.plugin.name, "driver", slot.driver, "drives");
  }

  /** Builds a device's operations from the root's platform down to the nearest bridge's, and tells the bridges. */
  #dmaOps(slot: Slot): DmaOps {
    const { requester } = slot.device.port;
    const { id } = slot.resolved;
    const context: DmaContext = {
      guest: this.guest,
      device: { id, requester },
      stats: slot.stats,
      upstream: null,
      events: this.events,
      warn: (warning, message) => this.warn(warning, message, id),
    };
    const platforms = this.#platformsFor(slot);
    let ops: DmaOps | null = null;
    for (const platform of platforms) {
      // What a platform further up does on behalf of the nearest one is no map of the driver's.
      const stats = platform === platforms.at(-1) ? slot.stats : dmaStats();
      if (stats !== slot.stats) slot.above.push(stats);
      const { name } = this.#platforms.find((entry) => entry.platform === platform)!;
      ops = guarded(name, "dmaOps", () => platform.dmaOps({ ...context, stats, upstream: ops }));
      whole(name, "dmaOps", ops, "mapInto");
    }
    ops ??= new PhysicalDmaOps(context);
    return this.#checks.reduce((inner, { check }) => check.wrapDmaOps?.(inner, context) ?? inner, ops);
  }

  /** The platforms on a device's way, from the root's down. Bridges are told whether they let it pass. */
  #platformsFor(slot: Slot): Platform[] {
    const { requester } = slot.device.port;
    const path: BridgeNode[] = [];
    for (let node: BridgeNode | null = this.#nodes.get(slot.resolved.busId)!; node !== null; node = node.parent) {
      path.unshift(node);
    }
    return path.map((node) => this.#platformFor(slot, node, requester)).filter((made) => made !== null);
  }

  #platformFor(slot: Slot, node: BridgeNode, requester: number): Platform | null {
    const own = slot.resolved.platform;
    if (!slot.bypass && node.parent === null && own !== undefined) return this.#placePlatform(node, own, requester);
    const uncovered = node.translator?.covers !== undefined && !node.translator.covers(requester);
    if (slot.bypass || uncovered) {
      if (node.translator !== null) node.bus.bridge.bypass(requester);
      return null;
    }
    return node.platform;
  }

  /** Refuses a workload that its device cannot serve. */
  #checkWorkload({ device, use: { plugin, options, path } }: ResolvedWorkload): void {
    const driver = device === undefined ? null : this.#slot(device).driver;
    if (driver === null) return; // it needs none, or the machine is bare
    const at = { file: this.resolved.file, path: `${path}.device` };
    if (plugin.drives !== undefined && plugin.drives !== driver.drives) {
      throw wrong(at, `"${device}", a ${driver.drives} device`, `a ${plugin.drives} device`);
    }
    if (driver.readOnly === true && plugin.writes?.(options)) {
      throw wrong(at, `"${device}", which is read-only`, `a device that ${plugin.name} can write`);
    }
  }

  async #runWorkload({ device, use, index }: ResolvedWorkload): Promise<WorkloadReport> {
    const { plugin, options, path } = use;
    const label = plugin.name;
    const context: WorkloadContext = {
      driver: device === undefined ? null : this.#slot(device).driver,
      device: device ?? "",
      guest: this.guest,
      random: this.#random(`workload ${index}`),
      events: this.events,
      machine: this,
      where: { file: this.resolved.file, path },
      resolvePath: (name) => resolvePath(name, this.resolved.base),
      progress: (done, total) => this.#options.progress?.(label, done, total),
      observing: this.#options.observe === true,
      observe: (what) => this.#observe(what),
    };
    const wall = performance.now();
    const virtual = this.scheduler.now;
    const result = await this.settle(guarded(plugin.name, "run", async () => await plugin.run(context, options)));
    whole(plugin.name, "run", result, "verified");
    return {
      use: plugin.name,
      device: context.device,
      verified: result.verified,
      requests: result.requests,
      bytes: result.bytes,
      virtualTime: this.scheduler.now - virtual,
      wallTime: performance.now() - wall,
      details: result.details ?? {},
      ...(result.failure !== undefined && { failure: result.failure }),
    };
  }

  #observe(what: string): void {
    if (this.#options.observe !== true) return;
    if (this.#observationCount++ < OBSERVATION_LIMIT) this.#observations.push(what);
  }

  /** Turns what a plugin could not know the manifest's words for into an {@linkcode InputError}. */
  #explain(error: unknown): unknown {
    if (!(error instanceof GuestMemoryError)) return blamed(error);
    const expected = `room for ${error.what}, which needs ${formatSize(error.bytes)} more`;
    return wrong({ file: this.resolved.file, path: "memory" }, formatSize(this.resolved.memory), expected);
  }

  #report(workloads: WorkloadReport[]): MachineReport {
    const { resolved, interrupts, scheduler } = this;
    return machineReport({
      resolved,
      interrupts: interrupts.count,
      virtualTime: scheduler.now,
      tree: this.tree(),
      slots: [...this.#slots.values()],
      platforms: this.#platforms,
      workloads,
      warnings: [...this.#warnings.values(), ...(this.#unkept.count > 0 ? [this.#unkept] : [])],
      observations: this.#observations,
      observationCount: this.#observationCount,
    });
  }

  /** The machine as a tree: memory, platforms, buses, bridges, devices. */
  tree(): TreeNode {
    const slots = [...this.#slots.values()];
    return machineTree(this.resolved, (busId) => slots.filter(({ resolved }) => resolved.busId === busId));
  }
}
