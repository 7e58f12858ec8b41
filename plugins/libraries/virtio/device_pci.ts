/**
 * The PCI transport, device side (virtio 1.4 §4.1): modern, with vendor capabilities and registers behind BAR 4 laid out as
 * QEMU lays them out; legacy, with registers behind I/O BAR 0; or both. MSI-X behind BAR 1, with INTx as a fallback.
 *
 * @module
 */

import type { Bus, DevicePort, RegisterBlock, Width } from "@iova/core";
import { Command, Header0, type PciBarSpec, pciBus, type PciCapabilitySpec, type PciFunction } from "@iova/pci";
import type { VirtioPlug, VirtioSpec } from "./device_attach.ts";
import type { DeviceTransport, VirtioDevice } from "./device_model.ts";
import { CommonRegisters, NOTIF_CONFIG_MARK } from "./device_pci_common.ts";
import { PciInterrupts } from "./device_pci_interrupts.ts";
import { LegacyRegisters } from "./device_pci_legacy.ts";
import { Feature } from "./layout_features.ts";
import { nextOf } from "./layout_notification.ts";
import {
  CAP_VENDOR,
  CfgType,
  PCI_CFG_DATA_SIZE,
  VIRTIO_MODERN_DEVICE,
  VIRTIO_SUBSYSTEM,
  VIRTIO_VENDOR,
  VirtioPciCap,
  VirtioPciNotifyCap,
} from "./layout_pci.ts";
import { VIRTIO_LEGACY_DEVICE } from "./layout_pci_legacy.ts";

/** What a virtio PCI function is plugged in with. */
export interface VirtioPciOptions extends VirtioSpec {
  /** The manifest id. */
  readonly id: string;
  /** The bus; it must be a PCI bus. */
  readonly bus: Bus;
  /** Place on the bus; absent: the first free one. */
  readonly at?: string;
}

const LEGACY_BAR = 0;
const REGISTER_BAR = 4;
const MSIX_BAR = 1;
const REGION_SIZE = 0x1000;
/** The regions of BAR 4 (QEMU hw/virtio/virtio-pci.c). */
const Region = { COMMON: 0, ISR: REGION_SIZE, DEVICE: 2 * REGION_SIZE, NOTIFY: 3 * REGION_SIZE } as const;
const BAR_SIZE = 4 * REGION_SIZE;
const NOTIFY_MULTIPLIER = 4;
/** Capability bodies start after id and next pointer. */
const BODY = 2;

/** A virtio device on a PCI bus, with a modern interface, a legacy one, or both. */
export class VirtioPciFunction implements RegisterBlock, DeviceTransport, VirtioPlug {
  /** The PCI function. */
  readonly fn: PciFunction;
  /** The device. */
  readonly device: VirtioDevice;
  readonly #interrupts: PciInterrupts;
  readonly #common: CommonRegisters;
  readonly #legacy: LegacyRegisters;

  /** Plugs a device in. @throws {PlaceError} when its place on the bus cannot be had. */
  constructor(
    { id, bus, at, type, classCode, vectors = 2, transport = "modern", configSize = 0, make }: VirtioPciOptions,
  ) {
    const bars: PciBarSpec[] = [];
    if (transport !== "modern") {
      const size = LegacyRegisters.barSize(configSize, vectors > 0);
      bars.push({ index: LEGACY_BAR, kind: "io", size, block: this.#ports() });
    }
    if (transport !== "legacy") {
      bars.push({ index: REGISTER_BAR, kind: "memory", size: BAR_SIZE, width: 64, prefetchable: true, block: this });
    }
    this.fn = pciBus(bus).addFunction({
      id,
      ...(at !== undefined && { at }),
      vendor: VIRTIO_VENDOR,
      ...(transport === "modern" ? modernIds(type) : legacyIds(type)),
      classCode,
      subsystemVendor: VIRTIO_VENDOR,
      bars,
      ...(transport !== "legacy" && { capabilities: this.#capabilities() }),
      ...(vectors > 0 && { msix: { vectors, bar: MSIX_BAR } }),
      interruptPin: 1,
    });
    this.device = make(this.fn.port);
    this.#interrupts = new PciInterrupts(this.fn, this.device.queues.length);
    this.#common = new CommonRegisters(this.device, this.#interrupts);
    this.#legacy = new LegacyRegisters(this.device, this.#interrupts, () => this.#giveBusMaster());
    this.device.transport = this;
  }

  get port(): DevicePort {
    return this.fn.port;
  }

  remove(): void {
    this.fn.remove();
    // What is still scheduled must not interrupt anybody.
    this.device.reset();
  }

  /** See `RegisterBlock`: the modern registers. */
  read(offset: number, width: Width): number {
    if (offset < Region.ISR) return this.#common.read(offset, width);
    if (offset < Region.DEVICE) return offset === Region.ISR ? this.#interrupts.takeIsr() : 0;
    return offset < Region.NOTIFY ? this.device.readConfig(offset - Region.DEVICE, width) : 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (offset >= Region.NOTIFY) this.#kick((offset - Region.NOTIFY) / NOTIFY_MULTIPLIER | 0, width, value);
    else if (offset < Region.ISR) this.#common.write(offset, width, value);
    else if (offset >= Region.DEVICE) this.device.writeConfig(offset - Region.DEVICE, width, value);
  }

  notifyQueue(index: number): void {
    this.#interrupts.notifyQueue(index);
  }

  notifyConfig(): void {
    this.#interrupts.notifyConfig();
  }

  reset(): void {
    this.#common.reset();
    this.#legacy.reset();
    this.#interrupts.reset();
  }

  /** Returns the whole function to power-on; the guest must configure it again. */
  powerOn(): void {
    this.device.reset();
    this.fn.reset();
  }

  /**
   * A kick: the place says which queue. What is written says it again, and with NOTIFICATION_DATA how far the driver is;
   * with NOTIF_CONFIG_DATA a kick that gives another name than the device's is no kick.
   */
  #kick(index: number, width: Width, value: number): void {
    const { device } = this;
    const named = device.accepted.has(Feature.NOTIF_CONFIG_DATA);
    if (named && (width === 1 || (value & 0xffff) !== (index | NOTIF_CONFIG_MARK))) return;
    device.kick(index, width === 4 ? nextOf(value) : 0);
  }

  /** The legacy registers, which are made after the function. */
  #ports(): RegisterBlock {
    return {
      read: (offset, width) => this.#legacy.read(offset, width),
      write: (offset, width, value) => this.#legacy.write(offset, width, value),
    };
  }

  #giveBusMaster(): void {
    this.fn.config.write(Header0.at.command, 2, this.fn.command | Command.mask.busMaster);
  }

  #capabilities(): PciCapabilitySpec[] {
    const multiplier = VirtioPciNotifyCap.encode({ notify_off_multiplier: NOTIFY_MULTIPLIER });
    return [
      capability(CfgType.COMMON_CFG, Region.COMMON),
      capability(CfgType.ISR_CFG, Region.ISR),
      capability(CfgType.DEVICE_CFG, Region.DEVICE),
      capability(CfgType.NOTIFY_CFG, Region.NOTIFY, multiplier),
      this.#accessWindow(),
    ];
  }

  /** The access window: registers through configuration space (§4.1.4.9). */
  #accessWindow(): PciCapabilitySpec {
    const spec = capability(CfgType.PCI_CFG, 0, new Uint8Array(PCI_CFG_DATA_SIZE), { bar: 0, length: 0 });
    const data = VirtioPciCap.size - BODY;
    const writable = new Uint8Array(spec.body.length);
    for (const name of ["bar", "offset", "length"] as const) {
      const at = VirtioPciCap.at[name] - BODY;
      writable.fill(0xff, at, at + VirtioPciCap.width[name] / 8);
    }
    writable.fill(0xff, data);
    return {
      ...spec,
      writable,
      reading: (body, offset, width) => {
        if (offset + width > data) this.#window(body, data, false);
      },
      written: (body, offset, width) => {
        if (offset + width > data) this.#window(body, data, true);
      },
    };
  }

  /** One access through the window; one that is badly aimed does nothing. */
  #window(body: Uint8Array, data: number, write: boolean): void {
    const { bar, offset, length } = VirtioPciCap.decode(withHeader(body));
    const sized = length === 1 || length === 2 || length === 4;
    if (bar !== REGISTER_BAR || !sized || offset % length !== 0 || offset + length > BAR_SIZE) return;
    const view = new DataView(body.buffer, body.byteOffset + data, PCI_CFG_DATA_SIZE);
    if (!write) return view.setUint32(0, this.read(offset, length), true);
    const value = view.getUint32(0, true);
    this.write(offset, length, length === 4 ? value : value & (2 ** (8 * length) - 1));
  }
}

function modernIds(type: number) {
  return { device: VIRTIO_MODERN_DEVICE + type, revision: 1, subsystem: VIRTIO_SUBSYSTEM };
}

/** Legacy and transitional devices have ids of their own, and say their type as the subsystem (§4.1.2.3). */
function legacyIds(type: number) {
  const device = VIRTIO_LEGACY_DEVICE[type];
  if (device === undefined) throw new RangeError(`virtio device type ${type} has no legacy interface`);
  return { device, revision: 0, subsystem: type };
}

function capability(
  cfg_type: number,
  offset: number,
  tail: Uint8Array = new Uint8Array(0),
  place: { bar: number; length: number } = { bar: REGISTER_BAR, length: REGION_SIZE },
): PciCapabilitySpec {
  const head = VirtioPciCap.encode({ cap_len: VirtioPciCap.size + tail.length, cfg_type, offset, ...place });
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return { id: CAP_VENDOR, body: bytes.subarray(BODY) };
}

function withHeader(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BODY + body.length);
  bytes.set(body, BODY);
  return bytes;
}
