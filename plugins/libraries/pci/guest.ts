/**
 * The guest half: finding PCI functions and talking to them, through I/O ports and registers only.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { GuestConfig } from "./guest_config.ts";
import { Enumeration } from "./guest_enumerate.ts";
import type { PciPlan } from "./guest_plan.ts";
import type { PciDevice } from "./guest_pci_device.ts";
import { formatRequester } from "./layout.ts";

export type { PciPlan, PciRange } from "./guest_plan.ts";
export type { PciBar } from "./guest_bars.ts";
export { type ConfigAccess, GuestConfig } from "./guest_config.ts";
export { ExtendedConfig, extendedConfig } from "./guest_extended.ts";
export { PciDevice } from "./guest_pci_device.ts";

const guests = new WeakMap<GuestPort, PciGuest>();

/** The PCI side of a guest: one for each guest, so that every driver sees the same buses. */
export function pciGuest(guest: GuestPort): PciGuest {
  let pci = guests.get(guest);
  if (pci === undefined) guests.set(guest, pci = new PciGuest(guest));
  return pci;
}

/** What an operating system knows of its PCI buses. */
export class PciGuest {
  /** Configuration space of any function, by requester id. */
  readonly config: GuestConfig;
  readonly #enumeration: Enumeration;

  /** Use {@linkcode pciGuest}. */
  constructor(guest: GuestPort) {
    this.config = new GuestConfig(guest);
    this.#enumeration = new Enumeration(guest, this.config);
  }

  /** Every function found, bridges included, in the order in which they were found. */
  get devices(): PciDevice[] {
    return [...this.#enumeration.devices.values()];
  }

  /** What the firmware of this machine knows; before the first enumeration. Only the first word counts. */
  configure(plan: Partial<PciPlan>): void {
    this.#enumeration.configure(plan);
  }

  /**
   * Numbers buses, places BARs in 0xC0000000–0xFEBFFFFF and ports 0xC000–0xFFFF, opens bridge windows, turns decoding on; or as {@linkcode PciGuest.configure} was told.
   * Again after a hot-plug: what is known keeps its place.
   */
  enumerate(): void {
    this.#enumeration.run();
  }

  /** The function with this requester id; looks again when it is not known. @throws {RangeError} when nothing answers. */
  function(requester: number): PciDevice {
    const { devices } = this.#enumeration;
    if (!devices.has(requester)) this.enumerate();
    const device = devices.get(requester);
    if (device === undefined) throw new RangeError(`no PCI function at ${formatRequester(requester)}`);
    return device;
  }
}
