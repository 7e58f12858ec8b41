/**
 * Firmware's part: routes for PCI interrupts, then bus numbers and addresses, as a PC's BIOS leaves them.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { pciGuest } from "@iova/pci";
import { ELCR_LEVELS, ISA_BRIDGE_ID, PCI_WINDOW, PIRQ_LINES, PIRQ_ROUTES, pirqOf } from "./layout.ts";

const ELCR_PORT = 0x4d0;

/** Sets the machine's PCI up; again after a hot-plug or a reset. */
export function runFirmware(guest: GuestPort): void {
  const pci = pciGuest(guest);
  PIRQ_ROUTES.forEach((register, i) => pci.config.write(ISA_BRIDGE_ID, register, 1, PIRQ_LINES[i]));
  guest.ioWrite(ELCR_PORT, 1, ELCR_LEVELS & 0xff);
  guest.ioWrite(ELCR_PORT + 1, 1, ELCR_LEVELS >> 8);
  pci.configure({ ...PCI_WINDOW, lines: [1, 2, 3, 4].map((pin) => PIRQ_LINES[pirqOf(pin)]) });
  pci.enumerate();
}
