/**
 * A fast 64-bit checksum of a block of guest memory, to tell whether it is what it was. It is no defence against somebody
 * who wants two blocks to look alike.
 *
 * @module
 */

/** The checksum, in two signed 32-bit halves that the next call overwrites: on data paths nothing is allocated. */
export class BlockHash {
  /** Bits 63:32, signed. */
  hi = 0;
  /** Bits 31:0, signed. */
  lo = 0;

  /** Takes `length` bytes, a multiple of 4, at `offset` of `view`. */
  of(view: DataView, offset: number, length: number): this {
    let a = length;
    let b = ~length;
    for (let at = offset, end = offset + length; at < end; at += 4) {
      const word = view.getInt32(at, true);
      // Two multiplications with different odd constants; the rotations carry high bits back down.
      a = Math.imul(a ^ word, 0x85ebca6b);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b + word | 0, 0xc2b2ae35 | 0);
      b = (b << 17) | (b >>> 15);
    }
    this.hi = mix(a ^ b);
    this.lo = mix(b);
    return this;
  }

  /** The checksum as 16 hexadecimal digits (allocates). */
  toString(): string {
    const half = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
    return half(this.hi) + half(this.lo);
  }
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return value ^ (value >>> 16);
}
