/**
 * What the device grid puts on every platform: each way in which a device plugin can be reached, with a workload that
 * verifies what went through it.
 *
 * @module
 */

import type { DeviceEntry, Manifest, WorkloadEntry } from "@iova/core";
import { IMAGE } from "./probe.ts";

/** A row of the grid. */
export interface DeviceRow {
  /** The device plugin. */
  readonly device: string;
  /** How the driver reaches it. */
  readonly transport: string;
  /** Its rings, or whatever it has instead. */
  readonly ring: string;
  /** Everything of the machine but its platform. */
  readonly machine: Omit<Manifest, "platform">;
}

/** Kinds of ring, as options of a virtio device. */
const RINGS: readonly (readonly [name: string, options: Record<string, unknown>])[] = [
  ["split", {}],
  ["split, no tables", { indirect: false, requestMemory: "streaming" }],
  ["split, in order", { inOrder: true, notificationData: true }],
  ["packed", { packed: true, requestMemory: "streaming" }],
  ["packed, no tables", { packed: true, indirect: false, eventIndex: false, queueSize: 37 }],
  ["packed, in order", { packed: true, inOrder: true, notificationData: true }],
];

/** Ways to a virtio device. Legacy interfaces have split rings only, and no bit for the order. */
const TRANSPORTS: readonly (readonly [name: string, bus: string, options: Record<string, unknown>, rings: number])[] = [
  ["modern PCI", "pci", {}, RINGS.length],
  ["transitional PCI", "pci", { transport: "transitional" }, RINGS.length],
  [
    "transitional PCI, legacy driver",
    "pci",
    { transport: "transitional", driverInterface: "legacy", accessPlatform: false },
    2,
  ],
  ["legacy PCI", "pci", { transport: "legacy" }, 2],
  ["legacy PCI, translated", "pci", { transport: "legacy", driverAddressing: "always-dma-api" }, 2],
  ["mmio v2", "virtio-mmio", {}, RINGS.length],
  ["mmio v1", "virtio-mmio", { transport: "legacy" }, 2],
];

const BLOCK_IO = {
  use: "blk-io",
  device: "disk0",
  with: { pattern: "mixed", blockSize: "4KiB", depth: 24, count: 120, flushEvery: 20 },
};

/** A stream of bytes from one card through the other: content, order and checksums are checked. */
const NET_STREAM = {
  use: "net-stream",
  device: "nic0",
  with: { receiver: "nic1", count: 60, size: 1400, offload: "checksum" },
};

/** A virtio device in every way that there is; `entries` makes its devices from options, and names no way. */
function virtioRows(
  device: string,
  workload: WorkloadEntry,
  entries: (options: Record<string, unknown>) => DeviceEntry[],
): DeviceRow[] {
  return TRANSPORTS.flatMap(([transport, bus, way, rings]) =>
    RINGS.slice(0, rings).map(([ring, options]): DeviceRow => {
      const bypass = "driverAddressing" in way ? { bypass: false } : {};
      const devices = entries({ ...way, ...options }).map((entry) => ({ ...entry, ...bypass }));
      return {
        device,
        transport,
        ring,
        machine: { memory: "16MiB", bus: { use: bus }, devices, workload: [workload] },
      };
    })
  );
}

function virtioBlk(): DeviceRow[] {
  return virtioRows("virtio-blk", BLOCK_IO, (options) => [
    { id: "disk0", use: "virtio-blk", with: { ram: "256KiB", ...options } },
  ]);
}

function virtioNet(): DeviceRow[] {
  // Few buffers: a bounce pool has to hold all that a card is given to receive into.
  return virtioRows(
    "virtio-net",
    NET_STREAM,
    ({ queueSize = 32, ...options }) =>
      ["nic0", "nic1"].map((id) => ({ id, use: "virtio-net", with: { queueSize, ...options } })),
  );
}

function ide(): DeviceRow[] {
  return ["dma", "pio"].map((transfers) => {
    const disk = { id: "disk0", use: "ide", with: { ram: "256KiB", transfers } };
    const machine = { memory: "16MiB", devices: [disk], workload: [BLOCK_IO] };
    return { device: "ide", transport: "PCI", ring: transfers === "dma" ? "PRD table" : "none: PIO", machine };
  });
}

/** Discs are read in blocks of their own. */
const DISC_READS = { ...BLOCK_IO, with: { pattern: "randread", blockSize: "2KiB", depth: 24, count: 120 } };

function cdrom(): DeviceRow[] {
  return ["dma", "pio"].map((transfers) => {
    const drive = { kind: "cdrom", image: IMAGE };
    const machine = {
      memory: "16MiB",
      devices: [{ id: "disk0", use: "ide", with: { secondaryMaster: drive, transfers } }],
      workload: [DISC_READS],
    };
    return { device: "ide CD-ROM", transport: "PCI", ring: transfers === "dma" ? "PRD table" : "none: PIO", machine };
  });
}

/** Every row. */
export const DEVICE_ROWS: readonly DeviceRow[] = [...virtioBlk(), ...virtioNet(), ...ide(), ...cdrom()];
