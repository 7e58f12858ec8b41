/**
 * Private copies of small structures in guest memory, moved a word at a time.
 *
 * @module
 */

import { Access, type BusStatus, type DevicePort, type PieceVisitor } from "@iova/core";

/** Pieces longer than this are moved as a whole: the view that it takes costs more than moving fewer words does. */
const LARGE = 2048;

/** Byte offsets up to here can be shifted as 32 bits. */
const LAST_SHIFTED = 0xffff_fffc;

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
    if (length > LARGE) return this.bytes.set(bytes.subarray(offset, offset + length), to);
    const { words } = this;
    const lent = this.#lentWords;
    let done = 0;
    // Shifts, not divisions: indices stay small integers.
    if (lent !== null && ((offset | to) & 3) === 0 && offset <= LAST_SHIFTED) {
      const from = offset >>> 2;
      const into = to >>> 2;
      const count = length >>> 2;
      for (let i = 0; i < count; i++) words[into + i] = lent[from + i];
      done = length & ~3;
    }
    for (; done < length; done++) this.bytes[to + done] = bytes[offset + done];
  }

  #bind(bytes: Uint8Array): void {
    this.#lent = bytes;
    this.#lentWords = bytes.byteOffset % 4 === 0
      ? new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
      : null;
  }
}

const NONE = new Uint8Array(0);
