/**
 * A virtio transport for drivers that is made of vhost-user messages: what QEMU's device does with a guest's registers.
 *
 * @module
 */

import type { Width } from "@iova/core";
import { close, eventfd, signalEvent, takeEvent } from "@iova/libc";
import { type DriverTransport, Feature, FeatureSet, type QueueAddresses, Status } from "@iova/virtio";
import { type FrontEnd, words32, words64 } from "./frontend.ts";
import type { FrontEndMemory } from "./frontend_memory.ts";
import { PROTOCOL_FEATURES, ProtocolFeature, Request } from "./layout.ts";

/** A ring that the driver has set up. */
interface FrontEndRing {
  readonly index: number;
  readonly size: number;
  readonly addresses: QueueAddresses;
  readonly kick: number;
  readonly call: number;
}

const CONFIG_HEAD = 12;
const INFLIGHT_HEAD = 24;
const TWO32 = 2 ** 32;

/** What a transport is made with. */
export interface FrontEndTransportOptions {
  /** Virtio device type. */
  readonly type: number;
  /** Whether there is a virtual IOMMU before the device. */
  readonly iommu: boolean;
  /** Largest ring. Default 256. */
  readonly queueSize?: number;
  /** Reads the used index of a split ring at a bus address; absent: 0. */
  readonly readUsed?: (used: number) => number;
}

/** See the module's text. */
export class FrontEndTransport implements DriverTransport {
  readonly type: number;
  readonly legacy = false;
  /** Where each ring stopped, by number. */
  readonly bases: number[] = [];
  /** Interrupts taken. */
  interrupts = 0;
  #front: FrontEnd;
  readonly #memory: FrontEndMemory;
  readonly #options: FrontEndTransportOptions;
  #protocol = 0;
  /** What a back-end has taken and not finished, kept for the next one; −1: there is none yet. */
  #inflight = -1;
  #inflightHead: Uint8Array = new Uint8Array(0);
  #status = 0;
  #features = new FeatureSet();
  #rings = new Map<number, FrontEndRing>();
  #used: readonly (() => void)[] = [];
  #changed: () => void = () => {};
  #changesSeen = 0;

  /** Over a connection on which nothing was said yet. */
  constructor(front: FrontEnd, memory: FrontEndMemory, options: FrontEndTransportOptions) {
    this.type = options.type;
    this.#front = front;
    this.#memory = memory;
    this.#options = options;
    this.#negotiateProtocol();
  }

  readStatus(): number {
    return this.#status;
  }

  writeStatus(value: number): void {
    if (value === 0) this.stop();
    const before = this.#status;
    this.#status = value;
    if ((value & ~before & Status.FEATURES_OK) !== 0 && !this.#agree()) this.#status &= ~Status.FEATURES_OK;
    if ((value & ~before & Status.DRIVER_OK) !== 0) this.start();
  }

  offered(): FeatureSet {
    const answer = new DataView(this.#front.ask(Request.GET_FEATURES).buffer);
    const offered = new FeatureSet();
    for (const word of [0, 1]) offered.setWord(word, answer.getUint32(4 * word, true));
    const hidden = [PROTOCOL_FEATURES, ...(this.#options.iommu ? [] : [Feature.ACCESS_PLATFORM])];
    for (const bit of hidden) offered.setWord(bit >>> 5, offered.word(bit >>> 5) & ~(1 << (bit & 31)));
    return offered;
  }

  accept(features: FeatureSet): void {
    this.#features = features;
  }

  readConfig(offset: number, width: Width): number {
    const payload = new Uint8Array(CONFIG_HEAD + width);
    payload.set(words32(offset, width, 0));
    const answer = new DataView(this.#front.ask(Request.GET_CONFIG, payload).buffer);
    if (width === 1) return answer.getUint8(CONFIG_HEAD);
    return width === 2 ? answer.getUint16(CONFIG_HEAD, true) : answer.getUint32(CONFIG_HEAD, true);
  }

  writeConfig(offset: number, width: Width, value: number): void {
    const payload = new Uint8Array(CONFIG_HEAD + width);
    payload.set(words32(offset, width, 0));
    for (let i = 0; i < width; i++) payload[CONFIG_HEAD + i] = value >>> (8 * i);
    this.#front.must(Request.SET_CONFIG, payload);
  }

  generation(): number {
    return this.#front.changes;
  }

  queueSize(_index: number): number {
    return this.#options.queueSize ?? 256;
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): number {
    this.#rings.set(index, { index, size, addresses, kick: eventfd(), call: eventfd() });
    return 0;
  }

  resetQueue(): boolean {
    return false;
  }

  notifier(index: number): () => void {
    return () => {
      const ring = this.#rings.get(index);
      if (ring !== undefined) signalEvent(ring.kick);
    };
  }

  connect(used: readonly (() => void)[], changed: () => void): void {
    this.#used = used;
    this.#changed = changed;
  }

  disconnect(): void {
    this.#used = [];
    this.#changed = () => {};
  }

  /** Takes the interrupts that have come; whether there was one. */
  interrupt(): boolean {
    let any = false;
    if (this.#front.changes !== this.#changesSeen) {
      this.#changesSeen = this.#front.changes;
      this.#changed();
      any = true;
    }
    for (const { index, call } of this.#rings.values()) {
      if (takeEvent(call) <= 0) continue;
      any = true;
      this.interrupts++;
      this.#used[index]?.();
    }
    return any;
  }

  /** Tells the back-end about memory and rings, in the order in which QEMU does. */
  start(): void {
    const front = this.#front;
    front.must(Request.SET_FEATURES, this.#featureWords());
    this.#shareInflight();
    front.must(Request.SET_MEM_TABLE, this.#memory.table, this.#memory.fds);
    for (const ring of this.#rings.values()) {
      front.send(Request.SET_VRING_NUM, words32(ring.index, ring.size));
      front.send(Request.SET_VRING_BASE, words32(ring.index, this.#base(ring.index)));
      front.send(Request.SET_VRING_ADDR, this.#place(ring));
      front.send(Request.SET_VRING_KICK, words64(ring.index), [ring.kick]);
      front.send(Request.SET_VRING_CALL, words64(ring.index), [ring.call]);
    }
    for (const { index } of this.#rings.values()) front.must(Request.SET_VRING_ENABLE, words32(index, 1));
  }

  /** Stops the rings and notes where they stopped. */
  pause(): void {
    for (const { index } of this.#rings.values()) {
      this.#front.must(Request.SET_VRING_ENABLE, words32(index, 0));
      const answer = new DataView(this.#front.ask(Request.GET_VRING_BASE, words32(index, 0)).buffer);
      this.bases[index] = answer.getUint32(4, true);
    }
  }

  /** Stops the rings for good. */
  stop(): void {
    if ((this.#status & Status.DRIVER_OK) !== 0) this.pause();
    this.bases.length = 0;
    this.close();
  }

  /** Goes on with another back-end, which knows nothing: the rings are where the last one has left them. */
  reattach(front: FrontEnd): void {
    this.#front = front;
    this.#negotiateProtocol();
    if ((this.#status & Status.DRIVER_OK) === 0) return;
    for (const { index, addresses: { deviceHi, deviceLo } } of this.#rings.values()) {
      // A split ring's used index is in memory; where a packed ring is used next is not.
      const packed = this.#features.has(Feature.RING_PACKED);
      const used = (deviceHi >>> 0) * TWO32 + (deviceLo >>> 0);
      if (!packed) this.bases[index] = this.#options.readUsed?.(used) ?? 0;
    }
    this.start();
  }

  /** Closes the descriptors of rings. */
  close(): void {
    if (this.#inflight >= 0) close(this.#inflight);
    this.#inflight = -1;
    for (const { kick, call } of this.#rings.values()) [kick, call].forEach(close);
    this.#rings.clear();
  }

  #shareInflight(): void {
    if ((this.#protocol & 1 << ProtocolFeature.INFLIGHT_SHMFD) === 0) return;
    if (this.#inflight < 0) {
      const [largest] = [...this.#rings.values()].map(({ size }) => size).sort((a, b) => b - a);
      const asked = new Uint8Array(INFLIGHT_HEAD);
      new Uint16Array(asked.buffer).set([this.#rings.size, largest ?? 1], 8);
      this.#inflightHead = this.#front.ask(Request.GET_INFLIGHT_FD, asked);
      [this.#inflight] = this.#front.fds.splice(0);
    }
    this.#front.must(Request.SET_INFLIGHT_FD, this.#inflightHead, [this.#inflight]);
  }

  #base(index: number): number {
    return this.bases[index] ?? (this.#features.has(Feature.RING_PACKED) ? 0x8000_8000 : 0);
  }

  #place({ index, addresses: at }: FrontEndRing): Uint8Array {
    const address = (hi: number, lo: number) => {
      const bus = (hi >>> 0) * TWO32 + (lo >>> 0);
      return this.#features.has(Feature.ACCESS_PLATFORM) ? BigInt(bus) : this.#memory.userAddress(bus);
    };
    return words64(
      index,
      address(at.descHi, at.descLo),
      address(at.deviceHi, at.deviceLo),
      address(at.driverHi, at.driverLo),
      0,
    );
  }

  #featureWords(): Uint8Array {
    return words64(this.#features.value | 1n << BigInt(PROTOCOL_FEATURES));
  }

  #agree(): boolean {
    return this.#front.must(Request.SET_FEATURES, this.#featureWords()) === 0;
  }

  #negotiateProtocol(): void {
    const front = this.#front;
    front.ask(Request.GET_FEATURES);
    const offered = new DataView(front.ask(Request.GET_PROTOCOL_FEATURES).buffer).getUint32(0, true);
    this.#protocol = offered;
    front.send(Request.SET_PROTOCOL_FEATURES, words64(offered));
    front.send(Request.SET_OWNER);
    if ((offered & 1 << ProtocolFeature.BACKEND_REQ) === 0) return;
    const far = front.openChannel();
    front.must(Request.SET_BACKEND_REQ_FD, new Uint8Array(0), [far]);
    close(far);
  }
}
