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

import { formatAddress, formatSize } from "./address.ts";
import { InputError, nearest } from "./errors.ts";

/** One option: how to read it, and how to describe it. `T` is the type of the value that the plugin gets. */
export interface OptionSpec<T = unknown> {
  /** The type, as help prints it. */
  readonly type: "boolean" | "integer" | "string" | "path" | "size" | "address" | "duration" | "choice" | "object";
  readonly description: string;
  /** The value when it is not given; with neither default nor `required` it is undefined. */
  readonly default?: T;
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

/** What every option may say besides its description. */
interface Common<T> {
  readonly default?: T;
  readonly required?: boolean;
}

/** Carries `default` and `required` into the option's type, so that {@linkcode OptionsOf} knows if it can be undefined. */
type Made<T, C> =
  & OptionSpec<T>
  & (C extends { default: unknown } ? { readonly default: T } : unknown)
  & (C extends { required: true } ? { readonly required: true } : unknown);

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function make<T, C>(
  type: OptionSpec["type"],
  description: string,
  common: C | undefined,
  schema: Record<string, unknown>,
  read: (value: unknown) => T | undefined,
  expected: string,
  range?: string,
): Made<T, C> {
  return {
    type,
    description,
    range,
    ...(common as Common<T> | undefined),
    schema: { description, ...schema },
    read: (value: unknown) => {
      const result = read(value);
      return result === undefined ? { expected } : { value: result };
    },
  } as unknown as Made<T, C>;
}

function inRange(value: number | undefined, range: Range = {}): number | undefined {
  if (value === undefined || value < (range.min ?? 0) || value > (range.max ?? Number.MAX_SAFE_INTEGER)) {
    return undefined;
  }
  return value;
}

function rangeText(range: Range = {}, format: (value: number) => string = String): string | undefined {
  if (range.min === undefined && range.max === undefined) return undefined;
  if (range.max === undefined) return `at least ${format(range.min!)}`;
  return `${format(range.min ?? 0)} to ${format(range.max)}`;
}

function suffix(text: string | undefined): string {
  return text === undefined ? "" : `, ${text}`;
}

/** Bytes from a number or from text such as `64MiB`, `2 KiB`, `0x1000`; undefined when it is neither. */
export function parseSize(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^(0x[0-9a-f]+|\d+(?:\.\d+)?)\s*(?:([kmgt])i?b?|b|bytes)?$/i.exec(value.trim());
  if (match === null) return undefined;
  const scale = 1024 ** (" kmgt".indexOf((match[2] ?? " ").toLowerCase()));
  const bytes = Number(match[1]) * scale;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Nanoseconds from a number or from text such as `10ms`, `5us`; undefined when it is neither. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === "number") return value >= 0 && Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)$/.exec(value.trim());
  if (match === null) return undefined;
  return Number(match[1]) * { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9 }[match[2]]!;
}

/** A 64-bit address from a non-negative integer or a string such as `0x8000_0000`; undefined when it is neither. */
export function parseAddress(value: unknown): bigint | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
  if (typeof value !== "string" || !/^(0x[0-9a-f_]+|[0-9_]+)$/i.test(value)) return undefined;
  const address = BigInt(value.replaceAll("_", ""));
  return address < 1n << 64n ? address : undefined;
}

/** Makers of options. */
export const option = {
  /** True or false. */
  boolean<const C extends Common<boolean>>(description: string, common?: C): Made<boolean, C> {
    return make(
      "boolean",
      description,
      common,
      { type: "boolean" },
      (value) => typeof value === "boolean" ? value : undefined,
      "true or false",
    );
  },
  /** A whole number within a range; negative ones only if `min` says so. */
  integer<const C extends Common<number> & Range>(description: string, common?: C): Made<number, C> {
    const text = rangeText(common);
    const schema = {
      type: "integer",
      minimum: common?.min ?? 0,
      ...(common?.max !== undefined && { maximum: common.max }),
    };
    return make(
      "integer",
      description,
      common,
      schema,
      (value) => Number.isSafeInteger(value) ? inRange(value as number, common) : undefined,
      "a whole number" + suffix(text),
      text,
    );
  },
  /** Any text. */
  string<const C extends Common<string> & { maxLength?: number }>(description: string, common?: C): Made<string, C> {
    const limit = common?.maxLength ?? Infinity;
    const text = limit === Infinity ? undefined : `at most ${limit} characters`;
    return make(
      "string",
      description,
      common,
      { type: "string", ...(text && { maxLength: limit }) },
      (value) => typeof value === "string" && value.length <= limit ? value : undefined,
      "text" + suffix(text),
      text,
    );
  },
  /** A file, relative to the manifest. The plugin gets it as written and resolves it with `resolvePath`. */
  path<const C extends Common<string>>(description: string, common?: C): Made<string, C> {
    return make(
      "path",
      description,
      common,
      { type: "string", minLength: 1 },
      (value) => typeof value === "string" && value !== "" ? value : undefined,
      "a file name",
    );
  },
  /** A number of bytes: `4096`, `"4KiB"`. */
  size<const C extends Common<number> & Range>(description: string, common?: C): Made<number, C> {
    const text = rangeText(common, formatSize);
    return make(
      "size",
      description,
      common,
      { type: ["string", "integer"] },
      (value) => inRange(parseSize(value), common),
      'a size such as 4096 or "4KiB"' + suffix(text),
      text,
    );
  },
  /** A 64-bit address: `"0x80000000"`. */
  address<const C extends Common<bigint>>(description: string, common?: C): Made<bigint, C> {
    return make(
      "address",
      description,
      common,
      { type: ["string", "integer"] },
      parseAddress,
      'an address below 2^64 such as "0x80000000"',
    );
  },
  /** A time: `"10ms"`, or nanoseconds. */
  duration<const C extends Common<number>>(description: string, common?: C): Made<number, C> {
    return make(
      "duration",
      description,
      common,
      { type: ["string", "number"] },
      parseDuration,
      'a time such as "10ms" or a number of nanoseconds',
    );
  },
  /** One of a few words. */
  choice<const T extends string, const C extends Common<NoInfer<T>>>(
    description: string,
    choices: readonly T[],
    common?: C,
  ): Made<T, C> {
    const text = choices.map((choice) => `"${choice}"`).join(", ");
    return make(
      "choice",
      description,
      common,
      { enum: [...choices] },
      (value) => choices.includes(value as T) ? value as T : undefined,
      `one of ${text}`,
      text,
    );
  },
  /** Any JSON object, read by the plugin itself. */
  object<const C extends Common<Record<string, unknown>>>(
    description: string,
    common?: C,
  ): Made<Record<string, unknown>, C> {
    return make(
      "object",
      description,
      common,
      { type: "object" },
      (value) =>
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? value as Record<string, unknown>
          : undefined,
      "an object",
    );
  },
};

/** What a value looks like in a message: JSON, shortened, with its type when that is not plain. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return formatAddress(value);
  const text = typeof value === "function" ? "a function" : JSON.stringify(value) ?? String(value);
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
    throw new InputError({ ...where, found: describeValue(values), expected: "an object of options" });
  }
  const given = (values ?? {}) as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(schema, key)) {
      const known = Object.keys(schema);
      throw new InputError({
        file: where.file,
        path: `${where.path}.${key}`,
        found: `unknown option "${key}"`,
        expected: known.length === 0 ? "no options" : `one of ${known.join(", ")}`,
        nearest: nearest(key, known),
      });
    }
  }
  const result: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(schema)) {
    const path = `${where.path}.${key}`;
    if (given[key] === undefined) {
      if (spec.required) throw new InputError({ file: where.file, path, found: "nothing", expected: spec.description });
      result[key] = spec.default;
      continue;
    }
    const read = spec.read(given[key]);
    if ("expected" in read) {
      throw new InputError({ file: where.file, path, found: describeValue(given[key]), expected: read.expected });
    }
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
