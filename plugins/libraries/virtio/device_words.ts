/**
 * Private copies of small structures in guest memory, moved a word at a time.
 *
 * @module
 */

import { Access, type BusStatus, type DevicePort, type PieceVisitor } from "@iova/core";

/** A private copy. What stands in it is read once from guest memory and belongs to the device. */
export class PrivateCopy implements PieceVisitor {
  /** The copy. */
  readonly bytes: Uint8Array;
  /** The same bytes as 32-bit words, little-endian. */
  readonly words: Int32Array;
  // Views of the bytes that were lent last. They are used during a call only, and made again for other bytes.
  #lent: Uint8Array = NONE;
  #lentWords: Int32Array | null = null;
  #at = 0;

  /** Room for `size` bytes, a multiple of 4. */
  constructor(size: number) {
    this.words = new Int32Array(size / 4);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Reads `length` bytes at a bus address into the copy from byte `at` on. */
  read(port: DevicePort, hi: number, lo: number, at: number, length: number): BusStatus {
    this.#at = at;
    return port.visit(hi, lo, length, Access.READ, this);
  }

  /** See `PieceVisitor`. */
  piece(bytes: Uint8Array, offset: number, length: number, at: number): void {
    if (bytes !== this.#lent) this.#bind(bytes);
    const to = this.#at + at;
    const { words } = this;
    const lent = this.#lentWords;
    if (lent !== null && ((offset | length | to) & 3) === 0) {
      const shift = (offset - to) / 4;
      for (let i = to / 4, end = (to + length) / 4; i < end; i++) words[i] = lent[i + shift];
    } else {
      for (let i = 0; i < length; i++) this.bytes[to + i] = bytes[offset + i];
    }
  }

  #bind(bytes: Uint8Array): void {
    this.#lent = bytes;
    this.#lentWords = bytes.byteOffset % 4 === 0
      ? new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
      : null;
  }
}

const NONE = new Uint8Array(0);
