/**
 * The device's side of a split ring (virtio 1.4 §2.7).
 *
 * @module
 */

import { Access, type LeaseRange, type LeaseView } from "@iova/core";
import { fence } from "./barrier.ts";
import type { Chain } from "./device_chain.ts";
import { type DeviceRingOptions, Pop, type RingAddresses, RingFault } from "./device_queue.ts";
import { DeviceRing } from "./device_ring.ts";
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
  isRingSize,
  RingAlign,
  USED_NO_NOTIFY,
  USED_RING,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout_ring.ts";

const { NEXT, INDIRECT } = DescFlag;
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

/** See the module's text. A chain's id is its head. */
export class SplitDeviceQueue extends DeviceRing {
  readonly #desc = new RingPart();
  readonly #avail = new RingPart();
  readonly #used = new RingPart();
  readonly #notifyOnEmpty: boolean;
  /** Turns an index into a slot; −1 when the size is no power of two. */
  readonly #mask: number;
  #lastAvail = 0;
  /** The available index as it was read last. */
  #availIdx = 0;
  #usedIdx = 0;
  // A device that goes on for another one reads once what that one has written last.
  #usedKnown = true;
  #signalled = 0;
  #signalledValid = false;

  /** A ring whose addresses have not been touched yet. */
  constructor(options: DeviceRingOptions) {
    super(options, rangesOf(options.addresses, options.size, options.eventIndex ?? false));
    this.#notifyOnEmpty = options.notifyOnEmpty ?? false;
    this.#mask = isRingSize(options.size) ? options.size - 1 : -1;
    if (!isAligned(options.addresses)) this.fault = RingFault.MISALIGNED;
  }

  get position(): number {
    return (this.#lastAvail - this.inFlight) & 0xffff;
  }

  get slots(): number {
    return 1;
  }

  begin(position: number): void {
    this.#lastAvail = this.#availIdx = position & 0xffff;
    this.#usedKnown = false;
  }

  protected bind(views: readonly LeaseView[]): void {
    this.#desc.bind(views[0]);
    this.#avail.bind(views[1]);
    this.#used.bind(views[2]);
    if (this.#usedKnown) return;
    this.#usedKnown = true;
    this.#usedIdx = this.#used.u16(VirtqUsed.at.idx);
  }

  protected fetch(chain: Chain): Pop {
    const { size } = this;
    let pending = (this.#availIdx - this.#lastAvail) & 0xffff;
    if (pending === 0) pending = (this.#readIndex() - this.#lastAvail) & 0xffff;
    if (pending === 0) return Pop.EMPTY;
    if (pending > size) return this.break(RingFault.AVAIL_JUMP);
    if (this.inFlight >= size) return this.break(RingFault.TOO_MANY);
    const head = this.#avail.u16(AVAIL_RING + this.#slot(this.#lastAvail) * AVAIL_SLOT_SIZE);
    this.stats.reads++;
    chain.clear();
    chain.id = head;
    if (head >= size) return this.break(RingFault.HEAD);
    return this.#walk(chain, head);
  }

  /** Follows a chain in the descriptor table; an indirect table is left for later. */
  #walk(chain: Chain, index: number): Pop {
    const { size } = this;
    const desc = this.#desc;
    for (let steps = 0; steps < size; steps++) {
      const at = index * DESC_SIZE;
      this.stats.reads++;
      const lo = desc.i32(at + ADDR_LO);
      const hi = desc.i32(at + ADDR_HI);
      const length = desc.i32(at + LEN) >>> 0;
      const flags = desc.i32(at + FLAGS_NEXT);
      if ((flags & INDIRECT) !== 0) return this.#enterTable(chain, hi, lo, length, flags);
      const fault = this.take(chain, hi, lo, length, flags);
      if (fault !== RingFault.NONE) return this.break(fault);
      if ((flags & NEXT) === 0) return Pop.CHAIN;
      index = flags >>> NEXT_SHIFT;
      if (index >= size) return this.break(RingFault.NEXT);
    }
    return this.break(RingFault.LOOP);
  }

  #enterTable(chain: Chain, hi: number, lo: number, length: number, flags: number): Pop {
    const { rules } = this;
    if (!this.indirect && rules.indirectNegotiated) return this.break(RingFault.NOT_NEGOTIATED);
    if (chain.count > 0 && !rules.indirectTail) return this.break(RingFault.MIXED);
    if ((flags & NEXT) !== 0 && rules.indirectNext) return this.break(RingFault.INDIRECT_NEXT);
    return this.enter(hi, lo, length);
  }

  protected walkTable(chain: Chain, entries: number): Pop {
    const { words } = this.table;
    let index = 0;
    for (let steps = 0; steps < entries; steps++) {
      const at = index * DESC_WORDS;
      const flags = words[at + FLAGS_NEXT / 4];
      if ((flags & INDIRECT) !== 0 && this.rules.nested) return this.break(RingFault.NESTED);
      const length = words[at + LEN / 4] >>> 0;
      const fault = this.take(chain, words[at + ADDR_HI / 4], words[at + ADDR_LO / 4], length, flags);
      if (fault !== RingFault.NONE) return this.break(fault);
      if ((flags & NEXT) === 0) return Pop.CHAIN;
      index = flags >>> NEXT_SHIFT;
      if (index >= entries) return this.break(RingFault.NEXT);
    }
    return this.break(RingFault.LOOP);
  }

  protected advance(): void {
    this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
  }

  protected retreat(): void {
    this.#lastAvail = (this.#lastAvail - 1) & 0xffff;
  }

  protected store(): boolean {
    const used = this.#used;
    const { done } = this;
    const { count } = done;
    for (let i = 0; i < count; i++) {
      const at = USED_RING + this.#slot(this.#usedIdx) * ELEM_SIZE;
      const last = done.batchEnd(i);
      used.setI32(at + ELEM_ID, done.id[last]);
      used.setI32(at + ELEM_LEN, done.written[last]);
      this.stats.writes++;
      this.#usedIdx = (this.#usedIdx + 1 + last - i) & 0xffff;
      i = last;
    }
    this.inFlight -= count;
    done.count = 0;
    used.setU16(VirtqUsed.at.idx, this.#usedIdx);
    this.stats.writes++;
    // The driver sees the new index, or this side sees that the driver wants an interrupt.
    fence();
    return this.#wantsInterrupt() || (this.#notifyOnEmpty && this.#isEmpty());
  }

  #wantsInterrupt(): boolean {
    this.stats.reads++;
    if (!this.eventIndex) return (this.#avail.u16(VirtqAvail.at.flags) & AVAIL_NO_INTERRUPT) === 0;
    const first = !this.#signalledValid;
    const old = this.#signalled;
    this.#signalled = this.#usedIdx;
    this.#signalledValid = true;
    return first || crosses(this.#avail.u16(usedEventAt(this.size)), this.#usedIdx, old);
  }

  #isEmpty(): boolean {
    return this.inFlight === 0 && this.#readIndex() === this.#lastAvail;
  }

  protected ask(wanted: boolean): boolean {
    // With EVENT_IDX the device says nothing to stop kicks: an index that is not moved on does it.
    if (!this.eventIndex) this.#used.setU16(VirtqUsed.at.flags, wanted ? 0 : USED_NO_NOTIFY);
    else if (wanted) this.#used.setU16(availEventAt(this.size), this.#lastAvail);
    this.stats.writes++;
    fence();
    return ((this.#readIndex() - this.#lastAvail) & 0xffff) !== 0;
  }

  #readIndex(): number {
    this.stats.reads++;
    return this.#availIdx = this.#avail.u16(VirtqAvail.at.idx);
  }

  #slot(index: number): number {
    return this.#mask >= 0 ? index & this.#mask : index % this.size;
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
