/**
 * Structures made from field tables.
 *
 * @module
 */

import { type PlacedField, placeFields } from "./place.ts";
import { formatStruct, structTable } from "./print.ts";
import type { FieldValue, StructSpec, ValuesOf } from "./spec.ts";
import { readWord, writeWord } from "./word.ts";

/** Plain numbers by field name, for hot paths. */
export type Numbers<V> = { readonly [K in keyof V]: number };

/**
 * A structure. `V` is the type of its values: `number` for fields of at most 32 bits, `bigint` for wider ones.
 *
 * `at`, `shift`, `mask` and `maskHigh` say how to reach a field with plain loads. For a field of whole bytes `at` is its
 * first byte. For a field of bits `at` is the word that holds them, or, in a word of more than 4 bytes, the 32-bit part
 * that holds the field's lowest bit.
 */
export interface Struct<V = Record<string, FieldValue>> {
  /** The table that it was made from. */
  readonly spec: StructSpec;
  /** The specification's name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Byte offset of each field from the structure's start. */
  readonly at: Numbers<V>;
  /** Width of each field in bits. */
  readonly width: Numbers<V>;
  /** Position of each field's lowest bit in the 32 bits (or fewer) at `at`. */
  readonly shift: Numbers<V>;
  /** The field's bits in the 32 bits (or fewer) at `at`, in place: unsigned. */
  readonly mask: Numbers<V>;
  /** The field's bits in the next more significant 32 bits, in place; 0 when it ends before. */
  readonly maskHigh: Numbers<V>;
  /**
   * The bytes for `values`; fields that are not given and reserved bits are zero. The result is the caller's.
   *
   * @throws {RangeError} when a name is unknown or a value does not fit its field.
   */
  encode(values: Partial<V>): Uint8Array<ArrayBuffer>;
  /**
   * The values in the first {@linkcode Struct.size} bytes.
   *
   * @throws {RangeError} when there are fewer bytes.
   */
  decode(bytes: Uint8Array): V;
  /** One line for each field, with the names of values; reserved bits that are set are flagged. */
  format(bytes: Uint8Array): string;
  /** The documentation table in Markdown. */
  table(): string;
}

/**
 * Makes a structure from its field table. The type of its values follows from the table; an explicit
 * `Struct<{ len: number }>` on the constant is checked against it.
 *
 * @throws {RangeError} when fields overlap, lie outside, or leave bits that belong to none: gaps are declared reserved.
 */
export function defineStruct<const S extends StructSpec>(spec: S): Struct<ValuesOf<S>> {
  const fields = placeFields(spec);
  const valued = fields.filter((field) => !field.reserved);
  const numbers = (of: (field: PlacedField) => number) =>
    Object.fromEntries(valued.map((field) => [field.name, of(field)])) as Numbers<ValuesOf<S>>;
  return {
    spec,
    name: spec.name,
    size: spec.size,
    at: numbers((field) => field.unitAt),
    width: numbers((field) => field.width),
    shift: numbers((field) => field.shift),
    mask: numbers((field) => field.mask),
    maskHigh: numbers((field) => field.maskHigh),
    encode: (values) => encode(spec, valued, values as Record<string, FieldValue>),
    decode: (bytes) => decode(spec, valued, bytes) as ValuesOf<S>,
    format: (bytes) => formatStruct(spec, fields, bytes),
    table: () => structTable(spec, fields),
  };
}

function encode(spec: StructSpec, fields: PlacedField[], values: Record<string, FieldValue>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(spec.size);
  for (const name of Object.keys(values)) {
    if (!fields.some((field) => field.name === name)) throw new RangeError(`${spec.name} has no field "${name}"`);
  }
  for (const field of fields) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (
      value < 0 || (typeof value === "number" && !Number.isSafeInteger(value)) || BigInt(value) >> BigInt(field.width)
    ) {
      throw new RangeError(`${spec.name}.${field.name}: ${value} does not fit ${field.width} bits`);
    }
    const word = readWord(bytes, field.wordAt, field.wordBytes, spec.endian);
    writeWord(bytes, field.wordAt, field.wordBytes, spec.endian, word | BigInt(value) << BigInt(field.low));
  }
  return bytes;
}

function decode(spec: StructSpec, fields: PlacedField[], bytes: Uint8Array): Record<string, FieldValue> {
  if (bytes.length < spec.size) throw new RangeError(`${spec.name} is ${spec.size} bytes, not ${bytes.length}`);
  return Object.fromEntries(fields.map((field) => {
    const value = field.read(bytes);
    return [field.name, field.width <= 32 ? Number(value) : value];
  }));
}
