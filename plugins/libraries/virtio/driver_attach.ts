/**
 * How a virtio driver reaches its device without knowing the transport: what the guest knows of the device decides.
 *
 * @module
 */

import type { DriverContext } from "@iova/core";
import { VirtioPciTransport } from "./driver_pci.ts";
import type { DriverTransport } from "./driver_transport.ts";

/** What a person can choose about it. */
export interface DriverTransportOptions {
  /** Which interface to take where a device has both. Default `modern`. */
  readonly driverInterface?: "modern" | "legacy";
}

/**
 * The transport of the device that `context` names. Its registers can be reached and it is let onto its bus; nothing has
 * been written to the device yet.
 *
 * @throws {RangeError} when there is no virtio device.
 */
export function driverTransport(
  context: Pick<DriverContext, "guest" | "requester">,
  _options: DriverTransportOptions = {},
): DriverTransport {
  return new VirtioPciTransport(context);
}
