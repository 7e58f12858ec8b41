/**
 * A request as a device sees it: the buffers of one chain, read once into private memory and checked.
 *
 * @module
 */

import { Access, BusStatus, type DevicePort, type PieceVisitor } from "@iova/core";
import type { PrivateCopy } from "./device_words.ts";

const UNTOUCHED: PieceVisitor = { piece: () => {} };

/** Passes pieces of one buffer on as pieces of a longer stream. */
class Shifted implements PieceVisitor {
  base = 0;
  target: PieceVisitor | null = null;

  piece(bytes: Uint8Array, offset: number, length: number, at: number): void {
    this.target!.piece(bytes, offset, length, this.base + at);
  }
}

/**
 * One chain. Its readable buffers form one stream of bytes and its writable ones another: a device does not care how a
 * driver cut them (virtio 1.4 §2.7.4). A queue fills the record, a device uses it until it takes the next chain.
 */
export class Chain {
  /** Which chain it is: what the queue wants back. */
  id = 0;
  /** Buffers: readable ones first. */
  count = 0;
  /** Buffers that the device may read. */
  readable = 0;
  /** Bytes that the device may read. */
  readBytes = 0;
  /** Bytes that the device may write. */
  writeBytes = 0;
  /** What a finished request has written: the contiguous prefix of the writable stream, in bytes. */
  written = 0;
  /** Bus address of a buffer, bits 63:32, signed. */
  readonly hi: Int32Array;
  /** Bits 31:0, signed. */
  readonly lo: Int32Array;
  /** Bytes of a buffer. */
  readonly length: Uint32Array;
  readonly #shifted = new Shifted();

  /** Room for `capacity` buffers. */
  constructor(capacity: number) {
    this.hi = new Int32Array(capacity);
    this.lo = new Int32Array(capacity);
    this.length = new Uint32Array(capacity);
  }

  /** Forgets the buffers. */
  clear(): void {
    this.count = 0;
    this.readable = 0;
    this.readBytes = 0;
    this.writeBytes = 0;
    this.written = 0;
  }

  /** Copies `length` bytes from byte `at` of the readable stream to `into[offset]`. The caller has checked the bounds. */
  read(port: DevicePort, at: number, into: Uint8Array, offset: number, length: number): BusStatus {
    // Most headers are one buffer.
    if (at === 0 && this.length[0] === length) return port.readAt(this.hi[0], this.lo[0], into, offset, length);
    let i = 0;
    for (; at >= this.length[i]; i++) at -= this.length[i];
    for (; length > 0; i++) {
      const part = Math.min(length, this.length[i] - at);
      const status = port.readAt(this.#hi(i, at), (this.lo[i] + at) | 0, into, offset, part);
      if (status !== BusStatus.OK) return status;
      offset += part;
      length -= part;
      at = 0;
    }
    return BusStatus.OK;
  }

  /** Copies the first `length` bytes of the readable stream to the start of `into`. The caller has checked the bounds. */
  readHead(port: DevicePort, into: PrivateCopy, length: number): BusStatus {
    let done = 0;
    for (let i = 0; done < length; i++) {
      const part = Math.min(length - done, this.length[i]);
      const status = into.read(port, this.hi[i], this.lo[i], done, part);
      if (status !== BusStatus.OK) return status;
      done += part;
    }
    return BusStatus.OK;
  }

  /** Copies `length` bytes from `from[offset]` to byte `at` of the writable stream. The caller has checked the bounds. */
  write(port: DevicePort, at: number, from: Uint8Array, offset: number, length: number): BusStatus {
    let i = this.readable;
    for (; at >= this.length[i]; i++) at -= this.length[i];
    for (; length > 0; i++) {
      const part = Math.min(length, this.length[i] - at);
      const status = port.writeAt(this.#hi(i, at), (this.lo[i] + at) | 0, from, offset, part);
      if (status !== BusStatus.OK) return status;
      offset += part;
      length -= part;
      at = 0;
    }
    return BusStatus.OK;
  }

  /** Asks for every address of the chain and moves nothing: what is not translated yet is asked for at once. */
  touch(port: DevicePort): void {
    for (let i = 0; i < this.count; i++) {
      port.visit(this.hi[i], this.lo[i], this.length[i], i < this.readable ? Access.READ : Access.WRITE, UNTOUCHED);
    }
  }

  /** Lends `length` bytes from byte `at` of the readable stream to `visitor`, which counts from `at`. */
  visitRead(port: DevicePort, at: number, length: number, visitor: PieceVisitor): BusStatus {
    return this.#visit(port, 0, at, length, Access.READ, visitor);
  }

  /** Lends `length` bytes from byte `at` of the writable stream to `visitor`, which counts from `at`. */
  visitWrite(port: DevicePort, at: number, length: number, visitor: PieceVisitor): BusStatus {
    return this.#visit(port, this.readable, at, length, Access.WRITE, visitor);
  }

  #visit(port: DevicePort, i: number, at: number, length: number, access: Access, visitor: PieceVisitor): BusStatus {
    const shifted = this.#shifted;
    shifted.base = 0;
    shifted.target = visitor;
    for (; length > 0 && at >= this.length[i]; i++) at -= this.length[i];
    for (; length > 0; i++) {
      const part = Math.min(length, this.length[i] - at);
      const status = port.visit(this.#hi(i, at), (this.lo[i] + at) | 0, part, access, shifted);
      if (status !== BusStatus.OK) return status;
      shifted.base += part;
      length -= part;
      at = 0;
    }
    return BusStatus.OK;
  }

  /** The high half of the address `at` bytes into buffer `i`. */
  #hi(i: number, at: number): number {
    const lo = this.lo[i];
    return ((lo + at) >>> 0) < (lo >>> 0) ? (this.hi[i] + 1) | 0 : this.hi[i];
  }
}
