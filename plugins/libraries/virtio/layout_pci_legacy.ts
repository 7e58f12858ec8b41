/**
 * virtio over PCI, the legacy interface (virtio 1.4 §4.1.4.10; virtio 0.9): registers behind an I/O BAR.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const rw = { writtenBy: "driver", readBy: "device" } as const;
const ro = { writtenBy: "device", readBy: "driver" } as const;

/** PCI device ids of transitional and legacy devices, by virtio device type; other types have no legacy interface. */
export const VIRTIO_LEGACY_DEVICE: Readonly<Record<number, number>> = {
  1: 0x1000,
  2: 0x1001,
  3: 0x1003,
  4: 0x1005,
  5: 0x1002,
  8: 0x1004,
  9: 0x1009,
};
/** Shift from an address to what `queue_address` holds: a page frame number. */
export const LEGACY_PAGE_SHIFT = 12;
/** Alignment of the used ring in a legacy ring on PCI (§2.7.2). */
export const LEGACY_RING_ALIGN = 4096;

/** The registers in front of the device configuration. */
export type LegacyRegister =
  | "device_features"
  | "driver_features"
  | "queue_address"
  | "queue_size"
  | "queue_select"
  | "queue_notify"
  | "device_status"
  | "isr_status";

/** The legacy header. The device configuration follows it, or {@linkcode LegacyVectors} while MSI-X is enabled. */
export const LegacyHeader: Struct<Record<LegacyRegister, number>> = defineStruct({
  name: "virtio_legacy_header",
  source: "virtio 1.4 §4.1.4.10",
  size: 0x14,
  endian: "little",
  fields: [
    { name: "device_features", at: 0x00, bytes: 4, ...ro, doc: "Features 0 to 31 that are offered." },
    { name: "driver_features", at: 0x04, bytes: 4, ...rw, doc: "Features 0 to 31 that are accepted." },
    { name: "queue_address", at: 0x08, bytes: 4, ...rw, doc: "Page frame number of the ring; 0: none." },
    { name: "queue_size", at: 0x0c, bytes: 2, ...ro, doc: "Entries, not negotiable; 0: no such queue." },
    { name: "queue_select", at: 0x0e, bytes: 2, ...rw, doc: "The queue that address and size are about." },
    { name: "queue_notify", at: 0x10, bytes: 2, ...rw, doc: "A kick: the number of the queue." },
    { name: "device_status", at: 0x12, bytes: 1, ...rw, doc: "Status; writing 0 resets." },
    { name: "isr_status", at: 0x13, bytes: 1, ...ro, doc: "Interrupt status; reading clears it." },
  ],
});

/** What stands between header and configuration while MSI-X is enabled; offsets count from the end of the header. */
export const LegacyVectors: Struct<Record<"config_msix_vector" | "queue_msix_vector", number>> = defineStruct({
  name: "virtio_legacy_vectors",
  source: "virtio 1.4 §4.1.4.10",
  size: 4,
  endian: "little",
  fields: [
    { name: "config_msix_vector", at: 0, bytes: 2, ...rw, doc: "Vector of configuration changes." },
    { name: "queue_msix_vector", at: 2, bytes: 2, ...rw, doc: "Vector of the selected queue's used buffers." },
  ],
});
