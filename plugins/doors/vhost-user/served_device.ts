/**
 * A device plugin of the project, out of its simulated machine: its bus ends in the guest's own memory, its bridge holds
 * the guest's IOMMU, and its transport is whoever asks for it here.
 *
 * @module
 */

import {
  AddressSpace,
  Bridge,
  Bus,
  type BusContext,
  type Device,
  type DeviceContext,
  EventStream,
  HardwareWork,
  Interrupts,
  IoSpace,
  LeaseTable,
  MemoryTarget,
  Random,
  type ResolvedDevice,
  resolvePath,
} from "@iova/core";
import { type DeviceTransport, offerVirtio, type VirtioDevice, type VirtioSpec } from "@iova/virtio";
import { setImageMedium } from "@iova/block";
import { MappedImage } from "./image_file.ts";
import { IotlbTranslator } from "./iotlb.ts";
import { Loop } from "./loop.ts";

/** Where a served device comes from. */
export interface ServedSource {
  /** The device of a resolved manifest. */
  readonly device: ResolvedDevice;
  /** The manifest, as messages name it. */
  readonly file: string;
  /** Its folder. */
  readonly base: string;
  /** Its seed. */
  readonly seed: number;
  /** The loop that it works in. Default: one of its own. */
  readonly loop?: Loop;
  /** Lend copies to the device, and report views that it keeps. */
  readonly checked?: boolean;
}

/** What is told about a device's interrupts. */
export interface DeviceListener {
  /** Queue `index` has used buffers that the driver wants to hear of. */
  used(index: number): void;
  /** The configuration has changed. */
  changed(): void;
  /** The device needs a reset, and does nothing until then. */
  broken(reason: string): void;
}

/** A device half that can change its medium's size while it runs. */
interface Resizable extends Device {
  resize?(size: number): boolean;
}

/** The largest ring of any driver. How large its rings are is between driver and front-end. */
const LARGEST_RING = 1024;
/** The requester id of the one function on this bus. */
const REQUESTER = 8;
/** Nanoseconds that an invalidation may wait; nothing here makes one wait. */
const DEADLINE = 1_000_000;

const NOBODY: DeviceListener = { used: () => {}, changed: () => {}, broken: () => {} };

/** See the module's text. */
export class ServedDevice implements DeviceTransport {
  /** The guest's memory. */
  readonly space: AddressSpace = new AddressSpace();
  /** Where it works. */
  readonly loop: Loop;
  /** What happens, stamped with nanoseconds since the program began. */
  readonly events: EventStream = new EventStream(() => Math.round(performance.now() * 1e6));
  /** What a device can touch for longer than a call. */
  readonly leases: LeaseTable;
  /** The guest's IOMMU. */
  readonly iotlb: IotlbTranslator;
  /** The virtio device behind the plugin. */
  readonly virtio: VirtioDevice;
  /** The plugin's own half. */
  readonly plugin: Device;
  /** Virtio device type. */
  readonly type: number;
  /** Hears of interrupts. */
  listener: DeviceListener = NOBODY;
  readonly #source: ServedSource;
  /** Warnings of the device, by id. */
  readonly warnings: Map<string, number> = new Map();

  /**
   * Makes the device of a manifest.
   *
   * @throws {InputError} when its options are wrong.
   * @throws {TypeError} when it is no virtio device.
   */
  constructor(source: ServedSource) {
    this.#source = source;
    this.loop = source.loop ?? new Loop();
    const { loop: { scheduler }, events, space } = this;
    const policy = { policy: "revoke", deadline: DEADLINE, checked: source.checked ?? false } as const;
    this.leases = new LeaseTable(scheduler, policy, (id, message) => this.#warn(id, message));
    const context: BusContext = {
      space,
      scheduler,
      events,
      leases: this.leases,
      hardware: new HardwareWork(scheduler),
    };
    const bus = new Bus("vhost-user", new Bridge(new MemoryTarget(space)), null, context);
    let iotlb: IotlbTranslator | null = null;
    bus.bridge.translate(context, (host) => iotlb = new IotlbTranslator(host));
    this.iotlb = iotlb!;
    let plugged: { spec: VirtioSpec; device: VirtioDevice } | null = null;
    offerVirtio(bus, ({ id }, spec) => {
      const port = bus.attach(id, REQUESTER);
      const device = spec.make(port);
      device.transport = this;
      // A model that draws chains itself has room for its own size and no more.
      if (device.model.available === undefined) device.allowRings(LARGEST_RING);
      plugged = { spec, device };
      return { port, device, powerOn: () => device.reset(), remove: () => bus.detach(port) };
    });
    const { use } = source.device;
    setImageMedium((image) => new MappedImage(image));
    this.plugin = use.plugin.create(this.#context(source, bus), use.options);
    const { spec, device } = plugged ?? notVirtio(source.device.id);
    this.type = (spec as VirtioSpec).type;
    this.virtio = device;
  }

  /** See {@linkcode DeviceTransport.notifyQueue}. */
  notifyQueue(index: number): void {
    this.listener.used(index);
  }

  /** See {@linkcode DeviceTransport.notifyConfig}. */
  notifyConfig(): void {
    const { breakdown } = this.virtio;
    if (breakdown === "") this.listener.changed();
    else this.listener.broken(breakdown);
  }

  /** See {@linkcode DeviceTransport.reset}. */
  reset(): void {}

  /** Looks at the size of the device's image again, and tells the guest when it has changed. False when that cannot be. */
  refresh(): boolean {
    const { image } = this.#source.device.use.options;
    const plugin: Resizable = this.plugin;
    if (typeof image !== "string" || plugin.resize === undefined) return false;
    try {
      const { size } = Deno.statSync(resolvePath(image, this.#source.base));
      return plugin.resize(size);
    } catch {
      return false;
    }
  }

  /** Flushes and closes what the device holds. */
  stop(): void {
    this.plugin.stop?.();
  }

  #warn(id: string, message: string): void {
    this.warnings.set(id, (this.warnings.get(id) ?? 0) + 1);
    if (this.events.listening) this.events.emit({ type: "warning", id, message });
  }

  #context({ device, file, base, seed }: ServedSource, bus: Bus): DeviceContext {
    const { space, loop: { scheduler }, events } = this;
    return {
      id: device.id,
      bus,
      space,
      scheduler,
      events,
      io: new IoSpace(),
      interrupts: new Interrupts(scheduler),
      random: new Random(seed),
      where: { file, path: device.use.path },
      resolvePath: (name) => resolvePath(name, base),
      warn: (id, message) => this.#warn(id, message),
      reserveRegisters: () => nothingThere("registers"),
      onHypercall: () => nothingThere("hypercalls"),
    };
  }
}

function notVirtio(id: string): never {
  throw new TypeError(`device "${id}" is no virtio device`);
}

function nothingThere(what: string): never {
  throw new TypeError(`a device that needs ${what} cannot be served: a guest reaches it by rings alone`);
}
