/**
 * One receive queue of the driver: it keeps the device in buffers and takes frames out of them.
 *
 * @module
 */

import { Errno, type GuestPort, type PhysAddr, roundUp } from "@iova/core";
import type { NetStats, ReceivedFrame } from "@iova/net";
import { type Addressing, BufferList, type DriverQueue } from "@iova/virtio";
import { Received } from "./driver_received.ts";

/** Cache line in bytes: what the device writes shares none with anything else. */
const LINE = 64;
const PAGE = 4096;
/** How long to wait before buffers that could not be mapped are tried again, in nanoseconds. */
const REFILL_DELAY = 1_000_000;

/** What a receive queue is made with. */
export interface ReceiveOptions {
  readonly guest: GuestPort;
  readonly queue: DriverQueue;
  readonly addressing: Addressing;
  /** Bytes of a frame's header. */
  readonly headerSize: number;
  /** Bytes of a buffer. */
  readonly bufferSize: number;
  /** A frame may lie in several buffers. */
  readonly merges: boolean;
  readonly stats: NetStats;
  /** Gets every frame. */
  readonly receive: (frame: ReceivedFrame) => void;
  /** The device broke the ring's rules. */
  readonly broken: () => void;
}

/** See the module's text. */
export class ReceiveBuffers {
  readonly #options: ReceiveOptions;
  readonly #base: PhysAddr;
  readonly #stride: number;
  readonly #lead: number;
  readonly #size: number;
  readonly #list: BufferList;
  readonly #received: Received;
  /** Buffers that are not the device's. */
  readonly #spare: Int32Array;
  #spares = 0;
  #refilling = false;
  #stopped = false;

  /** Buffers for `options.queue`; none is the device's yet. @throws {GuestMemoryError} when there is no memory for them. */
  constructor(options: ReceiveOptions) {
    const { guest, queue, bufferSize, headerSize, addressing } = options;
    this.#options = options;
    this.#size = bufferSize;
    // The frame behind the header begins on a line: copies into it are twice as fast as into its middle.
    this.#lead = LINE - headerSize;
    this.#stride = roundUp(this.#lead + bufferSize, LINE);
    this.#base = guest.heap.require(queue.size * this.#stride, "the receive buffers of a virtio network driver", PAGE);
    // A buffer that is longer than one mapping may be is several.
    this.#list = new BufferList(Math.ceil(bufferSize / addressing.maxSize));
    this.#received = new Received(guest, queue.size);
    this.#spare = Int32Array.from({ length: queue.size }, (_, i) => queue.size - 1 - i);
    this.#spares = queue.size;
  }

  /** Gives the device every buffer that there is, as far as they can be mapped. */
  fill(): void {
    const { queue, guest } = this.#options;
    while (this.#spares > 0) {
      const added = this.#offer(this.#spare[this.#spares - 1]);
      if (added === -Errno.ENOMEM) this.#later(guest);
      if (added !== 0) break;
      this.#spares--;
    }
    queue.kick();
  }

  /** Interrupt: takes what has come. */
  readonly used = (): void => {
    if (this.#stopped) return;
    const { queue } = this.#options;
    do {
      for (let slot = queue.poll(); slot >= 0; slot = queue.poll()) {
        this.#take(slot);
        if (this.#stopped) return;
      }
    } while (!queue.broken && !queue.enableInterrupt());
    if (queue.broken) return this.#options.broken();
    this.fill();
  };

  /** The device was reset: takes every buffer back and frees them. */
  release(): void {
    this.#stopped = true;
    const { queue, guest } = this.#options;
    while (queue.detachUnused() >= 0);
    guest.heap.free(this.#base);
  }

  /** The device is of no use any more: nothing is given to it. */
  stop(): void {
    this.#stopped = true;
  }

  /** One frame, which begins in buffer `slot`. */
  #take(slot: number): void {
    const { headerSize, merges, queue, stats } = this.#options;
    const received = this.#received;
    received.clear();
    this.#spare[this.#spares++] = slot;
    const used = queue.usedLength;
    if (used < headerSize || used > this.#size) return this.#nonsense();
    const at = this.#at(slot);
    received.readHeader(at, headerSize);
    received.add(at + headerSize, used - headerSize);
    if (merges && !this.#takeRest(received.buffers)) return this.#nonsense();
    if (!received.sane) return this.#nonsense();
    stats.rxFrames++;
    stats.rxBytes += received.length;
    this.#options.receive(received);
  }

  /** The other buffers of a frame in `count` of them: they were published together (virtio 1.4 §5.1.6.4). */
  #takeRest(count: number): boolean {
    const { queue } = this.#options;
    if (count === 0 || count > queue.size) return false;
    let whole = true;
    for (let i = 1; i < count; i++) {
      const slot = queue.poll();
      if (slot < 0) return false;
      this.#spare[this.#spares++] = slot;
      if (queue.usedLength > this.#size) whole = false;
      else this.#received.add(this.#at(slot), queue.usedLength);
    }
    return whole;
  }

  #nonsense(): void {
    this.#options.stats.rxErrors++;
  }

  #offer(slot: number): number {
    const { queue, addressing } = this.#options;
    const list = this.#list.clear();
    const at = this.#at(slot);
    for (let done = 0; done < this.#size; done += addressing.maxSize) {
      list.in(at + done, Math.min(addressing.maxSize, this.#size - done));
    }
    return queue.add(list, slot);
  }

  /** With no buffer at all no interrupt comes either: somebody must try again. */
  #later(guest: GuestPort): void {
    if (this.#refilling) return;
    this.#refilling = true;
    guest.after(REFILL_DELAY, () => {
      this.#refilling = false;
      if (!this.#stopped) this.fill();
    });
  }

  #at(slot: number): PhysAddr {
    return this.#base + slot * this.#stride + this.#lead;
  }
}
