/**
 * One connection: what has been agreed on, and what becomes of each message. The peer is trusted with its guest's memory
 * and with nothing else: whatever it sends ends in an answer, a refusal or the end of the connection.
 *
 * @module
 */

import { close, descriptorCount, setNonBlocking } from "@iova/libc";
import { Feature, Status, type VirtioDevice } from "@iova/virtio";
import { Channel } from "./channel.ts";
import { LOG_ALL, PROTOCOL_FEATURES, ProtocolFeature, requestName, VringState } from "./layout.ts";
import { Handled } from "./outcome.ts";
import { HANDLERS } from "./requests.ts";
import { type RingHost, Rings } from "./rings.ts";
import type { DeviceListener, ServedDevice } from "./served_device.ts";
import { SharedMemory } from "./shared_memory.ts";
import { Received, Wire, type WireMessage } from "./wire.ts";

/** What a connection needs of the loop that it runs in. */
export interface SessionHost extends RingHost {
  /** Says something that a person may want to know. */
  log(text: string): void;
  /** Messages wait until a socket can take more. */
  blocked(fd: number): void;
}

/** What is chosen about connections. */
export interface SessionOptions {
  /** Refuse memory that the peer could cut short. */
  readonly sealed?: boolean;
}

/** Messages handled before others get their turn. */
const MESSAGES_PER_TURN = 64;
/** Complaints that are logged of one connection. */
const MOST_COMPLAINTS = 20;
/** Virtio device types. */
const NET_DEVICE = 1;
/** Features of a device that cannot be had through this protocol. */
const NOT_HERE = [Feature.NOTIFICATION_DATA, Feature.NOTIF_CONFIG_DATA, Feature.RING_RESET, LOG_ALL, PROTOCOL_FEATURES];
/** Features of a network card's control queue, which the front-end keeps to itself: CTRL_GUEST_OFFLOADS, CTRL_VQ to CTRL_MAC_ADDR. */
const CONTROL_QUEUE = [2, 17, 18, 19, 20, 21, 22, 23];
const ACCESS_PLATFORM = 1n << BigInt(Feature.ACCESS_PLATFORM);
const WITH_PROTOCOL = 1n << BigInt(PROTOCOL_FEATURES);
const PROTOCOL = bits([
  ProtocolFeature.MQ,
  ProtocolFeature.REPLY_ACK,
  ProtocolFeature.BACKEND_REQ,
  ProtocolFeature.INFLIGHT_SHMFD,
  ProtocolFeature.RESET_DEVICE,
  ProtocolFeature.CONFIGURE_MEM_SLOTS,
  ProtocolFeature.STATUS,
]);

/** See the module's text. */
export class Session implements DeviceListener {
  /** The guest's memory. */
  readonly memory: SharedMemory;
  /** The rings. */
  readonly rings: Rings;
  /** Protocol features agreed on. */
  protocol = 0;
  /** The status that the front-end keeps here. */
  status = 0;
  /** Messages received, by name. */
  readonly counts: Map<string, number> = new Map();
  /** What a handler returns that has answered. */
  readonly replied: typeof Handled.REPLIED = Handled.REPLIED;
  readonly #wire: Wire;
  readonly #host: SessionHost;
  #channel: Channel | null = null;
  #features: bigint | null = null;
  #complaints = 0;
  readonly #unsent: (() => void)[] = [];
  #warnedUnsealed = false;

  /** The connection `fd`, which is this session's from now on. */
  constructor(readonly fd: number, readonly served: ServedDevice, host: SessionHost, options: SessionOptions = {}) {
    this.#wire = new Wire(fd);
    this.#host = host;
    this.memory = new SharedMemory(served.space, options.sealed ?? false);
    this.rings = new Rings(served, this.memory, { ...bound(host), complain: (problem) => this.complain(problem) });
    served.listener = this;
    this.resetDevice();
  }

  /** Features offered: the device's, as far as they can be had, and that there are protocol features. */
  get offered(): bigint {
    const hidden = this.served.type === NET_DEVICE ? [...NOT_HERE, ...CONTROL_QUEUE] : NOT_HERE;
    return this.served.virtio.offered.value & ~hidden.reduce((set, bit) => set | 1n << BigInt(bit), 0n) | WITH_PROTOCOL;
  }

  /** Protocol features offered. */
  get offeredProtocol(): number {
    const own = this.served.type === NET_DEVICE ? ProtocolFeature.MTU : ProtocolFeature.CONFIG;
    return PROTOCOL | 1 << own;
  }

  /** Handles what has come. False when the connection has ended. */
  receive(): boolean {
    for (let i = 0; i < MESSAGES_PER_TURN; i++) {
      const received = this.#wire.receive();
      if (received === Received.NOTHING) return true;
      if (received !== Received.MESSAGE) return this.#ended(received);
      const { message } = this.#wire;
      const handled = this.#handle(message);
      message.closeFds();
      if (handled === Handled.CLOSE) return this.#ended(Received.MALFORMED);
      if (this.#wire.problem !== "") return this.#ended(Received.GONE);
      if (this.#wire.blocked) this.#host.blocked(this.fd);
    }
    return true;
  }

  /** Sends what had to wait. False when the connection has ended. */
  flush(): boolean {
    this.#channel?.flush();
    const alive = this.#wire.flush();
    if (!this.#wire.blocked) { for (const work of this.#unsent.splice(0)) work(); }
    return alive;
  }

  /** Whether something waits to be sent on a socket of this connection. */
  waits(fd: number): boolean {
    return fd === this.fd ? this.#wire.blocked : this.#channel?.blocked ?? false;
  }

  /** Ends the connection: rings stop, memory is unmapped, descriptors are closed. */
  close(): void {
    this.rings.close();
    this.served.iotlb.enabled = false;
    this.served.iotlb.reset();
    this.#channel?.close();
    this.rings.inflight?.release();
    this.memory.clear();
    this.#wire.drop();
    for (const work of this.#unsent.splice(0)) work();
    close(this.fd);
  }

  /** Answers with a number. */
  replyNumber(request: number, value: bigint): Handled {
    this.#view.setBigUint64(0, value, true);
    return this.reply(request, this.#eight);
  }

  /** Answers with a number of a ring and a number for it. */
  replyState(request: number, index: number, number: number): Handled {
    this.#view.setUint32(VringState.at.index, index, true);
    this.#view.setUint32(VringState.at.num, number, true);
    return this.reply(request, this.#eight);
  }

  /** Answers. Descriptors stay the caller's. */
  reply(request: number, payload: Uint8Array, fds: readonly number[] = []): Handled {
    this.#wire.reply(request, payload, fds);
    return Handled.REPLIED;
  }

  /** Does something when everything that was said has been sent. */
  whenSent(work: () => void): void {
    if (this.#wire.blocked) this.#unsent.push(work);
    else work();
  }

  /** Refuses a request, and says why. */
  refuse(problem: string): Handled {
    this.complain(problem);
    return Handled.REFUSED;
  }

  /** Logs what the peer did wrong; only so many times. */
  complain(problem: string): void {
    if (++this.#complaints <= MOST_COMPLAINTS) this.#host.log(`refused: ${problem}`);
    if (this.#complaints === MOST_COMPLAINTS) this.#host.log("more complaints about this connection are not shown");
  }

  /** Says once that the peer can end this program. */
  warnUnsealed(): void {
    if (!this.memory.unsealed || this.#warnedUnsealed) return;
    this.#warnedUnsealed = true;
    this.#host.log("the guest's memory is a file that its owner can cut short, which would end this program");
  }

  /** See `SET_FEATURES`. */
  setFeatures(asked: bigint): Handled {
    const features = asked & ~(1n << BigInt(LOG_ALL));
    if ((features & ~this.offered) !== 0n) {
      return this.refuse(`features 0x${asked.toString(16)}, which were not offered`);
    }
    const translated = (features & ACCESS_PLATFORM) !== 0n;
    if (translated && this.#channel === null) return this.refuse("an IOMMU without a socket to ask it");
    const { served: { virtio, iotlb } } = this;
    if (features === this.#features && virtio.breakdown === "") return Handled.OK;
    return this.rings.paused(() => {
      this.#features = features;
      // For the device the bus always translates; without an IOMMU it happens to translate nothing.
      const own = features & ~WITH_PROTOCOL | (virtio.offered.value & ACCESS_PLATFORM);
      this.rings.ready = agree(virtio, own);
      this.rings.alwaysEnabled = (features & WITH_PROTOCOL) === 0n;
      this.rings.translated = translated;
      if (iotlb.enabled !== translated) iotlb.reset();
      iotlb.enabled = translated;
      return this.rings.ready ? Handled.OK : this.refuse(`features 0x${asked.toString(16)}, which the device refuses`);
    });
  }

  /** Puts the device back to power-on. */
  resetDevice(): void {
    this.#features = null;
    this.rings.ready = false;
    this.served.virtio.reset();
  }

  /** See `SET_BACKEND_REQ_FD`. */
  openChannel(fd: number): Handled {
    this.#channel?.close();
    this.#channel = null;
    if (setNonBlocking(fd, true) < 0) {
      close(fd);
      return this.refuse("a socket for requests of the back-end that cannot be used");
    }
    const channel = new Channel(fd, this.served.iotlb, this.#host);
    if (!channel.open()) return this.refuse("a socket for requests of the back-end that cannot be waited for");
    this.#channel = channel;
    return Handled.OK;
  }

  /** See {@linkcode DeviceListener.used}. */
  used(index: number): void {
    this.rings.all[index]?.interrupt();
  }

  /** See {@linkcode DeviceListener.changed}. */
  changed(): void {
    this.#channel?.configChanged();
  }

  /** See {@linkcode DeviceListener.broken}. */
  broken(reason: string): void {
    this.#host.log(`the device needs a reset: ${reason}`);
    for (const ring of this.rings.all) if (ring.active) ring.complain();
  }

  /** What this connection has seen, for statistics. */
  statistics(): Record<string, number> {
    const { all } = this.rings;
    const sum = (of: "kicks" | "calls") => all.reduce((total, ring) => total + ring[of], 0);
    return {
      kicks: sum("kicks"),
      calls: sum("calls"),
      regions: this.memory.regions.length,
      descriptors: descriptorCount(),
      ...Object.fromEntries(this.counts),
      ...this.served.iotlb.counters(),
    };
  }

  #handle(message: WireMessage): Handled {
    const name = requestName(message.request);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const { events } = this.served;
    if (events.listening) {
      events.emit({ type: "vhost-user", request: name, bytes: message.size, fds: message.fds.length });
    }
    const handled = this.#dispatch(message, name);
    if (handled < 0 || !message.needReply || (this.protocol & 1 << ProtocolFeature.REPLY_ACK) === 0) return handled;
    return this.replyNumber(message.request, BigInt(handled));
  }

  #dispatch(message: WireMessage, name: string): Handled {
    const handler = HANDLERS[message.request];
    if (handler === undefined) return this.refuse(`${name}, which is not known`);
    if (handler.size !== undefined && handler.size !== message.size) {
      this.complain(`${name} with ${message.size} bytes, not ${handler.size}`);
      return Handled.CLOSE;
    }
    const { feature } = handler;
    // Who asks for an answer of its own kind would wait for ever: serve what is known, whatever was agreed on.
    if (feature !== undefined && (this.offeredProtocol & 1 << feature) === 0) {
      return this.refuse(`${name}, which was not offered`);
    }
    return handler.run(this, message);
  }

  #ended(why: Received): false {
    const { problem } = this.#wire;
    const end = why === Received.MALFORMED ? "a malformed message" : "the connection has ended";
    this.#host.log(problem === "" ? end : `${end}: ${problem}`);
    return false;
  }

  readonly #eight = new Uint8Array(8);
  readonly #view = new DataView(this.#eight.buffer);
}

/** Negotiates for the driver, and says that it is ready. False when the device refuses. */
function agree(virtio: VirtioDevice, features: bigint): boolean {
  virtio.reset();
  if ((features >> BigInt(Feature.VERSION_1) & 1n) === 0n) {
    virtio.acceptLegacy(Number(BigInt.asUintN(32, features)));
    virtio.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.DRIVER_OK, true);
    return true;
  }
  virtio.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
  for (const word of [0, 1]) virtio.acceptWord(word, Number(BigInt.asUintN(32, features >> BigInt(32 * word))));
  virtio.writeStatus(virtio.status | Status.FEATURES_OK);
  if ((virtio.status & Status.FEATURES_OK) === 0) return false;
  virtio.writeStatus(virtio.status | Status.DRIVER_OK);
  return true;
}

function bits(numbers: readonly number[]): number {
  return numbers.reduce((set, bit) => set | 1 << bit, 0);
}

function bound(host: SessionHost): Omit<RingHost, "complain"> {
  return { watch: (fd, ready) => host.watch(fd, ready), unwatch: (fd) => host.unwatch(fd) };
}
