/**
 * Firmware's part: routes for PCI interrupts, configuration space in memory, then bus numbers and addresses.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { pciGuest } from "@iova/pci";
import {
  CONFIG_WINDOW,
  ELCR_LEVELS,
  LPC_ID,
  PCI_WINDOW,
  PciExBar,
  PCIEXBAR_AT,
  PIRQ_LINES,
  PIRQ_ROUTES,
  pirqOf,
} from "./layout.ts";

const ELCR_PORT = 0x4d0;
const HOST_BRIDGE_ID = 0;

/** Sets the machine's PCI up; again after a hot-plug or a reset. */
export function runFirmware(guest: GuestPort): void {
  const pci = pciGuest(guest);
  PIRQ_ROUTES.forEach((register, i) => pci.config.write(LPC_ID, register, 1, PIRQ_LINES[i]));
  guest.ioWrite(ELCR_PORT, 1, ELCR_LEVELS & 0xff);
  guest.ioWrite(ELCR_PORT + 1, 1, ELCR_LEVELS >> 8);
  pci.config.write(HOST_BRIDGE_ID, PCIEXBAR_AT + 4, 4, 0);
  pci.config.write(HOST_BRIDGE_ID, PCIEXBAR_AT, 4, CONFIG_WINDOW + PciExBar.mask.enable);
  pci.configure({ ...PCI_WINDOW, lines: [1, 2, 3, 4].map((pin) => PIRQ_LINES[pirqOf(pin)]) });
  pci.enumerate();
}
