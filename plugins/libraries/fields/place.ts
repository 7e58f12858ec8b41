/**
 * Where every field of a table lies, checked: no overlap, nothing outside, no gap.
 *
 * @module
 */

import type { FieldSpec, StructSpec } from "./spec.ts";
import { byteIndex, readWord } from "./word.ts";

/** A field at its place. */
export interface PlacedField {
  readonly spec: FieldSpec;
  readonly name: string;
  readonly reserved: boolean;
  /** The word that the field is part of: first byte, number of bytes. */
  readonly wordAt: number;
  readonly wordBytes: number;
  /** Lowest bit in the word, and number of bits. */
  readonly low: number;
  readonly width: number;
  /** The load that reaches the field's lowest bit. See `Struct`. */
  readonly unitAt: number;
  readonly shift: number;
  readonly mask: number;
  readonly maskHigh: number;
  /** The field's value in a structure's bytes. */
  read(bytes: Uint8Array): bigint;
}

/** Places every field. @throws {RangeError} when the table is not a partition of the structure's bits. */
export function placeFields(spec: StructSpec): PlacedField[] {
  const fields = spec.fields.map((field, index) => place(spec, field, index));
  const owners = new Array<string | undefined>(spec.size * 8);
  for (const field of fields) claimBits(spec, field, owners);
  const gap = owners.findIndex((owner) => owner === undefined);
  if (gap >= 0) {
    throw new RangeError(`${spec.name}: bit ${gap & 7} of byte ${gap >> 3} belongs to no field; declare it reserved`);
  }
  const names = fields.filter((field) => !field.reserved).map((field) => field.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`${spec.name}: two fields are called "${twice}"`);
  return fields;
}

function place(struct: StructSpec, spec: FieldSpec, index: number): PlacedField {
  const { at: wordAt = 0, bytes: wordBytes = struct.size, bits: [high, low] = [wordBytes * 8 - 1, 0] } = spec;
  const name = spec.name ?? `reserved (field ${index})`;
  const sane = [wordAt, wordBytes, high, low].every((n) => Number.isSafeInteger(n) && n >= 0) &&
    wordBytes > 0 && wordAt + wordBytes <= struct.size && low <= high && high < wordBytes * 8;
  if (!sane) {
    throw new RangeError(`${struct.name}.${name} lies outside its word or the structure of ${struct.size} bytes`);
  }
  const width = high - low + 1;
  const wide = spec.bits !== undefined && wordBytes > 4;
  const unit = wide ? Math.floor(low / 32) : 0;
  const shift = low - unit * 32;
  return {
    spec,
    name,
    reserved: spec.reserved === true,
    wordAt,
    wordBytes,
    low,
    width,
    unitAt: !wide ? wordAt : struct.endian === "little" ? wordAt + unit * 4 : wordAt + wordBytes - 4 - unit * 4,
    shift,
    mask: maskOf(width, shift),
    maskHigh: maskOf(width - (32 - shift), 0),
    read: (bytes) => readWord(bytes, wordAt, wordBytes, struct.endian) >> BigInt(low) & ((1n << BigInt(width)) - 1n),
  };
}

/** `width` ones from bit `shift` on, as far as they lie in 32 bits; unsigned. */
function maskOf(width: number, shift: number): number {
  const ones = Math.min(Math.max(width, 0), 32 - shift);
  return (2 ** ones - 1) * 2 ** shift;
}

function claimBits(struct: StructSpec, field: PlacedField, owners: (string | undefined)[]): void {
  for (let bit = field.low; bit < field.low + field.width; bit++) {
    const byte = byteIndex(field.wordAt, field.wordBytes, struct.endian, bit >> 3);
    const owner = owners[byte * 8 + (bit & 7)];
    if (owner !== undefined) throw new RangeError(`${struct.name}: "${field.name}" overlaps "${owner}"`);
    owners[byte * 8 + (bit & 7)] = field.name;
  }
}
