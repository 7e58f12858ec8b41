/**
 * The common configuration registers of a virtio PCI device (virtio 1.4 §4.1.4.3). Accesses of any size and place are
 * decoded byte by byte: one that covers several registers reaches each of them once.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";
import type { VirtioDevice, VirtioQueue } from "./device_model.ts";
import { Feature } from "./layout_features.ts";
import { CommonCfg, type CommonCfgRegister, NO_VECTOR } from "./layout_pci.ts";

/** What a register does; a register without `set` is read-only. */
interface Register {
  readonly get: () => number;
  readonly set?: (value: number) => void;
}

interface Placed extends Register {
  readonly at: number;
  readonly bytes: number;
}

/** Marks the names that queues have in kicks with NOTIF_CONFIG_DATA: a driver that uses the index instead is noticed. */
export const NOTIF_CONFIG_MARK = 0x8000;

/** The common configuration of one device. */
export class CommonRegisters implements RegisterBlock {
  /** Vector of configuration changes. */
  configVector = NO_VECTOR;
  /** Vector of each queue. */
  readonly queueVectors: Uint16Array;
  readonly #device: VirtioDevice;
  readonly #vectors: number;
  /** By byte offset. */
  readonly #registers: Placed[];
  #deviceSelect = 0;
  #driverSelect = 0;
  #queueSelect = 0;

  /** The registers of `device`, which has `vectors` MSI-X vectors. */
  constructor(device: VirtioDevice, vectors: number) {
    this.#device = device;
    this.#vectors = vectors;
    this.queueVectors = new Uint16Array(device.queues.length).fill(NO_VECTOR);
    this.#registers = placeRegisters({ ...this.#deviceRegisters(), ...this.#queueRegisters() });
  }

  /** Back to power-on. */
  reset(): void {
    this.configVector = NO_VECTOR;
    this.queueVectors.fill(NO_VECTOR);
    this.#deviceSelect = this.#driverSelect = this.#queueSelect = 0;
  }

  /** See `RegisterBlock`; 0 beyond the last register. */
  read(offset: number, width: Width): number {
    let value = 0;
    for (let i = 0; i < width;) {
      const register = this.#registers[offset + i];
      if (register === undefined) break;
      const skip = offset + i - register.at;
      value |= register.get() >>> (8 * skip) << (8 * i);
      i += register.bytes - skip;
    }
    return width === 4 ? value >>> 0 : value & (2 ** (8 * width) - 1);
  }

  /** See `RegisterBlock`. A write to a part of a register leaves its other bytes as they read. */
  write(offset: number, width: Width, value: number): void {
    for (let i = 0; i < width;) {
      const register = this.#registers[offset + i];
      if (register === undefined) return;
      const skip = offset + i - register.at;
      const part = Math.min(register.bytes - skip, width - i);
      const mask = part === 4 ? -1 : (2 ** (8 * part) - 1) << (8 * skip);
      const shifted = value >>> (8 * i) << (8 * skip);
      register.set?.(((register.get() & ~mask) | (shifted & mask)) >>> 0);
      i += part;
    }
  }

  #deviceRegisters() {
    const device = this.#device;
    return {
      device_feature_select: { get: () => this.#deviceSelect, set: (value: number) => this.#deviceSelect = value },
      device_feature: { get: () => device.offered.word(this.#deviceSelect) },
      driver_feature_select: { get: () => this.#driverSelect, set: (value: number) => this.#driverSelect = value },
      driver_feature: {
        get: () => device.accepted.word(this.#driverSelect),
        set: (value: number) => device.acceptWord(this.#driverSelect, value),
      },
      config_msix_vector: {
        get: () => this.configVector,
        set: (value: number) => this.configVector = this.#vector(value),
      },
      num_queues: { get: () => device.queues.length },
      device_status: { get: () => device.status, set: (value: number) => device.writeStatus(value) },
      config_generation: { get: () => device.generation },
      queue_select: { get: () => this.#queueSelect, set: (value: number) => this.#queueSelect = value },
    };
  }

  #queueRegisters() {
    const device = this.#device;
    return {
      queue_size: {
        get: () => this.#queue?.size ?? 0,
        set: (value: number) => this.#withQueue((queue) => device.resize(queue, value)),
      },
      queue_msix_vector: {
        get: () => this.queueVectors[this.#queueSelect] ?? NO_VECTOR,
        set: (value: number) => this.#withQueue(({ index }) => this.queueVectors[index] = this.#vector(value)),
      },
      queue_enable: {
        get: () => this.#queue?.enabled ? 1 : 0,
        set: (value: number) => this.#withQueue((queue) => value === 1 && device.enable(queue)),
      },
      queue_notify_off: { get: () => this.#queue?.index ?? 0 },
      queue_desc_lo: this.#half("descLo"),
      queue_desc_hi: this.#half("descHi"),
      queue_driver_lo: this.#half("driverLo"),
      queue_driver_hi: this.#half("driverHi"),
      queue_device_lo: this.#half("deviceLo"),
      queue_device_hi: this.#half("deviceHi"),
      queue_notif_config_data: {
        get: () => {
          const named = device.accepted.has(Feature.NOTIF_CONFIG_DATA) && this.#queue !== undefined;
          return named ? this.#queue!.index | NOTIF_CONFIG_MARK : 0;
        },
      },
      queue_reset: {
        // A reset is done when the write returns.
        get: () => 0,
        set: (value: number) => this.#withQueue((queue) => value === 1 && device.resetQueue(queue)),
      },
    };
  }

  get #queue(): VirtioQueue | undefined {
    return this.#device.queues[this.#queueSelect];
  }

  #withQueue(change: (queue: VirtioQueue) => void): void {
    if (this.#queue !== undefined) change(this.#queue);
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

  /** A vector that does not exist reads back as "none". */
  #vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }
}

function placeRegisters(registers: Record<CommonCfgRegister, Register>): Placed[] {
  const placed: Placed[] = [];
  for (const [name, register] of Object.entries(registers) as [CommonCfgRegister, Register][]) {
    const at = CommonCfg.at[name];
    const bytes = CommonCfg.width[name] / 8;
    for (let i = at; i < at + bytes; i++) placed[i] = { ...register, at, bytes };
  }
  return placed;
}
