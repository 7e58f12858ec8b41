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
  /** Changes whenever the device configuration does. */
  generation(): number;
  /** Largest size of queue `index`; 0 when there is no such queue. */
  queueSize(index: number): number;
  /** Tells the device about a ring. False when the device refuses its size. */
  enableQueue(index: number, size: number, addresses: QueueAddresses): boolean;
  /** Returns what rings the doorbell of queue `index`. */
  notifier(index: number): () => void;
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
  transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
  return (transport.readStatus() & Status.FEATURES_OK) !== 0 ? features : null;
}

/** Says that the driver is ready. */
export function driverOk(transport: DriverTransport): void {
  transport.writeStatus(transport.readStatus() | Status.DRIVER_OK);
}
