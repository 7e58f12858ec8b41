/**
 * QEMU's framing on a stream socket (net/stream.c, net/socket.c): the frame's length as 32 bits, high byte first, and then
 * the frame.
 *
 * @module
 */

import { MAX_FRAME } from "./frame.ts";

/** Bytes of a length. */
export const LENGTH_SIZE = 4;

/** The bytes that carry a frame of `length` bytes. */
export function encodeStream(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(LENGTH_SIZE + length);
  new DataView(out.buffer).setUint32(0, length);
  out.set(bytes.subarray(0, length), LENGTH_SIZE);
  return out;
}

/** Takes a stream apart that comes in pieces of any size. It holds one frame at most. */
export class StreamDecoder {
  /** The peer said that a frame is longer than any: nothing that follows can be understood. */
  broken = false;
  /** The frame that {@linkcode StreamDecoder.next} found; valid until the next call. */
  readonly frame: Uint8Array = new Uint8Array(MAX_FRAME);
  /** Its length. */
  length = 0;
  readonly #size = new Uint8Array(LENGTH_SIZE);
  #have = 0;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** Gives it the next piece, which it reads until {@linkcode StreamDecoder.next} returns false. */
  feed(piece: Uint8Array): void {
    this.#piece = piece;
    this.#at = 0;
  }

  /** Finds the next frame that is complete. */
  next(): boolean {
    while (!this.broken && this.#at < this.#piece.length) {
      if (this.#have < LENGTH_SIZE) this.#takeLength();
      if (this.broken || this.#have < LENGTH_SIZE) continue;
      const missing = LENGTH_SIZE + this.length - this.#have;
      const part = Math.min(missing, this.#piece.length - this.#at);
      this.frame.set(this.#piece.subarray(this.#at, this.#at + part), this.#have - LENGTH_SIZE);
      this.#at += part;
      this.#have += part;
      if (part < missing) return false;
      this.#have = 0;
      return true;
    }
    return false;
  }

  #takeLength(): void {
    this.#size[this.#have++] = this.#piece[this.#at++];
    if (this.#have < LENGTH_SIZE) return;
    this.length = new DataView(this.#size.buffer).getUint32(0);
    // QEMU takes an empty frame for the end of the stream's sense, too.
    this.broken = this.length === 0 || this.length > MAX_FRAME;
  }
}
