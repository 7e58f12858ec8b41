/**
 * What a driver says when a device cannot be driven on this machine, whatever is wrong with neither of them.
 *
 * @module
 */

import { type DriverContext, InputError } from "@iova/core";
import type { DriverTransport } from "./driver_transport.ts";
import { Feature, type FeatureSet, Status } from "./layout_features.ts";

/** A legacy ring whose address is beyond 2^44: 32 bits of page number do not reach it. */
export function ringTooHigh({ id }: Pick<DriverContext, "id">): InputError {
  return new InputError({
    file: `device "${id}"`,
    found:
      "bus addresses beyond 2^44 (platform bug: a legacy virtio interface must not be used with rings above 16 TiB)",
    expected: "a platform that gives lower ones, or a modern interface",
  });
}

/** The same, when the platform knows that it has no such memory. */
export function noLowRing({ id }: Pick<DriverContext, "id">): InputError {
  return new InputError({
    file: `device "${id}"`,
    found: "no memory for the ring of a legacy virtio interface, which must lie below 16 TiB",
    expected: "a platform that gives lower addresses, or a modern interface",
  });
}

/**
 * Gives a device up, with FAILED in its status, that does not promise to keep to the platform's addresses: where memory is
 * encrypted, or reached by grants only, it would see none of it. Linux asks this before FEATURES_OK.
 *
 * @throws {InputError} when VERSION_1 or ACCESS_PLATFORM was not negotiated.
 */
export function demandPlatform(
  { id }: Pick<DriverContext, "id">,
  { transport, features }: { transport: DriverTransport; features: FeatureSet },
): void {
  const missing = !features.has(Feature.VERSION_1)
    ? "VIRTIO_F_VERSION_1"
    : !features.has(Feature.ACCESS_PLATFORM)
    ? "VIRTIO_F_ACCESS_PLATFORM"
    : null;
  if (missing === null) return;
  transport.writeStatus(transport.readStatus() | Status.FAILED);
  throw new InputError({
    file: `device "${id}"`,
    found: `restricted memory (device must provide ${missing})`,
    expected: "a device that uses bus addresses, and says so",
  });
}
