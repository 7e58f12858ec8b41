/**
 * One transmit queue of the driver: a header for each frame, and what is known about frames in flight.
 *
 * @module
 */

import { DmaApiError, type DmaOps, Errno, GuestMemoryError, type GuestPort, type PhysAddr } from "@iova/core";
import { type NetStats, Segmentation, type TransmitOffload } from "@iova/net";
import { type Addressing, BufferList, type DriverQueue, type RingMemory } from "@iova/virtio";
import { Scatterlists } from "./driver_scatterlists.ts";
import { GsoType, HeaderFlag, NetHeader } from "./layout.ts";

/** What a transmit queue is made with. */
export interface TransmitOptions {
  readonly guest: GuestPort;
  readonly dma: DmaOps;
  readonly queue: DriverQueue;
  readonly addressing: Addressing;
  /** Bytes of a frame's header. */
  readonly headerSize: number;
  /** Longest frame. */
  readonly maxFrame: number;
  /** Headers lie in memory that is mapped once; else each is mapped for its frame. */
  readonly coherent: boolean;
  /** How frames are mapped. */
  readonly scatterlists: "none" | "clean" | "stale-marks";
  readonly stats: NetStats;
  /** Gets the tag of every frame that the device has let go of. */
  readonly transmitted: (tag: number) => void;
  /** Gets the tag of a frame that never went: its user is to hear of it, but not before it has returned. */
  readonly dropped: (tag: number) => void;
  /** The device broke the ring's rules. */
  readonly broken: () => void;
}

/** Headers of frames that are mapped one by one share no cache line, as a driver's private data would not. */
const LINE = 64;

const { flags: FLAGS, hdr_len: HDR_LEN, csum_start: CSUM_START, csum_offset: CSUM_OFFSET } = NetHeader.at;

/** The header's kind of segmentation, by {@linkcode Segmentation}. */
const TYPE: readonly number[] = [GsoType.NONE, GsoType.TCPV4, GsoType.TCPV6, GsoType.UDP_L4, GsoType.UDP_L4];

/** See the module's text. */
export class TransmitSlots {
  readonly #options: TransmitOptions;
  readonly #headers: RingMemory | null;
  readonly #base: PhysAddr;
  readonly #list: BufferList;
  readonly #segment: number;
  readonly #scatter: Scatterlists | null;
  readonly #tag: Float64Array;
  readonly #length: Uint32Array;
  readonly #free: Int32Array;
  #busy = 0;
  #stopped = false;

  /** Slots for as many frames as `options.queue` has entries. @throws {GuestMemoryError} when there is no memory. */
  constructor(options: TransmitOptions) {
    const { guest, queue, addressing, coherent, maxFrame, dma, scatterlists } = options;
    this.#options = options;
    const count = queue.size;
    const bytes = count * LINE;
    const what = "the headers of a virtio network driver";
    this.#headers = coherent && scatterlists === "none" ? addressing.ring(bytes) : null;
    if (coherent && scatterlists === "none" && this.#headers === null) throw new GuestMemoryError(what, bytes);
    this.#base = this.#headers?.cpu ?? guest.heap.require(bytes, what, LINE);
    this.#segment = addressing.maxSize;
    const pieces = 1 + Math.ceil(maxFrame / this.#segment);
    this.#scatter = scatterlists === "none" ? null : new Scatterlists(dma, count, maxFrame, scatterlists === "clean");
    this.#list = new BufferList(this.#scatter?.entries ?? pieces);
    this.#tag = new Float64Array(count);
    this.#length = new Uint32Array(count);
    this.#free = Int32Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** Queues a frame; false when there is no room, or no mapping while others are in flight that will give some back. */
  transmit(buffer: PhysAddr, length: number, tag: number, offload: TransmitOffload | null): boolean {
    const { queue, maxFrame, stats } = this.#options;
    if (length === 0 || length > maxFrame) throw new DmaApiError(`a frame of ${length} bytes; at most ${maxFrame}`);
    if (this.#busy === this.#free.length) return false;
    const slot = this.#free[this.#free.length - 1 - this.#busy];
    this.#writeHeader(slot, offload);
    const added = this.#add(slot, buffer, length);
    if (added === -Errno.EIO) this.#options.broken();
    if (added === -Errno.ENOMEM && this.#busy === 0 && queue.free > 0) {
      // Nothing will come back and make room: networks drop such frames (dma-api-howto.rst).
      stats.txDropped++;
      this.#options.dropped(tag);
      return true;
    }
    if (added !== 0) return false;
    this.#busy++;
    this.#tag[slot] = tag;
    this.#length[slot] = length;
    return true;
  }

  /** Interrupt: takes back what has gone. */
  readonly used = (): void => {
    if (this.#stopped) return;
    const { queue, stats } = this.#options;
    do {
      for (let slot = queue.poll(); slot >= 0; slot = queue.poll()) {
        stats.txFrames++;
        stats.txBytes += this.#length[slot];
        this.#done(slot);
        if (this.#stopped) return;
      }
    } while (!queue.broken && !queue.enableInterrupt());
    if (queue.broken) return this.#options.broken();
    queue.kick();
  };

  /** The device is of no use any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** The device was reset: takes every frame back. */
  detach(): void {
    this.#stopped = true;
    const { queue } = this.#options;
    for (let slot = queue.detachUnused(); slot >= 0; slot = queue.detachUnused()) this.#done(slot);
  }

  /** Frees the memory. */
  release(): void {
    if (this.#headers !== null) this.#headers.free();
    else this.#options.guest.heap.free(this.#base);
  }

  #done(slot: number): void {
    this.#scatter?.unmap(slot);
    this.#free[this.#free.length - this.#busy--] = slot;
    this.#options.transmitted(this.#tag[slot]);
  }

  #add(slot: number, buffer: PhysAddr, length: number): number {
    const { queue, headerSize } = this.#options;
    const list = this.#list.clear();
    if (this.#scatter !== null) {
      if (!this.#scatter.map(list, slot, this.#at(slot), headerSize, buffer, length)) return -Errno.ENOMEM;
      const added = queue.add(list, slot);
      if (added !== 0) this.#scatter.unmap(slot);
      return added;
    }
    const headers = this.#headers;
    if (headers === null) list.out(this.#at(slot), headerSize);
    // The block is aligned to its size, so the low half does not carry.
    else list.outMapped(headers.hi, (headers.lo + slot * LINE) | 0, headerSize);
    const segment = this.#segment;
    for (let at = 0; at < length; at += segment) list.out(buffer + at, Math.min(length - at, segment));
    return queue.add(list, slot);
  }

  #writeHeader(slot: number, offload: TransmitOffload | null): void {
    const at = this.#at(slot);
    const region = this.#options.guest.memory.ram(at)!;
    const offset = at - region.base;
    const { bytes, view } = region;
    for (let at = 0; at < NetHeader.size; at += 4) view.setUint32(offset + at, 0, true);
    if (offload === null) return;
    bytes[offset + FLAGS] = HeaderFlag.NEEDS_CSUM;
    view.setUint16(offset + CSUM_START, offload.checksumStart, true);
    view.setUint16(offset + CSUM_OFFSET, offload.checksumOffset, true);
    if (offload.segmentation === Segmentation.NONE) return;
    bytes[offset + NetHeader.at.gso_type] = TYPE[offload.segmentation];
    view.setUint16(offset + NetHeader.at.gso_size, offload.segmentSize, true);
    view.setUint16(offset + HDR_LEN, offload.headerLength, true);
  }

  #at(slot: number): PhysAddr {
    return this.#base + slot * LINE;
  }
}
