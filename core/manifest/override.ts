/**
 * Overrides: one value of a manifest replaced by path, before the manifest is validated.
 *
 * @module
 */

import { unknownWord, wrong } from "../complaints.ts";
import { type InputError, nearest } from "../errors.ts";
import { type Field, MANIFEST, type Shape } from "./shape.ts";
import { describeValue } from "../options.ts";

const OPTION = "--set";

/** One step of a path: a key, an index, or the id of a list's entry. */
type Step = string | number;

type Entries = Readonly<Record<string, unknown>>;

/**
 * A copy of `manifest` with the value at `path` replaced: `devices[0].with.depth` or `devices.0.with.depth`, or
 * `devices.disk0.with.depth` by id.
 * Objects on the way are made when they are missing, list entries are not.
 *
 * @throws {InputError} naming `--set` when there can be nothing at `path`.
 */
export function overrideManifest(manifest: unknown, path: string, value: unknown): unknown {
  const steps = parsePath(path);
  // What is no object is the validation's to name.
  if (typeof manifest !== "object" || manifest === null) return manifest;
  return new Override(path, value).object(MANIFEST, manifest, steps, false);
}

function parsePath(path: string): Step[] {
  if (!/^[^.[\]=]+(?:\.[^.[\]=]+|\[\d+\])*$/.test(path)) {
    throw wrong({ file: OPTION }, describeValue(path), "a path such as devices.disk0.with.depth");
  }
  return path.match(/[^.[\]]+|\[\d+\]/g)!.map((step) => step.startsWith("[") ? Number(step.slice(1, -1)) : step);
}

class Override {
  constructor(readonly path: string, readonly value: unknown) {}

  object(shape: Shape, found: unknown, steps: Step[], short: boolean | undefined): unknown {
    if (steps.length === 0) return this.value;
    const [key, ...rest] = steps;
    const entries = this.#entries(short && typeof found === "string" ? { use: found } : found);
    if (!Object.hasOwn(shape.fields, key)) {
      throw unknownWord({ file: OPTION, path: this.path }, ["key", String(key)], Object.keys(shape.fields));
    }
    return { ...entries, [key]: this.#field(shape.fields[key], entries[key], rest) };
  }

  #field(field: Field, found: unknown, steps: Step[]): unknown {
    if (steps.length === 0) return this.value;
    if ("object" in field) return this.object(field.object, found, steps, field.short);
    if ("list" in field) return this.#list(field.list, field.short, found, steps);
    return field.value.type === "object"
      ? this.#anything(found, steps)
      : this.#fail("a plain value", "no further path");
  }

  #list(shape: Shape, short: boolean | undefined, found: unknown, [step, ...rest]: Step[]): unknown[] {
    const list = Array.isArray(found) ? found : [];
    const byId = list.findIndex((entry) => entry?.id === step);
    const index = byId < 0 && /^\d+$/.test(String(step)) ? Number(step) : byId;
    if (index < 0 || index >= list.length) throw this.#noEntry(shape, list, step);
    return list.map((entry, i) => i === index ? this.object(shape, entry, rest, short) : entry);
  }

  /** Below `with`: the keys are the plugin's, and it will check them. */
  #anything(found: unknown, [key, ...rest]: Step[]): unknown {
    const inner = (at: unknown) => rest.length === 0 ? this.value : this.#anything(at, rest);
    if (typeof key === "string") {
      const entries = this.#entries(found);
      return { ...entries, [key]: inner(entries[key]) };
    }
    if (!Array.isArray(found) || key >= found.length) this.#fail(`no entry ${key}`, "an index of a list");
    return (found as unknown[]).map((entry, i) => i === key ? inner(entry) : entry);
  }

  #entries(found: unknown): Entries {
    if (found === undefined) return {};
    if (typeof found !== "object" || found === null || Array.isArray(found)) {
      this.#fail(`${describeValue(found)} on the way`, "an object");
    }
    return found as Entries;
  }

  #noEntry(shape: Shape, list: unknown[], step: Step): InputError {
    const ids = list.map((entry) => (entry as { id?: unknown } | null)?.id).filter((id) => typeof id === "string");
    const indices = list.length === 0 ? "no entry: the list is empty" : `an index from 0 to ${list.length - 1}`;
    const found = `no ${shape.what} ${typeof step === "number" ? `number ${step}` : `"${step}"`}`;
    const expected = ids.length === 0 ? indices : `${indices}, or one of ${ids.join(", ")}`;
    const near = typeof step === "string" ? nearest(step, ids as string[]) : undefined;
    return wrong({ file: OPTION, path: this.path }, found, expected, near);
  }

  #fail(found: string, expected: string): never {
    throw wrong({ file: OPTION, path: this.path }, found, expected);
  }
}
