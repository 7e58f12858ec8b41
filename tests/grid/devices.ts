/**
 * What the device grid puts on every platform: each way in which a device plugin can be reached, with a workload that
 * verifies what went through it.
 *
 * @module
 */

import type { Manifest } from "@iova/core";

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

function virtioBlk(): DeviceRow[] {
  return TRANSPORTS.flatMap(([transport, bus, way, rings]) =>
    RINGS.slice(0, rings).map(([ring, options]): DeviceRow => {
      const translated = "driverAddressing" in way;
      const disk = {
        id: "disk0",
        use: "virtio-blk",
        with: { ram: "256KiB", ...way, ...options },
        ...(translated && { bypass: false }),
      };
      const machine = { memory: "16MiB", bus: { use: bus }, devices: [disk], workload: [BLOCK_IO] };
      return { device: "virtio-blk", transport, ring, machine };
    })
  );
}

function ide(): DeviceRow[] {
  return ["dma", "pio"].map((transfers) => {
    const disk = { id: "disk0", use: "ide", with: { ram: "256KiB", transfers } };
    const machine = { memory: "16MiB", devices: [disk], workload: [BLOCK_IO] };
    return { device: "ide", transport: "PCI", ring: transfers === "dma" ? "PRD table" : "none: PIO", machine };
  });
}

/** Every row. */
export const DEVICE_ROWS: readonly DeviceRow[] = [...virtioBlk(), ...ide()];
