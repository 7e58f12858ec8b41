/**
 * The shape of a manifest, as one declarative table: validation, `--set` and the JSON Schema are read off it.
 *
 * @module
 */

import { option, type OptionSpec, parseSize } from "../options.ts";
import { PAGE_SIZE } from "../address.ts";
import type { PluginKind } from "../plugin.ts";

/** An object of a manifest. */
export interface Shape {
  /** What messages call it; also its name in the JSON Schema. */
  readonly what: string;
  /** The kind of plugin that its `use` names; absent when it has no `use`. */
  readonly plugin?: PluginKind;
  readonly fields: Readonly<Record<string, Field>>;
}

/** What may stand at one key. */
export type Field =
  | { readonly value: OptionSpec; readonly required?: boolean }
  | { readonly object: Shape; readonly description: string; readonly short?: boolean; readonly required?: boolean }
  | { readonly list: Shape; readonly description: string; readonly short?: boolean; readonly required?: boolean };

function spec(
  description: string,
  schema: Record<string, unknown>,
  expected: string,
  test: (value: unknown) => boolean,
): OptionSpec {
  return {
    type: "string",
    description,
    schema: { description, ...schema },
    read: (value) => test(value) ? { value } : { expected },
  };
}

function name(description: string): Field {
  // deno-lint-ignore no-control-regex
  const plain = /^[^\x00-\x1f\x7f]{1,64}$/;
  return {
    value: spec(
      description,
      { type: "string", minLength: 1, maxLength: 64 },
      "a name of 1 to 64 characters",
      (value) => typeof value === "string" && value.trim() === value && plain.test(value),
    ),
  };
}

function text(description: string): Field {
  return {
    value: spec(
      description,
      { type: "string", minLength: 1 },
      "text that is not empty",
      (value) => typeof value === "string" && value.trim() !== "",
    ),
  };
}

function flag(description: string): Field {
  return { value: option.boolean(description) };
}

/** The keys of whatever names a plugin. */
function plugged(kind: PluginKind): Record<"use" | "with" | "sha256", Field> {
  const hex = "64 hexadecimal digits";
  const isHash = (value: unknown) => typeof value === "string" && /^[0-9a-f]{64}$/i.test(value);
  return {
    use: {
      required: true,
      ...text(
        `The ${kind} plugin: a bundled name, or any specifier that Deno can import; a path is relative to the manifest.`,
      ),
    },
    with: { value: option.object("The plugin's options.") },
    sha256: {
      value: spec("SHA-256 of the plugin's file.", { type: "string", pattern: "^[0-9a-fA-F]{64}$" }, hex, isHash),
    },
  };
}

const PLATFORM: Shape = { what: "platform", plugin: "platform", fields: plugged("platform") };
const PROFILE: Shape = { what: "profile", plugin: "profile", fields: plugged("profile") };
const CHECK: Shape = { what: "check", plugin: "check", fields: plugged("check") };

const BRIDGE: Shape = {
  what: "bridge",
  fields: {
    id: { required: true, ...name("Its name; devices say with it that they are plugged in below.") },
    at: text("Place on the parent bus, in the bus plugin's notation. Default: the first free one."),
    platform: { object: PLATFORM, short: true, description: "A platform that sits in this bridge." },
    bypass: flag("Whether everything below passes the platforms above untranslated; the nearest word counts."),
    acs: flag("Access control: peers below are not reached directly. Default: false."),
    get bridges(): Field {
      return { list: BRIDGE, description: "Bridges on the bus below." };
    },
  },
};

const BUS: Shape = {
  what: "bus",
  plugin: "bus",
  fields: {
    id: name('Its name. Default: "root".'),
    ...plugged("bus"),
    use: text("The bus plugin. Default: what the devices plug into."),
    bypass: flag("Whether every device passes the platforms untranslated; the nearest word counts. Default: false."),
    acs: flag("Access control: peers are not reached directly. Default: false."),
    bridges: { list: BRIDGE, description: "Bridges on this bus." },
  },
};

const DEVICE: Shape = {
  what: "device",
  plugin: "device",
  fields: {
    id: { required: true, ...name("Its name in this manifest.") },
    ...plugged("device"),
    bus: name("The bus that it is plugged into: the id of the root or of a bridge. Default: the root."),
    at: text("Place on that bus, in the bus plugin's notation. Default: the first free one."),
    platform: { object: PLATFORM, short: true, description: "A platform of its own in the root's bridge." },
    bypass: flag("It passes every platform untranslated. Default: what its bridges say."),
  },
};

const WORKLOAD: Shape = {
  what: "workload",
  plugin: "workload",
  fields: { ...plugged("workload"), device: name("The id of the device that it drives.") },
};

const INVALIDATION: Shape = {
  what: "invalidation",
  fields: {
    policy: {
      value: option.choice("What ends first, the lease or the wait.", ["wait", "revoke"], { default: "revoke" }),
    },
    deadline: { value: option.duration("Virtual time after which waiting ends.", { default: 10_000_000 }) },
  },
};

const pages = (value: unknown) => {
  const bytes = parseSize(value);
  return bytes !== undefined && bytes >= PAGE_SIZE && bytes % PAGE_SIZE === 0;
};

/** A manifest. */
export const MANIFEST: Shape = {
  what: "manifest",
  fields: {
    $schema: text("Where editors find the JSON Schema."),
    name: text("What reports call this machine."),
    seed: { value: option.integer("Seed of everything random.", { default: 1 }) },
    memory: {
      value: spec(
        "Guest RAM: whole 4 KiB pages. Default: 64 MiB.",
        { type: ["string", "integer"] },
        'whole pages of 4 KiB, at least one, such as "64MiB"',
        pages,
      ),
    },
    platform: {
      object: PLATFORM,
      short: true,
      required: true,
      description: "How device addresses become memory addresses.",
    },
    profile: {
      object: PROFILE,
      short: true,
      description: "The kind of machine: memory, root bus, interrupts, ports. Default: a generic one.",
    },
    bus: { object: BUS, description: "The bus tree. Default: one root bus of the kind that the devices plug into." },
    devices: { list: DEVICE, description: "The devices." },
    workload: { list: WORKLOAD, description: "What the drivers do, in order." },
    checks: { list: CHECK, short: true, description: "What watches the run." },
    invalidation: { object: INVALIDATION, description: "What happens to live leases when a translation goes away." },
    leases: {
      value: option.choice("`checked` lends copies of memory and reports views kept too long.", ["direct", "checked"], {
        default: "direct",
      }),
    },
  },
};
