/**
 * One transmit queue: frames go from the driver's buffers to whatever the device is connected to (virtio 1.4 §5.1.6.2).
 *
 * @module
 */

import { BusStatus, type DevicePort } from "@iova/core";
import { Frame, FRAME_HEAD, type FrameSource, Lowering, MAX_FRAME, type NetBackend, Sent } from "@iova/net";
import { type Chain, Outcome, PrivateCopy } from "@iova/virtio";
import { readHeader } from "./device_offloads.ts";
import { NetHeader } from "./layout.ts";

/** Frames longer than this are copied once only, by their receiver. */
const LONG = 2048;
/** Shortest frame that has an Ethernet header. */
const SHORTEST = 14;

/** What a transmit queue counts. */
export interface TransmitCounters {
  /** Frames that left. */
  txFrames: number;
  /** Bytes of them. */
  txBytes: number;
  /** Frames that were dropped because of what they are or ask for, or because they could not be read. */
  txErrors: number;
  /** Frames that were dropped because no cable was plugged in. */
  txNoLink: number;
}

/** What the device as a whole says about transmitting. */
export interface TransmitRules {
  /** Bytes of a header. */
  readonly headerSize: number;
  /** What may be asked for: a set of `Offload` bits. */
  readonly offloads: number;
  /** What happens to a frame that asks for more: it is dropped, or goes out as it is. */
  readonly dropsUnnegotiated: boolean;
  /** A buffer that the device may write breaks it. */
  readonly refusesWritable: boolean;
  /** Whether the cable is plugged in. */
  readonly linkUp: boolean;
}

/** See the module's text. */
export class TransmitQueue implements FrameSource {
  /** The last frame waits for room at the other end. */
  waiting = false;
  /** Why the last chain was malformed. */
  problem = "";
  /** Completes checksums and cuts frames. */
  readonly lowering: Lowering = new Lowering();
  /** The frame at hand: its bytes are those of the copy, behind the header. */
  readonly frame: Frame = new Frame(0);
  readonly #port: DevicePort;
  readonly #backend: NetBackend;
  readonly #counters: TransmitCounters;
  readonly #copy = new PrivateCopy(NetHeader.size + MAX_FRAME);
  #headerSize = 0;
  /** The chain at hand, for as long as it is. */
  #chain: Chain | null = null;
  /** What became of the bytes that were asked for behind the head. */
  #body: BusStatus = BusStatus.OK;

  /** A queue that reads through `port` and sends to `backend`. */
  constructor(port: DevicePort, backend: NetBackend, counters: TransmitCounters) {
    this.#port = port;
    this.#backend = backend;
    this.#counters = counters;
  }

  /** Forgets a frame that waits: the queue, or the device, was reset. */
  reset(): void {
    this.waiting = false;
    this.lowering.reset();
  }

  /** Transmits the frame in a chain. */
  transmit(chain: Chain, rules: TransmitRules): Outcome {
    const { headerSize } = rules;
    if (chain.writeBytes > 0 && rules.refusesWritable) return this.#malformed("writable buffer in a transmit queue");
    if (chain.readBytes < headerSize) return this.#malformed("transmit buffer shorter than a header");
    if (chain.readBytes === headerSize) return this.#malformed("header without a frame");
    const length = chain.readBytes - headerSize;
    const fits = length >= SHORTEST && length <= MAX_FRAME;
    const { frame } = this;
    this.#shape(headerSize);
    const long = length > LONG;
    const status = chain.readHead(this.#port, this.#copy, headerSize + (!fits ? 0 : long ? FRAME_HEAD : length));
    if (status === BusStatus.PENDING) return Outcome.PENDING;
    if (status !== BusStatus.OK && !this.#hasHeader(chain)) return this.#malformed("frame header leads nowhere");
    if (!fits || status !== BusStatus.OK) return this.#drop();
    frame.length = length;
    frame.source = long ? this : null;
    this.#chain = chain;
    this.#body = BusStatus.OK;
    return this.#send(rules);
  }

  /** See {@linkcode FrameSource.copy}. */
  copy(at: number, length: number, into: Uint8Array, offset: number): boolean {
    this.#body = this.#chain!.read(this.#port, this.#headerSize + at, into, offset, length);
    return this.#body === BusStatus.OK;
  }

  #send(rules: TransmitRules): Outcome {
    const { frame } = this;
    if (!readHeader(this.#copy.bytes, frame) || (frame.needs & ~rules.offloads) !== 0) {
      if (rules.dropsUnnegotiated) return this.#drop();
      frame.plain();
    }
    if (!rules.linkUp) {
      this.#counters.txNoLink++;
      return Outcome.DONE;
    }
    const sent = this.lowering.send(frame, this.#backend);
    if (this.#body === BusStatus.PENDING) return Outcome.PENDING;
    if (sent === Sent.MALFORMED || this.#body !== BusStatus.OK) return this.#drop();
    this.waiting = sent === Sent.BUSY;
    if (this.waiting) return Outcome.WAIT;
    this.#counters.txFrames++;
    this.#counters.txBytes += frame.length;
    return Outcome.DONE;
  }

  /** Places the frame behind the header. */
  #shape(headerSize: number): void {
    if (headerSize === this.#headerSize) return;
    this.#headerSize = headerSize;
    this.frame.bytes = this.#copy.bytes.subarray(headerSize);
  }

  /** Whether the header of a chain that cannot be read as a whole can be read. */
  #hasHeader(chain: Chain): boolean {
    return chain.readHead(this.#port, this.#copy, this.#headerSize) === BusStatus.OK;
  }

  /** The buffer is used all the same: nothing tells a driver that its frame is lost. */
  #drop(): Outcome {
    this.lowering.reset();
    this.#counters.txErrors++;
    return Outcome.DONE;
  }

  #malformed(problem: string): Outcome {
    this.problem = problem;
    return Outcome.BROKEN;
  }
}
