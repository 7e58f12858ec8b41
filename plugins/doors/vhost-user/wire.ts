/**
 * Messages on a stream socket: exactly one at a time, so that descriptors stay with the message that they came with.
 *
 * @module
 */

import { close, Errno, Message as Flags, MessageSocket } from "@iova/libc";
import { Header, HeaderFlag, MAX_FDS, MAX_PAYLOAD, REPLY_FLAGS, VERSION } from "./layout.ts";

/** One message, in a record that its {@linkcode Wire} reuses. */
export class WireMessage {
  /** What it asks for. */
  request = 0;
  /** Its flags, version included. */
  flags = 0;
  /** Bytes of payload. */
  size = 0;
  /** The payload, and whatever older ones left behind it. */
  readonly payload: Uint8Array<ArrayBuffer> = new Uint8Array(MAX_PAYLOAD);
  /** The same bytes. */
  readonly view: DataView = new DataView(this.payload.buffer);
  /** Descriptors that came with it. Whoever keeps one takes it out; the rest is closed after the message. */
  fds: number[] = [];

  /** Whether the peer waits for an answer. */
  get needReply(): boolean {
    return (this.flags & HeaderFlag.NEED_REPLY) !== 0;
  }

  /** Takes the first descriptor; −1 when there is none. */
  takeFd(): number {
    return this.fds.shift() ?? -1;
  }

  /** Closes what nobody has taken. */
  closeFds(): void {
    for (const fd of this.fds) close(fd);
    this.fds = [];
  }
}

/** What {@linkcode Wire.receive} found. */
export const Received = {
  /** Nothing whole yet. */
  NOTHING: 0,
  /** A message, in {@linkcode Wire.message}. */
  MESSAGE: 1,
  /** The peer is gone. */
  GONE: 2,
  /** What came is no message of this protocol: {@linkcode Wire.problem} says why. */
  MALFORMED: 3,
} as const;
/** One of {@linkcode Received}'s values. */
export type Received = typeof Received[keyof typeof Received];

const HEADER = Header.size;
/** Bytes of answers that a peer may leave unread before it counts as dead. */
const MOST_UNSENT = 65536;

/** One end of a connection. The socket does not wait; it is the caller's. */
export class Wire {
  /** The last message received. */
  readonly message: WireMessage = new WireMessage();
  /** Why the peer cannot be understood, or heard. */
  problem = "";
  readonly #socket: MessageSocket;
  readonly #header = new Uint8Array(HEADER);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #out = new Uint8Array(HEADER + MAX_PAYLOAD);
  readonly #outView = new DataView(this.#out.buffer);
  #got = 0;
  #unsent: { bytes: Uint8Array; fds: readonly number[] }[] = [];
  #unsentBytes = 0;

  /** Messages on `fd`. */
  constructor(readonly fd: number) {
    this.#socket = new MessageSocket(fd, HEADER + MAX_PAYLOAD);
  }

  /** Whether something waits until the socket can take more. */
  get blocked(): boolean {
    return this.#unsent.length > 0;
  }

  /** Receives as much of the next message as there is. */
  receive(): Received {
    while (this.#got < HEADER) {
      const state = this.#read(this.#header, this.#got, HEADER - this.#got);
      if (state !== Received.MESSAGE) return state;
      if (this.#got === HEADER && !this.#begin()) return Received.MALFORMED;
    }
    const { message } = this;
    while (this.#got < HEADER + message.size) {
      const done = this.#got - HEADER;
      const state = this.#read(message.payload, done, message.size - done);
      if (state !== Received.MESSAGE) return state;
    }
    message.fds = this.#socket.takeDescriptors();
    this.#got = 0;
    if (message.fds.length <= MAX_FDS) return Received.MESSAGE;
    const count = message.fds.length;
    message.closeFds();
    return this.#malformed(`a message with ${count} descriptors`);
  }

  /** Sends a message. False, and {@linkcode Wire.problem}, when the peer cannot take it. */
  send(request: number, flags: number, payload: Uint8Array, fds: readonly number[] = []): boolean {
    this.#outView.setUint32(Header.at.request, request, true);
    this.#outView.setUint32(Header.at.flags, flags, true);
    this.#outView.setUint32(Header.at.size, payload.length, true);
    this.#out.set(payload, HEADER);
    return this.#transmit(this.#out.subarray(0, HEADER + payload.length), fds);
  }

  /** Answers a request. */
  reply(request: number, payload: Uint8Array, fds: readonly number[] = []): boolean {
    return this.send(request, REPLY_FLAGS, payload, fds);
  }

  /** Sends what had to wait. False when the peer is gone. */
  flush(): boolean {
    for (let next = this.#unsent.shift(); next !== undefined; next = this.#unsent.shift()) {
      const { bytes, fds } = next;
      this.#unsentBytes -= bytes.length;
      const sent = this.#socket.send(bytes, fds, Flags.DONTWAIT);
      if (sent === bytes.length) continue;
      if (sent < 0 && sent !== -Errno.EAGAIN) return this.#lost("the peer is gone");
      this.#unsent.unshift({ bytes: bytes.subarray(Math.max(sent, 0)), fds: sent > 0 ? [] : fds });
      this.#unsentBytes += this.#unsent[0].bytes.length;
      return true;
    }
    return true;
  }

  /** Closes the descriptors of a message that will not be finished. The socket stays open. */
  drop(): void {
    this.#socket.closeDescriptors();
    this.message.closeFds();
    this.#unsent = [];
  }

  #transmit(bytes: Uint8Array, fds: readonly number[]): boolean {
    const sent = this.blocked ? -Errno.EAGAIN : this.#socket.send(bytes, fds, Flags.DONTWAIT);
    if (sent === bytes.length) return true;
    if (sent < 0 && sent !== -Errno.EAGAIN) return this.#lost("the peer is gone");
    // Descriptors go with the first byte.
    const rest = bytes.slice(Math.max(sent, 0));
    this.#unsent.push({ bytes: rest, fds: sent > 0 ? [] : fds });
    this.#unsentBytes += rest.length;
    return this.#unsentBytes <= MOST_UNSENT || this.#lost("the peer does not read its answers");
  }

  #lost(problem: string): false {
    this.problem = problem;
    return false;
  }

  /** `MESSAGE` when some bytes came. */
  #read(into: Uint8Array, offset: number, length: number): Received {
    const count = this.#socket.receive(into, offset, length, Flags.DONTWAIT);
    if (count > 0) {
      this.#got += count;
      return Received.MESSAGE;
    }
    if (count === -Errno.EAGAIN || count === -Errno.EINTR) return Received.NOTHING;
    if (count === -Errno.EMSGSIZE) return this.#malformed("more descriptors than a message may have");
    this.problem = this.#got > 0 ? "the peer went away in the middle of a message" : "";
    return Received.GONE;
  }

  #begin(): boolean {
    const { message } = this;
    message.request = this.#headerView.getUint32(Header.at.request, true);
    message.flags = this.#headerView.getUint32(Header.at.flags, true);
    message.size = this.#headerView.getUint32(Header.at.size, true);
    if ((message.flags & HeaderFlag.VERSION_MASK) !== VERSION) {
      this.#malformed(`version ${message.flags & HeaderFlag.VERSION_MASK} of the protocol`);
      return false;
    }
    if (message.size > MAX_PAYLOAD) {
      this.#malformed(`a message of ${message.size} bytes`);
      return false;
    }
    return true;
  }

  #malformed(problem: string): typeof Received.MALFORMED {
    this.problem = problem;
    return Received.MALFORMED;
  }
}
