/**
 * How a driver reaches its device, whatever the transport; and the steps of initialisation that all transports share
 * (virtio 1.4 §3.1).
 *
 * @module
 */

import type { Width } from "@iova/core";
import type { QueueAddresses } from "./driver_queue.ts";
import { type FeatureSet, Status } from "./layout_features.ts";

/** A transport, driver side. Registers are read and written at once; nothing waits. */
export interface DriverTransport {
  /** Virtio device type. */
  readonly type: number;
  /** The legacy interface (virtio 0.9): 32 feature bits, no FEATURES_OK, rings in one block below 2^44. */
  readonly legacy: boolean;
  /**
   * The size of a queue is what {@linkcode DriverTransport.queueSize} says, and no other: the legacy interface on PCI.
   * Absent: a driver can choose a smaller one.
   */
  readonly dictatesSize?: boolean;
  /** The status register; writing 0 resets. */
  readStatus(): number;
  /** See {@linkcode DriverTransport.readStatus}. */
  writeStatus(value: number): void;
  /** Features that the device offers. */
  offered(): FeatureSet;
  /** Writes the features that the driver accepts. */
  accept(features: FeatureSet): void;
  /** Reads the device configuration; values are little-endian. */
  readConfig(offset: number, width: Width): number;
  /** Writes the device configuration. */
  writeConfig(offset: number, width: Width, value: number): void;
  /** Changes whenever the device configuration does; always 0 where the interface cannot tell. */
  generation(): number;
  /** Largest size of queue `index`; 0 when there is no such queue. */
  queueSize(index: number): number;
  /**
   * Tells the device about a ring.
   *
   * @returns 0; −EINVAL when the device refuses its size, or the ring; −E2BIG when the interface cannot express its
   * address (a legacy one has 32 bits of page frame number).
   */
  enableQueue(index: number, size: number, addresses: QueueAddresses): number;
  /** Stops one queue (RING_RESET), so that its ring is the driver's again. False when the device does not do it. */
  resetQueue(index: number): boolean;
  /**
   * Returns what rings the doorbell of queue `index`. With NOTIFICATION_DATA it tells the device how far the driver is:
   * `next` is bits 16 to 31 of the notification (virtio 1.4 §2.9).
   *
   * @throws {RangeError} when the device puts it outside its registers.
   */
  notifier(index: number): (next?: number) => void;
  /**
   * Connects interrupts, before DRIVER_OK: `used[i]` for used buffers of queue i, `changed` for configuration changes and
   * the need of a reset. They run in interrupt context and must tolerate being called for nothing.
   */
  connect(used: readonly (() => void)[], changed: () => void): void;
  /** Undoes {@linkcode DriverTransport.connect}. */
  disconnect(): void;
}

/** How often a driver looks whether its device has finished its reset. */
const RESET_POLLS = 1000;

/**
 * Resets a device and waits until it says so. `relax` passes the time, and says whether waiting has a point.
 *
 * @returns false when the device never says so: it is broken or gone.
 */
export function resetDevice(transport: DriverTransport, relax: () => boolean): boolean {
  transport.writeStatus(0);
  for (let i = 0; i < RESET_POLLS; i++) {
    if (transport.readStatus() === 0) return true;
    if (!relax()) return false;
  }
  return false;
}

/**
 * Acknowledges a reset device and negotiates: accepts what both sides know.
 *
 * @returns the features agreed on, or null when the device refuses them (FEATURES_OK does not stay set).
 */
export function negotiate(transport: DriverTransport, known: FeatureSet): FeatureSet | null {
  transport.writeStatus(Status.ACKNOWLEDGE);
  transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
  const features = transport.offered().and(known);
  transport.accept(features);
  // A legacy device cannot refuse (§3.1.2).
  if (transport.legacy) return features;
  transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
  return (transport.readStatus() & Status.FEATURES_OK) !== 0 ? features : null;
}

/** Says that the driver is ready. */
export function driverOk(transport: DriverTransport): void {
  transport.writeStatus(transport.readStatus() | Status.DRIVER_OK);
}
