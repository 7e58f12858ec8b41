/**
 * What firmware knows of its machine before it looks at the PCI buses.
 *
 * @module
 */

import { FIRST_INTX_LINE } from "./layout.ts";

/** A range of addresses: the last one is not part of it. */
export interface PciRange {
  /** First address. */
  readonly first: number;
  /** First address after it. */
  readonly end: number;
}

/** See the module's text. */
export interface PciPlan {
  /** Bus addresses that memory BARs may have. */
  readonly memory: PciRange;
  /** Ports that I/O BARs may have. */
  readonly io: PciRange;
  /** How far above its bus address the CPU finds a memory BAR. */
  readonly memoryOffset: number;
  /** The interrupt lines that pins INTA to INTD of the root bus lead to. */
  readonly lines: readonly number[];
}

/** The generic machine's. */
export const GENERIC_PLAN: PciPlan = {
  memory: { first: 0xc000_0000, end: 0xfec0_0000 },
  io: { first: 0xc000, end: 0x10000 },
  memoryOffset: 0,
  lines: [0, 1, 2, 3].map((pin) => FIRST_INTX_LINE + pin),
};
