/**
 * The machine types and IOMMUs of QEMU that stand for our platforms, by the name of our plugin.
 *
 * @module
 */

import type { BoardType } from "../board/board.ts";
import { MICROVM_TYPE, PC_TYPE, Q35_TYPE } from "../board/pc.ts";
import { PSERIES_TYPE } from "../board/pseries.ts";

/** How QEMU has a platform. */
export interface MachineRecipe {
  /** The machine types that have it; the first of those that have the manifest's bus, unless it names a profile. */
  readonly boards: readonly [BoardType, ...BoardType[]];
  /** What makes a machine of this QEMU that platform. */
  args(version: Version): readonly string[];
}

/** A version of QEMU: major and minor number. */
export type Version = readonly [major: number, minor: number];

/** From 10.2 on QEMU's AMD IOMMU translates when it is told to; before, it always does and knows no such property. */
function amdIommu([major, minor]: Version): readonly string[] {
  const told = major > 10 || (major === 10 && minor >= 2) ? ",dma-remap=on" : "";
  return ["-device", `amd-iommu,intremap=off${told}`];
}

/** See the module's text. Interrupt remapping stays off: our kernel sets none up. */
export const MACHINES: Readonly<Record<string, MachineRecipe>> = {
  direct: { boards: [PC_TYPE, Q35_TYPE, MICROVM_TYPE], args: () => [] },
  swiotlb: { boards: [PC_TYPE, Q35_TYPE, MICROVM_TYPE], args: () => [] },
  "amd-iommu": { boards: [Q35_TYPE], args: amdIommu },
  "pseries-tce": { boards: [PSERIES_TYPE], args: () => [] },
};
