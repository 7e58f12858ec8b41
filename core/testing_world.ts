/**
 * A small world for unit tests: memory, time, a root bus and a CPU, without a manifest. Every test makes its own.
 *
 * @module
 */

import { type PhysAddr, roundUp } from "./address.ts";
import { Bridge, Bus, type BusContext, type BusPort, HardwareWork, MemoryTarget } from "./bus.ts";
import type { BusTranslator } from "./bus_translator.ts";
import { Random, Scheduler } from "./clock.ts";
import { type DmaOps, type DmaStats, dmaStats } from "./dma_ops.ts";
import { EventStream, type MachineEvent } from "./events.ts";
import { SimulatedGuest } from "./guest.ts";
import { Interrupts, MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE } from "./interrupts.ts";
import { type InvalidationPolicy, LeaseTable } from "./mapping.ts";
import { AddressSpace, IoSpace, RamRegion, type RegisterBlock } from "./memory.ts";
import { readOptions } from "./options.ts";
import type { DmaContext, MachineServices, Platform, PlatformPlugin } from "./plugin.ts";

/**
 * The memory of the reference machine: 8 GiB from 0. Only 16 MiB at its start and 1 MiB at its end are there to be
 * touched; addresses between can be named, and nothing answers at them.
 */
export const REFERENCE_RAM: readonly (readonly [base: PhysAddr, size: number])[] = [
  [0, 0x100_0000],
  [0x1_fff0_0000, 0x10_0000],
];

/** What a world is made of. */
export interface TestWorldOptions {
  /** RAM: base address and bytes of each region. Default {@linkcode REFERENCE_RAM}. */
  ram?: readonly (readonly [base: PhysAddr, size: number])[];
  /** Where the guest's heap begins; RAM below is for the test's own buffers. Default 1 MiB. */
  heapStart?: PhysAddr;
  /** For everything random. Default 1. */
  seed?: number;
  /** What happens to leases over a translation that goes away. Default: they are revoked; 1 ms; views are lent directly. */
  invalidation?: Partial<InvalidationPolicy>;
}

/** A warning that a plugin gave. */
export interface TestWarning {
  /** Its stable id. */
  id: string;
  /** What it says. */
  message: string;
  /** The device that it is about, if it is about one. */
  device?: string;
}

const REGISTERS_START = 0xfec0_0000;

/** The parts of a machine, open to look at and to drive. */
export class TestWorld {
  /** The CPU's physical address space. */
  readonly space: AddressSpace = new AddressSpace();
  /** I/O ports. */
  readonly io: IoSpace = new IoSpace();
  /** Virtual time. */
  readonly scheduler: Scheduler = new Scheduler();
  /** Events; see {@linkcode TestWorld.record}. */
  readonly events: EventStream = new EventStream(() => this.scheduler.now);
  /** The interrupt controller; its doorbell is claimed on the root bus. */
  readonly interrupts: Interrupts = new Interrupts(this.scheduler);
  /** The CPU. */
  readonly guest: SimulatedGuest;
  /** Live leases. */
  readonly leases: LeaseTable;
  /** What buses made by hand need. */
  readonly context: BusContext;
  /** The root bus. */
  readonly root: Bus;
  /** Every warning so far. */
  readonly warnings: TestWarning[] = [];
  readonly #seed: number;
  #nextRegisters = REGISTERS_START;

  /** Made by {@linkcode testWorld}. */
  constructor({ ram = REFERENCE_RAM, heapStart = 0x10_0000, seed = 1, invalidation }: TestWorldOptions = {}) {
    const { space, io, scheduler, events, interrupts } = this;
    this.#seed = seed;
    for (const [base, size] of ram) space.addRam(new RamRegion(base, new ArrayBuffer(size)));
    const hardware = new HardwareWork(scheduler);
    const policy = { policy: "revoke", deadline: 1_000_000, checked: false, ...invalidation } as const;
    this.leases = new LeaseTable(scheduler, policy, (id, message, device) => this.warn(id, message, device));
    this.context = { space, scheduler, events, leases: this.leases, hardware };
    this.guest = new SimulatedGuest({ space, io, scheduler, interrupts, hardware }, heapStart);
    const doorbell = space.addRegisters(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, "interrupt messages", interrupts);
    this.root = new Bus("root", new Bridge(new MemoryTarget(space)), null, this.context);
    this.root.claim(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, doorbell, true);
  }

  /** Records a warning. */
  warn(id: string, message: string, device?: string): void {
    this.warnings.push({ id, message, ...(device !== undefined && { device }) });
    if (this.events.listening) this.events.emit({ type: "warning", id, message, device });
  }

  /** The ids of the warnings so far, in order. */
  get warningIds(): string[] {
    return this.warnings.map(({ id }) => id);
  }

  /** What a machine lends to a plugin. */
  services(id = "test"): MachineServices {
    const { space, io, scheduler, events, interrupts, guest } = this;
    return {
      space,
      io,
      scheduler,
      events,
      interrupts,
      random: new Random(this.#seed),
      where: { file: "test", path: id },
      resolvePath: (path) => path,
      warn: (warning, message, device) => this.warn(warning, message, device),
      reserveRegisters: (size, name, block) => this.reserveRegisters(size, name, block),
      onHypercall: (number, handler) => guest.onHypercall(number, handler),
    };
  }

  /** Puts a register block at the next free page for registers. */
  reserveRegisters(size: number, name: string, block: RegisterBlock): PhysAddr {
    const base = this.#nextRegisters;
    this.#nextRegisters += roundUp(size, 4096);
    this.space.addRegisters(base, size, name, block);
    return base;
  }

  /** What a platform's guest half is given for one device directly below the root. */
  dmaContext(id: string, requester: number): DmaContext {
    const { guest, events } = this;
    const warn = (warning: string, message: string) => this.warn(warning, message, id);
    return { guest, device: { id, requester }, stats: dmaStats(), upstream: null, events, warn };
  }

  /** `length` bytes of RAM, as the CPU sees them. */
  bytes(address: PhysAddr, length: number): Uint8Array {
    return this.space.bytes(address, length);
  }

  /** Records every event from now on; each is a copy. */
  record(): MachineEvent[] {
    const log: MachineEvent[] = [];
    this.events.listen((event) => log.push({ ...event }));
    return log;
  }
}

/** A world of its own. */
export function testWorld(options: TestWorldOptions = {}): TestWorld {
  return new TestWorld(options);
}

/** A function on the bus, and the operations of its driver. */
export interface TestDevice {
  /** Its way onto the bus. */
  readonly port: BusPort;
  /** The operations of its driver. */
  readonly dma: DmaOps;
  /** What `dma` was made with. */
  readonly context: DmaContext;
  /** What `dma` counts. */
  readonly stats: DmaStats;
}

/** A platform in a world of its own. */
export interface PlatformWorld {
  /** The world that it is in. */
  readonly world: TestWorld;
  /** The platform itself. */
  readonly platform: Platform;
  /** The bus below the bridge that the platform sits in. */
  readonly bus: Bus;
  /** Null when the platform translates nothing. */
  readonly translator: BusTranslator | null;
  /** The operations of one device: those of every platform above, the nearest last. */
  operations(context: DmaContext): DmaOps;
  /** Plugs a function in and makes its operations. Defaults: `dev` at 00:01.0. */
  device(id?: string, requester?: number): TestDevice;
}

/** How to make a {@linkcode PlatformWorld}. */
export interface TestPlatformOptions extends TestWorldOptions {
  /** The platform's options, as a manifest would give them. */
  with?: Record<string, unknown>;
  /** Another platform in a world that is there already: the new one sits in a bridge below it. */
  below?: PlatformWorld;
}

/** Puts a platform into the root's bridge of a fresh world, or into a bridge below another platform. */
// deno-lint-ignore no-explicit-any
export function testPlatform(plugin: PlatformPlugin<any>, options: TestPlatformOptions = {}): PlatformWorld {
  const { with: given, below, ...rest } = options;
  const world = below?.world ?? testWorld(rest);
  const values = readOptions(plugin.options, given, { file: "test", path: "platform.with" });
  const platform = plugin.create(world.services("platform"), values);
  const bus = below === undefined ? world.root : busBelow(below.bus, world);
  const translator = bus.bridge.translate(world.context, (host) => platform.translator(host));
  const operations = (context: DmaContext): DmaOps =>
    platform.dmaOps({ ...context, upstream: below?.operations({ ...context, stats: dmaStats() }) ?? null });
  const device = (id = "dev", requester = 8): TestDevice => {
    const context = world.dmaContext(id, requester);
    return { port: bus.attach(id, requester), dma: operations(context), context, stats: context.stats };
  };
  return { world, platform, bus, translator, operations, device };
}

/** A bus below a bridge. Interrupt messages pass the bridge untranslated, as a machine has it. */
function busBelow(parent: Bus, world: TestWorld): Bus {
  const bus = new Bus(`${parent.name}-below`, new Bridge(parent), parent, world.context);
  bus.claim(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, world.space.registers(MESSAGE_DOORBELL)!, true);
  return bus;
}
