/**
 * The device's side of a split ring (virtio 1.4 §2.7).
 *
 * The ring is reached through a lease, taken at first use and taken again after a revocation; views are held for one call
 * only. Each descriptor is read once into private memory, then checked, and only the copy is used. Indices that the
 * device owns are private: what a driver writes over them is never read.
 *
 * @module
 */

import { Access, BusStatus, type DevicePort, type Lease, type LeaseRange, type LeaseView } from "@iova/core";
import { fence } from "./barrier.ts";
import type { Chain } from "./device_chain.ts";
import { type DeviceQueue, Pop, type RingAddresses, RingFault } from "./device_queue.ts";
import { PrivateCopy } from "./device_words.ts";
import { RingPart } from "./device_ring_part.ts";
import {
  AVAIL_NO_INTERRUPT,
  AVAIL_RING,
  AVAIL_SLOT_SIZE,
  availEventAt,
  crosses,
  descBytes,
  DescFlag,
  EVENT_SIZE,
  RingAlign,
  USED_NO_NOTIFY,
  USED_RING,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout_ring.ts";

/** What a split ring is made with. */
export interface SplitDeviceOptions {
  /** Entries: a power of two. */
  readonly size: number;
  /** The way to the ring. */
  readonly port: DevicePort;
  /** Where the driver says that the ring is. */
  readonly addresses: RingAddresses;
  /** INDIRECT_DESC is negotiated. */
  readonly indirect: boolean;
  /** EVENT_IDX is negotiated. */
  readonly eventIndex: boolean;
}

const { NEXT, WRITE, INDIRECT } = DescFlag;
const DESC_SIZE = VirtqDesc.size;
const DESC_WORDS = DESC_SIZE / 4;
const ADDR_LO = VirtqDesc.at.addr;
const ADDR_HI = ADDR_LO + 4;
const LEN = VirtqDesc.at.len;
/** `flags` and `next` in one word. */
const FLAGS_NEXT = VirtqDesc.at.flags;
const NEXT_SHIFT = 8 * (VirtqDesc.at.next - VirtqDesc.at.flags);
const ELEM_SIZE = VirtqUsedElem.size;
const ELEM_ID = VirtqUsedElem.at.id;
const ELEM_LEN = VirtqUsedElem.at.len;
const TWO32 = 4294967296;

/** See the module's text. */
export class SplitDeviceQueue implements DeviceQueue {
  readonly size: number;
  fault: RingFault = RingFault.NONE;
  readonly #port: DevicePort;
  readonly #indirect: boolean;
  readonly #eventIndex: boolean;
  readonly #ranges: LeaseRange[];
  readonly #desc = new RingPart();
  readonly #avail = new RingPart();
  readonly #used = new RingPart();
  /** A private copy of an indirect table. */
  readonly #table: PrivateCopy;
  readonly #pushedId: Uint16Array;
  readonly #pushedLength: Uint32Array;
  #lease: Lease | null = null;
  #lastAvail = 0;
  #usedIdx = 0;
  #pushed = 0;
  #inFlight = 0;
  #signalled = 0;
  #signalledValid = false;
  // Arguments and results of work done under a lease, so that no closure is made for it.
  #chain: Chain | null = null;
  #flag = false;
  #indirectHi = 0;
  #indirectLo = 0;
  #indirectLength = -1;

  /** A ring whose addresses have not been touched yet. */
  constructor({ size, port, addresses, indirect, eventIndex }: SplitDeviceOptions) {
    this.size = size;
    this.#port = port;
    this.#indirect = indirect;
    this.#eventIndex = eventIndex;
    this.#ranges = rangesOf(addresses, size, eventIndex);
    this.#table = new PrivateCopy(size * DESC_SIZE);
    this.#pushedId = new Uint16Array(size);
    this.#pushedLength = new Uint32Array(size);
    if (!isAligned(addresses)) this.fault = RingFault.MISALIGNED;
  }

  get unpublished(): number {
    return this.#pushed;
  }

  pop(chain: Chain): Pop {
    if (this.fault !== RingFault.NONE) return Pop.BROKEN;
    const status = this.#reach();
    if (status !== BusStatus.OK) return status === BusStatus.PENDING ? Pop.PENDING : Pop.BROKEN;
    this.#chain = chain;
    this.#indirectLength = -1;
    let found = this.#lease!.use(this.#fetch) ?? Pop.EMPTY;
    if (found === Pop.CHAIN && this.#indirectLength >= 0) found = this.#fetchTable(chain);
    if (found !== Pop.CHAIN) return found;
    this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
    this.#inFlight++;
    return Pop.CHAIN;
  }

  unpop(): void {
    this.#lastAvail = (this.#lastAvail - 1) & 0xffff;
    this.#inFlight--;
  }

  push(id: number, written: number): void {
    this.#pushedId[this.#pushed] = id;
    this.#pushedLength[this.#pushed++] = written;
  }

  publish(): boolean {
    // What was finished before the driver's mistake is finished all the same.
    if (this.#pushed === 0 || this.#reach() !== BusStatus.OK) return false;
    this.#flag = false;
    this.#lease!.use(this.#store);
    return this.#flag;
  }

  wantKicks(wanted: boolean): Pop {
    if (this.fault !== RingFault.NONE) return Pop.BROKEN;
    const status = this.#reach();
    if (status !== BusStatus.OK) return status === BusStatus.PENDING ? Pop.PENDING : Pop.BROKEN;
    this.#flag = wanted;
    this.#lease!.use(this.#ask);
    return this.#flag ? Pop.CHAIN : Pop.EMPTY;
  }

  release(): void {
    this.fault = RingFault.RELEASED;
    this.#pushed = 0;
    const lease = this.#lease;
    this.#lease = null;
    lease?.release();
  }

  /** Has a live lease over the ring, or says why not. */
  #reach(): BusStatus {
    if (this.#lease !== null && this.#lease.live) return BusStatus.OK;
    if (this.fault === RingFault.RELEASED) return BusStatus.UNSUPPORTED_REQUEST;
    const mapped = this.#port.map(this.#ranges, { onRevoke: this.#revoked });
    if (mapped.ok) {
      this.#lease = mapped.lease;
      return BusStatus.OK;
    }
    if (mapped.status !== BusStatus.PENDING) this.fault = RingFault.UNREACHABLE;
    return mapped.status;
  }

  // Under policy `wait` the lease is still live here: ending it lets the invalidation complete.
  readonly #revoked = (lease: Lease): void => {
    if (this.#lease === lease) this.#lease = null;
    lease.release();
  };

  #bind(views: readonly LeaseView[]): void {
    this.#desc.bind(views[0]);
    this.#avail.bind(views[1]);
    this.#used.bind(views[2]);
  }

  readonly #fetch = (views: readonly LeaseView[]): Pop => {
    this.#bind(views);
    const { size } = this;
    const pending = (this.#avail.u16(VirtqAvail.at.idx) - this.#lastAvail) & 0xffff;
    if (pending === 0) return Pop.EMPTY;
    if (pending > size) return this.#break(RingFault.AVAIL_JUMP);
    if (this.#inFlight >= size) return this.#break(RingFault.TOO_MANY);
    const head = this.#avail.u16(AVAIL_RING + (this.#lastAvail & (size - 1)) * AVAIL_SLOT_SIZE);
    const chain = this.#chain!;
    chain.clear();
    chain.id = head;
    if (head >= size) return this.#break(RingFault.HEAD);
    return this.#walk(chain, head);
  };

  /** Follows a chain in the descriptor table; an indirect table is left for later. */
  #walk(chain: Chain, index: number): Pop {
    const { size } = this;
    const desc = this.#desc;
    for (let steps = 0; steps < size; steps++) {
      const at = index * DESC_SIZE;
      const lo = desc.i32(at + ADDR_LO);
      const hi = desc.i32(at + ADDR_HI);
      const length = desc.i32(at + LEN) >>> 0;
      const flags = desc.i32(at + FLAGS_NEXT);
      if ((flags & INDIRECT) !== 0) return this.#enter(hi, lo, length, flags);
      const fault = this.#take(chain, hi, lo, length, flags);
      if (fault !== RingFault.NONE) return this.#break(fault);
      if ((flags & NEXT) === 0) return Pop.CHAIN;
      index = flags >>> NEXT_SHIFT;
      if (index >= size) return this.#break(RingFault.NEXT);
    }
    return this.#break(RingFault.LOOP);
  }

  #enter(hi: number, lo: number, length: number, flags: number): Pop {
    if (!this.#indirect) return this.#break(RingFault.NOT_NEGOTIATED);
    if ((flags & NEXT) !== 0) return this.#break(RingFault.INDIRECT_NEXT);
    // A chain is at most as long as the ring (§2.7.5.3.1), so a longer table has no use.
    if (length === 0 || length % DESC_SIZE !== 0 || length > this.#table.bytes.length) {
      return this.#break(RingFault.TABLE_SIZE);
    }
    this.#indirectHi = hi;
    this.#indirectLo = lo;
    this.#indirectLength = length;
    return Pop.CHAIN;
  }

  #fetchTable(chain: Chain): Pop {
    const length = this.#indirectLength;
    const status = this.#table.read(this.#port, this.#indirectHi, this.#indirectLo, 0, length);
    if (status === BusStatus.PENDING) return Pop.PENDING;
    return status === BusStatus.OK
      ? this.#walkTable(chain, length / DESC_SIZE)
      : this.#break(RingFault.TABLE_UNREACHABLE);
  }

  #walkTable(chain: Chain, entries: number): Pop {
    const { words } = this.#table;
    let index = 0;
    for (let steps = 0; steps < entries; steps++) {
      const at = index * DESC_WORDS;
      const flags = words[at + FLAGS_NEXT / 4];
      if ((flags & INDIRECT) !== 0) return this.#break(RingFault.NESTED);
      const length = words[at + LEN / 4] >>> 0;
      const fault = this.#take(chain, words[at + ADDR_HI / 4], words[at + ADDR_LO / 4], length, flags);
      if (fault !== RingFault.NONE) return this.#break(fault);
      if ((flags & NEXT) === 0) return Pop.CHAIN;
      index = flags >>> NEXT_SHIFT;
      if (index >= entries) return this.#break(RingFault.NEXT);
    }
    return this.#break(RingFault.LOOP);
  }

  /** Adds one buffer to the chain, checked. */
  #take(chain: Chain, hi: number, lo: number, length: number, flags: number): RingFault {
    const i = chain.count;
    if (length === 0) return RingFault.EMPTY_BUFFER;
    // A chain of more buffers than the ring has is a loop, or as bad as one.
    if (i === this.size) return RingFault.LOOP;
    chain.hi[i] = hi;
    chain.lo[i] = lo;
    chain.length[i] = length;
    chain.count = i + 1;
    if ((flags & WRITE) !== 0) {
      chain.writeBytes += length;
    } else {
      if (chain.readable !== i) return RingFault.ORDER;
      chain.readable++;
      chain.readBytes += length;
    }
    return chain.readBytes + chain.writeBytes < TWO32 ? RingFault.NONE : RingFault.TOO_LONG;
  }

  readonly #store = (views: readonly LeaseView[]): void => {
    this.#bind(views);
    const used = this.#used;
    for (let i = 0; i < this.#pushed; i++) {
      const at = USED_RING + (this.#usedIdx & (this.size - 1)) * ELEM_SIZE;
      used.setI32(at + ELEM_ID, this.#pushedId[i]);
      used.setI32(at + ELEM_LEN, this.#pushedLength[i]);
      this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
    }
    this.#inFlight -= this.#pushed;
    this.#pushed = 0;
    used.setU16(VirtqUsed.at.idx, this.#usedIdx);
    // The driver sees the new index, or this side sees that the driver wants an interrupt.
    fence();
    this.#flag = this.#wantsInterrupt();
  };

  #wantsInterrupt(): boolean {
    if (!this.#eventIndex) return (this.#avail.u16(VirtqAvail.at.flags) & AVAIL_NO_INTERRUPT) === 0;
    const first = !this.#signalledValid;
    const old = this.#signalled;
    this.#signalled = this.#usedIdx;
    this.#signalledValid = true;
    return first || crosses(this.#avail.u16(usedEventAt(this.size)), this.#usedIdx, old);
  }

  readonly #ask = (views: readonly LeaseView[]): void => {
    this.#bind(views);
    const wanted = this.#flag;
    // With EVENT_IDX the device says nothing to stop kicks: an index that is not moved on does it.
    if (!this.#eventIndex) this.#used.setU16(VirtqUsed.at.flags, wanted ? 0 : USED_NO_NOTIFY);
    else if (wanted) this.#used.setU16(availEventAt(this.size), this.#lastAvail);
    fence();
    this.#flag = this.#avail.u16(VirtqAvail.at.idx) !== this.#lastAvail;
  };

  #break(fault: RingFault): typeof Pop.BROKEN {
    this.fault = fault;
    return Pop.BROKEN;
  }
}

function rangesOf(at: RingAddresses, size: number, eventIndex: boolean): LeaseRange[] {
  // Without EVENT_IDX the last two bytes of both rings mean nothing and need not be there.
  const event = eventIndex ? EVENT_SIZE : 0;
  return [
    { hi: at.descHi, lo: at.descLo, length: descBytes(size), access: Access.READ },
    { hi: at.driverHi, lo: at.driverLo, length: usedEventAt(size) + event, access: Access.READ },
    { hi: at.deviceHi, lo: at.deviceLo, length: availEventAt(size) + event, access: Access.WRITE },
  ];
}

function isAligned({ descLo, driverLo, deviceLo }: RingAddresses): boolean {
  return descLo % RingAlign.DESC === 0 && driverLo % RingAlign.AVAIL === 0 && deviceLo % RingAlign.USED === 0;
}
