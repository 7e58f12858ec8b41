/**
 * virtio over MMIO (virtio 1.4 §4.2): the registers of version 2, and those of version 1, the legacy interface. Below
 * {@linkcode MMIO_CONFIG} only aligned accesses of 32 bits exist; the device configuration follows.
 *
 * @module
 */

import { defineStruct, type FieldSpec, type Struct } from "@iova/fields";

/** What `MagicValue` reads: "virt". */
export const MMIO_MAGIC = 0x74726976;
/** Offset of the device configuration. */
export const MMIO_CONFIG = 0x100;
/** Bytes of a slot: registers and configuration, as QEMU lays slots out. */
export const MMIO_SLOT_SIZE = 0x200;
/** The interrupt status and its acknowledgement. */
export const MmioInterrupt = { QUEUE: 1, CONFIG: 2 } as const;

/** Registers that both versions have. */
export type MmioSharedRegister =
  | "MagicValue"
  | "Version"
  | "DeviceID"
  | "VendorID"
  | "DeviceFeatures"
  | "DeviceFeaturesSel"
  | "DriverFeatures"
  | "DriverFeaturesSel"
  | "QueueSel"
  | "QueueSizeMax"
  | "QueueSize"
  | "QueueNotify"
  | "InterruptStatus"
  | "InterruptACK"
  | "Status";
/** Registers of version 2. */
export type MmioRegister =
  | MmioSharedRegister
  | "QueueReady"
  | "QueueDescLow"
  | "QueueDescHigh"
  | "QueueDriverLow"
  | "QueueDriverHigh"
  | "QueueDeviceLow"
  | "QueueDeviceHigh"
  | "SHMSel"
  | "SHMLenLow"
  | "SHMLenHigh"
  | "SHMBaseLow"
  | "SHMBaseHigh"
  | "QueueReset"
  | "ConfigGeneration";
/** Registers of version 1. */
export type MmioLegacyRegister = MmioSharedRegister | "GuestPageSize" | "QueueAlign" | "QueuePFN";

type Line = readonly [name: string, at: number, direction: "r" | "w" | "rw", doc: string];

const SHARED: readonly Line[] = [
  ["MagicValue", 0x000, "r", 'The letters "virt".'],
  ["Version", 0x004, "r", "2, or 1 for the legacy interface."],
  ["DeviceID", 0x008, "r", "Virtio device type; 0: nothing is plugged in."],
  ["VendorID", 0x00c, "r", "Who made it."],
  ["DeviceFeatures", 0x010, "r", "32 of the features offered."],
  ["DeviceFeaturesSel", 0x014, "w", "Which 32."],
  ["DriverFeatures", 0x020, "w", "32 of the features accepted."],
  ["DriverFeaturesSel", 0x024, "w", "Which 32."],
  ["QueueSel", 0x030, "w", "The queue that the following registers are about."],
  ["QueueSizeMax", 0x034, "r", "Most entries; 0: no such queue."],
  ["QueueSize", 0x038, "w", "Entries."],
  ["QueueNotify", 0x050, "w", "A kick: the number of the queue, or the notification data."],
  ["InterruptStatus", 0x060, "r", "Why the line is asserted."],
  ["InterruptACK", 0x064, "w", "The causes that have been dealt with."],
  ["Status", 0x070, "rw", "Status; writing 0 resets."],
];

const MODERN: readonly Line[] = [
  ["QueueReady", 0x044, "rw", "1: the device may use the queue."],
  ["QueueDescLow", 0x080, "w", "Descriptor area, bits 31:0."],
  ["QueueDescHigh", 0x084, "w", "Descriptor area, bits 63:32."],
  ["QueueDriverLow", 0x090, "w", "Driver area (available ring), bits 31:0."],
  ["QueueDriverHigh", 0x094, "w", "Driver area, bits 63:32."],
  ["QueueDeviceLow", 0x0a0, "w", "Device area (used ring), bits 31:0."],
  ["QueueDeviceHigh", 0x0a4, "w", "Device area, bits 63:32."],
  ["SHMSel", 0x0ac, "w", "The shared memory region that the following registers are about."],
  ["SHMLenLow", 0x0b0, "r", "Its length, bits 31:0; all ones: no such region."],
  ["SHMLenHigh", 0x0b4, "r", "Its length, bits 63:32."],
  ["SHMBaseLow", 0x0b8, "r", "Its address, bits 31:0."],
  ["SHMBaseHigh", 0x0bc, "r", "Its address, bits 63:32."],
  ["QueueReset", 0x0c0, "rw", "1: reset the queue; reads 1 until that is done."],
  ["ConfigGeneration", 0x0fc, "r", "Changes with the device configuration."],
];

const LEGACY: readonly Line[] = [
  ["GuestPageSize", 0x028, "w", "Bytes of a page of QueuePFN: a power of two."],
  ["QueueAlign", 0x03c, "w", "Alignment of the used ring in bytes."],
  ["QueuePFN", 0x040, "rw", "Page frame number of the ring; 0: none."],
];

/** The registers of version 2 (§4.2.2). */
export const MmioRegisters: Struct<Record<MmioRegister, number>> = registers(
  "virtio_mmio",
  "virtio 1.4 §4.2.2",
  [...SHARED, ...MODERN],
);

/** The registers of version 1 (§4.2.4). */
export const MmioLegacyRegisters: Struct<Record<MmioLegacyRegister, number>> = registers(
  "virtio_mmio_legacy",
  "virtio 1.4 §4.2.4",
  [...SHARED, ...LEGACY],
);

/** A structure of 32-bit registers; what lies between them is reserved. */
function registers<Name extends string>(
  name: string,
  source: string,
  lines: readonly Line[],
): Struct<Record<Name, number>> {
  const fields: FieldSpec[] = [];
  let end = 0;
  const gap = (until: number) => {
    if (until > end) fields.push({ at: end, bytes: until - end, reserved: true });
  };
  for (const [name, at, direction, doc] of [...lines].sort((a, b) => a[1] - b[1])) {
    gap(at);
    end = at + 4;
    const [writtenBy, readBy] = direction === "r" ? ["device", "driver"] : ["driver", "device"];
    fields.push({ name, at, bytes: 4, writtenBy, readBy, doc });
  }
  gap(MMIO_CONFIG);
  return defineStruct({ name, source, size: MMIO_CONFIG, endian: "little", fields }) as Struct<Record<Name, number>>;
}
