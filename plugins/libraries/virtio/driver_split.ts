/**
 * The driver's side of a split ring (virtio 1.4 §2.7; the order of map and unmap calls is that of Linux
 * `drivers/virtio/virtio_ring.c`).
 *
 * Nothing that the device can write is trusted: what was mapped, where a chain goes on and what is free stand in private
 * arrays, and the ring in shared memory is only written.
 *
 * @module
 */

import { Direction, DmaHandle, Errno, type GuestPort, type PhysAddr, type RamRegion } from "@iova/core";
import { fence } from "./barrier.ts";
import type { Addressing, RingMemory } from "./driver_addressing.ts";
import type { BufferList } from "./driver_buffers.ts";
import type { DriverQueue, QueueAddresses } from "./driver_queue.ts";
import {
  AVAIL_NO_INTERRUPT,
  AVAIL_RING,
  availEventAt,
  crosses,
  DescFlag,
  placeSplit,
  type SplitPlacement,
  USED_NO_NOTIFY,
  USED_RING,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout_ring.ts";

/** What a split ring is made with. */
export interface SplitDriverOptions {
  /** Number of the queue in its device. */
  readonly index: number;
  /** Entries: a power of two. */
  readonly size: number;
  /** Where the ring lives. */
  readonly guest: GuestPort;
  /** Who makes the addresses. */
  readonly addressing: Addressing;
  /** INDIRECT_DESC is negotiated. */
  readonly indirect: boolean;
  /** EVENT_IDX is negotiated. */
  readonly eventIndex: boolean;
  /** Rings the device's doorbell. */
  readonly notify: () => void;
  /** Entries of an indirect table, a power of two; longer requests take descriptors of the ring. Default 16. */
  readonly tableEntries?: number;
  /** Indirect tables lie in memory that is mapped once, instead of being mapped for every request. Default false. */
  readonly coherentTables?: boolean;
}

const { NEXT, WRITE, INDIRECT } = DescFlag;
/** Private flag: the driver mapped the buffer itself. */
const PREMAPPED = 0x100;
/** Private token: not the head of a request. */
const NO_TOKEN = -1;
/** Cache line in bytes: tables do not share one with anything else. */
const LINE = 64;

/** What is known privately about descriptors: bus address, length, flags, next. */
class DescriptorState {
  readonly hi: Int32Array;
  readonly lo: Int32Array;
  readonly length: Uint32Array;
  readonly flags: Uint16Array;
  readonly next: Uint16Array;

  constructor(count: number) {
    this.hi = new Int32Array(count);
    this.lo = new Int32Array(count);
    this.length = new Uint32Array(count);
    this.flags = new Uint16Array(count);
    this.next = new Uint16Array(count);
  }
}

/** Typed views of the ring, in host order (little-endian): 16-bit indices are single accesses. */
class RingViews {
  readonly desc: Int32Array;
  readonly avail: Uint16Array;
  readonly used: Uint16Array;
  readonly usedWords: Uint32Array;

  constructor(readonly region: RamRegion, cpu: PhysAddr, { desc, avail, used }: SplitPlacement, size: number) {
    const { buffer, byteOffset } = region.bytes;
    const base = byteOffset + cpu - region.base;
    this.desc = new Int32Array(buffer, base + desc, size * DESC_WORDS);
    this.avail = new Uint16Array(buffer, base + avail, usedEventAt(size) / 2 + 1);
    this.used = new Uint16Array(buffer, base + used, availEventAt(size) / 2 + 1);
    this.usedWords = new Uint32Array(buffer, base + used, availEventAt(size) / 4);
  }
}

// Places in the typed views.
const DESC_WORDS = VirtqDesc.size / 4;
const ADDR_LO = VirtqDesc.at.addr / 4;
const ADDR_HI = ADDR_LO + 1;
const LEN = VirtqDesc.at.len / 4;
/** `flags` and `next` in one word. */
const FLAGS_NEXT = VirtqDesc.at.flags / 4;
const NEXT_SHIFT = 8 * (VirtqDesc.at.next - VirtqDesc.at.flags);
const AVAIL_FLAGS = VirtqAvail.at.flags / 2;
const AVAIL_IDX = VirtqAvail.at.idx / 2;
const AVAIL_SLOTS = AVAIL_RING / 2;
const USED_FLAGS = VirtqUsed.at.flags / 2;
const USED_IDX = VirtqUsed.at.idx / 2;
const USED_ELEMS = USED_RING / 4;
const ELEM_WORDS = VirtqUsedElem.size / 4;
const ELEM_ID = VirtqUsedElem.at.id / 4;
const ELEM_LEN = VirtqUsedElem.at.len / 4;

/** See the module's text. Made by {@linkcode SplitDriverQueue.create}. */
export class SplitDriverQueue implements DriverQueue {
  readonly index: number;
  readonly size: number;
  /** Where the ring is. */
  readonly addresses: QueueAddresses;
  free: number;
  broken = false;
  usedLength = 0;
  readonly #guest: GuestPort;
  readonly #addressing: Addressing;
  readonly #notify: () => void;
  readonly #indirect: boolean;
  readonly #eventIndex: boolean;
  readonly #tableEntries: number;
  readonly #memory: RingMemory;
  readonly #placement: SplitPlacement;
  readonly #desc: DescriptorState;
  /** Of the indirect table of head h: entries h·tableEntries …; empty without INDIRECT_DESC. */
  readonly #children: DescriptorState;
  /** Where the table of head h is; 0 while it has none. Tables are kept for reuse. */
  readonly #tables: Float64Array;
  /** The tables of all heads in one block; null when each is mapped for its request. */
  readonly #tableMemory: RingMemory | null;
  readonly #token: Int32Array;
  readonly #handle = new DmaHandle();
  #views: RingViews;
  #freeHead = 0;
  #availIdx = 0;
  #added = 0;
  #lastUsed = 0;
  #wantInterrupt = true;

  private constructor(
    options: SplitDriverOptions,
    memory: RingMemory,
    placement: SplitPlacement,
    tables: RingMemory | null,
  ) {
    const { index, size, guest, addressing, notify, indirect, eventIndex, tableEntries = 16 } = options;
    this.index = index;
    this.size = size;
    this.free = size;
    this.#guest = guest;
    this.#addressing = addressing;
    this.#notify = notify;
    this.#indirect = indirect;
    this.#eventIndex = eventIndex;
    this.#tableEntries = tableEntries;
    this.#memory = memory;
    this.#placement = placement;
    this.#desc = new DescriptorState(size);
    this.#children = new DescriptorState(indirect ? size * tableEntries : 0);
    this.#tables = new Float64Array(size);
    this.#tableMemory = tables;
    const stride = tableEntries * VirtqDesc.size;
    if (tables !== null) this.#tables.forEach((_, head) => this.#tables[head] = tables.cpu + head * stride);
    this.#token = new Int32Array(size).fill(NO_TOKEN);
    for (let i = 0; i < size - 1; i++) this.#desc.next[i] = i + 1;
    this.addresses = addressesOf(memory, placement);
    this.#views = new RingViews(guest.memory.ram(memory.cpu)!, memory.cpu, placement, size);
  }

  /** A ring of `options.size` in fresh memory; null when there is none. */
  static create(options: SplitDriverOptions): SplitDriverQueue | null {
    const placement = placeSplit(options.size);
    const memory = options.addressing.ring(placement.bytes);
    if (memory === null) return null;
    const { indirect, coherentTables = false, size, tableEntries = 16, addressing } = options;
    // Without room for the tables they are mapped one by one.
    const tables = indirect && coherentTables ? addressing.ring(size * tableEntries * VirtqDesc.size) : null;
    return new SplitDriverQueue(options, memory, placement, tables);
  }

  add(list: BufferList, token: number): number {
    if (this.broken) return -Errno.EIO;
    const total = list.count;
    const head = this.#freeHead;
    const indirect = this.#indirect && total > 1 && total <= this.#tableEntries && this.free > 0 &&
      this.#hasTable(head);
    const needed = indirect ? 1 : total;
    if (this.free < needed) {
      if (list.outCount > 0) this.kick();
      return -Errno.ENOSPC;
    }
    const mapped = indirect ? this.#addIndirect(list, head) : this.#addDirect(list, head);
    if (!mapped) return -Errno.ENOMEM;
    this.free -= needed;
    this.#token[head] = token;
    this.#makeAvailable(head);
    return 0;
  }

  kick(): void {
    if (this.#added === 0) return;
    const now = this.#availIdx;
    const old = (now - this.#added) & 0xffff;
    this.#added = 0;
    // The device sees the new index, or this side sees that the device wants to be told.
    fence();
    const { used } = this.#ring();
    const wanted = this.#eventIndex
      ? crosses(used[availEventAt(this.size) / 2], now, old)
      : (used[USED_FLAGS] & USED_NO_NOTIFY) === 0;
    if (wanted) this.#notify();
  }

  poll(): number {
    if (this.broken) return -1;
    const { used, usedWords, avail } = this.#ring();
    const pending = (used[USED_IDX] - this.#lastUsed) & 0xffff;
    if (pending === 0) return -1;
    if (pending > this.size) return this.#break();
    const at = USED_ELEMS + (this.#lastUsed & (this.size - 1)) * ELEM_WORDS;
    const head = usedWords[at + ELEM_ID];
    if (head >= this.size || this.#token[head] === NO_TOKEN) return this.#break();
    this.usedLength = usedWords[at + ELEM_LEN];
    this.#lastUsed = (this.#lastUsed + 1) & 0xffff;
    if (this.#eventIndex && this.#wantInterrupt) avail[usedEventAt(this.size) / 2] = this.#lastUsed;
    return this.#detach(head);
  }

  enableInterrupt(): boolean {
    const { avail, used } = this.#ring();
    this.#wantInterrupt = true;
    if (this.#eventIndex) avail[usedEventAt(this.size) / 2] = this.#lastUsed;
    else avail[AVAIL_FLAGS] &= ~AVAIL_NO_INTERRUPT;
    fence();
    return used[USED_IDX] === this.#lastUsed;
  }

  disableInterrupt(): void {
    const { avail } = this.#ring();
    this.#wantInterrupt = false;
    // With EVENT_IDX the index that has just gone by is the farthest away.
    if (this.#eventIndex) avail[usedEventAt(this.size) / 2] = this.#lastUsed - 1;
    else avail[AVAIL_FLAGS] |= AVAIL_NO_INTERRUPT;
  }

  detachUnused(): number {
    for (let head = 0; head < this.size; head++) {
      if (this.#token[head] !== NO_TOKEN) return this.#detach(head);
    }
    return -1;
  }

  release(): void {
    this.broken = true;
    if (this.#tableMemory !== null) this.#tableMemory.free();
    else for (const table of this.#tables) if (table !== 0) this.#guest.heap.free(table);
    this.#tables.fill(0);
    this.#memory.free();
  }

  /** The views, made again only when the memory behind them is another region. */
  #ring(): RingViews {
    const region = this.#guest.memory.ram(this.#memory.cpu)!;
    if (region !== this.#views.region) {
      this.#views = new RingViews(region, this.#memory.cpu, this.#placement, this.size);
    }
    return this.#views;
  }

  /** Maps entry `i` of `list` and notes it privately at `slot` of `state`. */
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
    state.flags[slot] = flags;
    return true;
  }

  #addDirect(list: BufferList, head: number): boolean {
    const state = this.#desc;
    const { desc } = this.#ring();
    const last = list.count - 1;
    let slot = head;
    for (let i = 0; i <= last; i++) {
      if (!this.#map(list, i, state, slot)) {
        for (let undo = head; undo !== slot; undo = state.next[undo]) this.#unmap(state, undo);
        return false;
      }
      if (i < last) state.flags[slot] |= NEXT;
      writeDescriptor(desc, slot * DESC_WORDS, state, slot, state.next[slot]);
      slot = state.next[slot];
    }
    this.#freeHead = slot;
    return true;
  }

  #addIndirect(list: BufferList, head: number): boolean {
    const state = this.#children;
    const first = head * this.#tableEntries;
    const total = list.count;
    const table = this.#tables[head];
    const region = this.#guest.memory.ram(table)!;
    const words = region.words!;
    const base = (table - region.base) / 4;
    for (let i = 0; i < total; i++) {
      if (!this.#map(list, i, state, first + i)) return this.#undoChildren(first, i);
      if (i < total - 1) state.flags[first + i] |= NEXT;
      writeDescriptor(words, base + i * DESC_WORDS, state, first + i, i + 1);
    }
    const bytes = total * VirtqDesc.size;
    const { hi, lo, length, flags, next } = this.#desc;
    flags[head] = INDIRECT;
    const block = this.#tableMemory;
    if (block !== null) {
      // The block is aligned to its size, so the low half does not carry.
      hi[head] = block.hi;
      lo[head] = (block.lo + (table - block.cpu)) | 0;
      flags[head] |= PREMAPPED;
    } else {
      const handle = this.#handle;
      if (!this.#addressing.map(handle, table, bytes, Direction.TO_DEVICE)) return this.#undoChildren(first, total);
      hi[head] = handle.hi;
      lo[head] = handle.lo;
    }
    length[head] = bytes;
    writeDescriptor(this.#ring().desc, head * DESC_WORDS, this.#desc, head, next[head]);
    this.#freeHead = next[head];
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

  #makeAvailable(head: number): void {
    const { avail } = this.#ring();
    avail[AVAIL_SLOTS + (this.#availIdx & (this.size - 1))] = head;
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    avail[AVAIL_IDX] = this.#availIdx;
    // After 2^16 − 1 additions without a kick the old index would be mistaken for the new one.
    if (++this.#added === 0xffff) this.kick();
  }

  /** Unmaps a chain, frees its descriptors, and returns its token. */
  #detach(head: number): number {
    const { flags, length, next } = this.#desc;
    const token = this.#token[head];
    this.#token[head] = NO_TOKEN;
    let last = head;
    let count = 1;
    this.#unmap(this.#desc, head);
    if ((flags[head] & INDIRECT) !== 0) {
      const first = head * this.#tableEntries;
      const children = length[head] / VirtqDesc.size;
      for (let i = 0; i < children; i++) this.#unmap(this.#children, first + i);
    } else {
      for (; (flags[last] & NEXT) !== 0; count++) {
        last = next[last];
        this.#unmap(this.#desc, last);
      }
    }
    next[last] = this.#freeHead;
    this.#freeHead = head;
    this.free += count;
    return token;
  }

  /** Whether `head` has a table, allocating it when it is the first time. */
  #hasTable(head: number): boolean {
    if (this.#tables[head] !== 0) return true;
    const table = this.#guest.heap.alloc(this.#tableEntries * VirtqDesc.size, LINE);
    if (table === null || this.#guest.memory.ram(table)?.words === null) return false;
    this.#tables[head] = table;
    return true;
  }

  #break(): -1 {
    this.broken = true;
    return -1;
  }
}

function writeDescriptor(words: Int32Array, at: number, state: DescriptorState, slot: number, next: number): void {
  words[at + ADDR_LO] = state.lo[slot];
  words[at + ADDR_HI] = state.hi[slot];
  words[at + LEN] = state.length[slot];
  words[at + FLAGS_NEXT] = (state.flags[slot] & ~PREMAPPED) | (next << NEXT_SHIFT);
}

function addressesOf({ hi, lo }: RingMemory, { desc, avail, used }: SplitPlacement): QueueAddresses {
  // A ring is naturally aligned to its size, so the low half does not carry.
  return {
    descHi: hi,
    descLo: (lo + desc) | 0,
    driverHi: hi,
    driverLo: (lo + avail) | 0,
    deviceHi: hi,
    deviceLo: (lo + used) | 0,
  };
}
