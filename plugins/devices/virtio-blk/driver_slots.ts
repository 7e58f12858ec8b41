/**
 * The requests of a block driver: for each a place in guest memory for header and status, and what the driver knows
 * about it. Everything is made once; a request allocates nothing.
 *
 * @module
 */

import type { BlockStatus } from "@iova/block";
import { GuestMemoryError, type GuestPort, lowHalf, type PhysAddr } from "@iova/core";
import type { Addressing, BufferList, RingMemory } from "@iova/virtio";
import { RequestHeader, RequestStatus, Segment, STATUS_SIZE } from "./layout.ts";

/**
 * Header and status live on cache lines of their own: the device writes one and reads the other, and no two mappings may
 * share a line that the device writes.
 */
const LINE = 64;
/** A segment shares the header's line: the device reads both. */
const SEGMENT_AT = RequestHeader.size;
const STATUS_AT = LINE;
const SLOT_SIZE = 2 * LINE;
/** What a status byte holds until the device has written it. */
const UNWRITTEN = 0xff;
const TWO32 = 4294967296;

/** Slots, numbered from 0. */
export class RequestSlots {
  /** The caller's number of each request. */
  readonly tag: Float64Array;
  /** When each was submitted, in nanoseconds; −1 while the slot is free. */
  readonly started: Float64Array;
  /** For a request made by promise: what resolves it; else null. */
  readonly resolve: (((status: BlockStatus) => void) | null)[];
  /** Requests in flight. */
  busy = 0;
  readonly #guest: GuestPort;
  readonly #base: PhysAddr;
  readonly #free: Int32Array;

  /** The slots' memory when it is mapped once; null when header and status are mapped for every request. */
  readonly #shared: RingMemory | null;

  /**
   * `count` slots, in memory that is mapped once (`coherent`) or for every request.
   *
   * @throws {GuestMemoryError} when there is no guest memory for them.
   */
  constructor(guest: GuestPort, readonly count: number, addressing: Addressing, coherent: boolean) {
    this.#guest = guest;
    const what = "the requests of a virtio block driver";
    this.#shared = coherent ? addressing.ring(count * SLOT_SIZE) : null;
    if (coherent && this.#shared === null) throw new GuestMemoryError(what, count * SLOT_SIZE);
    this.#base = this.#shared?.cpu ?? guest.heap.require(count * SLOT_SIZE, what, LINE);
    this.tag = new Float64Array(count);
    this.started = new Float64Array(count).fill(-1);
    this.resolve = new Array(count).fill(null);
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** Takes a slot, or −1 when all are busy. */
  take(): number {
    if (this.busy === this.count) return -1;
    const slot = this.#free[this.count - ++this.busy];
    this.started[slot] = this.#guest.now;
    return slot;
  }

  /** Gives a slot back. */
  give(slot: number): void {
    this.#free[this.count - this.busy--] = slot;
    this.started[slot] = -1;
    this.resolve[slot] = null;
  }

  /** Adds a slot's header to a request. */
  addHeader(list: BufferList, slot: number): void {
    this.#addOut(list, slot, 0, RequestHeader.size);
  }

  /** Adds a slot's segment to a request, a buffer of its own: some devices want the header alone in the first. */
  addSegment(list: BufferList, slot: number): void {
    this.#addOut(list, slot, SEGMENT_AT, Segment.size);
  }

  /** Adds a slot's status to a request. */
  addStatus(list: BufferList, slot: number): void {
    const shared = this.#shared;
    if (shared === null) list.in(this.#at(slot) + STATUS_AT, STATUS_SIZE);
    // The block is aligned to its size, so the low half does not carry.
    else list.inMapped(shared.hi, (shared.lo + slot * SLOT_SIZE + STATUS_AT) | 0, STATUS_SIZE);
  }

  /** Writes a slot's segment: `sectors` sectors from `sector` on. */
  prepareSegment(slot: number, sector: number, sectors: number, flags: number): void {
    const at = this.#at(slot);
    const region = this.#guest.memory.ram(at)!;
    const offset = at - region.base + SEGMENT_AT;
    const { view } = region;
    view.setInt32(offset + Segment.at.sector, lowHalf(sector), true);
    view.setInt32(offset + Segment.at.sector + 4, Math.floor(sector / TWO32), true);
    view.setInt32(offset + Segment.at.num_sectors, sectors, true);
    view.setInt32(offset + Segment.at.flags, flags, true);
  }

  /** Writes a slot's header, and marks its status as not written. */
  prepare(slot: number, type: number, sector: number): void {
    const at = this.#at(slot);
    const region = this.#guest.memory.ram(at)!;
    const offset = at - region.base;
    const { view } = region;
    view.setInt32(offset + RequestHeader.at.type, type, true);
    view.setInt32(offset + RESERVED, 0, true);
    view.setInt32(offset + RequestHeader.at.sector, lowHalf(sector), true);
    view.setInt32(offset + RequestHeader.at.sector + 4, Math.floor(sector / TWO32), true);
    region.bytes[offset + STATUS_AT] = UNWRITTEN;
  }

  /** What the device wrote as the status of a slot. */
  result(slot: number): number {
    const at = this.#at(slot) + STATUS_AT;
    const region = this.#guest.memory.ram(at)!;
    const status = region.bytes[at - region.base];
    return status <= RequestStatus.UNSUPP ? status : RequestStatus.IOERR;
  }

  /** When the oldest request in flight was submitted; Infinity when none is. */
  oldest(): number {
    let oldest = Infinity;
    for (const time of this.started) if (time >= 0 && time < oldest) oldest = time;
    return oldest;
  }

  /** Frees the guest memory. */
  release(): void {
    if (this.#shared !== null) this.#shared.free();
    else this.#guest.heap.free(this.#base);
  }

  #addOut(list: BufferList, slot: number, at: number, size: number): void {
    const shared = this.#shared;
    if (shared === null) list.out(this.#at(slot) + at, size);
    // The block is aligned to its size, so the low half does not carry.
    else list.outMapped(shared.hi, (shared.lo + slot * SLOT_SIZE + at) | 0, size);
  }

  #at(slot: number): PhysAddr {
    return this.#base + slot * SLOT_SIZE;
  }
}

/** The header's reserved word, which must be zero. */
const RESERVED = RequestHeader.at.type + 4;
