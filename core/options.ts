/**
 * Option schemas: one declaration gives the TypeScript type, validation, help and JSON Schema.
 *
 * ```ts
 * import { option, type OptionsOf } from "@iova/core";
 *
 * const options = {
 *   image: option.path("The disk image.", { required: true }),
 *   depth: option.integer("Requests in flight.", { default: 32, min: 1, max: 256 }),
 * } as const;
 * type Options = OptionsOf<typeof options>; // { readonly image: string; readonly depth: number }
 * ```
 *
 * @module
 */

import { formatAddress } from "./address.ts";
import { unknownWord, wrong } from "./complaints.ts";

export * as option from "./option.ts";
export { parseAddress, parseDuration, parseSize } from "./option.ts";

/** One option: how to read it, and how to describe it. `T` is the type of the value that the plugin gets. */
export interface OptionSpec<T = unknown> {
  /** The type, as help prints it. */
  readonly type: "boolean" | "integer" | "string" | "path" | "size" | "address" | "duration" | "choice" | "object";
  /** One line. */
  readonly description: string;
  /** The value when it is not given; with neither default nor `required` it is undefined. */
  readonly default?: T;
  /** Whether it must be given. */
  readonly required?: boolean;
  /** The range or the choices, as help prints them. */
  readonly range?: string;
  /** Turns what stood in the manifest into the value, or returns what was expected instead. */
  read(value: unknown): { value: T } | { expected: string };
  /** A JSON Schema for what may stand in a manifest. */
  readonly schema: Record<string, unknown>;
}

/** The options of a plugin, by name. */
export type OptionSchema = Readonly<Record<string, OptionSpec>>;

/** The values that a plugin with schema `S` gets. */
export type OptionsOf<S extends OptionSchema> = {
  readonly [K in keyof S]: S[K] extends OptionSpec<infer T>
    ? S[K] extends { readonly default: unknown } | { readonly required: true } ? T : T | undefined
    : never;
};

/** What a value looks like in a message: JSON, shortened, with its type when that is not plain. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return formatAddress(value);
  const plain = (_key: string, inner: unknown) => typeof inner === "bigint" ? formatAddress(inner) : inner;
  const text = typeof value === "function" ? "a function" : JSON.stringify(value, plain) ?? String(value);
  return text.length > 60 ? text.slice(0, 57) + "..." : text;
}

/**
 * Reads `values` by `schema`: defaults filled in, everything checked.
 *
 * @throws {InputError} naming `file`, the JSON path below `path`, what was found and what was expected.
 */
export function readOptions<const S extends OptionSchema>(
  schema: S,
  values: unknown,
  where: { file: string; path: string },
): OptionsOf<S> {
  if (values !== undefined && (typeof values !== "object" || values === null || Array.isArray(values))) {
    throw wrong(where, describeValue(values), "an object of options");
  }
  const given = (values ?? {}) as Record<string, unknown>;
  const at = (key: string) => ({ file: where.file, path: `${where.path}.${key}` });
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(schema, key)) throw unknownWord(at(key), ["option", key], Object.keys(schema), "no options");
  }
  const result: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(schema)) {
    if (given[key] === undefined) {
      if (spec.required) throw wrong(at(key), "nothing", spec.description);
      result[key] = spec.default;
      continue;
    }
    const read = spec.read(given[key]);
    if ("expected" in read) throw wrong(at(key), describeValue(given[key]), read.expected);
    result[key] = read.value;
  }
  return result as OptionsOf<S>;
}

/** The JSON Schema of a plugin's options. */
export function optionsJsonSchema(schema: OptionSchema): Record<string, unknown> {
  const entries = Object.entries(schema);
  return {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(entries.map(([name, spec]) => [name, {
      ...spec.schema,
      ...(spec.default !== undefined &&
        { default: typeof spec.default === "bigint" ? formatAddress(spec.default) : spec.default }),
    }])),
    ...(entries.some(([, spec]) => spec.required) && {
      required: entries.filter(([, spec]) => spec.required).map(([name]) => name),
    }),
  };
}
