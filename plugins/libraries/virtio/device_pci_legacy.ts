/**
 * The legacy registers of a virtio PCI device, behind I/O BAR 0 (virtio 1.4 §4.1.4.10).
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";
import type { VirtioDevice, VirtioQueue } from "./device_model.ts";
import type { PciInterrupts } from "./device_pci_interrupts.ts";
import { type Register, RegisterTable } from "./device_registers.ts";
import { Feature, Status } from "./layout_features.ts";
import { NO_VECTOR } from "./layout_pci.ts";
import {
  LEGACY_PAGE_SHIFT,
  LEGACY_RING_ALIGN,
  LegacyHeader,
  type LegacyRegister,
  LegacyVectors,
} from "./layout_pci_legacy.ts";

/** Where the device configuration begins while MSI-X is disabled. */
const HEADER = LegacyHeader.size;
/** Where it begins while MSI-X is enabled. */
const HEADER_WITH_VECTORS = HEADER + LegacyVectors.size;

/** The legacy interface of one device. */
export class LegacyRegisters implements RegisterBlock {
  readonly #device: VirtioDevice;
  readonly #interrupts: PciInterrupts;
  readonly #giveBusMaster: () => void;
  readonly #header: RegisterTable;
  readonly #vectors: RegisterTable;
  #queueSelect = 0;
  #notified = 0;

  /** The registers of `device`; `giveBusMaster` lets it onto the bus, which some implementations do by themselves. */
  constructor(device: VirtioDevice, interrupts: PciInterrupts, giveBusMaster: () => void) {
    this.#device = device;
    this.#interrupts = interrupts;
    this.#giveBusMaster = giveBusMaster;
    const { decoding } = device.manners;
    this.#header = new RegisterTable(decoding, -1).add(LegacyHeader, this.#headerRegisters());
    this.#vectors = new RegisterTable(decoding, -1).add(LegacyVectors, this.#vectorRegisters());
  }

  /** Bytes of the I/O BAR for a device with `config` bytes of configuration, as QEMU sizes it. */
  static barSize(config: number, messages: boolean): number {
    return 2 ** Math.ceil(Math.log2((messages ? HEADER_WITH_VECTORS : HEADER) + config));
  }

  /** Back to power-on. */
  reset(): void {
    this.#queueSelect = 0;
    this.#notified = 0;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    if (offset < HEADER) return this.#header.read(offset, width);
    const config = this.#config;
    return offset < config
      ? this.#vectors.read(offset - HEADER, width)
      : this.#device.readConfig(offset - config, width);
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    const config = this.#config;
    if (offset < HEADER) this.#header.write(offset, width, value);
    else if (offset < config) this.#vectors.write(offset - HEADER, width, value);
    else this.#device.writeConfig(offset - config, width, value, true);
  }

  get #config(): number {
    return this.#interrupts.messages ? HEADER_WITH_VECTORS : HEADER;
  }

  get #queue(): VirtioQueue | undefined {
    return this.#device.queues[this.#queueSelect];
  }

  #headerRegisters(): Record<LegacyRegister, Register> {
    const device = this.#device;
    return {
      device_features: { get: () => (device.legacyOffered | this.#badFeature) >>> 0 },
      driver_features: { get: () => device.accepted.word(0), set: (value) => this.#accept(value) },
      queue_address: { get: () => this.#page(), set: (value) => this.#place(value) },
      queue_size: { get: () => this.#queue?.size ?? 0 },
      queue_select: { get: () => this.#queueSelect, set: (value) => this.#queueSelect = value },
      queue_notify: {
        get: () => device.manners.registersAsWritten ? -1 : this.#notified,
        set: (value) => device.kick(this.#notified = value),
      },
      device_status: { get: () => device.status, set: (value) => this.#writeStatus(value) },
      isr_status: { get: () => this.#interrupts.takeIsr() },
    };
  }

  #vectorRegisters(): Record<"config_msix_vector" | "queue_msix_vector", Register> {
    const interrupts = this.#interrupts;
    const { queueVectors } = interrupts;
    return {
      config_msix_vector: {
        get: () => interrupts.configVector,
        set: (value) => interrupts.configVector = interrupts.vector(value),
      },
      queue_msix_vector: {
        get: () => queueVectors[this.#queueSelect] ?? NO_VECTOR,
        set: (value) => {
          if (this.#queue !== undefined) queueVectors[this.#queueSelect] = interrupts.vector(value);
        },
      },
    };
  }

  get #badFeature(): number {
    return this.#device.manners.offersBadFeature ? 1 << Feature.BAD_FEATURE : 0;
  }

  /** A driver that accepts everything that it reads has not negotiated at all. */
  #accept(value: number): void {
    this.#device.acceptLegacy((value & this.#badFeature) !== 0 ? 0 : value);
  }

  #writeStatus(value: number): void {
    this.#device.writeStatus(value, true);
    // Linux before 2.6.34 drove the device without asking for the bus.
    const asks = value === (Status.ACKNOWLEDGE | Status.DRIVER);
    if (asks && this.#device.manners.givesBusMaster) this.#giveBusMaster();
  }

  #page(): number {
    const queue = this.#queue;
    if (!queue?.enabled) return 0;
    return (queue.descHi << (32 - LEGACY_PAGE_SHIFT) | queue.descLo >>> LEGACY_PAGE_SHIFT) >>> 0;
  }

  #place(page: number): void {
    if (this.#queue !== undefined) {
      this.#device.placeLegacyRing(this.#queue, page, LEGACY_PAGE_SHIFT, LEGACY_RING_ALIGN);
    }
  }
}
