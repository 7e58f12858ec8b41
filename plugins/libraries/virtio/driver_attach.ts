/**
 * How a virtio driver reaches its device without knowing the transport: what the guest knows of the device decides.
 *
 * @module
 */

import type { DriverContext, GuestPort } from "@iova/core";
import { pciGuest } from "@iova/pci";
import { mmioSlot, VirtioMmioTransport } from "./driver_mmio.ts";
import { VirtioPciTransport } from "./driver_pci.ts";
import { hasLegacyInterface, VirtioPciLegacyTransport } from "./driver_pci_legacy.ts";
import type { DriverTransport } from "./driver_transport.ts";
import { CAP_VENDOR } from "./layout_pci.ts";

/** What a person can choose about it. */
export interface DriverTransportOptions {
  /** Which interface to take where a device has both. Default `modern`. */
  readonly driverInterface?: "modern" | "legacy";
}

const offers = new WeakMap<GuestPort, (requester: number) => DriverTransport>();

/** Makes the devices of a guest's reachable by a transport of its own; `make` gives the one of a requester id. */
export function offerTransport(guest: GuestPort, make: (requester: number) => DriverTransport): void {
  offers.set(guest, make);
}

/**
 * The transport of the device that `context` names. Its registers can be reached and it is let onto its bus; nothing has
 * been written to the device yet.
 *
 * @throws {RangeError} when there is no virtio device.
 */
export function driverTransport(
  context: Pick<DriverContext, "guest" | "requester">,
  { driverInterface = "modern" }: DriverTransportOptions = {},
): DriverTransport {
  const own = offers.get(context.guest);
  if (own !== undefined) return own(context.requester);
  const slot = mmioSlot(context.guest, context.requester);
  if (slot !== undefined) return new VirtioMmioTransport(context.guest, slot);
  const fn = pciGuest(context.guest).function(context.requester);
  const modern = fn.findCapability(CAP_VENDOR) !== 0 && (driverInterface === "modern" || !hasLegacyInterface(fn));
  return modern ? new VirtioPciTransport(context) : new VirtioPciLegacyTransport(context);
}
