/**
 * The legacy PCI transport, driver side (virtio 1.4 §4.1.4.10; the steps are those of Linux
 * drivers/virtio/virtio_pci_legacy.c).
 *
 * @module
 */

import { type DriverContext, Errno, type GuestPort, type Width } from "@iova/core";
import { Header0, type PciDevice, pciGuest } from "@iova/pci";
import { connectPci, type PciVectors } from "./driver_pci_interrupts.ts";
import type { QueueAddresses } from "./driver_queue.ts";
import type { DriverTransport } from "./driver_transport.ts";
import { FeatureSet } from "./layout_features.ts";
import { NO_VECTOR } from "./layout_pci.ts";
import {
  LEGACY_PAGE_SHIFT,
  LEGACY_RING_ALIGN,
  LegacyHeader,
  type LegacyRegister,
  LegacyVectors,
  VIRTIO_LEGACY_DEVICE,
} from "./layout_pci_legacy.ts";
import { placeSplit } from "./layout_ring.ts";

const LEGACY_BAR = 0;
/** Bytes of registers in front of the device configuration. */
const LEAST_BAR = LegacyHeader.size + LegacyVectors.size;

/** Whether a function has the legacy interface: an id of its own, and registers behind I/O BAR 0. */
export function hasLegacyInterface(fn: PciDevice): boolean {
  const bar = fn.bars.get(LEGACY_BAR);
  return Object.values(VIRTIO_LEGACY_DEVICE).includes(fn.device) && bar?.kind === "io" && bar.size >= LEAST_BAR;
}

/** See the module's text. */
export class VirtioPciLegacyTransport implements DriverTransport, PciVectors {
  readonly type: number;
  readonly legacy = true;
  readonly dictatesSize = true;
  readonly #guest: GuestPort;
  readonly #fn: PciDevice;
  readonly #ports: number;
  /** The first port behind the BAR. */
  readonly #end: number;
  #messages = false;
  #undo: () => void = () => {};

  /**
   * Finds the device's registers and lets it onto its bus.
   *
   * @throws {RangeError} when the function has no legacy virtio interface.
   */
  constructor({ guest, requester }: Pick<DriverContext, "guest" | "requester">) {
    this.#guest = guest;
    this.#fn = pciGuest(guest).function(requester);
    if (!hasLegacyInterface(this.#fn)) throw new RangeError("no legacy virtio device: it has no legacy interface");
    this.type = this.#fn.configRead(Header0.at.subsystem, 2);
    const { address, size } = this.#fn.bar(LEGACY_BAR);
    this.#ports = address;
    this.#end = address + size;
    this.#fn.enableBusMaster();
  }

  readStatus(): number {
    return this.#read("device_status");
  }

  writeStatus(value: number): void {
    this.#write("device_status", value);
  }

  offered(): FeatureSet {
    const features = new FeatureSet();
    features.setWord(0, this.#read("device_features"));
    return features;
  }

  accept(features: FeatureSet): void {
    this.#write("driver_features", features.word(0));
  }

  readConfig(offset: number, width: Width): number {
    const port = this.#config + offset;
    return port + width <= this.#end ? this.#guest.ioRead(port, width) : 0;
  }

  writeConfig(offset: number, width: Width, value: number): void {
    const port = this.#config + offset;
    if (port + width <= this.#end) this.#guest.ioWrite(port, width, value);
  }

  generation(): number {
    return 0;
  }

  queueSize(index: number): number {
    this.#write("queue_select", index);
    return this.#read("queue_size");
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): number {
    this.#write("queue_select", index);
    if (this.#read("queue_size") !== size || !isLegacyRing(size, LEGACY_RING_ALIGN, addresses)) return -Errno.EINVAL;
    const page = legacyPage(addresses, LEGACY_PAGE_SHIFT);
    if (page < 0) return -Errno.E2BIG;
    this.#write("queue_address", page);
    return this.#read("queue_address") === page ? 0 : -Errno.EINVAL;
  }

  resetQueue(): boolean {
    return false;
  }

  notifier(index: number): () => void {
    const guest = this.#guest;
    const port = this.#ports + LegacyHeader.at.queue_notify;
    return () => guest.ioWrite(port, 2, index);
  }

  connect(used: readonly (() => void)[], changed: () => void): void {
    this.disconnect();
    this.#undo = connectPci(this.#fn, this, used, changed);
  }

  disconnect(): void {
    this.#undo();
    this.#messages = false;
    this.#undo = () => {};
  }

  setVectors(queues: number, own: boolean): boolean {
    this.#messages = true;
    const ports = this.#ports + LegacyHeader.size;
    const set = (at: number, vector: number) => {
      this.#guest.ioWrite(ports + at, 2, vector);
      return this.#guest.ioRead(ports + at, 2) !== NO_VECTOR;
    };
    let good = set(LegacyVectors.at.config_msix_vector, 0);
    for (let i = 0; i < queues; i++) {
      this.#write("queue_select", i);
      good = set(LegacyVectors.at.queue_msix_vector, own ? 1 + i : 1) && good;
    }
    this.#messages = good;
    return good;
  }

  readIsr(): number {
    return this.#read("isr_status");
  }

  /** The configuration moves when MSI-X is enabled. */
  get #config(): number {
    return this.#ports + LegacyHeader.size + (this.#messages ? LegacyVectors.size : 0);
  }

  #read(register: LegacyRegister): number {
    return this.#guest.ioRead(this.#ports + LegacyHeader.at[register], LegacyHeader.width[register] / 8 as Width);
  }

  #write(register: LegacyRegister, value: number): void {
    const width = LegacyHeader.width[register] / 8 as Width;
    this.#guest.ioWrite(this.#ports + LegacyHeader.at[register], width, value >>> 0);
  }
}

/** Whether a ring's parts lie where a legacy device looks for them, from the first byte of a page on. */
export function isLegacyRing(size: number, align: number, addresses: QueueAddresses): boolean {
  const { descHi, descLo, driverHi, driverLo, deviceHi, deviceLo } = addresses;
  const { avail, used } = placeSplit(size, align);
  return descHi === driverHi && descHi === deviceHi && driverLo === (descLo + avail | 0) &&
    deviceLo === (descLo + used | 0);
}

/** The page frame number of a ring, in pages of 2^`shift` bytes; −1 when 32 bits do not hold it. */
export function legacyPage({ descHi, descLo }: QueueAddresses, shift: number): number {
  if (descHi >>> shift !== 0 || (descLo & ((1 << shift) - 1)) !== 0) return -1;
  return (descHi << (32 - shift) | descLo >>> shift) >>> 0;
}
