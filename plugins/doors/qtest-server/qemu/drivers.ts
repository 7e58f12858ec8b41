/**
 * Devices by QEMU's names: which plugin stands for each, and what their properties mean to it.
 *
 * @module
 */

import type { DeviceEntry } from "@iova/core";
import { generic } from "../qmp/errors.ts";
import type { Backends } from "./backends.ts";
import { readSwitch } from "./properties.ts";

/** Properties as text, whatever they were. */
type Given = Record<string, string>;
type Options = Record<string, unknown>;

/** A device that QEMU has and we have. */
export interface Driver {
  /** The plugin. */
  readonly use: string;
  /** Properties beside those of every PCI device. */
  readonly properties: Readonly<Record<string, (value: string, where: string) => Options>>;
  /** Options that it has without being told. */
  readonly options?: Options;
  /** What stands behind it. */
  behind?(given: Given, backends: Backends, name: string): Options;
}

/** Properties of every PCI device; those that are not places mean nothing here. */
const PCI_PROPERTIES = ["id", "driver", "bus", "addr", "multifunction", "romfile", "rombar", "acpi-index"] as const;

function choose(value: string, where: string): boolean {
  const chosen = readSwitch(value);
  if (chosen === null) throw generic(`Parameter '${where}' expects 'on' or 'off'`);
  return chosen;
}

const flag = (option: string) => (value: string, where: string): Options => ({ [option]: choose(value, where) });
const text = (option: string) => (value: string): Options => ({ [option]: value });
const count = (option: string) => (value: string, where: string): Options => {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) throw generic(`Parameter '${where}' expects uint64`);
  return { [option]: Number(value) };
};
const nothing = (): Options => ({});

const VIRTIO = {
  vectors: count("vectors"),
  iommu_platform: flag("accessPlatform"),
  packed: flag("packed"),
  in_order: flag("inOrder"),
  indirect_desc: flag("indirect"),
  event_idx: flag("eventIndex"),
  queue_reset: flag("ringReset"),
  "disable-legacy": (value: string, where: string) => choose(value, where) ? { transport: "modern" } : {},
  "disable-modern": (value: string, where: string) => choose(value, where) ? { transport: "legacy" } : {},
  ats: nothing,
} as const;
const VIRTIO_OPTIONS = { transport: "transitional", accessPlatform: false, personality: "qemu" } as const;

const VIRTIO_BLK: Driver = {
  use: "virtio-blk",
  properties: {
    ...VIRTIO,
    drive: nothing,
    serial: text("serial"),
    "queue-size": count("queueSize"),
    "num-queues": nothing,
    "write-cache": nothing,
    "logical_block_size": nothing,
    "physical_block_size": nothing,
  },
  options: VIRTIO_OPTIONS,
  behind({ drive }, backends, name) {
    if (drive === undefined) throw generic("drive property not set");
    const { image, ram, readOnly, serial } = backends.drive(drive, "drive", inner(name));
    return { ...(image ? { image } : { ram }), readOnly, ...(serial !== undefined && { serial }) };
  },
};

const VIRTIO_NET: Driver = {
  use: "virtio-net",
  properties: {
    ...VIRTIO,
    netdev: nothing,
    mac: text("mac"),
    mq: nothing,
    mrg_rxbuf: flag("mergeable"),
    csum: flag("checksum"),
    ctrl_vq: flag("control"),
    rx_queue_size: nothing,
    tx_queue_size: nothing,
  },
  options: { ...VIRTIO_OPTIONS, vectors: 4 },
  behind: ({ netdev }, backends, name) => netdev === undefined ? { net: "none" } : backends.net(netdev, inner(name)),
};

/** The device behind the PCI function, whose properties these are. */
function inner(name: string): string {
  return name.replace(/-pci.*/, "-device");
}

/** The three PCI devices that QEMU makes of a virtio device. */
function virtio(name: string, driver: Driver): Record<string, Driver> {
  const only = (transport: string) => ({ ...driver, options: { ...driver.options, transport } });
  return {
    [`${name}-pci`]: driver,
    [`${name}-pci-transitional`]: only("transitional"),
    [`${name}-pci-non-transitional`]: only("modern"),
  };
}

/** Every device that can be plugged in by name. */
export const DRIVERS: Readonly<Record<string, Driver>> = {
  ...virtio("virtio-blk", VIRTIO_BLK),
  ...virtio("virtio-net", VIRTIO_NET),
  edu: { use: "edu", properties: { dma_mask: text("dmaMask") } },
};

/** QEMU's name for a plugin's device, for objects that a manifest has made. */
export function typeOfPlugin(use: string): string | undefined {
  return use === "ide" ? "piix3-ide" : Object.keys(DRIVERS).find((name) => DRIVERS[name].use === use);
}

/** The manifest entry for a device. Its words are QEMU's, so what is wrong with them is said in QEMU's words. */
export function deviceEntry(properties: Record<string, unknown>, backends: Backends, id: string): DeviceEntry {
  const name = String(properties.driver);
  const driver = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  if (driver === undefined) throw generic(`'${name}' is not a valid device model name`);
  const given: Given = Object.fromEntries(
    Object.entries(properties).map((
      [key, value],
    ) => [key, value === true ? "on" : value === false ? "off" : String(value)]),
  );
  const options: Options = { ...driver.options };
  for (const [key, value] of Object.entries(given)) {
    if (PCI_PROPERTIES.some((known) => known === key)) continue;
    const read = Object.hasOwn(driver.properties, key) ? driver.properties[key] : undefined;
    if (read === undefined) throw generic(`Property '${name}.${key}' not found`);
    Object.assign(options, read(value, key));
  }
  Object.assign(options, driver.behind?.(given, backends, name));
  const back = given.drive ?? given.netdev;
  if (back !== undefined) backends.inFront(back, id);
  const at = given.addr === undefined ? {} : { at: placeOf(given.addr, name) };
  return { id, use: driver.use, ...at, with: options };
}

/** `addr`: a slot and perhaps a function, in hexadecimal with or without 0x. */
function placeOf(addr: string, name: string): string {
  const match = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(addr);
  const slot = match === null ? 32 : parseInt(match[1], 16);
  if (slot > 31) throw generic(`Property '${name}.addr' doesn't take value '${addr}'`);
  return `${slot.toString(16).padStart(2, "0")}.${match![2] ?? "0"}`;
}
