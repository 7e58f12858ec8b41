/**
 * Bringing a device up, as far as it is the same for every type: reset, negotiation, queues (virtio 1.4 §3.1).
 *
 * @module
 */

import { type DriverContext, Errno, GuestMemoryError } from "@iova/core";
import { type Addressing, chooseAddressing, DmaAddressing, type DriverAddressing } from "./driver_addressing.ts";
import type { DriverQueue } from "./driver_queue.ts";
import { demandPlatform, noLowRing, ringTooHigh } from "./driver_refusals.ts";
import { makeDriverQueue, queueBytes, queueSizeWithin } from "./driver_rings.ts";
import { type DriverTransport, negotiate, resetDevice } from "./driver_transport.ts";
import { type FeatureSet, Status } from "./layout_features.ts";

/** What a driver says to have its device brought up. */
export interface BringUpOptions {
  /** The type that it drives. */
  readonly type: number;
  /** What messages call such a device: `block`, say. */
  readonly kind: string;
  /** The features that it knows, of those that are offered. */
  known(offered: FeatureSet): FeatureSet;
  /** Who makes addresses. */
  readonly driverAddressing: DriverAddressing;
}

/** A device that has been reset and has agreed to features; its queues come next. */
export interface BroughtUp {
  /** How it is reached. */
  readonly transport: DriverTransport;
  /** Its driver's. */
  readonly context: DriverContext;
  /** See {@linkcode BringUpOptions.kind}. */
  readonly kind: string;
  /** What was agreed on. */
  readonly features: FeatureSet;
  /** Who makes its addresses. */
  readonly addressing: Addressing;
}

/** What a driver wants of a queue. */
export interface QueueWishes {
  /** Entries, if the device has as many. */
  readonly queueSize: number;
  /** Whether indirect tables lie in memory that is mapped once, or are mapped for every request. */
  readonly requestMemory: "coherent" | "streaming";
  /** Requests in flight at most, by the entries that the queue gets. Absent: the queue's own choice. */
  depth?(size: number): number;
}

/** A ring of this many bytes is not made smaller for want of memory. */
const SMALLEST_RING = 4096;
/** Nor is one of so few entries. */
const FEWEST_ENTRIES = 4;

/**
 * Resets the device and negotiates features.
 *
 * @throws {Error} when it is another device, or refuses.
 * @throws {InputError} when the platform's addresses are none for it.
 */
export function bringUp(transport: DriverTransport, context: DriverContext, options: BringUpOptions): BroughtUp {
  const { type, kind, driverAddressing } = options;
  if (transport.type !== type) throw new Error(`virtio device type ${transport.type} is no ${kind} device`);
  if (!resetDevice(transport, () => context.guest.relax())) throw new Error("the device does not finish its reset");
  const features = negotiate(transport, options.known(transport.offered()));
  if (features === null) {
    transport.writeStatus(transport.readStatus() | Status.FAILED);
    throw new Error("the device refuses every set of features that this driver knows");
  }
  if (driverAddressing === "restricted") demandPlatform(context, { transport, features });
  return { transport, context, kind, features, addressing: chooseAddressing(context, features, driverAddressing) };
}

/**
 * Sets queues up: `work` has each made by its number. When something fails, those that were made are given back.
 *
 * @throws {Error} when the device refuses.
 * @throws {InputError} when the platform's addresses are none for it.
 * @throws {GuestMemoryError} when there is no memory for a ring.
 */
export function setUpQueues<Result>(
  device: BroughtUp,
  wishes: QueueWishes,
  work: (make: (index: number) => DriverQueue) => Result,
): Result {
  const queues: DriverQueue[] = [];
  try {
    return work((index) => {
      const queue = setUpQueue(device, wishes, index);
      queues.push(queue);
      return queue;
    });
  } catch (error) {
    // The device must have forgotten the rings before they are freed.
    resetDevice(device.transport, () => device.context.guest.relax());
    for (const queue of queues) queue.release();
    throw error;
  }
}

function setUpQueue(device: BroughtUp, { queueSize, requestMemory, depth }: QueueWishes, index: number): DriverQueue {
  const { transport, context, features, addressing } = device;
  let size = transport.queueSize(index);
  if (!transport.dictatesSize) size = queueSizeWithin(features, Math.min(queueSize, size));
  if (size === 0) throw new Error(`the device has no queue ${index}`);
  for (;;) {
    const queue = makeDriverQueue(features, {
      index,
      size,
      guest: context.guest,
      addressing,
      notify: transport.notifier(index),
      ...(depth && { depth: depth(size) }),
      coherentTables: requestMemory === "coherent",
    });
    if (queue !== null) {
      const refused = transport.enableQueue(index, size, queue.addresses);
      if (refused === 0) return queue;
      queue.release();
      if (refused === -Errno.E2BIG) throw ringTooHigh(context);
      throw new Error(`the device refuses a queue of ${size}`);
    }
    // With little memory left a smaller ring will do, as on Linux.
    const bytes = queueBytes(features, size);
    if (transport.dictatesSize || bytes <= SMALLEST_RING || size <= FEWEST_ENTRIES) throw noRing(device, bytes);
    size = Math.floor(size / 2);
  }
}

function noRing({ transport, context, kind, addressing }: BroughtUp, bytes: number): Error {
  if (addressing instanceof DmaAddressing && transport.legacy) return noLowRing(context);
  return new GuestMemoryError(`the ring of a virtio ${kind} device`, bytes);
}
