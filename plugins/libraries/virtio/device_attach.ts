/**
 * How a device plugin plugs its device in without knowing how drivers will reach it: what the bus offers decides. A PCI
 * bus makes it a PCI function; any other room can offer places for virtio devices on a bus of its own.
 *
 * @module
 */

import type { Bus, DeviceContext, DevicePort } from "@iova/core";
import type { VirtioDevice } from "./device_model.ts";
import { VirtioPciFunction } from "./device_pci.ts";

/** What a device plugin says about its device. */
export interface VirtioSpec {
  /** Virtio device type: 1 for a network card, 2 for a block device. */
  readonly type: number;
  /** PCI class code, 24 bits. Means nothing on other buses. */
  readonly classCode: number;
  /** MSI-X vectors; 0: an interrupt line. Default 2. Means nothing where there is no MSI-X. */
  readonly vectors?: number;
  /** The interfaces of a PCI function. Default `modern`. Means nothing on other buses. */
  readonly transport?: "modern" | "transitional" | "legacy";
  /** Bytes of the device configuration: a legacy PCI interface has as many more ports. Default 0. */
  readonly configSize?: number;
  /** Makes the device that answers behind the registers, for the port that it moves data through. Called once. */
  make(port: DevicePort): VirtioDevice;
}

/** A device that is plugged in. */
export interface VirtioPlug {
  /** Its way onto the bus. */
  readonly port: DevicePort;
  /** The device. */
  readonly device: VirtioDevice;
  /** Returns it to power-on, registers of the transport included; the guest must find it again. */
  powerOn(): void;
  /** Pulls it off its bus without asking anybody. */
  remove(): void;
}

/** Where a device goes: its manifest id, its bus, and the place asked for in the bus's notation. */
export type VirtioPlace = Pick<DeviceContext, "id" | "bus" | "at">;

/** Plugs one device in. @throws {PlaceError} when its place cannot be had. */
export type VirtioAttach = (place: VirtioPlace, spec: VirtioSpec) => VirtioPlug;

const offers = new WeakMap<Bus, VirtioAttach>();

/** Makes `bus` a bus that virtio devices plug into; `attach` does it. */
export function offerVirtio(bus: Bus, attach: VirtioAttach): void {
  offers.set(bus, attach);
}

/**
 * Plugs a virtio device into the bus of its context.
 *
 * @throws {PlaceError} when its place cannot be had.
 * @throws {TypeError} when the bus takes no virtio devices.
 */
export function plugVirtio(context: VirtioPlace, spec: VirtioSpec): VirtioPlug {
  const attach = offers.get(context.bus);
  return attach !== undefined ? attach(context, spec) : plugPci(context, spec);
}

function plugPci({ id, bus, at }: VirtioPlace, spec: VirtioSpec): VirtioPlug {
  return new VirtioPciFunction({ ...spec, id, bus, ...(at !== undefined && { at }) });
}
