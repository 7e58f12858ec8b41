/**
 * The driver's side of a packed ring (virtio 1.4 §2.8).
 *
 * @module
 */

import type { AddressSpace, RamRegion } from "@iova/core";
import { fence } from "./barrier.ts";
import type { RingMemory } from "./driver_addressing.ts";
import type { DriverRingOptions, QueueAddresses } from "./driver_queue.ts";
import { DriverRing, NONE_USED, RING_FLAGS } from "./driver_ring.ts";
import { EventFlag, packedBytes, PackedDesc, PackedEvent, PackedFlag, passes } from "./layout_packed.ts";

const { WRITE, AVAIL, USED } = PackedFlag;
const BOTH = AVAIL | USED;
const DESC_WORDS = PackedDesc.size / 4;
const ADDR_LO = PackedDesc.at.addr / 4;
const ADDR_HI = ADDR_LO + 1;
const LEN = PackedDesc.at.len / 4;
/** `id` and `flags` in one word. */
const ID_FLAGS = PackedDesc.at.id / 4;
const FLAGS_SHIFT = 8 * (PackedDesc.at.flags - PackedDesc.at.id);
/** `off_wrap` and `flags` in one word. */
const EVENT_SHIFT = 8 * (PackedEvent.at.flags - PackedEvent.at.off_wrap);
const WRAP_SHIFT = 15;

/** Memory shared with the device, as 32-bit words in host order (little-endian). */
class SharedWords {
  #region: RamRegion | null = null;
  #words: Int32Array = new Int32Array(0);

  constructor(readonly memory: RingMemory, readonly space: AddressSpace) {}

  /** The words, in a view that is made again only when the memory behind it is another region. */
  get words(): Int32Array {
    const region = this.space.ram(this.memory.cpu)!;
    if (region !== this.#region) {
      const { buffer, byteOffset } = region.bytes;
      this.#region = region;
      this.#words = new Int32Array(buffer, byteOffset + this.memory.cpu - region.base, this.memory.size / 4);
    }
    return this.#words;
  }
}

/** See the module's text. Made by {@linkcode PackedDriverQueue.create}. */
export class PackedDriverQueue extends DriverRing {
  readonly addresses: QueueAddresses;
  // As on Linux: a request goes on without its table when that cannot be mapped.
  protected override readonly directInstead: boolean = true;
  readonly #ring: SharedWords;
  readonly #driver: SharedWords;
  readonly #device: SharedWords;
  #availAt = 0;
  #availWrap = 1;
  /** Where the ring stood at the last question whether to kick, and descriptors made available since. */
  #askedAt = 0;
  #askedWrap = 1;
  #added = 0;
  #usedAt = 0;
  #usedWrap = 1;
  /** What the driver's event structure says beside the place: a value of {@linkcode EventFlag}. */
  #event: number = EventFlag.ENABLE;

  private constructor(options: DriverRingOptions, ring: RingMemory, driver: RingMemory, device: RingMemory) {
    super(options);
    const { memory } = options.guest;
    this.#ring = new SharedWords(ring, memory);
    this.#driver = new SharedWords(driver, memory);
    this.#device = new SharedWords(device, memory);
    this.addresses = {
      descHi: ring.hi,
      descLo: ring.lo,
      driverHi: driver.hi,
      driverLo: driver.lo,
      deviceHi: device.hi,
      deviceLo: device.lo,
    };
  }

  /** A ring of `options.size` in fresh memory: a block for each of its three parts. Null when there is none. */
  static create(options: DriverRingOptions): PackedDriverQueue | null {
    const blocks: RingMemory[] = [];
    for (const size of [packedBytes(options.size), PackedEvent.size, PackedEvent.size]) {
      const block = options.addressing.ring(size);
      if (block === null) {
        for (const each of blocks) each.free();
        return null;
      }
      blocks.push(block);
    }
    return new PackedDriverQueue(options, blocks[0], blocks[1], blocks[2]);
  }

  get nextAvailable(): number {
    return this.#availAt | this.#availWrap << WRAP_SHIFT;
  }

  enableInterrupt(): boolean {
    this.#event = this.eventIndex ? EventFlag.DESC : EventFlag.ENABLE;
    this.#tell();
    fence();
    return !this.#isUsed(this.#ring.words[this.#usedAt * DESC_WORDS + ID_FLAGS]);
  }

  disableInterrupt(): void {
    this.#event = EventFlag.DISABLE;
    this.#tell();
  }

  protected expose(head: number, count: number): void {
    const { words } = this.#ring;
    const { size } = this;
    const { hi, lo, length, flags, next } = this.state;
    const first = this.#availAt * DESC_WORDS;
    let position = this.#availAt;
    let available: number = this.#availWrap === 1 ? AVAIL : USED;
    let firstWord = 0;
    for (let i = 0, id = head; i < count; i++, id = next[id]) {
      const at = position * DESC_WORDS;
      const word = head | ((flags[id] & RING_FLAGS) | available) << FLAGS_SHIFT;
      words[at + ADDR_LO] = lo[id];
      words[at + ADDR_HI] = hi[id];
      words[at + LEN] = length[id];
      // The device looks at the first descriptor: it becomes available last, with everything behind it.
      if (i === 0) firstWord = word;
      else words[at + ID_FLAGS] = word;
      if (++position === size) {
        position = 0;
        available ^= BOTH;
      }
    }
    words[first + ID_FLAGS] = firstWord;
    this.#availAt = position;
    this.#availWrap = available === AVAIL ? 1 : 0;
    this.#added += count;
  }

  protected entryWord(flags: number): number {
    // Entries follow one another, without NEXT and without an id (§2.8.8).
    return (flags & WRITE) << FLAGS_SHIFT;
  }

  protected wantsKick(): boolean {
    const added = this.#added;
    if (added === 0) return false;
    const position = this.#askedAt;
    const wrap = this.#askedWrap;
    this.#added = 0;
    this.#askedAt = this.#availAt;
    this.#askedWrap = this.#availWrap;
    // The device sees the new descriptors, or this side sees that the device wants to be told.
    fence();
    const event = this.#device.words[0];
    const flags = (event >>> EVENT_SHIFT) & 3;
    if (flags === EventFlag.DISABLE) return false;
    if (flags !== EventFlag.DESC || !this.eventIndex || added >= this.size) return true;
    return passes(event & 0xffff, position, wrap, added, this.size);
  }

  protected used(): number {
    const { words } = this.#ring;
    const at = this.#usedAt * DESC_WORDS;
    const word = words[at + ID_FLAGS];
    if (!this.#isUsed(word)) return NONE_USED;
    // Whether WRITE is set is not looked at: devices are about that leave it out.
    this.usedLength = words[at + LEN] >>> 0;
    return word & 0xffff;
  }

  protected usedAtMost(): number {
    return this.size;
  }

  protected passed(head: number): void {
    this.#usedAt += this.taken[head];
    if (this.#usedAt >= this.size) {
      this.#usedAt -= this.size;
      this.#usedWrap ^= 1;
    }
    if (this.#event === EventFlag.DESC) this.#tell();
  }

  protected freeRing(): void {
    for (const { memory } of [this.#ring, this.#driver, this.#device]) memory.free();
  }

  #isUsed(word: number): boolean {
    return (word >>> FLAGS_SHIFT & BOTH) === (this.#usedWrap === 1 ? BOTH : 0);
  }

  /** Writes the driver's event structure: one store, so that the device never sees half of it. */
  #tell(): void {
    this.#driver.words[0] = this.#usedAt | this.#usedWrap << WRAP_SHIFT | this.#event << EVENT_SHIFT;
  }
}
