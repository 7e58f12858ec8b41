/**
 * What a machine's chipset decides about its PCI buses. Whatever is absent is as the generic machine has it.
 *
 * @module
 */

import type { ConfigSpace } from "./hardware_config.ts";

/** See the module's text. */
export interface PciChipset {
  /**
   * Configuration space of the host bridge's own function at 00.0; null when it has none, so that the place is free. Absent: a
   * bridge that only says what it is.
   */
  readonly hostBridge?: ConfigSpace | null;
  /**
   * Whether bits 1:0 of the address port are kept and select a byte, as in QEMU, on which its device tests rely. Absent: they
   * read as zero (PCI 3.0 §3.2.2.3.2).
   */
  readonly byteAddresses?: boolean;
  /** Whether configuration mechanism #1 answers at ports 0xCF8 to 0xCFF. Absent: it does. */
  readonly ports?: boolean;
  /**
   * Places on the root bus, as `device.function`, of on-board functions by their 24-bit class code: where such a function
   * goes when no place is asked for, while the place is free. Absent: none.
   */
  readonly homes?: Readonly<Record<number, string>>;
  /**
   * Drives an interrupt pin of the root bus (1 to 4 for INTA to INTD of device 0) for one of its sources; a pin is asserted
   * while one of them asserts it. Absent: pins drive lines 16 to 19.
   */
  intx?(pin: number, asserted: boolean): void;
  /** Where the CPU finds the memory BAR that stands at a bus address. Absent: at the same address. */
  outbound?(address: number): number;
}
