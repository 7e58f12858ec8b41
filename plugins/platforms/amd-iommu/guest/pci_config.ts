/**
 * Capabilities of the IOMMU's own PCI function, whose 4 KiB of configuration space firmware has put into memory.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { Header0 } from "@iova/pci";
import { Capability, CAPABILITY_ID, MSI_CAPABILITY_ID, MsiCapability } from "../layout.ts";

/** Capabilities that fit between the header and the end of 256 bytes. */
const MOST_CAPABILITIES = 48;

/** Reads and programs the function. */
export class IommuPciFunction {
  readonly #guest: GuestPort;
  readonly #config: PhysAddr;

  /** The function whose configuration space is at `config`. */
  constructor(guest: GuestPort, config: PhysAddr) {
    this.#guest = guest;
    this.#config = config;
  }

  /** Whether not-present entries are cached (NpCache), so that mapping needs a flush. False without the capability. */
  get npCache(): boolean {
    const at = this.#find(CAPABILITY_ID);
    return at !== null && (this.#guest.read(this.#config + at, 4) & Capability.mask.npCache) !== 0;
  }

  /** Has the function send its interrupt to `handler`; false when it cannot send messages. */
  enableMessage(handler: () => void): boolean {
    const at = this.#find(MSI_CAPABILITY_ID);
    if (at === null) return false;
    const { address, data } = this.#guest.messageInterrupt(handler);
    const msi = this.#config + at;
    this.#guest.write(msi + MsiCapability.at.addressLow, 4, address % 4294967296);
    this.#guest.write(msi + MsiCapability.at.addressHigh, 4, Math.floor(address / 4294967296));
    this.#guest.write(msi + MsiCapability.at.data, 2, data);
    const control = this.#guest.read(msi, 4);
    this.#guest.write(msi, 4, (control | MsiCapability.mask.enable) >>> 0);
    return true;
  }

  #find(id: number): number | null {
    let at = this.#guest.read(this.#config + Header0.at.capabilities, 1) & 0xfc;
    for (let i = 0; i < MOST_CAPABILITIES && at !== 0; i++) {
      const head = this.#guest.read(this.#config + at, 2);
      if ((head & 0xff) === id) return at;
      at = head >> 8 & 0xfc;
    }
    return null;
  }
}
