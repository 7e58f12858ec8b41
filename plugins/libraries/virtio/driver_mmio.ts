/**
 * The MMIO transport, driver side (virtio 1.4 §4.2), versions 1 and 2; and how a guest knows of its slots: from the words
 * that a kernel's command line has for them.
 *
 * @module
 */

import { Errno, type GuestPort, parseSize, type PhysAddr, type Width } from "@iova/core";
import { isLegacyRing, legacyPage } from "./driver_pci_legacy.ts";
import type { QueueAddresses } from "./driver_queue.ts";
import type { DriverTransport } from "./driver_transport.ts";
import { Feature, FeatureSet } from "./layout_features.ts";
import {
  MMIO_CONFIG,
  MMIO_MAGIC,
  MmioInterrupt,
  type MmioLegacyRegister,
  MmioLegacyRegisters,
  type MmioRegister,
  MmioRegisters,
} from "./layout_mmio.ts";
import { notificationWord } from "./layout_notification.ts";

/** A slot, as a guest is told of it. */
export interface MmioSlot {
  /** First register. */
  readonly base: PhysAddr;
  /** Bytes of registers. */
  readonly size: number;
  /** Interrupt line. */
  readonly line: number;
  /** Requester id of what is plugged in. */
  readonly requester: number;
}

/** Requester id of the device in slot `id`: as if each slot were a PCI device of its own, after the host bridge. */
export function mmioRequester(id: number): number {
  return (id + 1) << 3;
}

/** The form in which Linux takes slots on its command line: `<size>@<base>:<line>:<id>`. */
export function describeMmioSlot({ base, size, line }: Omit<MmioSlot, "requester">, id: number): string {
  return `${size}@0x${base.toString(16)}:${line}:${id}`;
}

const guests = new WeakMap<GuestPort, readonly MmioSlot[]>();

/**
 * Tells a guest which slots there are, each in the form of {@linkcode describeMmioSlot}; what it was told before is
 * forgotten.
 *
 * @throws {RangeError} when one has another form.
 */
export function tellMmioSlots(guest: GuestPort, slots: readonly string[]): void {
  guests.set(guest, slots.map(parseSlot));
}

function parseSlot(text: string): MmioSlot {
  const match = /^(\w+)@(0x[0-9a-f]+|\d+):(\d+):(\d+)$/i.exec(text);
  const size = parseSize(match?.[1]);
  if (match === null || size === undefined) throw new RangeError(`"${text}" is no virtio_mmio slot`);
  const [, , base, line, id] = match;
  return { base: Number(base), size, line: Number(line), requester: mmioRequester(Number(id)) };
}

/** The slot of the device with this requester id; undefined when the guest was told of none. */
export function mmioSlot(guest: GuestPort, requester: number): MmioSlot | undefined {
  return guests.get(guest)?.find((slot) => slot.requester === requester);
}

/** How often a driver looks whether a queue has finished its reset. */
const RESET_POLLS = 1000;
const FEATURE_WORDS = 2;
/** What this driver says its pages are, and where used rings lie, on a legacy interface. */
const PAGE_SHIFT = 12;
const RING_ALIGN = 4096;

/** See the module's text. */
export class VirtioMmioTransport implements DriverTransport {
  readonly type: number;
  readonly legacy: boolean;
  readonly dictatesSize = false;
  readonly #guest: GuestPort;
  readonly #slot: MmioSlot;
  #accepted = new FeatureSet();
  #undo: () => void = () => {};

  /** Looks at a slot. @throws {RangeError} when nothing that this driver knows is plugged in. */
  constructor(guest: GuestPort, slot: MmioSlot) {
    this.#guest = guest;
    this.#slot = slot;
    const version = this.#read("Version");
    if (this.#read("MagicValue") !== MMIO_MAGIC) throw new RangeError("no virtio device: the magic value is wrong");
    if (version !== 1 && version !== 2) throw new RangeError(`a virtio MMIO device of unknown version ${version}`);
    this.type = this.#read("DeviceID");
    if (this.type === 0) throw new RangeError("no virtio device: the slot is empty");
    this.legacy = version === 1;
    if (this.legacy) this.#write("GuestPageSize", 1 << PAGE_SHIFT);
  }

  readStatus(): number {
    return this.#read("Status") & 0xff;
  }

  writeStatus(value: number): void {
    this.#write("Status", value);
    // A reset forgets it.
    if (value === 0 && this.legacy) this.#write("GuestPageSize", 1 << PAGE_SHIFT);
  }

  offered(): FeatureSet {
    const features = new FeatureSet();
    for (let i = 0; i < (this.legacy ? 1 : FEATURE_WORDS); i++) {
      this.#write("DeviceFeaturesSel", i);
      features.setWord(i, this.#read("DeviceFeatures"));
    }
    return features;
  }

  accept(features: FeatureSet): void {
    this.#accepted = features;
    for (let i = 0; i < FEATURE_WORDS; i++) {
      this.#write("DriverFeaturesSel", i);
      this.#write("DriverFeatures", features.word(i));
    }
  }

  readConfig(offset: number, width: Width): number {
    const at = MMIO_CONFIG + offset;
    return at + width <= this.#slot.size ? this.#guest.read(this.#slot.base + at, width) : 0;
  }

  writeConfig(offset: number, width: Width, value: number): void {
    const at = MMIO_CONFIG + offset;
    if (at + width <= this.#slot.size) this.#guest.write(this.#slot.base + at, width, value);
  }

  generation(): number {
    return this.legacy ? 0 : this.#read("ConfigGeneration");
  }

  queueSize(index: number): number {
    this.#write("QueueSel", index);
    return this.#read("QueueSizeMax");
  }

  enableQueue(index: number, size: number, addresses: QueueAddresses): number {
    if (this.queueSize(index) < size) return -Errno.EINVAL;
    return this.legacy ? this.#enableLegacy(size, addresses) : this.#enableModern(size, addresses);
  }

  resetQueue(index: number): boolean {
    if (!this.#accepted.has(Feature.RING_RESET)) return false;
    this.#write("QueueSel", index);
    this.#write("QueueReset", 1);
    for (let i = 0; i < RESET_POLLS; i++) {
      if (this.#read("QueueReset") === 0) return this.#read("QueueReady") === 0;
      if (!this.#guest.relax()) return false;
    }
    return false;
  }

  notifier(index: number): (next?: number) => void {
    const guest = this.#guest;
    const address = this.#slot.base + MmioRegisters.at.QueueNotify;
    if (!this.#accepted.has(Feature.NOTIFICATION_DATA)) return () => guest.write(address, 4, index);
    return (next = 0) => guest.write(address, 4, notificationWord(index, next));
  }

  connect(used: readonly (() => void)[], changed: () => void): void {
    this.disconnect();
    this.#undo = this.#guest.lineInterrupt(this.#slot.line, () => {
      const status = this.#read("InterruptStatus");
      if (status === 0) return;
      this.#write("InterruptACK", status);
      if ((status & MmioInterrupt.CONFIG) !== 0) changed();
      if ((status & MmioInterrupt.QUEUE) !== 0) used.forEach((handler) => handler());
    });
  }

  disconnect(): void {
    this.#undo();
    this.#undo = () => {};
  }

  #enableModern(size: number, addresses: QueueAddresses): number {
    if (this.#read("QueueReady") !== 0) return -Errno.EINVAL;
    this.#write("QueueSize", size);
    this.#write("QueueDescLow", addresses.descLo);
    this.#write("QueueDescHigh", addresses.descHi);
    this.#write("QueueDriverLow", addresses.driverLo);
    this.#write("QueueDriverHigh", addresses.driverHi);
    this.#write("QueueDeviceLow", addresses.deviceLo);
    this.#write("QueueDeviceHigh", addresses.deviceHi);
    this.#write("QueueReady", 1);
    return this.#read("QueueReady") === 1 ? 0 : -Errno.EINVAL;
  }

  #enableLegacy(size: number, addresses: QueueAddresses): number {
    if (!isLegacyRing(size, RING_ALIGN, addresses)) return -Errno.EINVAL;
    const page = legacyPage(addresses, PAGE_SHIFT);
    if (page < 0) return -Errno.E2BIG;
    this.#write("QueueSize", size);
    this.#write("QueueAlign", RING_ALIGN);
    this.#write("QueuePFN", page);
    return this.#read("QueuePFN") === page ? 0 : -Errno.EINVAL;
  }

  #read(register: MmioRegister | MmioLegacyRegister): number {
    return this.#guest.read(this.#slot.base + AT[register], 4);
  }

  #write(register: MmioRegister | MmioLegacyRegister, value: number): void {
    this.#guest.write(this.#slot.base + AT[register], 4, value >>> 0);
  }
}

const AT = { ...MmioRegisters.at, ...MmioLegacyRegisters.at };
