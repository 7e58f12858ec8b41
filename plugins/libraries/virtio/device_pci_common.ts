/**
 * The common configuration registers of a virtio PCI device (virtio 1.4 §4.1.4.3).
 *
 * @module
 */

import type { VirtioDevice, VirtioQueue } from "./device_model.ts";
import type { PciInterrupts } from "./device_pci_interrupts.ts";
import { type Register, RegisterTable } from "./device_registers.ts";
import { Feature } from "./layout_features.ts";
import { CommonCfg, type CommonCfgRegister, NO_VECTOR } from "./layout_pci.ts";

/** Marks the names that queues have in kicks with NOTIF_CONFIG_DATA: a driver that uses the index instead is noticed. */
export const NOTIF_CONFIG_MARK = 0x8000;

/** Queues that QEMU has room for. */
const MOST_QUEUES = 1024;

/** The common configuration of one device. */
export class CommonRegisters extends RegisterTable {
  readonly #device: VirtioDevice;
  readonly #interrupts: PciInterrupts;
  #deviceSelect = 0;
  #driverSelect = 0;
  #queueSelect = 0;
  /** Feature words as they were written, and queues that are enabled though they are not there. */
  readonly #written = new Uint32Array(2);
  readonly #phantoms = new Set<number>();

  /** The registers of `device`, which interrupts through `interrupts`. */
  constructor(device: VirtioDevice, interrupts: PciInterrupts) {
    super(device.manners.decoding);
    this.#device = device;
    this.#interrupts = interrupts;
    const registers: Record<CommonCfgRegister, Register> = { ...this.#deviceRegisters(), ...this.#queueRegisters() };
    this.add(CommonCfg, registers);
  }

  /** Back to power-on. */
  reset(): void {
    this.#deviceSelect = this.#driverSelect = this.#queueSelect = 0;
    this.#written.fill(0);
    this.#phantoms.clear();
  }

  #deviceRegisters() {
    const device = this.#device;
    const interrupts = this.#interrupts;
    return {
      device_feature_select: { get: () => this.#deviceSelect, set: (value: number) => this.#deviceSelect = value },
      device_feature: { get: () => device.offered.word(this.#deviceSelect) },
      driver_feature_select: { get: () => this.#driverSelect, set: (value: number) => this.#driverSelect = value },
      driver_feature: {
        get: () => this.#asWritten ? this.#written[this.#driverSelect] ?? 0 : device.accepted.word(this.#driverSelect),
        set: (value: number) => this.#accept(value),
      },
      config_msix_vector: {
        get: () => interrupts.configVector,
        set: (value: number) => interrupts.configVector = interrupts.vector(value),
      },
      num_queues: { get: () => device.queues.length },
      device_status: { get: () => device.status, set: (value: number) => device.writeStatus(value) },
      config_generation: { get: () => device.generation },
      queue_select: { get: () => this.#queueSelect, set: (value: number) => this.#select(value) },
    };
  }

  #queueRegisters() {
    const device = this.#device;
    const { queueVectors } = this.#interrupts;
    return {
      queue_size: {
        get: () => this.#queue?.size ?? 0,
        set: (value: number) => this.#withQueue((queue) => device.resize(queue, value)),
      },
      queue_msix_vector: {
        get: () => queueVectors[this.#queueSelect] ?? NO_VECTOR,
        set: (value: number) => this.#withQueue(({ index }) => queueVectors[index] = this.#interrupts.vector(value)),
      },
      queue_enable: {
        get: () => this.#queue?.enabled || this.#phantoms.has(this.#queueSelect) ? 1 : 0,
        set: (value: number) => value === 1 && this.#enable(),
      },
      queue_notify_off: { get: () => this.#queue?.index ?? (this.#asWritten ? this.#queueSelect : 0) },
      queue_desc_lo: this.#half("descLo"),
      queue_desc_hi: this.#half("descHi"),
      queue_driver_lo: this.#half("driverLo"),
      queue_driver_hi: this.#half("driverHi"),
      queue_device_lo: this.#half("deviceLo"),
      queue_device_hi: this.#half("deviceHi"),
      queue_notif_config_data: { get: () => this.#notifyName() },
      queue_reset: {
        // A reset is done when the write returns.
        get: () => 0,
        set: (value: number) => this.#withQueue((queue) => value === 1 && device.resetQueue(queue)),
      },
    };
  }

  get #asWritten(): boolean {
    return this.#device.manners.registersAsWritten;
  }

  #accept(value: number): void {
    if (this.#driverSelect < this.#written.length) this.#written[this.#driverSelect] = value;
    this.#device.acceptWord(this.#driverSelect, value);
  }

  #select(value: number): void {
    if (!this.#asWritten || value < MOST_QUEUES) this.#queueSelect = value;
  }

  #enable(): void {
    if (this.#queue !== undefined) this.#device.enable(this.#queue);
    else if (this.#asWritten) this.#phantoms.add(this.#queueSelect);
  }

  get #queue(): VirtioQueue | undefined {
    return this.#device.queues[this.#queueSelect];
  }

  #withQueue(change: (queue: VirtioQueue) => void): void {
    if (this.#queue !== undefined) change(this.#queue);
  }

  #notifyName(): number {
    const queue = this.#queue;
    const named = queue !== undefined && this.#device.accepted.has(Feature.NOTIF_CONFIG_DATA);
    return named ? queue.index | NOTIF_CONFIG_MARK : 0;
  }

  /** An address register; it keeps its value while the queue is enabled. */
  #half(name: "descLo" | "descHi" | "driverLo" | "driverHi" | "deviceLo" | "deviceHi"): Register {
    return {
      get: () => this.#queue?.[name] ?? 0,
      set: (value) =>
        this.#withQueue((queue) => {
          if (!queue.enabled) queue[name] = value | 0;
        }),
    };
  }
}
