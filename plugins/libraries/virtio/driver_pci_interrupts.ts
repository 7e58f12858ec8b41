/**
 * How a driver takes the interrupts of a virtio PCI function, through either interface.
 *
 * @module
 */

import type { PciDevice } from "@iova/pci";
import { Isr } from "./layout_pci.ts";

/** What an interface's registers do for it. */
export interface PciVectors {
  /** Writes vector 0 for the configuration and, for queue i, vector 1 + i (`own`) or 1. False when one is refused. */
  setVectors(queues: number, own: boolean): boolean;
  /** Reads, and so clears, the interrupt status. */
  readIsr(): number;
}

/** Connects handlers by MSI-X, one vector a queue if there are as many, else by the interrupt line. Returns its undoing. */
export function connectPci(
  fn: PciDevice,
  registers: PciVectors,
  used: readonly (() => void)[],
  changed: () => void,
): () => void {
  const vectors = fn.msixVectors;
  const own = vectors > used.length;
  const any = () => used.forEach((handler) => handler());
  if (vectors >= 2 && fn.enableMsix(own ? [changed, ...used] : [changed, any])) {
    if (registers.setVectors(used.length, own)) return () => fn.disableMsix();
    fn.disableMsix();
  }
  return fn.interruptLine(() => {
    const isr = registers.readIsr();
    if ((isr & Isr.QUEUE) !== 0) any();
    if ((isr & Isr.CONFIG) !== 0) changed();
  });
}
