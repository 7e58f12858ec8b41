/**
 * A virtio device without its transport: status, negotiation, queues and their scheduling. What the device *does* is a
 * {@linkcode VirtioModel}; how a driver reaches its registers is a transport, which calls the methods here.
 *
 * @module
 */

import { ALL_ONES, type DevicePort, type EventStream, type Scheduler, TWO32, type Width } from "@iova/core";
import { Chain } from "./device_chain.ts";
import { type DeviceQueue, Pop, type RingAddresses, RingFault, type RingStats } from "./device_queue.ts";
import { MANNERS, type Manners, type Personality } from "./device_manners.ts";
import { isQueueSize, makeDeviceQueue } from "./device_rings.ts";
import { Feature, FeatureSet, type RingFeatures, ringFeatures, Status } from "./layout_features.ts";
import { placeSplit } from "./layout_ring.ts";

/** How a model ended its work on a chain. */
export const Outcome = {
  /** Done: `chain.written` says how much was written. */
  DONE: 0,
  /** An address is not translated yet: the chain stays in its ring and comes again from its start. */
  PENDING: 1,
  /** The driver broke the protocol: the device needs a reset. */
  BROKEN: 2,
  /** The model keeps the chain's id and calls {@linkcode VirtioDevice.complete} later. */
  LATER: 3,
  /** Not now: the chain stays in its ring and comes again from its start after a {@linkcode VirtioDevice.kick}. */
  WAIT: 4,
} as const;
/** One of {@linkcode Outcome}'s values. */
export type Outcome = typeof Outcome[keyof typeof Outcome];

/** What a kind of device does. It knows no transport and no ring. */
export interface VirtioModel {
  /** Virtio device type: 2 for a block device. */
  readonly type: number;
  /** Numbers of the feature bits that it offers; ring and transport features are added by {@linkcode VirtioDevice}. */
  readonly features: readonly number[];
  /** What a legacy interface offers besides them. Absent: nothing. */
  readonly legacyFeatures?: readonly number[];
  /** Largest size of each queue. A split ring's is a power of two, so that the driver can use it all. */
  readonly queueSizes: readonly number[];
  /** The device configuration, as the driver reads it. */
  readonly config: Uint8Array;
  /**
   * Takes the features that the driver has accepted, or refuses them (false). A legacy driver cannot be refused, and may
   * accept features more than once. Absent: any will do.
   */
  negotiated?(features: FeatureSet): boolean;
  /** The driver wrote a byte of the configuration. Absent: it is read-only. */
  configWritten?(offset: number, value: number): void;
  /** Works on a chain; it is only lent for the call. Must not throw, whatever the guest wrote. */
  request(queue: number, chain: Chain): Outcome;
  /**
   * Queue `index` may have chains now. True: the model draws chains of this queue itself, with
   * {@linkcode VirtioDevice.take}, when it has a use for them. Absent or false: chains come to
   * {@linkcode VirtioModel.request}.
   */
  available?(index: number): boolean;
  /** Why the last chain was {@linkcode Outcome.BROKEN}, for reports. Absent: nothing more is known. */
  readonly problem?: string;
  /** One queue was reset: chains that the model kept of it are forgotten. Absent: it keeps none. */
  queueReset?(queue: number): void;
  /** The device needs a reset: until then it serves nothing. Absent: nobody waits for it. */
  broke?(): void;
  /** The device was reset. Absent: there is no state. */
  reset?(): void;
}

/** What a transport does for a device. */
export interface DeviceTransport {
  /** Interrupts the driver because queue `index` has used buffers. */
  notifyQueue(index: number): void;
  /** Interrupts the driver because the configuration, or the need of a reset, has changed. */
  notifyConfig(): void;
  /** The device was reset: vectors and interrupt status go back to their first values. */
  reset(): void;
}

/** What a device is made with, besides the ring and transport features that it offers. */
export interface VirtioDeviceOptions extends RingFeatures {
  /** The manifest id, for reports. */
  readonly id: string;
  /** Its way onto the bus. */
  readonly port: DevicePort;
  /** Runs the queues. */
  readonly scheduler: Scheduler;
  /** Hears when the device breaks. */
  readonly events: EventStream;
  /** What the device does. */
  readonly model: VirtioModel;
  /** Whether it has a modern interface; without one there is no ACCESS_PLATFORM. Default `modern`. */
  readonly transport?: "modern" | "transitional" | "legacy";
  /** Which implementation's manners it has where they differ from the specification. Default `spec`. */
  readonly personality?: Personality;
}

/** Chains that one turn of a queue works on before others get theirs. */
const CHAINS_PER_TURN = 64;
/** Beside the values of {@linkcode Pop}: the model waits. */
const WAITING = -1;

/** One queue as its registers show it. */
export class VirtioQueue implements RingAddresses {
  /** See {@linkcode RingAddresses}. */
  descHi = 0;
  /** See {@linkcode RingAddresses}. */
  descLo = 0;
  /** See {@linkcode RingAddresses}. */
  driverHi = 0;
  /** See {@linkcode RingAddresses}. */
  driverLo = 0;
  /** See {@linkcode RingAddresses}. */
  deviceHi = 0;
  /** See {@linkcode RingAddresses}. */
  deviceLo = 0;
  /** Entries, as the driver set it. */
  size: number;
  /** Whether the driver lets the device use it. */
  enabled = false;
  /** The ring behind it; null until it is first used. */
  ring: DeviceQueue | null = null;
  /** A turn is in the scheduler's queue. */
  scheduled = false;
  /** Work waits for a translation. */
  parked = false;

  /** Queue `index` with at most `maxSize` entries; `turn` works on it, `retry` does so after a wait. */
  constructor(
    readonly index: number,
    public maxSize: number,
    readonly turn: () => void,
    readonly retry: () => void,
  ) {
    this.size = maxSize;
  }

  /** Back to power-on. */
  reset(): void {
    this.ring?.release();
    this.ring = null;
    this.size = this.maxSize;
    this.enabled = false;
    this.parked = false;
    this.descHi =
      this.descLo =
      this.driverHi =
      this.driverLo =
      this.deviceHi =
      this.deviceLo =
        0;
  }
}

/** See the module's text. */
export class VirtioDevice {
  /** Features offered. */
  readonly offered: FeatureSet;
  /** Features that the driver has accepted so far. */
  accepted: FeatureSet = new FeatureSet();
  /** Queues by number. */
  readonly queues: readonly VirtioQueue[];
  /** Chains completed. */
  completed = 0;
  /** What the rings of all queues have cost so far. */
  readonly ringStats: RingStats = { reads: 0, writes: 0 };
  /** Times that the device needed a reset. */
  breakdowns = 0;
  /** Why the device needs a reset; empty while it does not. */
  breakdown = "";
  /** The transport; set once, before the driver can reach the device. */
  transport: DeviceTransport | null = null;
  /** What the device does. */
  readonly model: VirtioModel;
  /** Its way onto the bus. */
  readonly port: DevicePort;
  readonly #id: string;
  readonly #scheduler: Scheduler;
  readonly #events: EventStream;
  readonly #accessPlatform: boolean;
  #chain: Chain;
  /** Where it differs from the specification. */
  readonly manners: Manners;
  #status = 0;
  #live = false;
  #legacy = false;
  #generation = 0;
  #configDirty = false;

  /** A device that has been reset. */
  constructor(options: VirtioDeviceOptions) {
    const { id, port, scheduler, events, model, personality = "spec" } = options;
    this.#id = id;
    this.port = port;
    this.#scheduler = scheduler;
    this.#events = events;
    this.model = model;
    this.#accessPlatform = (options.accessPlatform ?? true) && options.transport !== "legacy";
    this.manners = MANNERS[personality];
    this.offered = new FeatureSet([...model.features, ...ringFeatures(options)]);
    this.#chain = new Chain(Math.max(1, this.manners.rings.tableEntries, ...model.queueSizes));
    this.queues = model.queueSizes.map((size, index) => this.#makeQueue(index, size));
  }

  /** The device puts CPU physical addresses on its bus: ACCESS_PLATFORM is not offered (virtio 1.4 §6). */
  get physicalAddressing(): boolean {
    return !this.#accessPlatform;
  }

  /** Rings may have up to `size` entries, whatever the model says: their size is between driver and transport. */
  allowRings(size: number): void {
    for (const queue of this.queues) queue.maxSize = Math.max(queue.maxSize, size);
    this.#chain = new Chain(Math.max(this.manners.rings.tableEntries, ...this.queues.map(({ maxSize }) => maxSize)));
  }

  /** The driver is ready and the device is well: queues are served. */
  get live(): boolean {
    return this.#live;
  }

  /** The status register. */
  get status(): number {
    return this.#status;
  }

  /** The driver uses the legacy interface. Known from its first write to the status register on. */
  get legacy(): boolean {
    return this.#legacy;
  }

  /** The driver writes the status register, of a legacy interface or of a modern one; 0 resets. */
  writeStatus(value: number, legacy = false): void {
    if (value === 0) return this.reset();
    this.#legacy = legacy;
    const before = this.#status;
    let after = this.manners.registersAsWritten ? value & 0xff : this.#ownBits(value, before, legacy);
    if (!legacy && (after & ~before & Status.FEATURES_OK) !== 0 && !this.#acceptable()) after &= ~Status.FEATURES_OK;
    this.#status = after;
    if (legacy || (after & ~before & Status.FEATURES_OK) !== 0) this.#fitQueues();
    this.#live = this.breakdown === "" && this.#mayServe(after);
  }

  /** A driver without packed rings finds queues whose size is a power of two. */
  #fitQueues(): void {
    for (const queue of this.queues) {
      if (!queue.enabled && queue.size > 0 && !isQueueSize(this.accepted, queue.size, this.manners.rings)) {
        queue.size = 2 ** Math.floor(Math.log2(queue.size));
      }
    }
  }

  /** DEVICE_NEEDS_RESET is the device's bit, and a negotiation that is over stays so (§2.1). */
  #ownBits(value: number, before: number, legacy: boolean): number {
    const sticky = Status.DEVICE_NEEDS_RESET | (legacy ? 0 : Status.FEATURES_OK);
    // A legacy device does not know FEATURES_OK.
    const foreign = Status.DEVICE_NEEDS_RESET | (legacy ? Status.FEATURES_OK : 0);
    return (value & 0xff & ~foreign) | (before & sticky);
  }

  /** Legacy drivers use their queues before DRIVER_OK (virtio 1.4 §3.1.2). */
  #mayServe(status: number): boolean {
    if (this.#legacy || this.manners.servesEarly) return (status & Status.FAILED) === 0;
    const needed = Status.DRIVER_OK | Status.FEATURES_OK;
    return (status & (needed | Status.FAILED)) === needed;
  }

  /** The driver accepts features. Ignored once negotiation is over. */
  acceptWord(index: number, value: number): void {
    if ((this.#status & Status.FEATURES_OK) !== 0) return;
    this.accepted.setWord(index, this.manners.masksFeatures ? value & this.offered.word(index) : value);
  }

  /** Features 0 to 31 as a legacy interface offers them. */
  get legacyOffered(): number {
    const { model, manners } = this;
    return (this.offered.word(0) |
      new FeatureSet([...manners.legacyFeatures, ...model.legacyFeatures ?? []]).word(0)) >>>
      0;
  }

  /** A legacy driver accepts features: it cannot be refused, and what was not offered is left out. */
  acceptLegacy(value: number): void {
    if ((this.#status & Status.DRIVER_OK) !== 0) return;
    this.accepted = new FeatureSet();
    this.accepted.setWord(0, value & this.legacyOffered);
    this.model.negotiated?.(this.accepted);
  }

  /**
   * A legacy driver says where a queue's ring is: page `page` of pages of 2^`shift` bytes, its used ring at a multiple of
   * `align` bytes (§2.7.2). Page 0 takes the queue away from the device. An alignment that is none changes nothing.
   */
  placeLegacyRing(queue: VirtioQueue, page: number, shift: number, align: number): void {
    if (page === 0) {
      if (this.manners.zeroAddressResets) this.reset();
      else this.disable(queue);
      return;
    }
    if (align === 0 || (align & (align - 1)) !== 0) return;
    this.disable(queue);
    const { avail, used } = placeSplit(queue.size, align >>> 0);
    const lo = (page << shift) >>> 0;
    const hi = shift === 0 ? 0 : page >>> (32 - shift);
    queue.descHi = hi;
    queue.descLo = lo | 0;
    queue.driverHi = (hi + Math.floor((lo + avail) / TWO32)) | 0;
    queue.driverLo = (lo + avail) | 0;
    queue.deviceHi = (hi + Math.floor((lo + used) / TWO32)) | 0;
    queue.deviceLo = (lo + used) | 0;
    this.enable(queue);
  }

  /** Takes a queue away from the device; its size stays. */
  disable(queue: VirtioQueue): void {
    if (!queue.enabled) return;
    const { size } = queue;
    this.model.queueReset?.(queue.index);
    queue.reset();
    queue.size = size;
  }

  /** The driver sets a queue's size. Refused, so that the old one reads back, unless its ring can have it. */
  resize(queue: VirtioQueue, size: number): void {
    if (!queue.enabled && isQueueSize(this.accepted, size, this.manners.rings) && size <= this.largest(queue)) {
      queue.size = size;
    }
  }

  /** Most entries that the driver may give a queue; 0: there is no such queue. */
  largest({ maxSize }: VirtioQueue): number {
    return maxSize === 0 ? 0 : this.manners.largestQueue || maxSize;
  }

  /** The driver enables a queue. */
  enable(queue: VirtioQueue): void {
    if (queue.enabled) return;
    queue.enabled = true;
    const { size } = queue;
    const { port, ringStats: stats } = this;
    queue.ring = makeDeviceQueue(this.accepted, { size, port, addresses: queue, rules: this.manners.rings, stats });
    if (queue.ring.fault !== RingFault.NONE) this.needsReset(queue.ring.fault);
  }

  /** The driver resets one queue (virtio 1.4 §2.6.1). Ignored unless RING_RESET is negotiated and the queue enabled. */
  resetQueue(queue: VirtioQueue): void {
    if (!queue.enabled || !this.accepted.has(Feature.RING_RESET)) return;
    this.model.queueReset?.(queue.index);
    queue.reset();
  }

  /**
   * The driver kicks queue `index`. Without such a queue, or before DRIVER_OK, nothing happens. `next` is what the
   * notification says of the ring with NOTIFICATION_DATA (bits 16 to 31 of the word); the ring itself is what counts.
   */
  kick(index: number, _next = 0): void {
    const queue = this.queues[index];
    if (queue === undefined || !queue.enabled || !this.#live || queue.parked) return;
    this.#schedule(queue);
  }

  /** `width` bytes of the device configuration, unsigned. */
  readConfig(offset: number, width: Width): number {
    this.#countChange();
    const { config } = this.model;
    if (offset + width > config.length && this.manners.beyondConfig === "ones") return ALL_ONES[width];
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | (config[offset + i] ?? 0);
    return value >>> 0;
  }

  /**
   * The driver writes the device configuration. Through a modern interface not before negotiation is over (§3.1.1); never
   * beyond its end.
   */
  writeConfig(offset: number, width: Width, value: number, legacy = false): void {
    const { model, manners } = this;
    const early = !legacy && (this.#status & Status.FEATURES_OK) === 0;
    if (early && !manners.servesEarly) return;
    if (offset + width > model.config.length && manners.beyondConfig === "ones") return;
    for (let i = 0; i < width && offset + i < model.config.length; i++) {
      model.configWritten?.(offset + i, value >>> (8 * i) & 0xff);
    }
  }

  /**
   * Changes with the configuration; 8 bits. It moves when a driver looks, not when the configuration does: 256 changes
   * between two looks are one.
   */
  get generation(): number {
    this.#countChange();
    return this.#generation;
  }

  #countChange(): void {
    if (!this.#configDirty) return;
    this.#configDirty = false;
    this.#generation = (this.#generation + 1) & 0xff;
  }

  /** The model has changed its configuration. */
  configChanged(): void {
    this.#configDirty = true;
    if ((this.#status & Status.DRIVER_OK) !== 0) this.transport?.notifyConfig();
  }

  /** Completes a chain that the model kept ({@linkcode Outcome.LATER}). Ignored when the device was reset since. */
  complete(index: number, id: number, written: number): void {
    const queue = this.queues[index];
    if (!this.#live || queue.ring === null) return;
    queue.ring.push(id, written);
    this.completed++;
    this.#publish(queue, queue.ring);
  }

  /** A record for {@linkcode VirtioDevice.take}, with room for the longest chain. */
  newChain(): Chain {
    return new Chain(this.#chain.hi.length);
  }

  /** The model has met an address that is not translated yet: `available` is called when it may be. */
  wait(index: number): void {
    this.#park(this.queues[index]);
  }

  /**
   * Takes the next chain of a queue that the model draws from, and keeps its place in the queue's order. `EMPTY` asks the
   * driver for a kick, `PENDING` parks, `BROKEN` has broken the device: `available` is called when there may be more.
   */
  take(index: number, chain: Chain): Pop {
    const queue = this.queues[index];
    const { ring } = queue;
    if (!this.#live || ring === null) return Pop.EMPTY;
    if (queue.parked) return Pop.PENDING;
    let found = ring.pop(chain);
    if (found === Pop.EMPTY) {
      found = ring.wantKicks(true);
      if (found === Pop.CHAIN) found = ring.pop(chain);
    }
    if (found === Pop.PENDING) this.#park(queue);
    else if (found === Pop.BROKEN) this.needsReset(ring.fault);
    return found;
  }

  /** Notes that a chain that was taken is done. All that is noted before the queue's next turn is published at once. */
  finish(index: number, id: number, written: number): void {
    const queue = this.queues[index];
    if (!this.#live || queue.ring === null) return;
    queue.ring.push(id, written);
    this.completed++;
    this.#schedule(queue);
  }

  /** The device is broken: every queue stops until a reset (virtio 1.4 §2.1.2). */
  needsReset(reason: string): void {
    if (this.breakdown !== "") return;
    const told = !this.#legacy && (this.#status & Status.DRIVER_OK) !== 0;
    // A legacy driver knows no such state: its device falls silent.
    if (!this.#legacy) this.#status |= Status.DEVICE_NEEDS_RESET;
    this.#live = false;
    this.breakdown = reason;
    this.breakdowns++;
    for (const { ring } of this.queues) ring?.release();
    if (this.#events.listening) this.#events.emit({ type: "needs-reset", device: this.#id, reason });
    if (told) this.transport?.notifyConfig();
    this.model.broke?.();
  }

  /** Back to power-on. */
  reset(): void {
    this.#status = 0;
    this.#live = false;
    this.#legacy = false;
    this.breakdown = "";
    this.accepted = new FeatureSet();
    for (const queue of this.queues) queue.reset();
    this.model.reset?.();
    this.transport?.reset();
  }

  #acceptable(): boolean {
    const { accepted } = this;
    const sane = accepted.within(this.offered) && accepted.has(Feature.VERSION_1);
    // QEMU looks at nothing that a driver without VERSION_1 accepts.
    if (this.manners.masksFeatures && !accepted.has(Feature.VERSION_1)) return true;
    return (sane || this.manners.masksFeatures) &&
      accepted.has(Feature.ACCESS_PLATFORM) === this.#accessPlatform &&
      this.model.negotiated?.(accepted) !== false;
  }

  #makeQueue(index: number, maxSize: number): VirtioQueue {
    const queue: VirtioQueue = new VirtioQueue(index, maxSize, () => {
      queue.scheduled = false;
      this.#turn(queue);
    }, () => {
      queue.parked = false;
      this.#turn(queue);
    });
    return queue;
  }

  #schedule(queue: VirtioQueue): void {
    if (queue.scheduled) return;
    queue.scheduled = true;
    this.#scheduler.post(queue.turn);
  }

  #park(queue: VirtioQueue): void {
    if (queue.parked) return;
    queue.parked = true;
    this.port.park(queue.retry);
  }

  /** One turn of a queue: a bounded number of chains, published together. */
  #turn(queue: VirtioQueue): void {
    const { ring } = queue;
    if (!this.#live || ring === null || queue.parked) return;
    if (ring.unpublished > 0 && !this.#publish(queue, ring)) return;
    if (this.model.available?.(queue.index) === true) return;
    const found = this.#work(queue, ring);
    // A guest may aim a buffer, or an interrupt, at this device's own registers and reset it in the middle.
    if (queue.ring !== ring || !this.#publish(queue, ring) || queue.ring !== ring || !this.#live) return;
    this.#settle(queue, found === Pop.EMPTY ? ring.wantKicks(true) : found, ring);
  }

  #settle(queue: VirtioQueue, found: Pop | typeof WAITING, ring: DeviceQueue): void {
    if (found === Pop.CHAIN) this.#schedule(queue);
    else if (found === Pop.PENDING) this.#park(queue);
    else if (found === Pop.BROKEN) this.needsReset(ring.fault || this.model.problem || "malformed request");
  }

  #work(queue: VirtioQueue, ring: DeviceQueue): Pop | typeof WAITING {
    const chain = this.#chain;
    for (let i = 0; i < CHAINS_PER_TURN; i++) {
      const found = ring.pop(chain);
      if (found !== Pop.CHAIN) return found;
      const outcome = this.model.request(queue.index, chain);
      if (outcome === Outcome.DONE) {
        ring.push(chain.id, chain.written);
        this.completed++;
      } else if (outcome === Outcome.PENDING) {
        // One wait for all of its addresses instead of one for each.
        chain.touch(this.port);
        ring.unpop();
        return Pop.PENDING;
      } else if (outcome === Outcome.WAIT) {
        ring.unpop();
        return WAITING;
      } else if (outcome === Outcome.BROKEN) {
        return Pop.BROKEN;
      }
    }
    return Pop.CHAIN;
  }

  /** Publishes what a queue has finished. False when it could not: the queue is parked or the device broken. */
  #publish(queue: VirtioQueue, ring: DeviceQueue): boolean {
    if (ring.unpublished === 0) return true;
    if (ring.publish()) this.transport?.notifyQueue(queue.index);
    if (ring.unpublished === 0) return true;
    if (ring.fault !== RingFault.NONE) this.needsReset(ring.fault);
    else this.#park(queue);
    return false;
  }
}
