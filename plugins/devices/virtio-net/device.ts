/**
 * The device half: a virtio network device without transport and rings (virtio 1.4 §5.1). Frames come from what it is
 * connected to whenever they come, and go there as long as there is room.
 *
 * @module
 */

import type { DevicePort, EventStream } from "@iova/core";
import type { Frame, NetBackend, NetInterface } from "@iova/net";
import { type Chain, Feature, FeatureSet, Outcome, type VirtioDevice, type VirtioModel } from "@iova/virtio";
import { ControlQueue, type ControlTarget } from "./device_control.ts";
import { ReceiveFilter } from "./device_filter.ts";
import { MANNERS, type Manners } from "./device_manners.ts";
import {
  CHECKSUM_FEATURES,
  consistent,
  GUEST_FEATURES,
  guestOffloads,
  hostOffloads,
  SEGMENTATION_FEATURES,
} from "./device_offloads.ts";
import { type HeaderShape, Receipt, ReceiveQueue } from "./device_receive.ts";
import { Steering } from "./device_steering.ts";
import { type TransmitCounters, TransmitQueue, type TransmitRules } from "./device_transmit.ts";
import {
  controlQueue,
  Duplex,
  MAC_SIZE,
  NET_DEVICE,
  NetConfig,
  NetFeature,
  NetHeader,
  NetStatus,
  receiveQueue,
  SHORT_HEADER,
} from "./layout.ts";

/** What a network device is made with. */
export interface NetModelOptions {
  /** The manifest id, for reports. */
  readonly id: string;
  readonly port: DevicePort;
  /** What it is connected to; the machine closes it. */
  readonly backend: NetBackend;
  readonly events: EventStream;
  /** Its address, as bytes on the wire. */
  readonly mac: Uint8Array;
  /** Entries of the receive and transmit queues. */
  readonly queueSize: number;
  /** Most pairs of queues. More than one offers MQ. Default 1. */
  readonly pairs?: number;
  /** Offers MRG_RXBUF. Default true. */
  readonly mergeable?: boolean;
  /** Offers CSUM and GUEST_CSUM. Default true. */
  readonly checksum?: boolean;
  /** Offers the segmentation features; nothing without `checksum`. Default true. */
  readonly segmentation?: boolean;
  /** Offers the control queue and what is done through it. Default true. */
  readonly control?: boolean;
  /** Offers MTU with this value. */
  readonly mtu?: number;
  /** Offers SPEED_DUPLEX with this many Mbit/s, full duplex. */
  readonly speed?: number;
  /** The cable is plugged in, as far as the device is concerned. Default true. */
  readonly link?: boolean;
  /** Default `spec`. */
  readonly personality?: "spec" | "qemu";
}

/** Entries of the control queue, as in QEMU. */
const CONTROL_SIZE = 64;
const CONTROL_FEATURES: readonly number[] = [
  NetFeature.CTRL_VQ,
  NetFeature.CTRL_RX,
  NetFeature.CTRL_VLAN,
  NetFeature.CTRL_RX_EXTRA,
  NetFeature.CTRL_MAC_ADDR,
  NetFeature.GUEST_ANNOUNCE,
];

/** See the module's text. */
export class NetModel implements VirtioModel, NetInterface, ControlTarget, TransmitRules {
  readonly type: number = NET_DEVICE;
  readonly features: readonly number[];
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  /** See {@linkcode ControlTarget.negotiatedFeatures}. */
  negotiatedFeatures: FeatureSet = new FeatureSet();
  /** Why the last chain was malformed. */
  problem = "";
  /** See {@linkcode NetInterface.accepts}. */
  accepts = 0;
  /** See {@linkcode TransmitRules.offloads}. */
  offloads = 0;
  /** See {@linkcode ControlTarget.filter}. */
  readonly filter: ReceiveFilter;
  /** Frames received. */
  rxFrames = 0;
  /** Bytes of them. */
  rxBytes = 0;
  /** Frames that the filter did not admit. */
  rxFiltered = 0;
  /** Frames that came while nobody was listening: no driver, or no cable. */
  rxNoListener = 0;
  /** Frames that no buffer could hold. */
  rxErrors = 0;
  readonly #options: NetModelOptions;
  readonly #manners: Manners;
  readonly #maxPairs: number;
  readonly #mac: Uint8Array;
  readonly #shape: HeaderShape = { size: NetHeader.size, written: NetHeader.size, merges: false, spills: false };
  readonly #steering = new Steering();
  readonly #receive: ReceiveQueue[] = [];
  readonly #transmit: TransmitQueue[] = [];
  readonly #control: ControlQueue;
  readonly #counters: TransmitCounters = { txFrames: 0, txBytes: 0, txErrors: 0, txNoLink: 0 };
  #controlIndex = 0;
  #device: VirtioDevice | null = null;
  #link: boolean;

  /** A device connected to `options.backend`. {@linkcode NetModel.attach} comes next. */
  constructor(options: NetModelOptions) {
    const { port, backend, mac, queueSize, pairs = 1, personality = "spec", link = true, mtu, speed } = options;
    this.#options = options;
    this.#manners = MANNERS[personality];
    this.#maxPairs = pairs;
    this.#mac = mac.slice();
    this.#link = link;
    this.features = featuresOf(options);
    const queues = new Array<number>(2 * pairs).fill(queueSize);
    this.queueSizes = this.#offers(NetFeature.CTRL_VQ) ? [...queues, CONTROL_SIZE] : queues;
    this.config = NetConfig.encode({
      max_virtqueue_pairs: pairs,
      mtu: mtu ?? 0,
      speed: speed ?? 0,
      duplex: speed === undefined ? 0 : Duplex.FULL,
    }).subarray(0, configSize(options));
    this.config.set(mac);
    this.filter = new ReceiveFilter(this.config);
    for (let pair = 0; pair < pairs; pair++) {
      this.#receive.push(new ReceiveQueue(2 * pair, port, () => this.#device!, this.#shape));
      this.#transmit.push(new TransmitQueue(port, backend, this.#counters));
    }
    this.#control = new ControlQueue(port, this);
  }

  /** Connects the model to its device, and the device to the world. */
  attach(device: VirtioDevice): void {
    this.#device = device;
    this.#options.backend.attach(this);
    this.#showLink();
  }

  /** Whether the cable is plugged in at both ends. */
  get linkUp(): boolean {
    return this.#link && this.#options.backend.up;
  }

  /** Plugs the cable in, or pulls it. */
  setLink(up: boolean): void {
    this.#link = up;
    this.#showLink();
  }

  /** Asks the driver to announce itself, as after a migration (§5.1.6.5.4). */
  announce(): void {
    if (!this.negotiatedFeatures.has(NetFeature.GUEST_ANNOUNCE)) return;
    this.config[NetConfig.at.status] |= NetStatus.ANNOUNCE;
    this.#device!.configChanged();
  }

  /** What was counted, for the report. */
  counters(): Record<string, number> {
    const { txFrames, txBytes } = this.#counters;
    const { rxFrames, rxBytes, rxFiltered, rxNoListener, rxErrors } = this;
    return {
      requests: txFrames + rxFrames + this.#control.commands,
      bytes: txBytes + rxBytes,
      ...this.#counters,
      rxFrames,
      rxBytes,
      rxFiltered,
      rxNoListener,
      rxErrors,
      commands: this.#control.commands,
      commandsRefused: this.#control.refused,
      segments: this.#transmit.reduce((sum, { lowering }) => sum + lowering.segments, 0),
      checksums: this.#transmit.reduce((sum, { lowering }) => sum + lowering.checksums, 0),
    };
  }

  /** See {@linkcode VirtioModel.negotiated}. */
  negotiated(features: FeatureSet): boolean {
    if (!consistent(features)) return false;
    this.negotiatedFeatures = features;
    this.#shape.merges = features.has(NetFeature.MRG_RXBUF);
    const long = this.#shape.merges || features.has(Feature.VERSION_1);
    this.#shape.size = long ? NetHeader.size : SHORT_HEADER;
    this.#shape.written = this.#manners.headerWritten;
    this.#shape.spills = this.#manners.spills;
    this.#controlIndex = features.has(NetFeature.CTRL_VQ)
      ? controlQueue(features.has(NetFeature.MQ) ? this.#maxPairs : 1)
      : -1;
    this.accepts = guestOffloads(features);
    this.offloads = hostOffloads(features);
    // Without commands the queues that are enabled say how many pairs are in use.
    const uncommanded = features.has(NetFeature.MQ) && !features.has(NetFeature.CTRL_VQ);
    this.#steering.pairs = uncommanded ? this.#maxPairs : 1;
    this.filter.filtersVlans = features.has(NetFeature.CTRL_VLAN);
    return true;
  }

  /** See {@linkcode VirtioModel.available}: receive queues are drawn from when a frame comes. */
  available(index: number): boolean {
    if ((index & 1) === 1 || index === this.#controlIndex) return false;
    this.#options.backend.resume();
    return true;
  }

  /** See {@linkcode VirtioModel.request}. */
  request(index: number, chain: Chain): Outcome {
    return index === this.#controlIndex ? this.#command(chain) : this.#transmitFrame(index >> 1, chain);
  }

  /** See {@linkcode NetInterface.deliver}. */
  deliver(frame: Frame): boolean {
    if (!this.#device!.live || !this.linkUp) {
      this.rxNoListener++;
      return true;
    }
    if (!this.filter.admits(frame.bytes, frame.length)) {
      this.rxFiltered++;
      return true;
    }
    const receipt = this.#receive[this.#pairFor(frame)].receive(frame);
    if (receipt === Receipt.BUSY) return false;
    if (receipt === Receipt.DONE) {
      this.rxFrames++;
      this.rxBytes += frame.length;
      if (this.#options.events.listening) this.#report("receive", frame.length);
    } else this.rxErrors++;
    return true;
  }

  /** See {@linkcode NetInterface.ready}. */
  ready(): void {
    for (let pair = 0; pair < this.#transmit.length; pair++) {
      const queue = this.#transmit[pair];
      if (!queue.waiting) continue;
      queue.waiting = false;
      this.#device!.kick(2 * pair + 1);
    }
  }

  /** See {@linkcode NetInterface.linkChanged}. */
  linkChanged(): void {
    this.#showLink();
  }

  /** See {@linkcode VirtioModel.configWritten}: only a legacy driver without CTRL_MAC_ADDR may write its address. */
  configWritten(offset: number, value: number): void {
    const { negotiatedFeatures: features } = this;
    if (features.has(Feature.VERSION_1) || features.has(NetFeature.CTRL_MAC_ADDR)) return;
    if (offset < MAC_SIZE) this.config[offset] = value;
  }

  /** See {@linkcode VirtioModel.queueReset}. */
  queueReset(index: number): void {
    if (index === this.#controlIndex) this.#control.reset();
    else if ((index & 1) === 0) this.#receive[index >> 1]?.reset();
    else this.#transmit[index >> 1].reset();
  }

  /** See {@linkcode VirtioModel.broke}: whoever waits for the device waits in vain. */
  broke(): void {
    this.#options.backend.resume();
  }

  /** See {@linkcode VirtioModel.reset}. */
  reset(): void {
    this.negotiatedFeatures = new FeatureSet();
    this.accepts = 0;
    this.offloads = 0;
    this.#controlIndex = -1;
    this.filter.reset();
    this.#steering.reset();
    this.config.set(this.#mac);
    this.#showLink();
    this.#control.reset();
    for (const queue of this.#receive) queue.reset();
    for (const queue of this.#transmit) queue.reset();
    if (this.#device !== null) this.broke();
  }

  /** See {@linkcode TransmitRules.headerSize}. */
  get headerSize(): number {
    return this.#shape.size;
  }

  /** See {@linkcode TransmitRules.dropsUnnegotiated}. */
  get dropsUnnegotiated(): boolean {
    return this.#manners.dropsUnnegotiated;
  }

  /** See {@linkcode TransmitRules.refusesWritable}. */
  get refusesWritable(): boolean {
    return this.#manners.refusesWritable;
  }

  /** See {@linkcode ControlTarget.refusesUnnegotiated}. */
  get refusesUnnegotiated(): boolean {
    return this.#manners.refusesUnnegotiated;
  }

  /** See {@linkcode ControlTarget.setMac}. */
  setMac(mac: Uint8Array): void {
    this.config.set(mac);
  }

  /** See {@linkcode ControlTarget.setPairs}. */
  setPairs(pairs: number): boolean {
    if (pairs < 1 || pairs > this.#maxPairs) return false;
    this.#steering.pairs = pairs;
    return true;
  }

  /** See {@linkcode ControlTarget.setOffloads}. */
  setOffloads(offloads: bigint): boolean {
    const bits = GUEST_FEATURES.filter((feature) => (offloads >> BigInt(feature) & 1n) === 1n);
    const wanted = new FeatureSet(bits);
    if (wanted.value !== offloads || !wanted.within(this.negotiatedFeatures) || !consistent(wanted)) return false;
    this.accepts = guestOffloads(wanted);
    return true;
  }

  /** See {@linkcode ControlTarget.announced}. */
  announced(): boolean {
    const at = NetConfig.at.status;
    if ((this.config[at] & NetStatus.ANNOUNCE) === 0) return false;
    this.config[at] &= ~NetStatus.ANNOUNCE;
    return true;
  }

  /** The pair for a frame; the first one while the driver has not enabled that. */
  #pairFor(frame: Frame): number {
    const pair = this.#steering.pairFor(frame);
    return pair === 0 || this.#device!.queues[receiveQueue(pair)].enabled ? pair : 0;
  }

  #command(chain: Chain): Outcome {
    const outcome = this.#control.command(chain);
    this.problem = this.#control.problem;
    return outcome;
  }

  #transmitFrame(pair: number, chain: Chain): Outcome {
    const queue = this.#transmit[pair];
    const outcome = queue.transmit(chain, this);
    if (outcome === Outcome.DONE) {
      this.#steering.sent(queue.frame, pair);
      if (this.#options.events.listening) this.#report("transmit", queue.frame.length);
    } else if (outcome === Outcome.BROKEN) this.problem = queue.problem;
    return outcome;
  }

  /** Shows the state of the cable; the driver is interrupted when it has changed. */
  #showLink(): void {
    const at = NetConfig.at.status;
    if (this.config.length <= at) return;
    const bit = this.linkUp ? NetStatus.LINK_UP : 0;
    if ((this.config[at] & NetStatus.LINK_UP) === bit) return;
    this.config[at] = this.config[at] & ~NetStatus.LINK_UP | bit;
    this.#device?.configChanged();
  }

  #offers(feature: number): boolean {
    return this.features.includes(feature);
  }

  #report(what: string, length: number): void {
    const { id, events } = this.#options;
    events.emit({ type: "request", device: id, request: what, length });
  }
}

function featuresOf(options: NetModelOptions): number[] {
  const { pairs = 1, mergeable = true, checksum = true, segmentation = true, control = true, mtu, speed } = options;
  const offers: readonly (readonly [boolean, readonly number[]])[] = [
    [true, [NetFeature.MAC, NetFeature.STATUS]],
    [mergeable, [NetFeature.MRG_RXBUF]],
    [checksum, CHECKSUM_FEATURES],
    [checksum && segmentation, SEGMENTATION_FEATURES],
    [control, CONTROL_FEATURES],
    [control && checksum, [NetFeature.CTRL_GUEST_OFFLOADS]],
    [control && pairs > 1, [NetFeature.MQ]],
    [mtu !== undefined, [NetFeature.MTU]],
    [speed !== undefined, [NetFeature.SPEED_DUPLEX]],
  ];
  return offers.flatMap(([offered, features]) => offered ? features : []);
}

/** Bytes of the configuration: it ends with the last field that a feature makes valid. */
function configSize({ pairs = 1, mtu, speed }: NetModelOptions): number {
  if (speed !== undefined) return NetConfig.size;
  if (mtu !== undefined) return NetConfig.at.speed;
  return pairs > 1 ? NetConfig.at.mtu : NetConfig.at.max_virtqueue_pairs;
}
