/**
 * The driver half: a block driver over one virtio queue or several.
 *
 * @module
 */

import { type BlockDriver, BlockOp, BlockStatus, SECTOR_SIZE } from "@iova/block";
import { DmaApiError, type DriverContext, Errno, type PhysAddr, type Timer } from "@iova/core";
import { BufferList, driverOk, type DriverQueue, type DriverTransport, resetDevice, Status } from "@iova/virtio";
import { type BlockDriverOptions, queueDepth, readCapacity, setUp } from "./driver_setup.ts";
import { RequestSlots } from "./driver_slots.ts";
import { BlockConfig, BlockFeature, RequestStatus, RequestType, SegmentFlag, SERIAL_SIZE } from "./layout.ts";

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
  [BlockOp.DISCARD, RequestType.DISCARD],
  [BlockOp.WRITE_ZEROES, RequestType.WRITE_ZEROES],
  [BlockOp.SECURE_ERASE, RequestType.SECURE_ERASE],
]);

/** The first operation that is about a range of the medium and has no data of its own. */
const FIRST_RANGE = BlockOp.DISCARD;

/** What the user is told, by request status. */
const RESULT: readonly BlockStatus[] = tabulate([
  [RequestStatus.OK, BlockStatus.OK],
  [RequestStatus.IOERR, BlockStatus.IO_ERROR],
  [RequestStatus.UNSUPP, BlockStatus.UNSUPPORTED],
]);

/** A queue, with the requests that are in it. */
interface Lane {
  readonly queue: DriverQueue;
  readonly slots: RequestSlots;
  /** Interrupt: used buffers. */
  readonly used: () => void;
}

/** See {@linkcode BlockDriver}. */
export class VirtioBlockDriver implements BlockDriver {
  readonly drives = "block";
  readonly readOnly: boolean;
  readonly queueDepth: number;
  readonly maxTransfer: number;
  /** Bytes of a block: reads and writes are whole ones. */
  readonly blockSize: number;
  /** Longest DISCARD, WRITE_ZEROES and SECURE_ERASE in bytes, by operation; 0: the device cannot. */
  readonly maxRange: readonly number[];
  onComplete: (tag: number, status: BlockStatus) => void = () => {};
  onResize: (capacity: number) => void = () => {};
  readonly #context: DriverContext;
  readonly #transport: DriverTransport;
  readonly #lanes: readonly Lane[];
  readonly #list: BufferList;
  readonly #segment: number;
  readonly #canFlush: boolean;
  readonly #canChooseCache: boolean;
  #capacity: number;
  #timer: Timer | null = null;
  #gone = false;
  #stopped = false;
  /** Requests by promise that found the queues full. */
  #waiting: (() => void)[] = [];
  /** Tags submitted after the device had gone. */
  #lost: number[] = [];

  /** Brings the device up. @throws {Error} when it refuses. */
  constructor(transport: DriverTransport, context: DriverContext, options: BlockDriverOptions) {
    const { queues, addressing, features, capacity, limits } = setUp(transport, context, options);
    this.#context = context;
    this.#transport = transport;
    this.#capacity = capacity;
    this.readOnly = features.has(BlockFeature.RO);
    this.#canFlush = features.has(BlockFeature.FLUSH);
    this.#canChooseCache = features.has(BlockFeature.CONFIG_WCE);
    this.blockSize = limits.blockSize;
    this.maxRange = tabulate([
      [BlockOp.DISCARD, limits.maxDiscard],
      [BlockOp.WRITE_ZEROES, limits.maxZeroes],
      [BlockOp.SECURE_ERASE, limits.maxErase],
    ]);
    const depth = queueDepth(features, queues[0].size);
    this.queueDepth = depth * queues.length;
    const longest = Math.min(addressing.maxSize, limits.maxSegmentSize);
    this.#segment = Math.max(SECTOR_SIZE, Math.min(longest - longest % SECTOR_SIZE, MAX_TRANSFER));
    const limit = this.#segment === MAX_TRANSFER ? MAX_TRANSFER : Math.max(this.#segment, MODEST_TRANSFER);
    const most = Math.min(limit, this.#segment * limits.maxSegments);
    this.maxTransfer = most - most % this.blockSize;
    const coherent = options.requestMemory === "coherent";
    const lanes: Lane[] = [];
    try {
      if (this.maxTransfer === 0) throw new Error(`the device takes no request of one block, ${this.blockSize} bytes`);
      for (const queue of queues) {
        const slots = new RequestSlots(context.guest, depth, addressing, coherent);
        const lane: Lane = { queue, slots, used: () => this.#used(lane) };
        lanes.push(lane);
      }
    } catch (error) {
      resetDevice(transport, () => context.guest.relax());
      for (const { slots } of lanes) slots.release();
      for (const queue of queues) queue.release();
      throw error;
    }
    this.#lanes = lanes;
    this.#list = new BufferList(DESCRIPTORS + Math.ceil(this.maxTransfer / this.#segment));
    transport.connect(this.#lanes.map(({ used }) => used), this.#changed);
    driverOk(transport);
  }

  get capacity(): number {
    return this.#capacity;
  }

  submit(op: BlockOp, sector: number, buffer: PhysAddr, length: number, tag: number): boolean {
    if (this.#gone) return this.#lose(tag);
    return this.#start(op, sector, buffer, length, 0, tag, null) !== null;
  }

  kick(): void {
    for (const { queue } of this.#lanes) queue.kick();
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

  discard(sector: number, length: number): Promise<BlockStatus> {
    return this.#range(BlockOp.DISCARD, sector, length, 0);
  }

  writeZeroes(sector: number, length: number, unmap = false): Promise<BlockStatus> {
    return this.#range(BlockOp.WRITE_ZEROES, sector, length, unmap ? SegmentFlag.UNMAP : 0);
  }

  secureErase(sector: number, length: number): Promise<BlockStatus> {
    return this.#range(BlockOp.SECURE_ERASE, sector, length, 0);
  }

  /** Whether writes may stay in the device's cache until a flush; null when the device does not say. */
  get writeCache(): boolean | null {
    if (!this.#canChooseCache) return null;
    return this.#transport.readConfig(BlockConfig.at.writeback, 1) !== 0;
  }

  /** Turns the device's cache on or off. False when the device has no switch. */
  chooseCache(on: boolean): boolean {
    if (!this.#canChooseCache || this.#gone) return false;
    this.#transport.writeConfig(BlockConfig.at.writeback, 1, on ? 1 : 0);
    return this.writeCache === on;
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
    for (const { queue, slots } of this.#lanes) {
      queue.release();
      slots.release();
    }
  }

  /** Builds one request and makes it available; the lane that took it, or null when there is no room or no mapping. */
  #start(
    op: BlockOp,
    sector: number,
    buffer: PhysAddr,
    length: number,
    flags: number,
    tag: number,
    resolve: ((status: BlockStatus) => void) | null,
  ): Lane | null {
    if (op < FIRST_RANGE ? length > this.maxTransfer : length > this.maxRange[op]) throw this.#tooLong(op, length);
    const lanes = this.#lanes;
    const lane = lanes.length === 1 ? lanes[0] : this.#laneOf(tag);
    const { slots, queue } = lane;
    const slot = slots.take();
    if (slot < 0) return null;
    const list = this.#list.clear();
    slots.prepare(slot, TYPE[op], op < FIRST_RANGE ? sector : 0);
    slots.addHeader(list, slot);
    if (op < FIRST_RANGE) this.#addData(list, op, buffer, length);
    else {
      slots.prepareSegment(slot, sector, length / SECTOR_SIZE, flags);
      slots.addSegment(list, slot);
    }
    slots.addStatus(list, slot);
    const added = queue.add(list, slot);
    if (added !== 0) {
      slots.give(slot);
      if (added === -Errno.EIO) this.#fail("its ring is broken");
      return null;
    }
    slots.tag[slot] = tag;
    slots.resolve[slot] = resolve;
    this.#timer ??= this.#context.guest.after(TIMEOUT, this.#watch);
    return lane;
  }

  #addData(list: BufferList, op: BlockOp, buffer: PhysAddr, length: number): void {
    for (let at = 0; at < length; at += this.#segment) {
      const part = Math.min(length - at, this.#segment);
      if (op === BlockOp.WRITE) list.out(buffer + at, part);
      else list.in(buffer + at, part);
    }
  }

  /** Requests with neighbouring tags go to different queues, unless theirs is full. */
  #laneOf(tag: number): Lane {
    const lanes = this.#lanes;
    const own = lanes[tag % lanes.length];
    if (own.slots.busy < own.slots.count) return own;
    return lanes.find(({ slots }) => slots.busy < slots.count) ?? own;
  }

  #tooLong(op: BlockOp, length: number): DmaApiError {
    const most = op < FIRST_RANGE ? this.maxTransfer : this.maxRange[op];
    return new DmaApiError(`a request of ${length} bytes; at most ${most}`);
  }

  #request(op: BlockOp, sector: number, buffer: PhysAddr, length: number, flags = 0): Promise<BlockStatus> {
    return new Promise((resolve) => {
      const attempt = () => {
        if (this.#gone) return resolve(BlockStatus.DEVICE_GONE);
        const lane = this.#start(op, sector, buffer, length, flags, 0, resolve);
        if (lane !== null) lane.queue.kick();
        else if (this.#busy > 0) this.#waiting.push(attempt);
        // Nothing will complete, so nothing will give back what the mapping needs.
        else resolve(this.#gone ? BlockStatus.DEVICE_GONE : BlockStatus.IO_ERROR);
      };
      attempt();
    });
  }

  /** A range, in as many requests as the device wants; the first failure ends it. */
  async #range(op: BlockOp, sector: number, length: number, flags: number): Promise<BlockStatus> {
    const most = this.maxRange[op];
    if (this.#gone) return BlockStatus.DEVICE_GONE;
    if (most === 0) return BlockStatus.UNSUPPORTED;
    for (let at = 0; at < length; at += most) {
      const part = Math.min(length - at, most);
      const status = await this.#request(op, sector + at / SECTOR_SIZE, 0, part, flags);
      if (status !== BlockStatus.OK) return status;
    }
    return BlockStatus.OK;
  }

  /** Requests in flight. */
  get #busy(): number {
    let busy = 0;
    for (const { slots } of this.#lanes) busy += slots.busy;
    return busy;
  }

  /** Interrupt: used buffers. */
  #used(lane: Lane): void {
    if (this.#gone) return;
    const { queue, slots } = lane;
    do {
      for (let slot = queue.poll(); slot >= 0; slot = queue.poll()) {
        this.#complete(slots, slot, RESULT[slots.result(slot)]);
        if (this.#gone) return;
      }
    } while (!queue.broken && !queue.enableInterrupt());
    if (queue.broken) return this.#fail("it used a buffer that it was not given");
    if (this.#waiting.length > 0) this.#retry();
    this.kick();
    if (this.#busy === 0) this.#stopWatching();
  }

  /** Interrupt: the configuration, or the device's health. */
  readonly #changed = (): void => {
    if (this.#gone) return;
    if ((this.#transport.readStatus() & Status.DEVICE_NEEDS_RESET) !== 0) return this.#fail("it needs a reset");
    const capacity = readCapacity(this.#transport);
    if (capacity === this.#capacity) return;
    this.#capacity = capacity;
    this.onResize(capacity);
  };

  /** Timer: looks whether the oldest request has been waiting too long. */
  readonly #watch = (): void => {
    const { guest } = this.#context;
    this.#timer = null;
    const left = Math.min(...this.#lanes.map(({ slots }) => slots.oldest())) + TIMEOUT - guest.now;
    if (left <= 0) this.#fail(`it did not answer for ${TIMEOUT / 1e9} s`);
    else if (left !== Infinity) this.#timer = guest.after(left, this.#watch);
  };

  #complete(slots: RequestSlots, slot: number, status: BlockStatus): void {
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
    for (const { queue, slots } of this.#lanes) {
      for (let slot = queue.detachUnused(); slot >= 0; slot = queue.detachUnused()) {
        this.#complete(slots, slot, BlockStatus.DEVICE_GONE);
      }
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
