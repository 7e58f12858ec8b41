/**
 * The JSON Schema of manifests, options of the bundled plugins included. Draft 7, the newest that the common editors
 * complete from in full.
 *
 * @module
 */

import { type Field, MANIFEST, type Shape } from "../manifest/shape.ts";
import { optionsJsonSchema } from "../options.ts";
import type { Plugin } from "../plugin.ts";

type Schema = Record<string, unknown>;

/** A schema in which `use` completes the names of `plugins` and `with` the options of the one that `use` names. */
export function manifestJsonSchema(plugins: readonly Plugin[]): Schema {
  const definitions: Record<string, Schema> = {};
  const maker = new SchemaMaker(plugins, definitions);
  const manifest = maker.shape(MANIFEST);
  return { $schema: "http://json-schema.org/draft-07/schema#", title: "iova manifest", ...manifest, definitions };
}

class SchemaMaker {
  constructor(readonly plugins: readonly Plugin[], readonly definitions: Record<string, Schema>) {}

  shape(shape: Shape): Schema {
    const entries = Object.entries(shape.fields);
    const required = entries.filter(([, field]) => field.required).map(([key]) => key);
    const bundled = this.plugins.filter(({ kind }) => kind === shape.plugin);
    const properties = Object.fromEntries(entries.map(([key, field]) => [key, this.#field(key, field, shape)]));
    return {
      type: "object",
      additionalProperties: false,
      properties,
      ...(required.length > 0 && { required }),
      ...(bundled.length > 0 && { allOf: bundled.map(withOptions) }),
    };
  }

  #field(key: string, field: Field, { plugin }: Shape): Schema {
    if ("value" in field) {
      const { schema, default: value } = field.value;
      if (key === "use" && plugin !== undefined) return this.#use(schema, plugin);
      return { ...schema, ...(value !== undefined && { default: value }) };
    }
    const { description } = field;
    if ("list" in field) return { description, type: "array", items: this.#entry(field.list, field.short) };
    return { description, ...this.#entry(field.object, field.short) };
  }

  /** The long form, or with `short` a plugin's name alone. */
  #entry(shape: Shape, short: boolean | undefined): Schema {
    const long = this.#reference(shape);
    return short ? { anyOf: [this.#use({}, shape.plugin!), long] } : { allOf: [long] };
  }

  #reference(shape: Shape): Schema {
    if (!Object.hasOwn(this.definitions, shape.what)) {
      this.definitions[shape.what] = {}; // a bridge holds bridges
      this.definitions[shape.what] = this.shape(shape);
    }
    return { $ref: `#/definitions/${shape.what}` };
  }

  #use(schema: Schema, kind: string): Schema {
    const known = this.plugins.filter((plugin) => plugin.kind === kind);
    const names = known.map(({ name, summary }) => ({ const: name, description: summary }));
    return { ...schema, anyOf: [...names, { type: "string", minLength: 1 }] };
  }
}

function withOptions({ name, options }: Plugin): Schema {
  const schema = optionsJsonSchema(options);
  return {
    if: { properties: { use: { const: name } }, required: ["use"] },
    then: { properties: { with: schema }, ...(schema.required !== undefined && { required: ["with"] }) },
  };
}
