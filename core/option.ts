/**
 * Makers of options, used as `option.integer(…)`. What an option *is* stands in `options.ts`.
 *
 * @module
 */

import { formatSize } from "./address.ts";
import type { OptionSpec } from "./options.ts";

/** What every option may say besides its description. */
export interface Common<T> {
  /** The value when it is not given. */
  readonly default?: T;
  /** Whether it must be given. */
  readonly required?: boolean;
}

/** Carries `default` and `required` into the option's type, so that {@linkcode OptionsOf} knows if it can be undefined. */
export type Made<T, C> =
  & OptionSpec<T>
  & (C extends { default: unknown } ? { readonly default: T } : unknown)
  & (C extends { required: true } ? { readonly required: true } : unknown);

/** The values that a number may have. */
export interface Range {
  /** The smallest; default 0. */
  readonly min?: number;
  /** The largest. */
  readonly max?: number;
}

/** What makes one type of option: what help calls it, its JSON Schema, how it is read, and what was expected when not. */
interface Kind<T> {
  readonly type: OptionSpec["type"];
  readonly schema: Record<string, unknown>;
  readonly read: (value: unknown) => T | undefined;
  readonly expected: string;
  readonly range?: string;
}

function make<T, C>(description: string, common: C | undefined, { schema, read, expected, ...kind }: Kind<T>) {
  const readOrSay = (value: unknown) => {
    const result = read(value);
    return result === undefined ? { expected } : { value: result };
  };
  return { description, ...kind, ...common, schema: { description, ...schema }, read: readOrSay } as unknown as Made<
    T,
    C
  >;
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
  const time = Number(match[1]) * { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9 }[match[2]]!;
  return Number.isFinite(time) ? time : undefined;
}

/** A 64-bit address from a non-negative integer or text such as `0x8000_0000`; undefined when it is neither. */
export function parseAddress(value: unknown): bigint | undefined {
  if (typeof value === "bigint") return value >= 0n && value < 1n << 64n ? value : undefined;
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
  if (typeof value !== "string" || !/^(0x_?[0-9a-f][0-9a-f_]*|[0-9][0-9_]*)$/i.test(value)) return undefined;
  const address = BigInt(value.replaceAll("_", ""));
  return address < 1n << 64n ? address : undefined;
}

/** True or false. */
export function boolean<const C extends Common<boolean>>(description: string, common?: C): Made<boolean, C> {
  const read = (value: unknown) => typeof value === "boolean" ? value : undefined;
  return make(description, common, { type: "boolean", schema: { type: "boolean" }, read, expected: "true or false" });
}
/** A whole number within a range; negative ones only if `min` says so. */
export function integer<const C extends Common<number> & Range>(description: string, common?: C): Made<number, C> {
  const range = rangeText(common);
  const maximum = common?.max;
  const schema = { type: "integer", minimum: common?.min ?? 0, ...(maximum !== undefined && { maximum }) };
  const read = (value: unknown) => Number.isSafeInteger(value) ? inRange(value as number, common) : undefined;
  return make(description, common, {
    type: "integer",
    schema,
    read,
    expected: "a whole number" + suffix(range),
    range,
  });
}
/** Any text. */
export function string<const C extends Common<string> & { maxLength?: number }>(
  description: string,
  common?: C,
): Made<string, C> {
  const maxLength = common?.maxLength;
  const range = maxLength === undefined ? undefined : `at most ${maxLength} characters`;
  const schema = { type: "string", ...(range && { maxLength }) };
  const read = (value: unknown) =>
    typeof value === "string" && value.length <= (maxLength ?? Infinity) ? value : undefined;
  return make(description, common, { type: "string", schema, read, expected: "text" + suffix(range), range });
}
/** A file, relative to the manifest. The plugin gets it as written and resolves it with `resolvePath`. */
export function path<const C extends Common<string>>(description: string, common?: C): Made<string, C> {
  const read = (value: unknown) => typeof value === "string" && value !== "" ? value : undefined;
  const schema = { type: "string", minLength: 1 };
  return make(description, common, { type: "path", schema, read, expected: "a file name" });
}
/** A number of bytes: `4096`, `"4KiB"`. */
export function size<const C extends Common<number> & Range>(description: string, common?: C): Made<number, C> {
  const range = rangeText(common, formatSize);
  const schema = { type: ["string", "integer"] };
  const read = (value: unknown) => inRange(parseSize(value), common);
  const expected = 'a size such as 4096 or "4KiB"' + suffix(range);
  return make(description, common, { type: "size", schema, read, expected, range });
}
/** A 64-bit address: `"0x80000000"`. */
export function address<const C extends Common<bigint>>(description: string, common?: C): Made<bigint, C> {
  const schema = { type: ["string", "integer"] };
  const expected = 'an address below 2^64 such as "0x80000000"';
  return make(description, common, { type: "address", schema, read: parseAddress, expected });
}
/** A time: `"10ms"`, or nanoseconds. */
export function duration<const C extends Common<number>>(description: string, common?: C): Made<number, C> {
  const schema = { type: ["string", "number"] };
  const expected = 'a time such as "10ms" or a number of nanoseconds';
  return make(description, common, { type: "duration", schema, read: parseDuration, expected });
}
/** One of a few words. */
export function choice<const T extends string, const C extends Common<NoInfer<T>>>(
  description: string,
  choices: readonly T[],
  common?: C,
): Made<T, C> {
  const range = choices.map((choice) => `"${choice}"`).join(", ");
  const read = (value: unknown) => choices.includes(value as T) ? value as T : undefined;
  const schema = { enum: [...choices] };
  return make(description, common, { type: "choice", schema, read, expected: `one of ${range}`, range });
}
/** Any JSON object, read by the plugin itself. */
export function object<const C extends Common<Record<string, unknown>>>(
  description: string,
  common?: C,
): Made<Record<string, unknown>, C> {
  const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  const read = (value: unknown) => isObject(value) ? value as Record<string, unknown> : undefined;
  return make(description, common, { type: "object", schema: { type: "object" }, read, expected: "an object" });
}
