/**
 * What a driver sees of a queue, whatever kind of ring is below.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import type { Addressing } from "./driver_addressing.ts";
import type { BufferList } from "./driver_buffers.ts";

/** Where the parts of a ring are, as the device is told: signed 32-bit halves of bus addresses. */
export interface QueueAddresses {
  /** Descriptor area, bits 63:32. */
  readonly descHi: number;
  /** Descriptor area, bits 31:0. */
  readonly descLo: number;
  /** Driver area: the available ring, bits 63:32. */
  readonly driverHi: number;
  /** Driver area: the available ring, bits 31:0. */
  readonly driverLo: number;
  /** Device area: the used ring, bits 63:32. */
  readonly deviceHi: number;
  /** Device area: the used ring, bits 31:0. */
  readonly deviceLo: number;
}

/** A queue, driver side. Tokens are the driver's own numbers, 0 and above; the queue gives them back with completions. */
export interface DriverQueue {
  /** Number of the queue in its device. */
  readonly index: number;
  /** Entries. */
  readonly size: number;
  /** Where the ring is. */
  readonly addresses: QueueAddresses;
  /** Descriptors that are free. */
  readonly free: number;
  /** The device broke the ring's rules: nothing is added and nothing completes any more. */
  readonly broken: boolean;
  /** What the last {@linkcode DriverQueue.poll} said the device wrote, in bytes: the device's word, but not more than fits. */
  readonly usedLength: number;

  /**
   * Maps the buffers of `list` and makes them available. The device owns them until the token comes back.
   *
   * @returns 0; −ENOSPC when there are too few descriptors; −ENOMEM when mapping failed (nothing is mapped and nothing
   * has changed: try again later); −EIO when the queue is broken.
   */
  add(list: BufferList, token: number): number;
  /** Tells the device about what was added, if it wants to know. */
  kick(): void;
  /**
   * Where the next request will stand: bits 16 to 31 of a notification under NOTIFICATION_DATA (virtio 1.4 §2.9). In a
   * packed ring its slot, with the wrap counter in bit 15; in a split one the available index.
   */
  readonly nextAvailable: number;
  /** Takes the next completion: unmaps its buffers and returns its token, or −1 when there is none. */
  poll(): number;
  /** Asks for an interrupt at the next completion. False when there is a completion already: poll again. */
  enableInterrupt(): boolean;
  /** Says that no interrupt is needed. The device may send one all the same. */
  disableInterrupt(): void;
  /** After a device reset: unmaps one request that never completed and returns its token, or −1 when none is left. */
  detachUnused(): number;
  /** Frees the ring. The device must be reset, and every request completed or detached. */
  release(): void;
}

/** What a driver's ring is made with. */
export interface DriverRingOptions {
  /** Number of the queue in its device. */
  readonly index: number;
  /** Entries: a power of two, unless the ring is packed. */
  readonly size: number;
  /** Where the ring lives. */
  readonly guest: GuestPort;
  /** Who makes the addresses. */
  readonly addressing: Addressing;
  /** INDIRECT_DESC is negotiated. Default false. */
  readonly indirect?: boolean;
  /** EVENT_IDX is negotiated. Default false. */
  readonly eventIndex?: boolean;
  /** IN_ORDER is negotiated. Default false. */
  readonly inOrder?: boolean;
  /** VERSION_1 is not negotiated: used lengths of such devices cannot be relied on (§2.7.8.1). Default false. */
  readonly legacy?: boolean;
  /** Rings the device's doorbell; it is given {@linkcode DriverQueue.nextAvailable}. */
  readonly notify: (next: number) => void;
  /** Entries of an indirect table, a power of two; longer requests take descriptors of the ring. Default 16. */
  readonly tableEntries?: number;
  /**
   * Requests that must fit at once. A ring with room for more than that takes requests without tables as long as that many
   * fit: a table costs its device another read. Default: as many as there are entries, so that every request of several
   * buffers has a table, as on Linux.
   */
  readonly depth?: number;
  /** Indirect tables lie in memory that is mapped once, instead of being mapped for every request. Default false. */
  readonly coherentTables?: boolean;
  /** Alignment of the used ring of a split ring, in bytes (legacy devices choose it). Default 4096. */
  readonly align?: number;
}
