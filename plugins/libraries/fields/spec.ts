/**
 * What a field table says, and the TypeScript types that follow from it.
 *
 * @module
 */

/** Byte order of a structure: which byte of a word comes first in memory. */
export type Endian = "little" | "big";

/** Bits `high` down to `low` of a word, both inclusive; bit 0 is the least significant, whatever the byte order. */
export type BitRange = readonly [high: number, low: number];

/**
 * Where a field lies.
 *
 * - `at`, `bytes`: whole bytes, `at` counted from the structure's start.
 * - `at`, `bytes`, `bits`: bits of the word that those bytes hold.
 * - `bits` alone: bits of the whole structure taken as one word, as data sheets number 128- and 256-bit entries.
 */
export type Place =
  | { readonly at: number; readonly bytes: number; readonly bits?: BitRange }
  | { readonly bits: BitRange; readonly at?: undefined; readonly bytes?: undefined };

/** A field that carries a value. */
export interface ValueField {
  /** The specification's own name, in the language's casing; unique in its table. */
  readonly name: string;
  /** Who writes it (`driver`, `device`, `firmware`, …). */
  readonly writtenBy?: string;
  /** Who reads it. */
  readonly readBy?: string;
  /** Names of single values. */
  readonly values?: Readonly<Record<string, number>>;
  /** Names of bits, as masks within the field, that may be set together. */
  readonly flags?: Readonly<Record<string, number>>;
  /** A field with a value is not reserved. */
  readonly reserved?: false;
  /** One line for the documentation table. */
  readonly doc: string;
}

/** Bits that must be zero. They have no value: the encoder clears them and the printer flags them when they are set. */
export interface ReservedField {
  /** Marks the field. */
  readonly reserved: true;
  /** For messages. */
  readonly name?: string;
  /** One line for the documentation table. */
  readonly doc?: string;
}

/** One line of a field table. */
export type FieldSpec = Place & (ValueField | ReservedField);

/** A field table. */
export interface StructSpec {
  /** The specification's own name. */
  readonly name: string;
  /** Where the layout is specified: document and section. */
  readonly source: string;
  /** Bytes. */
  readonly size: number;
  /** Byte order of every word in it. */
  readonly endian: Endian;
  /** In the order in which they are printed. Every bit belongs to exactly one field. */
  readonly fields: readonly FieldSpec[];
}

/** A tuple of `N` zeros: how TypeScript's types subtract. */
export type Zeros<N extends number, T extends 0[] = []> = T["length"] extends N ? T : Zeros<N, [...T, 0]>;

/** `bigint` when bits `H` … `L` are more than 32, else `number`. */
export type OfBits<H extends number, L extends number> = number extends H | L ? number | bigint
  : Zeros<H> extends [...Zeros<L>, ...Zeros<32>, ...0[]] ? bigint
  : number;

/** `bigint` when `N` bytes are more than 32 bits, else `number`. */
export type OfBytes<N extends number> = number extends N ? number | bigint : N extends 1 | 2 | 3 | 4 ? number : bigint;

/** The TypeScript type of a field's value: `number` up to 32 bits, `bigint` above. */
export type FieldNumber<F> = F extends { readonly bits: readonly [infer H extends number, infer L extends number] }
  ? OfBits<H, L>
  : F extends { readonly bytes: infer N extends number } ? OfBytes<N>
  : number | bigint;

/** Any field's value. */
export type FieldValue = number | bigint;

/** The values of a structure, by field name; reserved fields have none. */
export type ValuesOf<S extends StructSpec> = {
  -readonly [F in Exclude<S["fields"][number], { readonly reserved: true }> as F["name"]]: FieldNumber<F>;
};
