/**
 * The MMIO transport, device side (virtio 1.4 §4.2): version 2, and version 1, the legacy interface. One slot is one
 * block of registers and one interrupt line.
 *
 * @module
 */

import type { BusPort, RegisterBlock, Width } from "@iova/core";
import type { VirtioPlug, VirtioSpec } from "./device_attach.ts";
import { MANNERS } from "./device_manners.ts";
import type { DeviceTransport, VirtioDevice, VirtioQueue } from "./device_model.ts";
import { type Register, RegisterTable } from "./device_registers.ts";
import { Feature } from "./layout_features.ts";
import { nextOf } from "./layout_notification.ts";
import {
  MMIO_CONFIG,
  MMIO_MAGIC,
  MmioInterrupt,
  type MmioLegacyRegister,
  MmioLegacyRegisters,
  type MmioRegister,
  MmioRegisters,
  type MmioSharedRegister,
} from "./layout_mmio.ts";

/** What a slot is wired to. */
export interface MmioWiring {
  /** The device's way onto its bus. */
  readonly port: BusPort;
  /** Drives the slot's interrupt line. */
  readonly drive: (asserted: boolean) => void;
  /** Takes the device out of its slot. */
  readonly remove: () => void;
}

const NOTHING: Register = { get: () => 0 };
const ALL_ONES: Register = { get: () => 0xffff_ffff };

/** A device in a slot. */
export class VirtioMmioDevice implements RegisterBlock, DeviceTransport, VirtioPlug {
  /** The device. */
  readonly device: VirtioDevice;
  readonly #wiring: MmioWiring;
  readonly #legacy: boolean;
  readonly #registers: RegisterTable;
  #interruptStatus = 0;
  #driven = false;
  #deviceSelect = 0;
  #driverSelect = 0;
  #queueSelect = 0;
  #pageShift = 0;
  readonly #align: Uint32Array;

  /** Plugs a device in. With `transport` legacy its interface is version 1. */
  constructor({ type, transport, make }: VirtioSpec, wiring: MmioWiring) {
    this.#wiring = wiring;
    this.#legacy = transport === "legacy";
    this.device = make(wiring.port);
    this.#align = new Uint32Array(this.device.queues.length);
    this.#registers = new RegisterTable("start");
    const shared = this.#sharedRegisters(type);
    if (this.#legacy) this.#registers.add(MmioLegacyRegisters, { ...shared, ...this.#legacyRegisters() });
    else this.#registers.add(MmioRegisters, { ...shared, ...this.#modernRegisters() });
    this.device.transport = this;
  }

  get port(): BusPort {
    return this.#wiring.port;
  }

  remove(): void {
    this.#wiring.remove();
    // What is still scheduled must not interrupt anybody.
    this.device.reset();
  }

  powerOn(): void {
    this.device.reset();
    this.port.revokeAll("reset");
  }

  /** See `RegisterBlock`. Below the configuration an access that is not of 32 bits reads 0. */
  read(offset: number, width: Width): number {
    if (offset >= MMIO_CONFIG) return this.device.readConfig(offset - MMIO_CONFIG, width);
    return width === 4 ? this.#registers.read(offset, width) : 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (offset >= MMIO_CONFIG) this.device.writeConfig(offset - MMIO_CONFIG, width, value, this.#legacy);
    else if (width === 4) this.#registers.write(offset, width, value);
  }

  notifyQueue(_index: number): void {
    this.#setInterrupts(this.#interruptStatus | MmioInterrupt.QUEUE);
  }

  notifyConfig(): void {
    this.#setInterrupts(this.#interruptStatus | MmioInterrupt.CONFIG);
  }

  reset(): void {
    this.#deviceSelect =
      this.#driverSelect =
      this.#queueSelect =
      this.#pageShift =
        0;
    this.#align.fill(0);
    this.#setInterrupts(0);
  }

  #setInterrupts(status: number): void {
    this.#interruptStatus = status;
    const drive = status !== 0;
    if (drive === this.#driven) return;
    this.#driven = drive;
    this.#wiring.drive(drive);
  }

  get #queue(): VirtioQueue | undefined {
    return this.device.queues[this.#queueSelect];
  }

  #withQueue(change: (queue: VirtioQueue) => void): void {
    if (this.#queue !== undefined) change(this.#queue);
  }

  #sharedRegisters(type: number): Record<MmioSharedRegister, Register> {
    const { device } = this;
    return {
      MagicValue: { get: () => MMIO_MAGIC },
      Version: { get: () => this.#legacy ? 1 : 2 },
      DeviceID: { get: () => type },
      VendorID: { get: () => device.manners.mmioVendor },
      DeviceFeatures: { get: () => this.#offered() },
      DeviceFeaturesSel: { ...NOTHING, set: (value) => this.#deviceSelect = value },
      DriverFeatures: { ...NOTHING, set: (value) => this.#accept(value) },
      DriverFeaturesSel: { ...NOTHING, set: (value) => this.#driverSelect = value },
      QueueSel: { ...NOTHING, set: (value) => this.#queueSelect = value },
      QueueSizeMax: { get: () => this.#sizeMax() },
      QueueSize: { ...NOTHING, set: (value) => this.#withQueue((queue) => device.resize(queue, value)) },
      QueueNotify: { ...NOTHING, set: (value) => this.#kick(value) },
      InterruptStatus: { get: () => this.#interruptStatus },
      InterruptACK: { ...NOTHING, set: (value) => this.#setInterrupts(this.#interruptStatus & ~value) },
      Status: { get: () => device.status, set: (value) => device.writeStatus(value & 0xff, this.#legacy) },
    };
  }

  #modernRegisters(): Record<Exclude<MmioRegister, MmioSharedRegister>, Register> {
    const { device } = this;
    return {
      QueueReady: { get: () => this.#queue?.enabled ? 1 : 0, set: (value) => this.#ready(value) },
      QueueDescLow: this.#half("descLo"),
      QueueDescHigh: this.#half("descHi"),
      QueueDriverLow: this.#half("driverLo"),
      QueueDriverHigh: this.#half("driverHi"),
      QueueDeviceLow: this.#half("deviceLo"),
      QueueDeviceHigh: this.#half("deviceHi"),
      SHMSel: { ...NOTHING, set: () => {} },
      SHMLenLow: ALL_ONES,
      SHMLenHigh: ALL_ONES,
      SHMBaseLow: { get: () => device.manners.mmioNoSharedMemory },
      SHMBaseHigh: { get: () => device.manners.mmioNoSharedMemory },
      QueueReset: { ...NOTHING, set: (value) => this.#withQueue((queue) => value === 1 && device.resetQueue(queue)) },
      ConfigGeneration: { get: () => device.generation },
    };
  }

  #legacyRegisters(): Record<Exclude<MmioLegacyRegister, MmioSharedRegister>, Register> {
    return {
      GuestPageSize: {
        ...NOTHING,
        set: (value) => this.#pageShift = value === 0 ? 0 : 31 - Math.clz32(value & -value),
      },
      QueueAlign: { ...NOTHING, set: (value) => this.#withQueue(({ index }) => this.#align[index] = value) },
      QueuePFN: { get: () => this.#page(), set: (value) => this.#place(value) },
    };
  }

  #offered(): number {
    const { offered, manners } = this.device;
    if (!this.#legacy) return offered.word(manners.mmioTwoWords ? Math.min(1, this.#deviceSelect) : this.#deviceSelect);
    return this.#deviceSelect === 0 ? this.device.legacyOffered : 0;
  }

  #accept(value: number): void {
    if (!this.#legacy) this.device.acceptWord(this.#driverSelect, value);
    else if (this.#driverSelect === 0) this.device.acceptLegacy(value);
  }

  #sizeMax(): number {
    const queue = this.#queue;
    return queue === undefined ? 0 : this.device.largest(queue);
  }

  #kick(value: number): void {
    const { device } = this;
    const data = device.accepted.has(Feature.NOTIFICATION_DATA);
    device.kick(data ? value & 0xffff : value, data ? nextOf(value) : 0);
  }

  /** 0 takes the queue back (§4.2.2.2). */
  #ready(value: number): void {
    this.#withQueue((queue) => {
      if (value === 1) this.device.enable(queue);
      else if (value === 0) this.device.disable(queue);
    });
  }

  #page(): number {
    const queue = this.#queue;
    const shift = this.#pageShift;
    if (!queue?.enabled) return 0;
    return shift === 0 ? queue.descLo >>> 0 : (queue.descHi << (32 - shift) | queue.descLo >>> shift) >>> 0;
  }

  #place(page: number): void {
    this.#withQueue((queue) => this.device.placeLegacyRing(queue, page, this.#pageShift, this.#align[queue.index]));
  }

  /** An address register, write-only; it keeps its value while the queue is enabled. */
  #half(name: "descLo" | "descHi" | "driverLo" | "driverHi" | "deviceLo" | "deviceHi"): Register {
    return {
      ...NOTHING,
      set: (value) =>
        this.#withQueue((queue) => {
          if (!queue.enabled) queue[name] = value | 0;
        }),
    };
  }
}

/** A slot without a device: a driver sees that there is none by its device type of 0 (§4.2.2). */
export function emptyMmioSlot(personality: "spec" | "qemu" = "spec"): RegisterBlock {
  const vendor = MANNERS[personality].mmioVendor;
  const at = MmioRegisters.at;
  const values = new Map<number, number>([[at.MagicValue, MMIO_MAGIC], [at.Version, 2], [at.VendorID, vendor]]);
  return { read: (offset, width) => width === 4 ? values.get(offset) ?? 0 : 0, write() {} };
}
