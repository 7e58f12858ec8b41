/**
 * What a device sees of a queue, whatever kind of ring is below.
 *
 * @module
 */

import type { DevicePort } from "@iova/core";
import type { Chain } from "./device_chain.ts";
import type { RingRules } from "./device_rules.ts";

/** What {@linkcode DeviceQueue.pop} found. */
export const Pop = {
  /** Nothing to do. */
  EMPTY: 0,
  /** A chain. */
  CHAIN: 1,
  /** An address on the way to it is not translated yet: park, and pop again. */
  PENDING: 2,
  /** The driver broke the ring's rules: {@linkcode DeviceQueue.fault} says which. */
  BROKEN: 3,
} as const;
/** One of {@linkcode Pop}'s values. */
export type Pop = typeof Pop[keyof typeof Pop];

/** The driver's mistakes that a ring can notice, in words for reports. */
export const RingFault = {
  NONE: "",
  MISALIGNED: "ring address misaligned",
  UNREACHABLE: "ring address leads nowhere",
  AVAIL_JUMP: "available index ahead by more than the ring",
  HEAD: "head beyond the descriptor table",
  NEXT: "next beyond its table",
  LOOP: "descriptor loop",
  EMPTY_BUFFER: "buffer of zero length",
  ORDER: "readable buffer after a writable one",
  NOT_NEGOTIATED: "indirect descriptor without the feature",
  NESTED: "indirect descriptor in an indirect table",
  INDIRECT_NEXT: "indirect descriptor that goes on",
  MIXED: "indirect descriptor after direct ones",
  TABLE_SIZE: "indirect table of a wrong length",
  TABLE_UNREACHABLE: "indirect table leads nowhere",
  TOO_LONG: "chain of 2^32 bytes or more",
  TOO_MANY: "more chains than descriptors",
  RELEASED: "ring released",
} as const;
/** One of {@linkcode RingFault}'s values. */
export type RingFault = typeof RingFault[keyof typeof RingFault];

/** Where the parts of a ring are, as the driver wrote it: signed 32-bit halves of bus addresses. */
export interface RingAddresses {
  /** Descriptor area, bits 63:32. */
  descHi: number;
  /** Descriptor area, bits 31:0. */
  descLo: number;
  /** Driver area: the available ring, bits 63:32. */
  driverHi: number;
  /** Driver area: the available ring, bits 31:0. */
  driverLo: number;
  /** Device area: the used ring, bits 63:32. */
  deviceHi: number;
  /** Device area: the used ring, bits 31:0. */
  deviceLo: number;
}

/** A ring, device side. It trusts nothing that the driver can write and works a bounded time on each call. */
export interface DeviceQueue {
  /** Entries. */
  readonly size: number;
  /** What the driver did wrong; empty while all is well. Once set, the ring is dead. */
  readonly fault: RingFault;
  /** Chains pushed and not yet published. */
  readonly unpublished: number;
  /**
   * Where it is, in vhost's words: for a split ring the index of the next chain to take, for a packed one its place and lap
   * (bits 0 to 14 and 15), and the same of the next place to use above them. Chains in flight count as not yet taken.
   */
  readonly position: number;
  /** Descriptors of the chain that was popped last, as a packed ring counts them; 1 for a split ring. */
  readonly slots: number;
  /** Goes on where another device has left a ring, instead of at its beginning. Called before anything else. */
  begin(position: number): void;
  /** Takes the next chain into `chain`. */
  pop(chain: Chain): Pop;
  /** Puts the chain that was popped last back: the next {@linkcode DeviceQueue.pop} finds it again. */
  unpop(): void;
  /** Notes that chain `id` is done with `written` bytes written; the driver sees it after {@linkcode DeviceQueue.publish}. */
  push(id: number, written: number): void;
  /**
   * Shows everything pushed to the driver, at once.
   *
   * @returns whether the driver wants an interrupt for it. False as well when the ring cannot be reached: then
   * {@linkcode DeviceQueue.fault} is set, or what was pushed waits for the next call.
   */
  publish(): boolean;
  /** Asks for kicks, or says that none is needed, and looks once more: `CHAIN` when there are chains now. */
  wantKicks(wanted: boolean): Pop;
  /** Ends the ring for good: nothing is touched any more. */
  release(): void;
}

/**
 * Accesses to rings, as a device on a real bus would make them: one for each index, slot, descriptor, event structure and
 * used element. Indirect tables and buffers go through the port, which counts them itself.
 */
export interface RingStats {
  /** Reads of memory. */
  reads: number;
  /** Writes to memory. */
  writes: number;
}

/** What a device's ring is made with. */
export interface DeviceRingOptions {
  /** Entries. */
  readonly size: number;
  /** The way to the ring. */
  readonly port: DevicePort;
  /** Where the driver says that the ring is. */
  readonly addresses: RingAddresses;
  /** INDIRECT_DESC is negotiated. Default false. */
  readonly indirect?: boolean;
  /** EVENT_IDX is negotiated. Default false. */
  readonly eventIndex?: boolean;
  /** IN_ORDER is negotiated: chains are published in the order in which they came, in batches. Default false. */
  readonly inOrder?: boolean;
  /** NOTIFY_ON_EMPTY is negotiated (legacy): an emptied ring interrupts even if the driver wants none. Default false. */
  readonly notifyOnEmpty?: boolean;
  /** Default: the specification's. */
  readonly rules?: RingRules;
  /** Where accesses are counted; several rings may share it. Absent: nobody is told. */
  readonly stats?: RingStats;
}
