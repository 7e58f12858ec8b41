/**
 * The platforms of the grids: how a manifest names each, and what is known about its addresses.
 *
 * @module
 */

import type { Manifest } from "@iova/core";

/** A column of a grid. */
export interface GridPlatform {
  /** What the tables call it. */
  readonly name: string;
  /** How a manifest names it. */
  readonly use: Manifest["platform"];
  /** Whether a physical address is good as a bus address: category (a), where both ways give the same bytes. */
  readonly physicalWorks: boolean;
  /** Whether its `DmaOps` are those of a device that passes every platform. Absent: they are its own. */
  readonly opsArePhysical?: boolean;
  /** Whether it is the bus that memory is on, which no device passes by its nature. Absent: it is an IOMMU. */
  readonly isMemoryBus?: boolean;
  /** Whether what its `DmaOps` hand out is an address of RAM, which a device that it does not translate can use. */
  readonly handlesAreRam: boolean;
  /** Whether an address is one that its `DmaOps` hand out for memory at `cpu`. */
  isHandle(address: bigint, cpu: bigint): boolean;
}

const GIB = 0x4000_0000n;
/** Memory of every machine of a grid. */
export const MEMORY = 0x100_0000n;

/** Every platform, and every mode of one that changes who may use which address. */
export const GRID_PLATFORMS: readonly GridPlatform[] = [
  {
    name: "direct",
    use: "direct",
    physicalWorks: true,
    handlesAreRam: true,
    isHandle: (address, cpu) => address === cpu,
  },
  {
    name: "direct+2G",
    use: { use: "direct", with: { offset: "0x80000000" } },
    physicalWorks: false,
    handlesAreRam: false,
    isHandle: (address, cpu) => address === cpu + 2n * GIB,
  },
  {
    name: "swiotlb",
    use: { use: "swiotlb", with: { pool: "1MiB" } },
    physicalWorks: true,
    handlesAreRam: true,
    isHandle: (address, cpu) => address !== cpu && address < MEMORY,
  },
  {
    name: "restricted",
    use: { use: "swiotlb", with: { pool: "1MiB", restricted: true } },
    physicalWorks: false,
    handlesAreRam: true,
    isHandle: (address, cpu) => address !== cpu && address < MEMORY,
  },
  {
    name: "pseries",
    use: "pseries-tce",
    physicalWorks: false,
    handlesAreRam: false,
    isHandle: (address, cpu) => address !== cpu && address < GIB,
  },
  {
    name: "amd-iommu",
    use: "amd-iommu",
    physicalWorks: false,
    handlesAreRam: false,
    isHandle: (address, cpu) => address !== cpu && address < 4n * GIB,
  },
  {
    name: "identity",
    use: { use: "amd-iommu", with: { domain: "identity" } },
    opsArePhysical: true,
    physicalWorks: true,
    handlesAreRam: true,
    isHandle: (address, cpu) => address === cpu,
  },
  {
    name: "xen-grant",
    use: "xen-grant",
    physicalWorks: false,
    handlesAreRam: false,
    isHandle: (address) => address >> 63n === 1n,
  },
  {
    name: "xen-pv",
    use: "xen-pv",
    physicalWorks: false,
    isMemoryBus: true,
    handlesAreRam: false,
    isHandle: (address) => address >= 0x1000_0000n,
  },
  {
    name: "xen-dom0",
    use: { use: "xen-pv", with: { outer: true, order: "reverse" } },
    physicalWorks: false,
    isMemoryBus: true,
    handlesAreRam: false,
    isHandle: (address, cpu) => address !== cpu && address < MEMORY,
  },
  {
    name: "strict",
    use: "strict",
    physicalWorks: false,
    handlesAreRam: false,
    isHandle: (address, cpu) => address !== cpu,
  },
];
