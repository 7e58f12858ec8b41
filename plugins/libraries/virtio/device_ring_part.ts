/**
 * Access to one part of a ring, which may lie scattered over pages.
 *
 * @module
 */

import type { LeasePiece, LeaseView } from "@iova/core";

/**
 * A part of a ring. Bound to lent views for one call. Where it lies in one piece, 16- and 32-bit accesses are single
 * accesses of aligned typed arrays; otherwise the piece is looked up.
 */
export class RingPart {
  #view: LeaseView = [];
  #half: Uint16Array | null = null;
  #word: Int32Array | null = null;
  #last = 0;

  /** Takes the views lent for this call. Cheap when they are those of the last call. */
  bind(view: LeaseView): void {
    if (view === this.#view) return;
    this.#view = view;
    this.#last = 0;
    const { buffer, byteOffset, length } = view[0].bytes;
    const whole = view.length === 1 && byteOffset % 4 === 0;
    this.#half = whole ? new Uint16Array(buffer, byteOffset, length >> 1) : null;
    this.#word = whole ? new Int32Array(buffer, byteOffset, length >> 2) : null;
  }

  /** The whole part as 32-bit words, little-endian; null when it lies in several pieces. */
  get words(): Int32Array | null {
    return this.#word;
  }

  /** The 16-bit word at byte `offset`, which is even. */
  u16(offset: number): number {
    if (this.#half !== null) return this.#half[offset >> 1];
    const piece = this.#find(offset);
    const at = offset - piece.at;
    if (at + 2 <= piece.bytes.length) return piece.view.getUint16(at, true);
    return piece.bytes[at] | this.#byte(offset + 1) << 8;
  }

  /** The 32-bit word at byte `offset`, a multiple of 4; signed. */
  i32(offset: number): number {
    return this.#word !== null ? this.#word[offset >> 2] : this.u16(offset) | this.u16(offset + 2) << 16;
  }

  /** Stores a 16-bit word. */
  setU16(offset: number, value: number): void {
    if (this.#half !== null) {
      this.#half[offset >> 1] = value;
      return;
    }
    const piece = this.#find(offset);
    const at = offset - piece.at;
    if (at + 2 <= piece.bytes.length) piece.view.setUint16(at, value, true);
    else {
      piece.bytes[at] = value;
      const next = this.#find(offset + 1);
      next.bytes[offset + 1 - next.at] = value >>> 8;
    }
  }

  /** Stores a 32-bit word. */
  setI32(offset: number, value: number): void {
    if (this.#word !== null) {
      this.#word[offset >> 2] = value;
      return;
    }
    this.setU16(offset, value & 0xffff);
    this.setU16(offset + 2, value >>> 16);
  }

  #byte(offset: number): number {
    const piece = this.#find(offset);
    return piece.bytes[offset - piece.at];
  }

  #find(offset: number): LeasePiece {
    const view = this.#view;
    let i = this.#last;
    while (i > 0 && offset < view[i].at) i--;
    while (i + 1 < view.length && offset >= view[i + 1].at) i++;
    this.#last = i;
    return view[i];
  }
}
