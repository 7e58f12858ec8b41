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
  /** The machine type. */
  readonly board: BoardType;
  /** What makes it that platform. */
  readonly args: readonly string[];
}

/** See the module's text. Interrupt remapping stays off: our kernel sets none up. */
export const MACHINES: Readonly<Record<string, MachineRecipe>> = {
  direct: { board: PC_TYPE, args: [] },
  swiotlb: { board: PC_TYPE, args: [] },
  "amd-iommu": { board: Q35_TYPE, args: ["-device", "amd-iommu,intremap=off"] },
  "pseries-tce": { board: PSERIES_TYPE, args: [] },
};
