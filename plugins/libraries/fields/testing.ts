/**
 * The check of golden vectors, for tests of any plugin. A vector file is written by hand from the specification; bytes
 * that were printed by the encoder would only show that the code agrees with itself.
 *
 * ```ts
 * import { defineStruct } from "@iova/fields";
 * import { checkVectors } from "@iova/fields/testing";
 *
 * const Prd = defineStruct({
 *   name: "PRD",
 *   source: "SFF-8038i §1.2",
 *   size: 8,
 *   endian: "little",
 *   fields: [
 *     { name: "base", at: 0, bytes: 4, doc: "Physical address." },
 *     { name: "count", at: 4, bytes: 2, doc: "Bytes; 0 is 64 KiB." },
 *     { at: 6, bytes: 2, bits: [14, 0], reserved: true },
 *     { name: "eot", at: 6, bytes: 2, bits: [15, 15], doc: "Last entry." },
 *   ],
 * });
 * checkVectors(Prd, {
 *   struct: "PRD",
 *   source: "SFF-8038i §1.2",
 *   vectors: [{ name: "last, 512 bytes", fields: { base: 0x12340, count: 512, eot: 1 }, bytes: "40230100 0002 0080" }],
 * });
 * ```
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { FieldValue, Struct } from "./mod.ts";

/** Golden vectors of one structure, as they stand in `vectors/*.json`. */
export interface VectorFile {
  /** {@linkcode Struct.name}. */
  struct: string;
  /** Where the bytes come from: document and section, or a measured machine. */
  source: string;
  /** The vectors; together they give every field a value other than zero. */
  vectors: Vector[];
}

/** One golden vector. */
export interface Vector {
  /** What it shows. */
  name: string;
  /** Values by field name; those left out are zero. Text is for values above 2^53 and for hexadecimal: `"0x1f"`. */
  fields: Record<string, number | string | undefined>;
  /** The structure's bytes in memory order, in hexadecimal; spaces are for the reader. */
  bytes: string;
}

/** Bytes from hexadecimal text; spaces are ignored. @throws {RangeError} when it is something else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new RangeError(`not hexadecimal bytes: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Hexadecimal text, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Checks encoder and decoder of `struct` against golden vectors. Each field must be non-zero in some vector: one that
 * never is could lie anywhere.
 *
 * @throws {AssertionError} naming the vector that disagrees.
 */
export function checkVectors<V>(struct: Struct<V>, file: VectorFile): void {
  assertEquals(file.struct, struct.name, "the vectors are of another structure");
  for (const vector of file.vectors) checkVector(struct, vector);
  for (const field of Object.keys(struct.at)) {
    const used = file.vectors.some(({ fields }) => BigInt(fields[field] ?? 0) !== 0n);
    assert(used, `${struct.name}: no vector has a non-zero "${field}"`);
  }
}

function checkVector<V>(struct: Struct<V>, vector: Vector): void {
  const widths = struct.width as Record<string, number>;
  const message = `${struct.name}: ${vector.name}`;
  const expected: Record<string, FieldValue> = {};
  for (const [name, width] of Object.entries(widths)) {
    const value = vector.fields[name] ?? 0;
    expected[name] = width <= 32 ? Number(value) : BigInt(value);
  }
  const unknown = Object.keys(vector.fields).filter((name) => !(name in widths));
  assertEquals(unknown, [], `${message}: unknown fields`);
  const bytes = fromHex(vector.bytes);
  assertEquals(bytes.length, struct.size, `${message}: bytes in the vector`);
  assertEquals(toHex(struct.encode(expected as Partial<V>)), toHex(bytes), `${message}: encode`);
  assertEquals(struct.decode(bytes) as Record<string, FieldValue>, expected, `${message}: decode`);
}
