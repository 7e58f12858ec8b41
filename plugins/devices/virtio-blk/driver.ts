/**
 * The driver half: a block driver over one virtio queue.
 *
 * @module
 */

import { type BlockDriver, BlockOp, BlockStatus } from "@iova/block";
import { DmaApiError, type DriverContext, Errno, type PhysAddr, type Timer } from "@iova/core";
import { BufferList, driverOk, type DriverQueue, type DriverTransport, resetDevice, Status } from "@iova/virtio";
import { type BlockDriverOptions, queueDepth, setUp } from "./driver_setup.ts";
import { RequestSlots } from "./driver_slots.ts";
import { BlockFeature, RequestStatus, RequestType, SERIAL_SIZE } from "./layout.ts";

export type { BlockDriverOptions } from "./driver_setup.ts";

/** How long a request may take before the device counts as gone, in nanoseconds (Linux's default for block requests). */
const TIMEOUT = 30e9;
/** Longest transfer when the platform limits mappings, unless one mapping may be longer. */
const MODEST_TRANSFER = 1024 * 1024;
/** Longest transfer at all: what a device accepts in one request, 2^31 − 512 bytes. */
const MAX_TRANSFER = 2 ** 31 - 512;
/** Descriptors of the shortest request with data. */
const DESCRIPTORS = 3;

/** Request type by operation. */
const TYPE: readonly number[] = tabulate([
  [BlockOp.READ, RequestType.IN],
  [BlockOp.WRITE, RequestType.OUT],
  [BlockOp.FLUSH, RequestType.FLUSH],
  [BlockOp.GET_ID, RequestType.GET_ID],
]);

/** What the user is told, by request status. */
const RESULT: readonly BlockStatus[] = tabulate([
  [RequestStatus.OK, BlockStatus.OK],
  [RequestStatus.IOERR, BlockStatus.IO_ERROR],
  [RequestStatus.UNSUPP, BlockStatus.UNSUPPORTED],
]);

/** See {@linkcode BlockDriver}. */
export class VirtioBlockDriver implements BlockDriver {
  readonly drives = "block";
  readonly capacity: number;
  readonly readOnly: boolean;
  readonly queueDepth: number;
  readonly maxTransfer: number;
  onComplete: (tag: number, status: BlockStatus) => void = () => {};
  readonly #context: DriverContext;
  readonly #transport: DriverTransport;
  readonly #queue: DriverQueue;
  readonly #slots: RequestSlots;
  readonly #list: BufferList;
  readonly #segment: number;
  readonly #canFlush: boolean;
  #timer: Timer | null = null;
  #gone = false;
  #stopped = false;
  /** Requests by promise that found the queue full. */
  #waiting: (() => void)[] = [];
  /** Tags submitted after the device had gone. */
  #lost: number[] = [];

  /** Brings the device up. @throws {Error} when it refuses. */
  constructor(transport: DriverTransport, context: DriverContext, options: BlockDriverOptions) {
    const { queue, addressing, features, capacity, maxSegments } = setUp(transport, context, options);
    this.#context = context;
    this.#transport = transport;
    this.#queue = queue;
    this.capacity = capacity;
    this.readOnly = features.has(BlockFeature.RO);
    this.#canFlush = features.has(BlockFeature.FLUSH);
    this.queueDepth = queueDepth(features, queue.size);
    this.#segment = Math.min(addressing.maxSize - addressing.maxSize % 512, MAX_TRANSFER);
    const limit = this.#segment === MAX_TRANSFER ? MAX_TRANSFER : Math.max(this.#segment, MODEST_TRANSFER);
    this.maxTransfer = Math.min(limit, this.#segment * maxSegments);
    this.#slots = new RequestSlots(context.guest, this.queueDepth, addressing, options.requestMemory === "coherent");
    this.#list = new BufferList(DESCRIPTORS - 1 + Math.ceil(this.maxTransfer / this.#segment));
    transport.connect([this.#used], this.#changed);
    driverOk(transport);
  }

  submit(op: BlockOp, sector: number, buffer: PhysAddr, length: number, tag: number): boolean {
    if (this.#gone) return this.#lose(tag);
    return this.#start(op, sector, buffer, length, tag, null);
  }

  kick(): void {
    this.#queue.kick();
  }

  read(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return this.#request(BlockOp.READ, sector, buffer, length);
  }

  write(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return this.#request(BlockOp.WRITE, sector, buffer, length);
  }

  flush(): Promise<BlockStatus> {
    // Without the feature a completed write is stable already (virtio 1.4 §5.2.6.2).
    return this.#canFlush ? this.#request(BlockOp.FLUSH, 0, 0, 0) : Promise.resolve(BlockStatus.OK);
  }

  async serial(): Promise<string | null> {
    const { heap, memory } = this.#context.guest;
    const buffer = heap.alloc(SERIAL_SIZE, 64);
    if (buffer === null) return null;
    const status = await this.#request(BlockOp.GET_ID, 0, buffer, SERIAL_SIZE);
    const text = new TextDecoder().decode(memory.bytes(buffer, SERIAL_SIZE).slice());
    heap.free(buffer);
    return status === BlockStatus.OK ? text.replace(/\0.*$/s, "") : null;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#abandon();
    this.#queue.release();
    this.#slots.release();
  }

  /** Builds one request and makes it available; false when there is no room or no mapping. */
  #start(
    op: BlockOp,
    sector: number,
    buffer: PhysAddr,
    length: number,
    tag: number,
    resolve: ((status: BlockStatus) => void) | null,
  ): boolean {
    if (length > this.maxTransfer) throw new DmaApiError(`a request of ${length} bytes; at most ${this.maxTransfer}`);
    const slots = this.#slots;
    const slot = slots.take();
    if (slot < 0) return false;
    slots.prepare(slot, TYPE[op], sector);
    const list = this.#list.clear();
    slots.addHeader(list, slot);
    for (let at = 0; at < length; at += this.#segment) {
      const part = Math.min(length - at, this.#segment);
      if (op === BlockOp.WRITE) list.out(buffer + at, part);
      else list.in(buffer + at, part);
    }
    slots.addStatus(list, slot);
    const added = this.#queue.add(list, slot);
    if (added !== 0) {
      slots.give(slot);
      if (added === -Errno.EIO) this.#fail("its ring is broken");
      return false;
    }
    slots.tag[slot] = tag;
    slots.resolve[slot] = resolve;
    this.#timer ??= this.#context.guest.after(TIMEOUT, this.#watch);
    return true;
  }

  #request(op: BlockOp, sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return new Promise((resolve) => {
      const attempt = () => {
        if (this.#gone) resolve(BlockStatus.DEVICE_GONE);
        else if (this.#start(op, sector, buffer, length, 0, resolve)) this.#queue.kick();
        else if (this.#slots.busy > 0) this.#waiting.push(attempt);
        // Nothing will complete, so nothing will give back what the mapping needs.
        else resolve(this.#gone ? BlockStatus.DEVICE_GONE : BlockStatus.IO_ERROR);
      };
      attempt();
    });
  }

  /** Interrupt: used buffers. */
  readonly #used = (): void => {
    if (this.#gone) return;
    const queue = this.#queue;
    do {
      for (let slot = queue.poll(); slot >= 0; slot = queue.poll()) {
        this.#complete(slot, RESULT[this.#slots.result(slot)]);
        if (this.#gone) return;
      }
    } while (!queue.broken && !queue.enableInterrupt());
    if (queue.broken) return this.#fail("it used a buffer that it was not given");
    if (this.#waiting.length > 0) this.#retry();
    queue.kick();
    if (this.#slots.busy === 0) this.#stopWatching();
  };

  /** Interrupt: the configuration, or the device's health. */
  readonly #changed = (): void => {
    if (this.#gone) return;
    if ((this.#transport.readStatus() & Status.DEVICE_NEEDS_RESET) !== 0) this.#fail("it needs a reset");
  };

  /** Timer: looks whether the oldest request has been waiting too long. */
  readonly #watch = (): void => {
    const { guest } = this.#context;
    this.#timer = null;
    const left = this.#slots.oldest() + TIMEOUT - guest.now;
    if (left <= 0) this.#fail(`it did not answer for ${TIMEOUT / 1e9} s`);
    else if (left !== Infinity) this.#timer = guest.after(left, this.#watch);
  };

  #complete(slot: number, status: BlockStatus): void {
    const slots = this.#slots;
    const tag = slots.tag[slot];
    const resolve = slots.resolve[slot];
    slots.give(slot);
    if (resolve === null) this.onComplete(tag, status);
    else resolve(status);
  }

  #retry(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const attempt of waiting) attempt();
  }

  #stopWatching(): void {
    if (this.#timer !== null) this.#context.guest.cancel(this.#timer);
    this.#timer = null;
  }

  /** The device is of no use any more. */
  #fail(why: string): void {
    if (this.#gone) return;
    this.#context.warn("device-gone", `the driver gave the device up: ${why}`);
    this.#abandon();
  }

  /** Takes everything back from the device: it is reset first, so that it touches nothing that is unmapped. */
  #abandon(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopWatching();
    resetDevice(this.#transport, () => this.#context.guest.relax());
    this.#transport.disconnect();
    for (let slot = this.#queue.detachUnused(); slot >= 0; slot = this.#queue.detachUnused()) {
      this.#complete(slot, BlockStatus.DEVICE_GONE);
    }
    this.#retry();
  }

  /** Takes a request only to fail it, in interrupt context as its user expects. */
  #lose(tag: number): boolean {
    if (this.#lost.push(tag) === 1) {
      this.#context.guest.post(() => {
        const lost = this.#lost;
        this.#lost = [];
        for (const each of lost) this.onComplete(each, BlockStatus.DEVICE_GONE);
      });
    }
    return true;
  }
}

/** An array from pairs of index and value. */
function tabulate<T>(pairs: readonly (readonly [number, T])[]): T[] {
  const table: T[] = [];
  for (const [index, value] of pairs) table[index] = value;
  return table;
}
