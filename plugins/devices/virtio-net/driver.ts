/**
 * The driver half: a network driver over virtio queues.
 *
 * @module
 */

import type { DmaOps, DriverContext, PhysAddr } from "@iova/core";
import { MAX_FRAME, type NetDriver, type NetStats, Offload, type ReceivedFrame, type TransmitOffload } from "@iova/net";
import { driverOk, type DriverTransport, type FeatureSet, resetDevice, Status } from "@iova/virtio";
import { ControlCommands } from "./driver_control.ts";
import type { NetDriverOptions } from "./driver_options.ts";
import { ReceiveBuffers } from "./driver_receive.ts";
import { BIG_BUFFER, type NetSetup, setUp } from "./driver_setup.ts";
import { TransmitSlots } from "./driver_transmit.ts";
import { MAC_SIZE, NetConfig, NetFeature, NetStatus } from "./layout.ts";
import {
  AnnounceCommand,
  ControlClass,
  MacCommand,
  MacCount,
  MqCommand,
  OffloadsCommand,
  OffloadsData,
  PairsData,
  RxCommand,
  VlanCommand,
  VlanData,
} from "./layout_control.ts";

/** Payload of a frame on the wire, unless the device says otherwise. */
const ETHERNET_MTU = 1500;
/** Ethernet header and a VLAN tag. */
const LINK_HEADER = 18;

/** What the device does on transmitted frames, by feature. */
const OFFLOADS: readonly (readonly [feature: number, offloads: number])[] = [
  [NetFeature.CSUM, Offload.CHECKSUM],
  [NetFeature.HOST_TSO4, Offload.TCP4],
  [NetFeature.HOST_TSO6, Offload.TCP6],
  [NetFeature.HOST_ECN, Offload.ECN],
  [NetFeature.HOST_USO, Offload.UDP4 | Offload.UDP6],
];

/** See `NetDriver`; the methods that change what the device does are promises of whether it has done it. */
export class VirtioNetDriver implements NetDriver {
  readonly drives = "net";
  readonly mac: Uint8Array = new Uint8Array(MAC_SIZE);
  readonly mtu: number;
  linkUp = true;
  pairs = 1;
  readonly offloads: number;
  readonly maxFrame: number;
  readonly stats: NetStats = { txFrames: 0, txBytes: 0, txDropped: 0, rxFrames: 0, rxBytes: 0, rxErrors: 0 };
  /** Features agreed on. */
  readonly features: FeatureSet;
  onTransmitted: (tag: number) => void = () => {};
  onReceive: (frame: ReceivedFrame) => void = () => {};
  onLink: (up: boolean) => void = () => {};
  readonly #context: DriverContext;
  readonly #transport: DriverTransport;
  readonly #setup: NetSetup;
  readonly #receive: ReceiveBuffers[];
  readonly #transmit: TransmitSlots[];
  readonly #control: ControlCommands | null;
  #gone = false;
  #stopped = false;
  /** Tags of frames that came after the device had gone. */
  #lost: number[] = [];

  /** Brings the device up. @throws {Error} when it refuses. */
  static async create(
    transport: DriverTransport,
    context: DriverContext,
    options: NetDriverOptions,
  ): Promise<VirtioNetDriver> {
    const driver = new VirtioNetDriver(transport, context, options);
    await driver.#start(options);
    return driver;
  }

  private constructor(transport: DriverTransport, context: DriverContext, options: NetDriverOptions) {
    const setup = setUp(transport, context, options);
    const { features } = setup;
    this.#context = context;
    this.#transport = transport;
    this.#setup = setup;
    this.features = features;
    this.offloads = OFFLOADS.reduce((all, [feature, bits]) => features.has(feature) ? all | bits : all, 0);
    this.mtu = features.has(NetFeature.MTU) ? transport.readConfig(NetConfig.at.mtu, 2) : ETHERNET_MTU;
    this.maxFrame = (this.offloads & ~Offload.CHECKSUM) !== 0 ? MAX_FRAME : this.mtu + LINK_HEADER;
    this.#readMac();
    this.#readLink();
    this.#receive = setup.receive.map((_, pair) => this.#makeReceive(pair, options));
    this.#transmit = setup.transmit.map((_, pair) => this.#makeTransmit(pair, options));
    const { guest } = context;
    this.#control = setup.control === null ? null : new ControlCommands({
      guest,
      queue: setup.control,
      buffers: options.controlBuffers,
      broken: this.#broken,
    });
  }

  transmit(buffer: PhysAddr, length: number, tag: number, offload?: TransmitOffload, pair = 0): boolean {
    if (this.#gone) return this.#lose(tag);
    return this.#transmit[pair].transmit(buffer, length, tag, offload ?? null);
  }

  kick(): void {
    if (!this.#gone) { for (const queue of this.#setup.transmit) queue.kick(); }
  }

  setPromiscuous(on: boolean): Promise<boolean> {
    return this.#command(ControlClass.RX, RxCommand.PROMISC, Uint8Array.of(on ? 1 : 0));
  }

  /** Switches one of {@linkcode RxCommand}. */
  setReceiveMode(command: number, on: boolean): Promise<boolean> {
    return this.#command(ControlClass.RX, command, Uint8Array.of(on ? 1 : 0));
  }

  /** Receives these addresses besides its own. */
  setAddresses(unicast: readonly Uint8Array[], multicast: readonly Uint8Array[]): Promise<boolean> {
    return this.#command(ControlClass.MAC, MacCommand.TABLE_SET, macTable(unicast), macTable(multicast));
  }

  /** Changes its own address. */
  async setMac(mac: Uint8Array): Promise<boolean> {
    const done = await this.#command(ControlClass.MAC, MacCommand.ADDR_SET, mac);
    if (done) this.#readMac();
    return done;
  }

  /** Receives a VLAN, or does so no longer. */
  setVlan(id: number, wanted: boolean): Promise<boolean> {
    const command = wanted ? VlanCommand.ADD : VlanCommand.DEL;
    return this.#command(ControlClass.VLAN, command, VlanData.encode({ id }));
  }

  /** Uses `pairs` pairs of queues. */
  async setPairs(pairs: number): Promise<boolean> {
    if (pairs > this.#transmit.length) return false;
    const done = await this.#command(ControlClass.MQ, MqCommand.VQ_PAIRS_SET, PairsData.encode({ pairs }));
    if (done) this.pairs = pairs;
    return done;
  }

  /** Takes these offloads in received frames: a set of feature bits. */
  setOffloads(offloads: bigint): Promise<boolean> {
    return this.#command(ControlClass.GUEST_OFFLOADS, OffloadsCommand.SET, OffloadsData.encode({ offloads }));
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#abandon();
    for (const receive of this.#receive) receive.release();
    for (const transmit of this.#transmit) transmit.release();
    this.#control?.release();
    const { receive, transmit, control } = this.#setup;
    for (const queue of [...receive, ...transmit, ...(control === null ? [] : [control])]) queue.release();
  }

  /** Interrupts, buffers, DRIVER_OK, and what is said by command. */
  async #start({ pairs }: NetDriverOptions): Promise<void> {
    const { receive, transmit, control } = this.#setup;
    const used: (() => void)[] = [];
    receive.forEach(({ index }, pair) => used[index] = this.#receive[pair].used);
    transmit.forEach(({ index }, pair) => used[index] = this.#transmit[pair].used);
    if (control !== null) used[control.index] = this.#control!.used;
    this.#transport.connect(Array.from(used, (handler) => handler ?? nothing), this.#changed);
    driverOk(this.#transport);
    for (const buffers of this.#receive) buffers.fill();
    if (pairs > 1 && this.features.has(NetFeature.MQ)) await this.setPairs(this.#transmit.length);
    if (this.features.has(NetFeature.CTRL_RX)) await this.setPromiscuous(false);
  }

  #makeReceive(pair: number, { rxBuffer }: NetDriverOptions): ReceiveBuffers {
    const { addressing, headerSize, features, receive } = this.#setup;
    const merges = features.has(NetFeature.MRG_RXBUF);
    const big = features.has(NetFeature.GUEST_TSO4) || features.has(NetFeature.GUEST_USO4);
    const least = merges ? headerSize + 1 : big ? BIG_BUFFER : headerSize + this.mtu + LINK_HEADER;
    return new ReceiveBuffers({
      guest: this.#context.guest,
      queue: receive[pair],
      addressing,
      headerSize,
      bufferSize: Math.max(rxBuffer, least),
      merges,
      stats: this.stats,
      receive: (frame) => this.onReceive(frame),
      broken: this.#broken,
    });
  }

  #makeTransmit(pair: number, { requestMemory, scatterlists }: NetDriverOptions): TransmitSlots {
    const { addressing, headerSize, transmit } = this.#setup;
    const { guest, dma }: { guest: DriverContext["guest"]; dma: DmaOps } = this.#context;
    return new TransmitSlots({
      guest,
      dma,
      queue: transmit[pair],
      addressing,
      headerSize,
      maxFrame: this.maxFrame,
      coherent: requestMemory === "coherent",
      scatterlists,
      stats: this.stats,
      transmitted: (tag) => this.onTransmitted(tag),
      dropped: (tag) => void this.#lose(tag),
      broken: this.#broken,
    });
  }

  #command(group: number, command: number, ...parts: Uint8Array[]): Promise<boolean> {
    return this.#control?.send(group, command, ...parts) ?? Promise.resolve(false);
  }

  /** Interrupt: the configuration, or the device's health. */
  readonly #changed = (): void => {
    if (this.#gone) return;
    if ((this.#transport.readStatus() & Status.DEVICE_NEEDS_RESET) !== 0) return this.#fail("it needs a reset");
    if (!this.features.has(NetFeature.STATUS)) return;
    const before = this.linkUp;
    const status = this.#readLink();
    if ((status & NetStatus.ANNOUNCE) !== 0) void this.#command(ControlClass.ANNOUNCE, AnnounceCommand.ACK);
    if (this.linkUp !== before) this.onLink(this.linkUp);
  };

  readonly #broken = (): void => this.#fail("it used a buffer that it was not given, or never answered");

  #readMac(): void {
    const at = NetConfig.at.mac;
    for (let i = 0; i < MAC_SIZE; i++) this.mac[i] = this.#transport.readConfig(at + i, 1);
  }

  #readLink(): number {
    if (!this.features.has(NetFeature.STATUS)) return NetStatus.LINK_UP;
    const status = this.#transport.readConfig(NetConfig.at.status, 2);
    this.linkUp = (status & NetStatus.LINK_UP) !== 0;
    return status;
  }

  /** The device is of no use any more. */
  #fail(why: string): void {
    if (this.#gone) return;
    this.#context.warn("device-gone", `the driver gave the device up: ${why}`);
    this.#abandon();
    this.onLink(false);
  }

  /** Takes everything back from the device: it is reset first, so that it touches nothing that is unmapped. */
  #abandon(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.linkUp = false;
    resetDevice(this.#transport, () => this.#context.guest.relax());
    this.#transport.disconnect();
    for (const receive of this.#receive) receive.stop();
    for (const transmit of this.#transmit) transmit.detach();
    this.#control?.stop();
  }

  /** Takes a frame only to lose it, in interrupt context as its user expects. */
  #lose(tag: number): boolean {
    if (this.#lost.push(tag) === 1) {
      this.#context.guest.post(() => {
        const lost = this.#lost;
        this.#lost = [];
        for (const each of lost) this.onTransmitted(each);
      });
    }
    return true;
  }
}

function nothing(): void {}

/** A count and addresses. */
function macTable(macs: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(MacCount.size + macs.length * MAC_SIZE);
  bytes.set(MacCount.encode({ entries: macs.length }));
  macs.forEach((mac, i) => bytes.set(mac, MacCount.size + i * MAC_SIZE));
  return bytes;
}
