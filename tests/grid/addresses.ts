/**
 * Who decides the address that a driver tells its virtio device: platform × interface × feature bit 33 × bypass. Each row
 * is a way of deciding; each cell is a machine of its own that is asked for one read.
 *
 * @module
 */

import type { BridgeEntry, DeviceEntry, Manifest } from "@iova/core";
import { GRID_PLATFORMS, type GridPlatform } from "./platforms.ts";
import { type Given, IMAGE, type Observation, probe, REFUSED, RESTRICTED, TOO_HIGH } from "./probe.ts";
import { declined, neighbourOps } from "./by_hand.ts";

/** How a driver reaches its device. */
export type Interface = "modern PCI" | "transitional PCI" | "legacy PCI" | "mmio v2" | "mmio v1";

/** Who says what about passing the platform. */
export interface Bypass {
  readonly device?: boolean;
  readonly inner?: boolean;
  readonly outer?: boolean;
  readonly bus?: boolean;
}

/** A way of deciding. */
export interface Decision {
  /** What the table calls it. */
  readonly name: string;
  /** Rows U1 to U17 of the decision table that it covers; empty when it is none of them. */
  readonly rows: string;
  readonly interface: Interface;
  /** The driver takes the legacy interface of a transitional device. */
  readonly legacyDriver?: boolean;
  /** The device offers ACCESS_PLATFORM. Default true, where the interface has it. */
  readonly offered?: boolean;
  /** Who the driver asks for addresses. Default: the bit decides. */
  readonly asks?: "dma-api" | "physical" | "always-dma-api" | "restricted";
  /** What is said about passing the platform: by the device, the bridge above it, the bridge above that one, the bus. */
  readonly bypass?: Bypass;
  /** Done by hand, where no driver of today does it. */
  readonly byHand?: (manifest: Manifest) => Promise<Observation>;
}

/** What must come out. */
export interface Expectation {
  /** The operations that the driver is given. */
  readonly given: Given;
  /** Where its addresses come from: the platform's operations, or nowhere. */
  readonly handles: boolean;
  /** How it ends. */
  readonly outcome: "delivered" | "lost" | "refused";
  /** What the driver says when it refuses; a part of it. */
  readonly complaint?: string;
}

/** Every way of deciding, the thread's and Linux's, right and wrong. */
export const DECISIONS: readonly Decision[] = [
  { name: "bit 33 accepted", rows: "U7 U8 U9 U10 U11", interface: "modern PCI" },
  { name: "bit 33 accepted", rows: "U13", interface: "mmio v2" },
  { name: "bit 33 accepted", rows: "U7 U8", interface: "transitional PCI" },
  { name: "bit 33 offered, declined", rows: "U17", interface: "modern PCI", byHand: declined },
  { name: "bit 33 not offered", rows: "U5", interface: "modern PCI", offered: false },
  { name: "bit 33 not offered", rows: "U13", interface: "mmio v2", offered: false },
  { name: "legacy", rows: "U1 U3", interface: "legacy PCI" },
  { name: "legacy", rows: "U13", interface: "mmio v1" },
  {
    name: "legacy driver, device of bus addresses",
    rows: "U17",
    interface: "transitional PCI",
    legacyDriver: true,
  },
  // Physically addressed, and translated all the same: what broke.
  ...(["modern PCI", "mmio v2"] as const).map((each): Decision => {
    return { name: "no bit 33, translated", rows: "U5", interface: each, offered: false, bypass: { device: false } };
  }),
  { name: "legacy, translated", rows: "U1 U2", interface: "legacy PCI", bypass: { device: false } },
  { name: "legacy, translated", rows: "U13", interface: "mmio v1", bypass: { device: false } },
  // A driver that knows nothing but physical addresses: what started it all.
  ...(["modern PCI", "legacy PCI", "mmio v1"] as const).map((each): Decision => {
    return {
      name: "no bit 33, translated, driver sends physical",
      rows: "",
      interface: each,
      offered: false,
      asks: "physical",
      bypass: { device: false },
    };
  }),
  { name: "bit 33 accepted, driver ignores it", rows: "", interface: "modern PCI", asks: "physical" },
  // The guess: the platform's operations, whatever the device says.
  {
    name: "no bit 33, translated, driver guesses",
    rows: "U11",
    interface: "modern PCI",
    offered: false,
    asks: "always-dma-api",
    bypass: { device: false },
  },
  {
    name: "legacy, translated, driver guesses",
    rows: "U2",
    interface: "legacy PCI",
    asks: "always-dma-api",
    bypass: { device: false },
  },
  {
    name: "legacy, physical, asks its neighbour's operations",
    rows: "U3",
    interface: "legacy PCI",
    byHand: neighbourOps,
  },
  // Encrypted memory, or grants alone: the driver's system refuses whatever does not promise to keep to its addresses.
  { name: "restricted, bit 33 accepted", rows: "U10 U11", interface: "modern PCI", asks: "restricted" },
  {
    name: "restricted, bit 33 not offered",
    rows: "U6 U12",
    interface: "modern PCI",
    offered: false,
    asks: "restricted",
  },
  { name: "restricted, bit 33 not offered", rows: "U12", interface: "mmio v2", offered: false, asks: "restricted" },
  { name: "restricted, legacy", rows: "U4", interface: "legacy PCI", asks: "restricted" },
  { name: "restricted, legacy", rows: "U4 U12", interface: "mmio v1", asks: "restricted" },
  // Who passes the platform: the nearest word counts.
  { name: "device passes", rows: "", interface: "modern PCI", bypass: { device: true } },
  { name: "bridge passes", rows: "", interface: "modern PCI", bypass: { inner: true } },
  { name: "bridge above passes", rows: "", interface: "modern PCI", bypass: { outer: true } },
  { name: "bus passes", rows: "", interface: "modern PCI", bypass: { bus: true } },
  { name: "bus passes, bridge does not", rows: "", interface: "modern PCI", bypass: { outer: false, bus: true } },
  { name: "bus passes, device does not", rows: "", interface: "mmio v2", bypass: { device: false, bus: true } },
  { name: "bridge passes, the bus does not", rows: "", interface: "modern PCI", bypass: { outer: true, bus: false } },
  { name: "bridge passes, device does not", rows: "", interface: "modern PCI", bypass: { device: false, inner: true } },
  { name: "device passes, bridge does not", rows: "", interface: "modern PCI", bypass: { device: true, inner: false } },
  {
    name: "bridge above passes, bridge does not",
    rows: "",
    interface: "modern PCI",
    bypass: { inner: false, outer: true },
  },
  {
    name: "bridge passes, the one above does not",
    rows: "",
    interface: "modern PCI",
    bypass: { inner: true, outer: false },
  },
  {
    name: "all pass but the device",
    rows: "",
    interface: "modern PCI",
    bypass: { device: false, inner: true, outer: true, bus: true },
  },
  {
    name: "no bit 33, bridges do not pass",
    rows: "",
    interface: "modern PCI",
    offered: false,
    bypass: { inner: false, outer: false, bus: false },
  },
];

const LEGACY: readonly Interface[] = ["legacy PCI", "mmio v1"];

/** The rule, written down once more and apart from the code under test. */
export function expectation(decision: Decision, platform: GridPlatform): Expectation {
  const { asks = "dma-api", bypass = {} } = decision;
  const { legacyDriver = LEGACY.includes(decision.interface) } = decision;
  const { offered = !LEGACY.includes(decision.interface) } = decision;
  const above = bypass.inner ?? bypass.outer ?? bypass.bus ?? false;
  const passes = bypass.device ?? (offered ? above : platform.isMemoryBus !== true);
  const given: Given = passes || platform.opsArePhysical ? "physical" : "platform";
  if (decision.byHand === declined) return { given, handles: false, outcome: "refused", complaint: REFUSED };
  if (decision.byHand === neighbourOps) {
    // Addresses of a platform that this device passes: good where they are RAM.
    if (platform.name === "xen-grant") return { given, handles: true, outcome: "refused", complaint: TOO_HIGH };
    return { given, handles: true, outcome: platform.handlesAreRam || !passes ? "delivered" : "lost" };
  }
  const accepted = offered && !legacyDriver;
  if (asks === "restricted" && !accepted) return { given, handles: false, outcome: "refused", complaint: RESTRICTED };
  const asked = accepted || platform.isMemoryBus === true;
  const handles = !passes && (asks === "always-dma-api" || (asks !== "physical" && asked));
  if (handles && legacyDriver && platform.name === "xen-grant") {
    return { given, handles, outcome: "refused", complaint: TOO_HIGH };
  }
  const works = handles || passes || platform.physicalWorks;
  return { given, handles, outcome: works ? "delivered" : "lost" };
}

/** The machine of a cell. */
export function machineOf(decision: Decision, platform: GridPlatform): Manifest {
  const { interface: way, offered = true, asks, bypass = {} } = decision;
  const mmio = way.startsWith("mmio");
  const transport = way === "mmio v1" || way === "legacy PCI"
    ? "legacy"
    : way === "transitional PCI"
    ? "transitional"
    : "modern";
  const disk: DeviceEntry = {
    id: "disk0",
    use: "virtio-blk",
    with: {
      image: IMAGE,
      readOnly: true,
      transport,
      accessPlatform: offered,
      driverInterface: decision.legacyDriver ? "legacy" : "modern",
      ...(asks !== undefined && { driverAddressing: asks }),
    },
    ...(bypass.device !== undefined && { bypass: bypass.device }),
  };
  const bridges = bridgesOf(bypass);
  return {
    memory: "16MiB",
    platform: platform.use,
    bus: {
      use: mmio ? "virtio-mmio" : "pci",
      ...(bypass.bus !== undefined && { bypass: bypass.bus }),
      ...(bridges.length > 0 && { bridges }),
    },
    devices: [bridges.length > 0 ? { ...disk, bus: "inner" } : disk],
  };
}

function bridgesOf({ inner, outer }: Bypass): BridgeEntry[] {
  if (inner === undefined && outer === undefined) return [];
  const below = { id: "inner", ...(inner !== undefined && { bypass: inner }) };
  return [{ id: "outer", ...(outer !== undefined && { bypass: outer }), bridges: [below] }];
}

/** A cell that has been tried. */
export interface Cell {
  readonly decision: Decision;
  readonly platform: GridPlatform;
  readonly expected: Expectation;
  readonly seen: Observation;
}

/** Tries one cell. */
export async function tryCell(decision: Decision, platform: GridPlatform): Promise<Cell> {
  const manifest = machineOf(decision, platform);
  const seen = await (decision.byHand ?? probe)(manifest);
  return { decision, platform, expected: expectation(decision, platform), seen };
}

/** Tries every cell, row by row. */
export async function tryAll(): Promise<Cell[][]> {
  const rows: Cell[][] = [];
  for (const decision of DECISIONS) {
    const row: Cell[] = [];
    for (const platform of GRID_PLATFORMS) row.push(await tryCell(decision, platform));
    rows.push(row);
  }
  return rows;
}

/** A cell in a few letters: whose address the device was told, and how it ended. */
export function cellText({ seen, platform }: Cell): string {
  if (seen.given === null || seen.complaint.includes(REFUSED)) return "refused";
  if (seen.address === null) return seen.faults > 0 ? "fault" : "silent";
  const whose = seen.address === seen.cpu ? "phys" : platform.isHandle(seen.address, seen.cpu) ? "bus" : "?";
  return `${whose} ${seen.delivered ? "ok" : "LOST"}`;
}

/** The grid as one table. */
export function addressTable(rows: readonly Cell[][]): string {
  const head = ["who decides", "interface", "", ...GRID_PLATFORMS.map(({ name }) => name)];
  const body = rows.map((row) => {
    const { name, interface: way, rows: covers } = row[0].decision;
    return [name, way, covers, ...row.map(cellText)];
  });
  const all = [head, ...body];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd()).join("\n");
}
