/**
 * What outlives a back-end that dies: for each ring the chains that it had taken and not finished, in memory that the
 * front-end keeps and gives to the next back-end.
 *
 * A device here finishes the chains of a ring in the order in which it took them. So its successor takes everything again
 * from the first chain on that was never shown as used, and the ring itself says which one that is: a split ring by its
 * used index, a packed one by the flags of its descriptors. The area tells it how many descriptors each of them had.
 *
 * The area is written by back-ends only, but kept by a peer: nothing in it is believed.
 *
 * @module
 */

import { BusStatus, type DevicePort } from "@iova/core";
import { type Mapping, mapShared, memoryFile, Seal } from "@iova/libc";
import { type Chain, type DeviceQueue, Pop, type VirtioQueue } from "@iova/virtio";
import { areaBytes, PackedEntry, PackedRegion, SplitEntry, SplitRegion } from "./layout_inflight.ts";

/** What an area is for. */
export interface InflightShape {
  /** Rings. */
  readonly queues: number;
  /** Entries of the largest ring. */
  readonly size: number;
  /** Which kind of ring. */
  readonly packed: boolean;
}

/** Most bytes of one area. */
const MOST_BYTES = 64 * 1024 * 1024;
const VERSION = 1;

/** Bytes that an area needs, or 0 when it cannot be had. */
export function inflightBytes({ queues, size, packed }: InflightShape): number {
  const bytes = queues * areaBytes(size, packed);
  return queues > 0 && size > 0 && bytes <= MOST_BYTES ? bytes : 0;
}

/** Makes an empty area; the descriptor, or a negative errno. */
export function makeInflight(shape: InflightShape): number {
  return memoryFile("iova-inflight", inflightBytes(shape), Seal.SHRINK | Seal.GROW);
}

/** An area in use. */
export class Inflight {
  readonly #mapping: Mapping;
  readonly #shape: InflightShape;

  private constructor(mapping: Mapping, shape: InflightShape) {
    this.#mapping = mapping;
    this.#shape = shape;
  }

  /** Maps the area in `fd`, which stays the caller's. Null when it is not what it is said to be. */
  static open(fd: number, bytes: number, offset: number, shape: InflightShape): Inflight | null {
    const needed = inflightBytes(shape);
    if (needed === 0 || bytes < needed || bytes > MOST_BYTES) return null;
    const mapping = mapShared(fd, bytes, offset);
    return typeof mapping === "number" ? null : new Inflight(mapping, shape);
  }

  /** A ring that keeps its area up to date; the ring itself when there is no area for it. Begins at `base`. */
  watched(queue: VirtioQueue, ring: DeviceQueue, port: DevicePort, base: number): DeviceQueue {
    const { queues, size, packed } = this.#shape;
    if (queue.index >= queues || ring.size > size) {
      ring.begin(base);
      return ring;
    }
    const bytes = areaBytes(size, packed);
    const view = new DataView(this.#mapping.buffer, queue.index * bytes, bytes);
    const area = packed ? new PackedArea(view, ring.size, port, queue) : new SplitArea(view, ring.size);
    return new WatchedRing(ring, area, base);
  }

  /** Gives the memory back. */
  release(): void {
    this.#mapping.release();
  }
}

/** One ring's area. */
interface Area {
  /** Where to begin, given where the front-end thinks so; null: not known yet, ask again. */
  resume(base: number): number | null;
  /** Chain `id`, of `slots` descriptors of a packed ring, was taken. */
  taken(id: number, slots: number): void;
  /** The chain that was taken last was put back. */
  returned(id: number): void;
  /** Chains are about to be shown as used. */
  showing(ids: Uint16Array, count: number): void;
  /** They have been. */
  shown(ids: Uint16Array, count: number, position: number): void;
}

/** Where the fields that both kinds of area have are. */
interface AreaFields {
  readonly head: number;
  readonly entry: number;
  readonly version: number;
  readonly count: number;
  readonly counter: number;
}

const SPLIT: AreaFields = {
  head: SplitRegion.size,
  entry: SplitEntry.size,
  version: SplitRegion.at.version,
  count: SplitRegion.at.desc_num,
  counter: SplitEntry.at.counter,
};
const PACKED: AreaFields = {
  head: PackedRegion.size,
  entry: PackedEntry.size,
  version: PackedRegion.at.version,
  count: PackedRegion.at.desc_num,
  counter: PackedEntry.at.counter,
};

/** What both kinds of area do. An entry's first byte says whether its chain is in flight. */
abstract class BaseArea {
  #counter = 0n;

  constructor(readonly view: DataView, readonly size: number, readonly fields: AreaFields) {}

  /** Whether the area holds what a back-end has left; makes it ready otherwise. */
  protected used(): boolean {
    const { view, size, fields } = this;
    if (view.getUint16(fields.version, true) === VERSION && view.getUint16(fields.count, true) === size) return true;
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).fill(0);
    view.setUint16(fields.count, size, true);
    view.setUint16(fields.version, VERSION, true);
    return false;
  }

  /** Entries in flight, in the order in which they were taken. */
  protected inFlight(): number[] {
    const ids = Array.from({ length: this.size }, (_, id) => id).filter((id) => this.view.getUint8(this.at(id)) === 1);
    const counter = (id: number) => this.view.getBigUint64(this.at(id) + this.fields.counter, true);
    ids.sort((a, b) => counter(a) < counter(b) ? -1 : 1);
    if (ids.length > 0) this.#counter = BigInt.asUintN(64, counter(ids[ids.length - 1]) + 1n);
    return ids;
  }

  protected at(id: number): number {
    return this.fields.head + id * this.fields.entry;
  }

  protected mark(id: number): void {
    if (id >= this.size) return;
    this.view.setBigUint64(this.at(id) + this.fields.counter, this.#counter, true);
    this.#counter = BigInt.asUintN(64, this.#counter + 1n);
    this.view.setUint8(this.at(id), 1);
  }

  protected clear(id: number): void {
    if (id < this.size) this.view.setUint8(this.at(id), 0);
  }
}

class SplitArea extends BaseArea implements Area {
  constructor(view: DataView, size: number) {
    super(view, size, SPLIT);
  }

  resume(base: number): number {
    // Whatever was in flight comes again, because the ring begins at the used index.
    if (this.used()) { for (const id of this.inFlight()) this.clear(id); }
    return base;
  }

  taken(id: number): void {
    this.mark(id);
  }

  returned(id: number): void {
    this.clear(id);
  }

  showing(ids: Uint16Array, count: number): void {
    const { view } = this;
    for (let i = 0; i < count; i++) {
      if (ids[i] >= this.size) continue;
      view.setUint16(this.at(ids[i]) + SplitEntry.at.next, view.getUint16(SplitRegion.at.last_batch_head, true), true);
      view.setUint16(SplitRegion.at.last_batch_head, ids[i], true);
    }
  }

  shown(ids: Uint16Array, count: number, position: number): void {
    for (let i = 0; i < count; i++) this.clear(ids[i]);
    this.view.setUint16(SplitRegion.at.used_idx, position, true);
  }
}

const USED = 1 << 15;
const DESC_SIZE = 16;
const FLAGS_AT = 14;
const LAP = 1 << 15;

class PackedArea extends BaseArea implements Area {
  readonly #flags = new Uint8Array(2);

  constructor(view: DataView, size: number, readonly port: DevicePort, readonly queue: VirtioQueue) {
    super(view, size, PACKED);
  }

  resume(base: number): number | null {
    if (!this.used()) {
      const word = (base >>> 16) || base & 0xffff;
      this.#note(word & (LAP - 1), word >>> 15);
      return base;
    }
    let place = this.view.getUint16(PackedRegion.at.used_idx, true) % this.size;
    let lap = this.view.getUint8(PackedRegion.at.used_wrap_counter) & 1;
    const ids = this.inFlight();
    // A chain may have been shown as used by a back-end that died before it could note that.
    for (const id of ids) {
      const state = this.#state(place);
      if (state === PENDING) return null;
      if (!wasUsed(state, lap)) break;
      place += Math.min(Math.max(this.view.getUint16(this.at(id) + PackedEntry.at.num, true), 1), this.size);
      if (place >= this.size) {
        place -= this.size;
        lap ^= 1;
      }
    }
    for (const id of ids) this.clear(id);
    this.#note(place, lap);
    const word = place | lap << 15;
    return (word | word << 16) >>> 0;
  }

  taken(id: number, slots: number): void {
    if (id < this.size) this.view.setUint16(this.at(id) + PackedEntry.at.num, slots, true);
    this.mark(id);
  }

  returned(id: number): void {
    this.clear(id);
  }

  showing(): void {}

  shown(ids: Uint16Array, count: number, position: number): void {
    this.#note(position & (LAP - 1), position >>> 15 & 1);
    for (let i = 0; i < count; i++) this.clear(ids[i]);
  }

  #note(place: number, lap: number): void {
    this.view.setUint16(PackedRegion.at.used_idx, place, true);
    this.view.setUint8(PackedRegion.at.used_wrap_counter, lap);
    this.view.setUint16(PackedRegion.at.old_used_idx, place, true);
    this.view.setUint8(PackedRegion.at.old_used_wrap_counter, lap);
  }

  /** The flags of the descriptor at a place; those of an untouched one where nothing can be read. */
  #state(place: number): number {
    const { descHi, descLo } = this.queue;
    const at = descLo + place * DESC_SIZE + FLAGS_AT;
    const hi = (at | 0) >>> 0 < descLo >>> 0 ? (descHi + 1) | 0 : descHi;
    const status = this.port.readAt(hi, at | 0, this.#flags, 0, 2);
    if (status === BusStatus.PENDING) return PENDING;
    return status === BusStatus.OK ? this.#flags[0] | this.#flags[1] << 8 : 0;
  }
}

const PENDING = -1;

/**
 * Whether a descriptor was shown as used in this lap. If the driver has made its place available again, in the next lap,
 * it had seen it used: nobody else may.
 */
function wasUsed(flags: number, lap: number): boolean {
  return ((flags & USED) !== 0 ? 1 : 0) === lap;
}

/** A ring, and its area beside it. */
class WatchedRing implements DeviceQueue {
  readonly size: number;
  readonly #ids: Uint16Array;
  #count = 0;
  #last = 0;
  #begun = false;

  constructor(readonly ring: DeviceQueue, readonly area: Area, readonly base: number) {
    this.size = ring.size;
    this.#ids = new Uint16Array(ring.size);
  }

  get fault(): DeviceQueue["fault"] {
    return this.ring.fault;
  }
  get unpublished(): number {
    return this.ring.unpublished;
  }
  get slots(): number {
    return this.ring.slots;
  }
  get position(): number {
    return this.#begun ? this.ring.position : this.base;
  }

  begin(position: number): void {
    this.ring.begin(position);
    this.#begun = true;
  }

  pop(chain: Chain): Pop {
    if (!this.#start()) return Pop.PENDING;
    const found = this.ring.pop(chain);
    if (found === Pop.CHAIN) this.area.taken(this.#last = chain.id, this.ring.slots);
    return found;
  }

  unpop(): void {
    this.ring.unpop();
    this.area.returned(this.#last);
  }

  push(id: number, written: number): void {
    this.ring.push(id, written);
    this.#ids[this.#count++] = id;
  }

  publish(): boolean {
    this.area.showing(this.#ids, this.#count);
    const told = this.ring.publish();
    if (this.ring.unpublished > 0) return told;
    this.area.shown(this.#ids, this.#count, this.ring.position);
    this.#count = 0;
    return told;
  }

  wantKicks(wanted: boolean): Pop {
    return this.#start() ? this.ring.wantKicks(wanted) : Pop.PENDING;
  }

  release(): void {
    this.ring.release();
  }

  /** Begins where the area says. False when that cannot be read yet. */
  #start(): boolean {
    if (this.#begun) return true;
    const position = this.area.resume(this.base);
    if (position === null) return false;
    this.begin(position);
    return true;
  }
}
