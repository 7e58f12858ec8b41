/**
 * The machine types and IOMMUs of QEMU that stand for our platforms, by the name of our plugin.
 *
 * @module
 */

import type { BoardType } from "../board/board.ts";
import { PC_TYPE, Q35_TYPE } from "../board/pc.ts";
import { PSERIES_TYPE } from "../board/pseries.ts";

/** How QEMU has a platform. */
export interface MachineRecipe {
  /** The machine types that have it; the first unless the manifest names a profile. */
  readonly boards: readonly [BoardType, ...BoardType[]];
  /** What makes a machine that platform. */
  readonly args: readonly string[];
}

/** See the module's text. Interrupt remapping stays off: our kernel sets none up. */
export const MACHINES: Readonly<Record<string, MachineRecipe>> = {
  direct: { boards: [PC_TYPE, Q35_TYPE], args: [] },
  swiotlb: { boards: [PC_TYPE, Q35_TYPE], args: [] },
  "amd-iommu": { boards: [Q35_TYPE], args: ["-device", "amd-iommu,intremap=off"] },
  "pseries-tce": { boards: [PSERIES_TYPE], args: [] },
};
