/**
 * A guest without a virtual machine: a front-end of this project's own, on which the drivers of the project run as they
 * do in a simulated machine, against a served device at the other end of a socket. Both ends are on one thread and take
 * turns, so that a test can stop anywhere.
 *
 * ```ts
 * import { unavailable } from "@iova/libc";
 * import { servedGuest } from "@iova/vhost-user/testing";
 *
 * export function sizeOfDisk(plugin: Parameters<typeof servedGuest>[0]): void {
 *   if (unavailable() !== null) return;
 *   const guest = servedGuest(plugin, { with: { ram: "1MiB" } });
 *   console.log(guest.transport.readConfig(0, 4));
 *   guest.close();
 * }
 * ```
 *
 * @module
 */

import {
  AddressSpace,
  type DevicePlugin,
  type DmaContext,
  type DmaOps,
  dmaStats,
  type Driver,
  type DriverContext,
  EventStream,
  HardwareWork,
  Interrupts,
  IoSpace,
  PhysicalDmaOps,
  Random,
  readOptions,
  Scheduler,
  SimulatedGuest,
} from "@iova/core";
import { descriptorCount, liveMappings, Socket, socketPair, SystemError } from "@iova/libc";
import { offerTransport } from "@iova/virtio";
import { FrontEnd } from "./frontend.ts";
import { FrontEndIommu } from "./frontend_iommu.ts";
import { FrontEndMemory } from "./frontend_memory.ts";
import { FrontEndTransport } from "./frontend_transport.ts";
import { ServedDevice, type ServedSource } from "./served_device.ts";
import { Server } from "./server.ts";

export { FrontEnd, type FrontEndTables, words32, words64 } from "./frontend.ts";
export { FrontEndIommu } from "./frontend_iommu.ts";
export { FrontEndMemory, type FrontEndRegion } from "./frontend_memory.ts";
export { FrontEndTransport, type FrontEndTransportOptions } from "./frontend_transport.ts";
export { type DeviceListener, ServedDevice, type ServedSource } from "./served_device.ts";
export { Loop, type LoopMember } from "./loop.ts";
export { Server, type ServerOptions } from "./server.ts";
export { Session, type SessionHost, type SessionOptions } from "./session.ts";
export { type RingHost, Rings } from "./rings.ts";
export { Vring } from "./vring.ts";
export { Handled } from "./outcome.ts";
export { type AskMiss, IotlbTranslator } from "./iotlb.ts";
export { Inflight, type InflightShape } from "./inflight.ts";
export { type AskedRegion, SharedMemory, type SharedRegion } from "./shared_memory.ts";
export { Received, Wire, WireMessage } from "./wire.ts";

/** A device plugin, whatever its options. */
// deno-lint-ignore no-explicit-any
export type AnyDevice = DevicePlugin<any>;

/** What a {@linkcode ServedGuest} is made with. */
export interface ServedGuestOptions {
  /** Options of the device, as a manifest would give them. */
  readonly with?: Record<string, unknown>;
  /** Guest memory: address and bytes of each region. Default: 4 MiB from 0, and 1 MiB from 4 GiB on. */
  readonly ram?: readonly (readonly [guest: number, size: number])[];
  /** A virtual IOMMU before the device. */
  readonly iommu?: boolean;
  /** Largest ring. */
  readonly queueSize?: number;
  /** Lend copies to the device, and report views that it keeps. */
  readonly checked?: boolean;
}

const RAM = [[0, 4 << 20], [2 ** 32, 1 << 20]] as const;
/** The requester id of the one device. */
const REQUESTER = 8;
const HEAP_START = 0x1_0000;
/** Turns without anything to do after which a guest counts as hung. */
const PATIENCE = 200;

/** Makes the device of `plugin` as a manifest with these options would. */
export function serveDevice(
  plugin: AnyDevice,
  given: Record<string, unknown> = {},
  more: Pick<ServedSource, "checked" | "loop"> & { readonly id?: string } = {},
): ServedDevice {
  const options = readOptions(plugin.options, given, { file: "test", path: "devices[0].with" });
  const use = { plugin, options, path: "devices[0]", specifier: plugin.name };
  const { id = "dev", ...rest } = more;
  return new ServedDevice({ device: { id, busId: "root", use }, file: "test", base: "/", seed: 1, ...rest });
}

/** A device, a front-end and a guest. */
export class ServedGuest {
  /** The device at the far end. */
  served: ServedDevice;
  /** What serves it. */
  server: Server;
  /** What it has logged. */
  readonly logged: string[] = [];
  /** The near end. */
  front: FrontEnd;
  /** The guest's CPU. */
  readonly cpu: SimulatedGuest;
  /** The guest's memory. */
  readonly memory: FrontEndMemory;
  /** The driver's way to the device. */
  readonly transport: FrontEndTransport;
  /** The driver's operations. */
  readonly dma: DmaOps;
  /** The virtual IOMMU; null when there is none. */
  readonly iommu: FrontEndIommu | null;
  readonly #scheduler = new Scheduler();
  readonly #plugin: AnyDevice;
  readonly #options: ServedGuestOptions;

  /** Made by {@linkcode servedGuest}. */
  constructor(plugin: AnyDevice, options: ServedGuestOptions) {
    this.#plugin = plugin;
    this.#options = options;
    [this.served, this.server, this.front] = this.#connect();
    const space = new AddressSpace();
    this.memory = new FrontEndMemory(space, options.ram ?? RAM);
    const scheduler = this.#scheduler;
    const interrupts = new Interrupts(scheduler);
    const wiring = { space, io: new IoSpace(), scheduler, interrupts, hardware: new HardwareWork(scheduler) };
    this.cpu = new SimulatedGuest(wiring, HEAP_START);
    const events = new EventStream(() => scheduler.now);
    const device = { id: "dev", requester: REQUESTER };
    const context: DmaContext = { guest: this.cpu, device, stats: dmaStats(), upstream: null, events, warn: () => {} };
    const { type } = this.served;
    const iommu = options.iommu ?? false;
    const readUsed = (used: number) => this.cpu.read(this.#physical(used) + 2, 2);
    this.transport = new FrontEndTransport(this.front, this.memory, { ...options, type, iommu, readUsed });
    offerTransport(this.cpu, () => this.transport);
    this.iommu = iommu ? new FrontEndIommu(context, this.front, this.memory) : null;
    this.dma = this.iommu ?? new PhysicalDmaOps(context);
  }

  /** Makes the plugin's own driver, ready to be used. */
  async driver(given: Record<string, unknown> = this.#options.with ?? {}): Promise<Driver> {
    const { cpu: guest, dma } = this;
    const events = new EventStream(() => this.#scheduler.now);
    const context: DriverContext = {
      id: "dev",
      guest,
      dma,
      requester: REQUESTER,
      random: new Random(1),
      events,
      warn: () => {},
    };
    const options = readOptions(this.#plugin.options, given, { file: "test", path: "devices[0].with" });
    return await this.#plugin.driver(context, options);
  }

  /** Lets both ends work, once; whether anything happened in the guest. */
  turn(): boolean {
    this.server.turn(0);
    const served = this.front.serve();
    const interrupted = this.transport.interrupt();
    this.#scheduler.settle();
    return served || interrupted;
  }

  /** Lets both ends work until `done`. False when nothing happens any more. */
  until(done: () => boolean): boolean {
    for (let idle = 0; idle < PATIENCE; idle = this.turn() ? 0 : idle + 1) if (done()) return true;
    return done();
  }

  /** Lets both ends work until a promise settles. @throws {Error} when nothing happens any more. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = () => void (settled = true);
    promise.then(end, end);
    for (let idle = 0; !settled && idle < PATIENCE; idle = this.turn() ? 0 : idle + 1) await undefined;
    if (!settled) throw new Error("the guest waits for something that does not happen");
    return await promise;
  }

  /** The back-end dies without a word: nothing is finished, nothing is told. */
  crash(): void {
    for (const ring of this.server.session?.rings.all ?? []) ring.active = false;
    this.server.close();
    this.served.stop();
  }

  /** Another back-end takes over: the same device, on the same medium, that knows nothing. */
  restart(): void {
    this.front.close();
    [this.served, this.server, this.front] = this.#connect();
    this.iommu?.reattach(this.front);
    this.transport.reattach(this.front);
  }

  #connect(): [ServedDevice, Server, FrontEnd] {
    const served = serveDevice(this.#plugin, this.#options.with, { checked: this.#options.checked });
    const server = new Server(served, { log: (text) => this.logged.push(text) });
    const pair = socketPair(Socket.NONBLOCK);
    if (typeof pair === "number") throw new SystemError("socketpair", pair);
    server.connect(pair[1]);
    return [served, server, new FrontEnd(pair[0], () => server.turn(0))];
  }

  /** The guest physical address of a bus address. */
  #physical(bus: number): number {
    return this.iommu?.physical(bus) ?? bus;
  }

  /** Ends both. */
  close(): void {
    this.front.close();
    this.server.turn(0);
    this.server.close();
    this.transport.close();
    this.memory.close();
    this.served.stop();
  }
}

/**
 * Counts what is open in this process. The function that it returns says how many descriptors and mappings more are open
 * when it is called; fewer count as none, because what others have left may be closed in between.
 */
export function countOpen(): () => [descriptors: number, mappings: number] {
  // The first call loads the library, which may open something itself.
  descriptorCount(8);
  const [descriptors, mappings] = [descriptorCount(), liveMappings()];
  return () => [Math.max(0, descriptorCount() - descriptors), Math.max(0, liveMappings() - mappings)];
}

/** A guest of its own around the device of `plugin`. */
export function servedGuest(plugin: AnyDevice, options: ServedGuestOptions = {}): ServedGuest {
  return new ServedGuest(plugin, options);
}
