/**
 * The modern PCI transport, driver side (virtio 1.4 §4.1.4): finds the vendor capabilities and drives the registers that
 * they point at.
 *
 * @module
 */

import { type DriverContext, Errno, type GuestPort, type Width } from "@iova/core";
import { Header0, type PciDevice, pciGuest } from "@iova/pci";
import { connectPci, type PciVectors } from "./driver_pci_interrupts.ts";
import { findRegions, type PciRegions } from "./driver_pci_regions.ts";
import type { QueueAddresses } from "./driver_queue.ts";
import type { DriverTransport } from "./driver_transport.ts";
import { Feature, FeatureSet } from "./layout_features.ts";
import { notificationWord } from "./layout_notification.ts";
import { CommonCfg, type CommonCfgRegister, NO_VECTOR, VIRTIO_MODERN_DEVICE } from "./layout_pci.ts";

/** How often a driver looks whether a queue has finished its reset. */
const RESET_POLLS = 1000;
/** Words of features that this driver looks at. */
const FEATURE_WORDS = 2;

/** Every feature but those whose registers stand behind what the first devices of virtio 1.0 had. */
const SHORT_COMMON = new FeatureSet(
  Array.from({ length: 64 }, (_, bit) => bit).filter((bit) =>
    bit !== Feature.NOTIF_CONFIG_DATA && bit !== Feature.RING_RESET
  ),
);

/** See the module's text. */
export class VirtioPciTransport implements DriverTransport, PciVectors {
  readonly type: number;
  readonly legacy = false;
  readonly dictatesSize = false;
  readonly #guest: GuestPort;
  readonly #fn: PciDevice;
  readonly #regions: PciRegions;
  #undo: () => void = () => {};
  #accepted = new FeatureSet();

  /**
   * Finds the device's registers and lets it onto its bus.
   *
   * @throws {RangeError} when the function is no modern virtio device.
   */
  constructor({ guest, requester }: Pick<DriverContext, "guest" | "requester">) {
    this.#guest = guest;
    this.#fn = pciGuest(guest).function(requester);
    this.type = typeOf(this.#fn);
    this.#regions = findRegions(this.#fn);
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
    for (let i = 0; i < FEATURE_WORDS; i++) {
      this.#write("device_feature_select", i);
      features.setWord(i, this.#read("device_feature"));
    }
    // What belongs to registers that are not there cannot be used.
    return this.#regions.common.length >= CommonCfg.size ? features : features.and(SHORT_COMMON);
  }

  accept(features: FeatureSet): void {
    this.#accepted = features;
    for (let i = 0; i < FEATURE_WORDS; i++) {
      this.#write("driver_feature_select", i);
      this.#write("driver_feature", features.word(i));
    }
  }

  readConfig(offset: number, width: Width): number {
    const { address, length } = this.#regions.device;
    return offset + width <= length ? this.#guest.read(address + offset, width) : 0;
  }

  writeConfig(offset: number, width: Width, value: number): void {
    const { address, length } = this.#regions.device;
    if (offset + width <= length) this.#guest.write(address + offset, width, value);
  }

  generation(): number {
    return this.#read("config_generation");
  }

  queueSize(index: number): number {
    this.#write("queue_select", index);
    return this.#read("queue_size");
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): number {
    this.#write("queue_select", index);
    this.#write("queue_size", size);
    if (this.#read("queue_size") !== size) return -Errno.EINVAL;
    this.#write("queue_desc_lo", addresses.descLo);
    this.#write("queue_desc_hi", addresses.descHi);
    this.#write("queue_driver_lo", addresses.driverLo);
    this.#write("queue_driver_hi", addresses.driverHi);
    this.#write("queue_device_lo", addresses.deviceLo);
    this.#write("queue_device_hi", addresses.deviceHi);
    this.#write("queue_enable", 1);
    return this.#read("queue_enable") === 1 ? 0 : -Errno.EINVAL;
  }

  resetQueue(index: number): boolean {
    if (!this.#accepted.has(Feature.RING_RESET)) return false;
    this.#write("queue_select", index);
    this.#write("queue_reset", 1);
    for (let i = 0; i < RESET_POLLS; i++) {
      if (this.#read("queue_reset") === 0) return this.#read("queue_enable") === 0;
      if (!this.#guest.relax()) return false;
    }
    return false;
  }

  notifier(index: number): (next?: number) => void {
    this.#write("queue_select", index);
    const { notify, multiplier } = this.#regions;
    const data = this.#accepted.has(Feature.NOTIFICATION_DATA);
    const offset = this.#read("queue_notify_off") * multiplier;
    if (offset + (data ? 4 : 2) > notify.length) {
      throw new RangeError(`the device puts the doorbell of queue ${index} outside its registers`);
    }
    const address = notify.address + offset;
    const guest = this.#guest;
    const id = this.#accepted.has(Feature.NOTIF_CONFIG_DATA) ? this.#read("queue_notif_config_data") : index;
    if (!data) return () => guest.write(address, 2, id);
    return (next = 0) => guest.write(address, 4, notificationWord(id, next));
  }

  connect(used: readonly (() => void)[], changed: () => void): void {
    this.disconnect();
    this.#undo = connectPci(this.#fn, this, used, changed);
  }

  disconnect(): void {
    this.#undo();
    this.#undo = () => {};
  }

  setVectors(queues: number, own: boolean): boolean {
    this.#write("config_msix_vector", 0);
    let refused = this.#read("config_msix_vector") === NO_VECTOR;
    for (let i = 0; i < queues; i++) {
      this.#write("queue_select", i);
      this.#write("queue_msix_vector", own ? 1 + i : 1);
      refused ||= this.#read("queue_msix_vector") === NO_VECTOR;
    }
    return !refused;
  }

  readIsr(): number {
    return this.#guest.read(this.#regions.isr.address, 1);
  }

  #read(register: CommonCfgRegister): number {
    return this.#guest.read(
      this.#regions.common.address + CommonCfg.at[register],
      CommonCfg.width[register] / 8 as Width,
    );
  }

  #write(register: CommonCfgRegister, value: number): void {
    const width = CommonCfg.width[register] / 8 as Width;
    this.#guest.write(this.#regions.common.address + CommonCfg.at[register], width, value >>> 0);
  }
}

/** A transitional device says its type as its subsystem (§4.1.2.3). */
function typeOf(fn: PciDevice): number {
  return fn.device >= VIRTIO_MODERN_DEVICE ? fn.device - VIRTIO_MODERN_DEVICE : fn.configRead(Header0.at.subsystem, 2);
}
