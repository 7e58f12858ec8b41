/**
 * The device's side of a packed ring (virtio 1.4 §2.8).
 *
 * @module
 */

import { Access, type LeaseRange, type LeaseView } from "@iova/core";
import { fence } from "./barrier.ts";
import type { Chain } from "./device_chain.ts";
import { type DeviceRingOptions, Pop, type RingAddresses, RingFault } from "./device_queue.ts";
import { DeviceRing } from "./device_ring.ts";
import { RingPart } from "./device_ring_part.ts";
import { EventFlag, PackedAlign, packedBytes, PackedDesc, PackedEvent, PackedFlag, passes } from "./layout_packed.ts";

const { NEXT, WRITE, INDIRECT, AVAIL, USED } = PackedFlag;
const BOTH = AVAIL | USED;
const DESC_SIZE = PackedDesc.size;
const DESC_WORDS = DESC_SIZE / 4;
// Places in words.
const ADDR_LO = PackedDesc.at.addr / 4;
const ADDR_HI = ADDR_LO + 1;
const LEN = PackedDesc.at.len / 4;
/** `id` and `flags` in one word. */
const ID_FLAGS = PackedDesc.at.id / 4;
const FLAGS_SHIFT = 8 * (PackedDesc.at.flags - PackedDesc.at.id);
const ID_MASK = 0xffff;
/** `off_wrap` and `flags` in one word. */
const EVENT = PackedEvent.at.off_wrap;
const EVENT_SHIFT = 8 * (PackedEvent.at.flags - PackedEvent.at.off_wrap);
const WRAP_SHIFT = 15;

/**
 * See the module's text. A buffer id is the driver's word, and so may come twice; a chain's id is therefore a number of
 * this side, by which the buffer id is found.
 */
export class PackedDeviceQueue extends DeviceRing {
  readonly #desc = new RingPart();
  readonly #gathered = new Int32Array(DESC_WORDS);
  readonly #driver = new RingPart();
  readonly #device = new RingPart();
  /** Buffer id of a chain in flight. */
  readonly #bufferId: Uint16Array;
  /** Descriptors of a chain in flight. */
  readonly #slots: Uint16Array;
  /** Numbers that no chain has: as many as the ring has entries, less those in flight. */
  readonly #free: Uint16Array;
  #slotsInFlight = 0;
  #availAt = 0;
  #availWrap = 1;
  #usedAt = 0;
  #usedWrap = 1;
  /** Of the chain that was fetched last: its buffer id, its descriptors, and its number once it is taken. */
  #fetchedId = 0;
  #fetchedSlots = 0;
  #taken = 0;
  #signalled = false;

  /** A ring whose addresses have not been touched yet. */
  constructor(options: DeviceRingOptions) {
    super(options, rangesOf(options.addresses, options.size));
    const { size } = options;
    this.#bufferId = new Uint16Array(size);
    this.#slots = new Uint16Array(size);
    this.#free = Uint16Array.from({ length: size }, (_, i) => size - 1 - i);
    if (!isAligned(options.addresses)) this.fault = RingFault.MISALIGNED;
  }

  get position(): number {
    const place = this.#usedAt | this.#usedWrap << WRAP_SHIFT;
    return (place | place << 16) >>> 0;
  }

  get slots(): number {
    return this.#fetchedSlots;
  }

  begin(position: number): void {
    // Whoever knows nothing of the upper half leaves it empty. Chains that were in flight are taken again.
    const place = (position >>> 16) || position & 0xffff;
    this.#availAt = this.#usedAt = place & ((1 << WRAP_SHIFT) - 1);
    this.#availWrap = this.#usedWrap = place >>> WRAP_SHIFT;
    if (this.#availAt >= this.size) this.break(RingFault.HEAD);
  }

  protected bind(views: readonly LeaseView[]): void {
    this.#desc.bind(views[0]);
    this.#driver.bind(views[1]);
    this.#device.bind(views[2]);
  }

  protected fetch(chain: Chain): Pop {
    this.stats.reads++;
    const { size } = this;
    const whole = this.#desc.words;
    let position = this.#availAt;
    for (let slots = 1; slots <= size; slots++) {
      const at = whole === null ? 0 : position * DESC_WORDS;
      const words = whole ?? this.#gather(position);
      const word = words[at + ID_FLAGS];
      const flags = word >>> FLAGS_SHIFT;
      if (slots === 1) {
        if (!this.#isAvailable(flags)) return Pop.EMPTY;
        chain.clear();
      }
      const lo = words[at + ADDR_LO];
      const hi = words[at + ADDR_HI];
      const length = words[at + LEN] >>> 0;
      this.#fetchedId = word & ID_MASK;
      this.#fetchedSlots = slots;
      if ((flags & INDIRECT) !== 0) return this.#enterTable(chain, hi, lo, length, flags);
      const fault = this.take(chain, hi, lo, length, flags);
      if (fault !== RingFault.NONE) return this.break(fault);
      if ((flags & NEXT) === 0) return this.#fits();
      if (++position === size) position = 0;
    }
    return this.break(RingFault.LOOP);
  }

  /** Copies the descriptor at a place of a ring that lies in pieces. */
  #gather(position: number): Int32Array {
    for (let i = 0; i < DESC_WORDS; i++) this.#gathered[i] = this.#desc.i32(position * DESC_SIZE + 4 * i);
    return this.#gathered;
  }

  #enterTable(chain: Chain, hi: number, lo: number, length: number, flags: number): Pop {
    if (!this.indirect && this.rules.indirectNegotiated) return this.break(RingFault.NOT_NEGOTIATED);
    // Unlike in a split ring, a list is direct or indirect (§2.8.8).
    if (chain.count > 0) return this.break(RingFault.MIXED);
    if ((flags & NEXT) !== 0 && this.rules.indirectNext) return this.break(RingFault.INDIRECT_NEXT);
    const found = this.#fits();
    return found === Pop.CHAIN ? this.enter(hi, lo, length) : found;
  }

  /** Whether the chain fits beside those in flight, which a driver without free descriptors cannot have made. */
  #fits(): Pop {
    this.stats.reads += this.#fetchedSlots - 1;
    return this.#slotsInFlight + this.#fetchedSlots <= this.size ? Pop.CHAIN : this.break(RingFault.TOO_MANY);
  }

  protected walkTable(chain: Chain, entries: number): Pop {
    const { words } = this.table;
    for (let at = 0, end = entries * DESC_WORDS; at < end; at += DESC_WORDS) {
      // Entries follow one another: of the flags only WRITE counts (§2.8.8).
      const flags = words[at + ID_FLAGS] >>> FLAGS_SHIFT;
      if ((flags & INDIRECT) !== 0 && this.rules.nested) return this.break(RingFault.NESTED);
      const length = words[at + LEN] >>> 0;
      const fault = this.take(chain, words[at + ADDR_HI], words[at + ADDR_LO], length, flags);
      if (fault !== RingFault.NONE) return this.break(fault);
    }
    return Pop.CHAIN;
  }

  protected advance(chain: Chain): void {
    const slots = this.#fetchedSlots;
    const id = this.#free[this.size - this.inFlight - 1];
    chain.id = this.#taken = id;
    this.#bufferId[id] = this.#fetchedId;
    this.#slots[id] = slots;
    this.#slotsInFlight += slots;
    this.#availAt += slots;
    if (this.#availAt < this.size) return;
    this.#availAt -= this.size;
    this.#availWrap ^= 1;
  }

  protected retreat(): void {
    const slots = this.#fetchedSlots;
    this.#free[this.size - this.inFlight] = this.#taken;
    this.#slotsInFlight -= slots;
    this.#availAt -= slots;
    if (this.#availAt >= 0) return;
    this.#availAt += this.size;
    this.#availWrap ^= 1;
  }

  protected store(): boolean {
    const { done } = this;
    const { count } = done;
    const at = this.#usedAt;
    const wrap = this.#usedWrap;
    // A driver looks at the first place: it is written last, when everything after it can be seen (§2.8.19).
    const first = done.batchEnd(0);
    let steps = this.#skip(0, first);
    for (let i = first + 1; i < count; i++) {
      const last = done.batchEnd(i);
      this.#write(last, this.#usedAt, this.#usedWrap);
      steps += this.#skip(i, last);
      i = last;
    }
    this.#write(first, at, wrap);
    this.#slotsInFlight -= steps;
    for (let i = 0; i < count; i++) this.#free[this.size - this.inFlight--] = done.id[i];
    done.count = 0;
    // The driver sees what is used, or this side sees that the driver wants an interrupt.
    fence();
    return this.#wantsInterrupt(at, wrap, steps);
  }

  /** Overwrites the descriptor at a place: entry `i` of what is done is used. */
  #write(i: number, position: number, wrap: number): void {
    const { done } = this;
    const written = done.written[i];
    const flags = (wrap === 1 ? BOTH : 0) | (written > 0 && this.rules.usedWrite ? WRITE : 0);
    const word = this.#bufferId[done.id[i]] | flags << FLAGS_SHIFT;
    const { words } = this.#desc;
    this.stats.writes++;
    if (words !== null) {
      words[position * DESC_WORDS + LEN] = written;
      words[position * DESC_WORDS + ID_FLAGS] = word;
    } else {
      this.#desc.setI32(position * DESC_SIZE + 4 * LEN, written);
      this.#desc.setI32(position * DESC_SIZE + 4 * ID_FLAGS, word);
    }
  }

  /** Moves on by the descriptors of the chains from `first` to `last`; how many they are. */
  #skip(first: number, last: number): number {
    let slots = 0;
    for (let i = first; i <= last; i++) slots += this.#slots[this.done.id[i]];
    this.#usedAt += slots;
    if (this.#usedAt >= this.size) {
      this.#usedAt -= this.size;
      this.#usedWrap ^= 1;
    }
    return slots;
  }

  #wantsInterrupt(position: number, wrap: number, steps: number): boolean {
    this.stats.reads++;
    const event = this.#driver.i32(EVENT);
    const flags = (event >>> EVENT_SHIFT) & 3;
    const first = !this.#signalled;
    this.#signalled = true;
    if (flags === EventFlag.DISABLE) return false;
    // A value that means nothing asks for too many interrupts rather than for too few.
    if (flags !== EventFlag.DESC || !this.eventIndex || first) return true;
    return passes(event & 0xffff, position, wrap, steps, this.size);
  }

  protected ask(wanted: boolean): boolean {
    this.stats.writes++;
    this.#device.setI32(EVENT, this.#askWord(wanted));
    fence();
    return this.#available();
  }

  #askWord(wanted: boolean): number {
    if (!wanted) return EventFlag.DISABLE << EVENT_SHIFT;
    if (!this.eventIndex) return EventFlag.ENABLE << EVENT_SHIFT;
    return this.#availAt | this.#availWrap << WRAP_SHIFT | EventFlag.DESC << EVENT_SHIFT;
  }

  /** Whether the next place holds a descriptor that the device may use. */
  #available(): boolean {
    this.stats.reads++;
    return this.#isAvailable(this.#desc.i32(this.#availAt * DESC_SIZE + 4 * ID_FLAGS) >>> FLAGS_SHIFT);
  }

  #isAvailable(flags: number): boolean {
    return (flags & BOTH) === (this.#availWrap === 1 ? AVAIL : USED);
  }
}

function rangesOf(at: RingAddresses, size: number): LeaseRange[] {
  return [
    { hi: at.descHi, lo: at.descLo, length: packedBytes(size), access: Access.ATOMIC },
    { hi: at.driverHi, lo: at.driverLo, length: PackedEvent.size, access: Access.READ },
    { hi: at.deviceHi, lo: at.deviceLo, length: PackedEvent.size, access: Access.WRITE },
  ];
}

function isAligned({ descLo, driverLo, deviceLo }: RingAddresses): boolean {
  return descLo % PackedAlign.DESC === 0 && driverLo % PackedAlign.EVENT === 0 && deviceLo % PackedAlign.EVENT === 0;
}
