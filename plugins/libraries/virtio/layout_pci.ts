/**
 * virtio over PCI, the modern interface (virtio 1.4 §4.1): ids, the vendor capability, the common configuration, the
 * interrupt status.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** PCI vendor id of virtio devices. */
export const VIRTIO_VENDOR = 0x1af4;
/** PCI device id of a modern device is this plus the virtio device type. */
export const VIRTIO_MODERN_DEVICE = 0x1040;
/** PCI subsystem vendor and device ids; a modern driver ignores them. */
export const VIRTIO_SUBSYSTEM = 0x1100;
/** The queue vector that means "none". */
export const NO_VECTOR = 0xffff;

/** What a vendor capability points at. */
export const CfgType = {
  COMMON_CFG: 1,
  NOTIFY_CFG: 2,
  ISR_CFG: 3,
  DEVICE_CFG: 4,
  PCI_CFG: 5,
} as const;

/** The interrupt status; reading it clears it (§4.1.4.5). */
export const Isr = { QUEUE: 1, CONFIG: 2 } as const;

/** PCI capability id of a vendor capability. */
export const CAP_VENDOR = 0x09;

/** A vendor capability (§4.1.4). */
export const VirtioPciCap: Struct<
  {
    cap_vndr: number;
    cap_next: number;
    cap_len: number;
    cfg_type: number;
    bar: number;
    id: number;
    offset: number;
    length: number;
  }
> = defineStruct({
  name: "virtio_pci_cap",
  source: "virtio 1.4 §4.1.4",
  size: 16,
  endian: "little",
  fields: [
    { name: "cap_vndr", at: 0, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Vendor capability: 9." },
    { name: "cap_next", at: 1, bytes: 1, writtenBy: "device", readBy: "driver", doc: "The next capability." },
    { name: "cap_len", at: 2, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Bytes of this one." },
    {
      name: "cfg_type",
      at: 3,
      bytes: 1,
      writtenBy: "device",
      readBy: "driver",
      values: CfgType,
      doc: "What it points at.",
    },
    { name: "bar", at: 4, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Which BAR; above 5 is reserved." },
    { name: "id", at: 5, bytes: 1, writtenBy: "device", readBy: "driver", doc: "Tells several of a type apart." },
    { at: 6, bytes: 2, reserved: true },
    { name: "offset", at: 8, bytes: 4, writtenBy: "device", readBy: "driver", doc: "First byte in the BAR." },
    { name: "length", at: 12, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Bytes." },
  ],
});

/** What follows {@linkcode VirtioPciCap} when it points at the notification registers (§4.1.4.4). */
export const VirtioPciNotifyCap: Struct<{ notify_off_multiplier: number }> = defineStruct({
  name: "virtio_pci_notify_cap",
  source: "virtio 1.4 §4.1.4.4",
  size: 4,
  endian: "little",
  fields: [{
    name: "notify_off_multiplier",
    at: 0,
    bytes: 4,
    writtenBy: "device",
    readBy: "driver",
    doc: "Bytes between the registers of queues.",
  }],
});

/** Bytes of the data window that follows {@linkcode VirtioPciCap} when it is the access window (§4.1.4.9). */
export const PCI_CFG_DATA_SIZE = 4;

const rw = { writtenBy: "driver", readBy: "device" } as const;
const ro = { writtenBy: "device", readBy: "driver" } as const;

/** The registers of the common configuration; 64-bit addresses as two halves, since each half is accessed by itself. */
export type CommonCfgRegister =
  | "device_feature_select"
  | "device_feature"
  | "driver_feature_select"
  | "driver_feature"
  | "config_msix_vector"
  | "num_queues"
  | "device_status"
  | "config_generation"
  | "queue_select"
  | "queue_size"
  | "queue_msix_vector"
  | "queue_enable"
  | "queue_notify_off"
  | "queue_desc_lo"
  | "queue_desc_hi"
  | "queue_driver_lo"
  | "queue_driver_hi"
  | "queue_device_lo"
  | "queue_device_hi"
  | "queue_notif_config_data"
  | "queue_reset";

/** The common configuration (§4.1.4.3). */
export const CommonCfg: Struct<Record<CommonCfgRegister, number>> = defineStruct({
  name: "virtio_pci_common_cfg",
  source: "virtio 1.4 §4.1.4.3",
  size: 0x3c,
  endian: "little",
  fields: [
    { name: "device_feature_select", at: 0x00, bytes: 4, ...rw, doc: "Which 32 bits `device_feature` shows." },
    { name: "device_feature", at: 0x04, bytes: 4, ...ro, doc: "Features offered." },
    { name: "driver_feature_select", at: 0x08, bytes: 4, ...rw, doc: "Which 32 bits `driver_feature` shows." },
    { name: "driver_feature", at: 0x0c, bytes: 4, ...rw, doc: "Features accepted." },
    { name: "config_msix_vector", at: 0x10, bytes: 2, ...rw, doc: "Vector of configuration changes." },
    { name: "num_queues", at: 0x12, bytes: 2, ...ro, doc: "Queues." },
    { name: "device_status", at: 0x14, bytes: 1, ...rw, doc: "Status; writing 0 resets." },
    { name: "config_generation", at: 0x15, bytes: 1, ...ro, doc: "Changes with the device configuration." },
    { name: "queue_select", at: 0x16, bytes: 2, ...rw, doc: "The queue that the following fields are about." },
    { name: "queue_size", at: 0x18, bytes: 2, ...rw, doc: "Entries; 0: no such queue." },
    { name: "queue_msix_vector", at: 0x1a, bytes: 2, ...rw, doc: "Vector of used buffers." },
    { name: "queue_enable", at: 0x1c, bytes: 2, ...rw, doc: "1: the device may use the queue." },
    { name: "queue_notify_off", at: 0x1e, bytes: 2, ...ro, doc: "Kick at this times the multiplier." },
    { name: "queue_desc_lo", at: 0x20, bytes: 4, ...rw, doc: "Descriptor area, bits 31:0." },
    { name: "queue_desc_hi", at: 0x24, bytes: 4, ...rw, doc: "Descriptor area, bits 63:32." },
    { name: "queue_driver_lo", at: 0x28, bytes: 4, ...rw, doc: "Driver area (available ring), bits 31:0." },
    { name: "queue_driver_hi", at: 0x2c, bytes: 4, ...rw, doc: "Driver area, bits 63:32." },
    { name: "queue_device_lo", at: 0x30, bytes: 4, ...rw, doc: "Device area (used ring), bits 31:0." },
    { name: "queue_device_hi", at: 0x34, bytes: 4, ...rw, doc: "Device area, bits 63:32." },
    { name: "queue_notif_config_data", at: 0x38, bytes: 2, ...ro, doc: "The queue in kicks, with NOTIF_CONFIG_DATA." },
    { name: "queue_reset", at: 0x3a, bytes: 2, ...rw, doc: "1: reset the queue; reads 1 until that is done." },
  ],
});
