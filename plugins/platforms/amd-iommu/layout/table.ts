/**
 * Short hands for field tables of whole words, and masks that follow from a table.
 *
 * @module
 */

import type { Struct } from "@iova/fields";

/** A field of bits `high` … `low` of the structure taken as one little-endian word. */
export function field<const N extends string, const H extends number, const L extends number>(
  name: N,
  high: H,
  low: L,
  doc: string,
): { readonly name: N; readonly bits: readonly [H, L]; readonly doc: string } {
  return { name, bits: [high, low], doc };
}

/** Bits that must be zero. */
export function reserved(
  high: number,
  low: number,
): { readonly bits: readonly [number, number]; readonly reserved: true } {
  return { bits: [high, low], reserved: true };
}

/**
 * A mask of the structure as signed 32-bit words, lowest first: the bits of the fields called `names`, or of all fields
 * with a value when no names are given.
 */
export function maskOf<V>(struct: Struct<V>, names?: readonly (keyof V)[]): Int32Array {
  const words = new Int32Array(Math.ceil(struct.size / 4));
  for (const name of names ?? Object.keys(struct.at) as (keyof V)[]) {
    const word = struct.at[name] >> 2;
    const shift = (struct.at[name] & 3) * 8;
    words[word] |= struct.mask[name] << shift;
    if (struct.width[name] > 32 - struct.shift[name]) words[word + 1] |= struct.maskHigh[name];
    if (struct.width[name] > 64 - struct.shift[name]) throw new RangeError(`${struct.name}: a field over three words`);
  }
  return words;
}

/** The reserved bits of a structure as signed 32-bit words, lowest first. */
export function reservedMaskOf<V>(struct: Struct<V>): Int32Array {
  return maskOf(struct).map((word) => ~word);
}
