/**
 * What both kinds of ring have in common on the driver's side: buffers are mapped and unmapped in the order of Linux
 * `drivers/virtio/virtio_ring.c`, and everything that is needed for it stands in private arrays. Buffers are mapped
 * before anything is written into the ring, so that a mapping that fails leaves no trace there.
 *
 * @module
 */

import { Direction, DmaApiError, DmaHandle, Errno, type GuestPort } from "@iova/core";
import type { Addressing } from "./driver_addressing.ts";
import type { BufferList } from "./driver_buffers.ts";
import type { DriverQueue, DriverRingOptions, QueueAddresses } from "./driver_queue.ts";
import { DescriptorState, IndirectTables, RequestOrder } from "./driver_state.ts";
import { DescFlag, VirtqDesc } from "./layout_ring.ts";

const { NEXT, WRITE, INDIRECT } = DescFlag;
/** Private flag: the driver mapped the buffer itself. */
const PREMAPPED = 0x100;
/** The flags that a device sees. */
export const RING_FLAGS: number = NEXT | WRITE | INDIRECT;
/** Private token: not the head of a request. */
const NO_TOKEN = -1;
/** What {@linkcode DriverRing.used} answers when there is nothing. */
export const NONE_USED = -1;

const DESC_WORDS = VirtqDesc.size / 4;
const ADDR_LO = VirtqDesc.at.addr / 4;
const ADDR_HI = ADDR_LO + 1;
const LEN = VirtqDesc.at.len / 4;
/** The fourth word, which the two kinds of ring use in different ways. */
const FOURTH = 3;

/** See the module's text. */
export abstract class DriverRing implements DriverQueue {
  readonly index: number;
  readonly size: number;
  abstract readonly addresses: QueueAddresses;
  abstract readonly nextAvailable: number;
  free: number;
  broken = false;
  usedLength = 0;
  /** The CPU's port. */
  protected readonly guest: GuestPort;
  /** EVENT_IDX is negotiated. */
  protected readonly eventIndex: boolean;
  /** What is known about descriptors, by id. */
  protected readonly state: DescriptorState;
  /** Descriptors that a request takes in the ring, by head. */
  protected readonly taken: Uint16Array;
  /** After a table that could not be mapped a request takes descriptors of the ring. */
  protected readonly directInstead: boolean = false;
  readonly #addressing: Addressing;
  readonly #notify: (next: number) => void;
  readonly #indirect: boolean;
  readonly #legacy: boolean;
  readonly #tables: IndirectTables;
  readonly #entries: number;
  /** Of the indirect table of head h: entries h·tableEntries …; empty without INDIRECT_DESC. */
  readonly #children: DescriptorState;
  readonly #token: Int32Array;
  /** Bytes that the device may write, by head. */
  readonly #writable: Float64Array;
  readonly #order: RequestOrder | null;
  readonly #handle = new DmaHandle();
  #freeHead = 0;
  /** What becomes of it when the request that is being mapped is added. */
  #freeNext = 0;
  /** Descriptors that are kept for requests up to the depth that was asked for, one for each that is not in flight. */
  #reserve: number;
  /** Requests of a batch that have not been handed back, and the length that its used element gave. */
  #batch = 0;
  #batchLength = 0;

  /** The private half of a ring. */
  constructor(options: DriverRingOptions) {
    const { index, size, guest, addressing, notify, tableEntries = 16 } = options;
    const { indirect = false, eventIndex = false, inOrder = false } = options;
    this.index = index;
    this.size = size;
    this.free = size;
    this.guest = guest;
    this.eventIndex = eventIndex;
    this.#addressing = addressing;
    this.#notify = notify;
    this.#indirect = indirect;
    this.#legacy = options.legacy ?? false;
    this.#entries = indirect ? tableEntries : 0;
    this.#tables = new IndirectTables(guest, size, this.#entries, options.coherentTables ?? false, addressing);
    this.#children = new DescriptorState(size * this.#entries);
    this.#token = new Int32Array(size).fill(NO_TOKEN);
    this.#writable = new Float64Array(size);
    this.#order = inOrder ? new RequestOrder(size) : null;
    this.#reserve = (options.depth ?? size) - 1;
    this.state = new DescriptorState(size);
    this.taken = new Uint16Array(size);
    // A circle: with IN_ORDER descriptors are used one after the other for ever (§2.7.9).
    for (let i = 0; i < size; i++) this.state.next[i] = i + 1 < size ? i + 1 : 0;
  }

  /** Writes the `count` descriptors of request `head` into the ring and makes them available. */
  protected abstract expose(head: number, count: number): void;
  /** The fourth word of entry `i` of a table; `flags` are {@linkcode RING_FLAGS}. */
  protected abstract entryWord(flags: number, i: number): number;
  /** The head of the next used request and, in `usedLength`, what was written; or {@linkcode NONE_USED}. Unchecked. */
  protected abstract used(): number;
  /** Most requests that may have been used since {@linkcode DriverRing.used} looked. */
  protected abstract usedAtMost(): number;
  /** Moves on behind the used request `head`. */
  protected abstract passed(head: number): void;
  /** Whether the device wants to hear of what was added since the last call; a full barrier comes first. */
  protected abstract wantsKick(): boolean;
  /** Frees the memory of the ring. */
  protected abstract freeRing(): void;
  abstract enableInterrupt(): boolean;
  abstract disableInterrupt(): void;

  add(list: BufferList, token: number): number {
    if (this.broken) return -Errno.EIO;
    const total = list.count;
    if (total === 0) throw new DmaApiError("a request without buffers");
    const head = this.#freeHead;
    const indirect = this.#indirect && total > 1 && total <= this.#entries && this.free - total < this.#reserve &&
      this.free > 0 && this.#tables.of(head) !== 0;
    let needed = indirect ? 1 : total;
    if (this.free < needed) {
      if (list.outCount > 0) this.kick();
      return -Errno.ENOSPC;
    }
    let mapped = indirect ? this.#mapIndirect(list, head) : this.#mapDirect(list, head);
    if (!mapped && indirect && this.directInstead && this.free >= total) {
      needed = total;
      mapped = this.#mapDirect(list, head);
    }
    if (!mapped) return -Errno.ENOMEM;
    this.#commit(list, head, needed, token);
    return 0;
  }

  kick(): void {
    if (this.wantsKick()) this.#notify(this.nextAvailable);
  }

  poll(): number {
    if (this.broken) return -1;
    if (this.#order !== null) return this.#pollInOrder(this.#order);
    const head = this.used();
    if (head === NONE_USED) return -1;
    if (head >= this.size || this.#token[head] === NO_TOKEN || !this.#plausible(head)) return this.#break();
    this.passed(head);
    return this.#detach(head);
  }

  detachUnused(): number {
    if (this.#order !== null) return this.#order.count > 0 ? this.#detach(this.#order.take()) : -1;
    for (let head = 0; head < this.size; head++) {
      if (this.#token[head] !== NO_TOKEN) return this.#detach(head);
    }
    return -1;
  }

  release(): void {
    this.broken = true;
    this.#tables.release();
    this.freeRing();
  }

  /** Hands back the oldest request; one used element may stand for several. */
  #pollInOrder(order: RequestOrder): number {
    if (this.#batch === 0) {
      const head = this.used();
      if (head === NONE_USED) return -1;
      const batch = head < this.size && this.#token[head] !== NO_TOKEN ? order.upTo(head) : Infinity;
      if (batch > this.usedAtMost() || !this.#plausible(head)) return this.#break();
      this.#batch = batch;
      this.#batchLength = this.usedLength;
    }
    const head = order.take();
    // All but the last of a batch count as wholly written (§2.7.9).
    this.usedLength = --this.#batch === 0 ? this.#batchLength : this.#writable[head];
    this.passed(head);
    return this.#detach(head);
  }

  /** Whether the device can have written as much as it says. What a legacy device says is cut to what it can. */
  #plausible(head: number): boolean {
    const most = this.#writable[head];
    if (this.usedLength <= most) return true;
    if (this.#legacy) this.usedLength = most;
    return this.#legacy;
  }

  #commit(list: BufferList, head: number, needed: number, token: number): void {
    let writable = 0;
    for (let i = list.outCount; i < list.count; i++) writable += list.length[i];
    this.#writable[head] = writable;
    this.#token[head] = token;
    this.taken[head] = needed;
    this.free -= needed;
    this.#reserve--;
    this.#freeHead = this.#freeNext;
    this.#order?.add(head);
    this.expose(head, needed);
  }

  /** Maps entry `i` of `list` and notes it at `slot` of `state`. */
  #map(list: BufferList, i: number, state: DescriptorState, slot: number): boolean {
    const handle = this.#handle;
    const length = list.length[i];
    const out = i < list.outCount;
    let flags = out ? 0 : WRITE;
    if (list.isMapped(i)) {
      flags |= PREMAPPED;
      handle.hi = list.hi[i];
      handle.lo = list.lo[i];
    } else if (!this.#addressing.map(handle, list.cpu[i], length, out ? Direction.TO_DEVICE : Direction.FROM_DEVICE)) {
      return false;
    }
    state.hi[slot] = handle.hi;
    state.lo[slot] = handle.lo;
    state.length[slot] = length;
    state.flags[slot] = i + 1 < list.count ? flags | NEXT : flags;
    return true;
  }

  #mapDirect(list: BufferList, head: number): boolean {
    const { state } = this;
    let slot = head;
    for (let i = 0; i < list.count; i++) {
      if (!this.#map(list, i, state, slot)) {
        for (let undo = head; i > 0; i--, undo = state.next[undo]) this.#unmap(state, undo);
        return false;
      }
      slot = state.next[slot];
    }
    this.#freeNext = slot;
    return true;
  }

  #mapIndirect(list: BufferList, head: number): boolean {
    const children = this.#children;
    const first = head * this.#entries;
    const total = list.count;
    const table = this.#tables.of(head);
    const region = this.guest.memory.ram(table)!;
    const words = region.words!;
    let at = (table - region.base) / 4;
    for (let i = 0; i < total; i++, at += DESC_WORDS) {
      if (!this.#map(list, i, children, first + i)) return this.#undoChildren(first, i);
      words[at + ADDR_LO] = children.lo[first + i];
      words[at + ADDR_HI] = children.hi[first + i];
      words[at + LEN] = children.length[first + i];
      words[at + FOURTH] = this.entryWord(children.flags[first + i] & RING_FLAGS, i);
    }
    return this.#mapTable(head, total * VirtqDesc.size) || this.#undoChildren(first, total);
  }

  /** Notes the table of `head` as its descriptor, mapped if it is not for good. */
  #mapTable(head: number, bytes: number): boolean {
    const { hi, lo, length, flags, next } = this.state;
    const table = this.#tables.of(head);
    const { block } = this.#tables;
    length[head] = bytes;
    this.#freeNext = next[head];
    if (block !== null) {
      // The block is aligned to its size, so the low half does not carry.
      hi[head] = block.hi;
      lo[head] = (block.lo + (table - block.cpu)) | 0;
      flags[head] = INDIRECT | PREMAPPED;
      return true;
    }
    const handle = this.#handle;
    if (!this.#addressing.map(handle, table, bytes, Direction.TO_DEVICE)) return false;
    hi[head] = handle.hi;
    lo[head] = handle.lo;
    flags[head] = INDIRECT;
    return true;
  }

  #undoChildren(first: number, count: number): false {
    for (let i = 0; i < count; i++) this.#unmap(this.#children, first + i);
    return false;
  }

  #unmap(state: DescriptorState, slot: number): void {
    const flags = state.flags[slot];
    if ((flags & PREMAPPED) !== 0) return;
    const handle = this.#handle;
    handle.hi = state.hi[slot];
    handle.lo = state.lo[slot];
    const direction = (flags & WRITE) === 0 ? Direction.TO_DEVICE : Direction.FROM_DEVICE;
    this.#addressing.unmap(handle, state.length[slot], direction);
  }

  /** Unmaps a request, frees its descriptors, and returns its token. */
  #detach(head: number): number {
    const { flags, length, next } = this.state;
    const token = this.#token[head];
    this.#token[head] = NO_TOKEN;
    let last = head;
    this.#unmap(this.state, head);
    if ((flags[head] & INDIRECT) !== 0) {
      const first = head * this.#entries;
      this.#undoChildren(first, length[head] / VirtqDesc.size);
    } else {
      while ((flags[last] & NEXT) !== 0) {
        last = next[last];
        this.#unmap(this.state, last);
      }
    }
    this.free += this.taken[head];
    this.#reserve++;
    // With IN_ORDER the oldest request's descriptors are the next but `free`, as they were.
    if (this.#order === null) {
      next[last] = this.#freeHead;
      this.#freeHead = head;
    }
    return token;
  }

  #break(): -1 {
    this.broken = true;
    return -1;
  }
}
