/**
 * The other end of a connection: what QEMU does with a device, without QEMU.
 *
 * @module
 */

import { close, socketPair, SystemError } from "@iova/libc";
import { BackendRequest, HeaderFlag, Iotlb, IotlbType, REPLY_FLAGS, VERSION } from "./layout.ts";
import { Received, Wire } from "./wire.ts";

const NOTHING = new Uint8Array(0);
/** Turns that a front-end gives the other side before it takes a missing answer for an error. */
const PATIENCE = 2000;

/** What a front-end knows of its guest's IOMMU. */
export interface FrontEndTables {
  /** Where a page is in the front-end's memory, for an access of these rights; null when it may not be used. */
  find(iova: bigint, perm: number): { uaddr: bigint; size: bigint; perm: number } | null;
}

/** Payloads as numbers of 64 bits, or of 32. */
export function words64(...words: (bigint | number)[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setBigUint64(8 * i, BigInt(word), true));
  return bytes;
}
/** See {@linkcode words64}. */
export function words32(...words: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** A front-end. It speaks in bytes; what it says may be wrong on purpose. */
export class FrontEnd {
  /** The connection. */
  readonly wire: Wire;
  /** Questions of the back-end that were answered with a translation. */
  misses: number = 0;
  /** Questions that were refused. */
  refusals: number = 0;
  /** Times that the back-end said that the configuration has changed. */
  changes = 0;
  /** What is asked for translations; null: nothing is ever answered. */
  tables: FrontEndTables | null = null;
  #channel: Wire | null = null;
  #channelFds: number[] = [];

  /** A front-end on `fd`, its own from now on; `pump` lets the other side work. */
  constructor(readonly fd: number, readonly pump: () => void) {
    this.wire = new Wire(fd);
  }

  /** Sends a request that has no answer, or whose answer is taken later. */
  send(request: number, payload: Uint8Array = NOTHING, fds: readonly number[] = [], flags = VERSION): void {
    this.wire.send(request, flags, payload, fds);
  }

  /** Sends a request and waits for its answer: the payload. Descriptors that come with it are in `fds`. */
  ask(request: number, payload: Uint8Array = NOTHING, fds: readonly number[] = [], flags = VERSION): Uint8Array {
    this.send(request, payload, fds, flags);
    return this.answer(request);
  }

  /** Sends a request that is to be acknowledged; the acknowledgement: 0 when all is well. */
  must(request: number, payload: Uint8Array = NOTHING, fds: readonly number[] = []): number {
    const answer = this.ask(request, payload, fds, VERSION | HeaderFlag.NEED_REPLY);
    return new DataView(answer.buffer).getUint32(0, true);
  }

  /** Descriptors of the last answer. */
  fds: number[] = [];

  /** Waits for the answer to `request`. @throws {Error} when it does not come. */
  answer(request: number): Uint8Array {
    for (let i = 0; i < PATIENCE; i++) {
      const received = this.wire.receive();
      if (received === Received.MESSAGE) return this.#take(request);
      if (received !== Received.NOTHING) throw new Error(`the back-end has gone: ${this.wire.problem}`);
      this.pump();
    }
    throw new Error(`the back-end does not answer request ${request}`);
  }

  /** Whether the back-end has closed the connection. What it has sent before is dropped. */
  get gone(): boolean {
    for (let i = 0; i < 64; i++) {
      this.pump();
      const received = this.wire.receive();
      if (received === Received.GONE) return true;
      if (received === Received.MESSAGE) this.wire.message.closeFds();
    }
    return false;
  }

  /** Makes the socket for the back-end's own requests; its far end. */
  openChannel(): number {
    const pair = socketPair();
    if (typeof pair === "number") throw new SystemError("socketpair", pair);
    this.#channel = new Wire(pair[0]);
    this.#channelFds = [pair[0]];
    return pair[1];
  }

  /** Answers at most `most` of the back-end's questions; whether there was one. Never called while an answer is awaited. */
  serve(most = 64): boolean {
    for (let i = 0; i < most; i++) {
      if (this.#channel?.receive() !== Received.MESSAGE) return i > 0;
      const { request, flags, view } = this.#channel.message;
      if (request === BackendRequest.CONFIG_CHANGE_MSG) this.changes++;
      if (request !== BackendRequest.IOTLB_MSG) continue;
      const found = this.#translate(view.getBigUint64(Iotlb.at.iova, true), view.getUint8(Iotlb.at.perm));
      if ((flags & HeaderFlag.NEED_REPLY) === 0) continue;
      this.#channel.send(BackendRequest.IOTLB_MSG, REPLY_FLAGS, words64(found ? 0 : 1));
    }
    return true;
  }

  /** Says where bytes are, as an answer to nobody. */
  update(iova: bigint, size: bigint, uaddr: bigint, perm: number): number {
    return this.#iotlb(iova, size, uaddr, perm, IotlbType.UPDATE);
  }

  /** Takes translations back, with the garbage that a real front-end leaves beside them. */
  invalidate(iova: bigint, size: bigint): number {
    return this.#iotlb(iova, size, 0xdead_beef_1234n, 0x5a, IotlbType.INVALIDATE);
  }

  /** Goes away. */
  close(): void {
    this.wire.drop();
    this.#channel?.drop();
    for (const fd of [this.fd, ...this.#channelFds]) close(fd);
    this.#channel = null;
    this.#channelFds = [];
  }

  #translate(iova: bigint, perm: number): boolean {
    const found = this.tables?.find(iova, perm) ?? null;
    if (found === null) {
      this.refusals++;
      return false;
    }
    this.misses++;
    this.update(iova & ~0xfffn, found.size, found.uaddr, found.perm);
    return true;
  }

  #iotlb(iova: bigint, size: bigint, uaddr: bigint, perm: number, type: number): number {
    const payload = new Uint8Array(Iotlb.size).fill(0xaa);
    payload.set(words64(iova, size, uaddr));
    payload[Iotlb.at.perm] = perm;
    payload[Iotlb.at.type] = type;
    return this.must(22, payload);
  }

  #take(request: number): Uint8Array {
    const { message } = this.wire;
    this.fds = message.fds;
    message.fds = [];
    if (message.request !== request || message.flags !== REPLY_FLAGS) {
      throw new Error(`answer ${message.request} with flags ${message.flags} to request ${request}`);
    }
    return message.payload.slice(0, message.size);
  }
}
