/**
 * The manifest: what a machine is made of. JSON, or a module whose default export is the same object:
 *
 * ```ts
 * import { defineMachine } from "@iova/core";
 *
 * export default defineMachine({ memory: "16MiB", platform: "direct" });
 * ```
 *
 * @module
 */

import { describeValue } from "../options.ts";
import { unknownWord, wrong } from "../complaints.ts";
import { type Field, MANIFEST, type Shape } from "./shape.ts";

/** A plugin by name or specifier, short or long form. */
export type Use = string | UseEntry;
/** The long form. */
export interface UseEntry {
  /** A bundled name, or any module specifier that Deno can import; paths are relative to the manifest. */
  use: string;
  /** The plugin's options. */
  with?: Record<string, unknown>;
  /** SHA-256 of the plugin's file, in hexadecimal. */
  sha256?: string;
}
/** A bus of the tree: the root, or the one below a bridge. */
export interface BusEntry {
  /** Name by which devices say where they are plugged in. The root's default is `root`. */
  id?: string;
  /** The bus plugin; root only. Default: what the devices plug into. */
  use?: string;
  /** The bus plugin's options. */
  with?: Record<string, unknown>;
  /** SHA-256 of the bus plugin's file, in hexadecimal. */
  sha256?: string;
  /** Every device passes the platforms untranslated, unless it or a bridge above it says otherwise. Default false. */
  bypass?: boolean;
  /** Access control: peers are not reached directly. Default false. */
  acs?: boolean;
  /** Bridges on the root bus. */
  bridges?: BridgeEntry[];
}
/** A bridge, and the bus below it. */
export interface BridgeEntry {
  /** Name by which devices say that they are plugged in below. */
  id: string;
  /** Place on the parent bus, in the bus plugin's notation. */
  at?: string;
  /** A platform that sits in this bridge: everything below is translated here first. */
  platform?: Use;
  /** Everything below passes the platforms above untranslated (true) or not (false); the nearest bridge wins. */
  bypass?: boolean;
  /** Access control: peers below are not reached directly. Default false. */
  acs?: boolean;
  /** Bridges on the bus below. */
  bridges?: BridgeEntry[];
}
/** A device. */
export interface DeviceEntry extends UseEntry {
  /** Name by which workloads and messages call it. */
  id: string;
  /** The bus that it is plugged into: the id of the root or of a bridge. Default: the root. */
  bus?: string;
  /** Place on that bus, in the bus plugin's notation. Default: the first free one. */
  at?: string;
  /** A platform of its own in the root's bridge, instead of the machine's. */
  platform?: Use;
  /** It passes every platform untranslated; its driver gets physical addresses. Default: what its bridges say. */
  bypass?: boolean;
}
/** A workload; they run in order. */
export interface WorkloadEntry extends UseEntry {
  /** The id of the device that it drives. */
  device?: string;
}
/** A manifest. */
export interface Manifest {
  /** Where editors find the JSON Schema. */
  $schema?: string;
  /** What reports call this machine. */
  name?: string;
  /** Seed of everything random. Default 1. */
  seed?: number;
  /** Guest RAM. Default 64 MiB. */
  memory?: string | number;
  /** How device addresses become memory addresses. */
  platform: Use;
  /** The kind of machine: memory, root bus, interrupts, ports. Default: a generic one. */
  profile?: Use;
  /** The bus tree. Default: one root bus of the kind that the devices plug into. */
  bus?: BusEntry;
  /** The devices, in the order in which they are plugged in. */
  devices?: DeviceEntry[];
  /** What the drivers do, in order. */
  workload?: WorkloadEntry[];
  /** What watches the run. */
  checks?: Use[];
  /** What happens to live leases when a translation goes away. Default: revoke, 10ms. */
  invalidation?: { policy?: "wait" | "revoke"; deadline?: string | number };
  /** `checked`: devices are lent copies of memory, and views kept too long are reported. Default `direct`. */
  leases?: "direct" | "checked";
}

/** Gives a manifest in a TypeScript module its type. */
export function defineMachine(manifest: Manifest): Manifest {
  return manifest;
}

/**
 * Checks everything that can be known without the plugins: keys, types, ranges, ids and references to them.
 *
 * @throws {InputError} naming `file`, the JSON path, what was found and what was expected.
 */
export function validateManifest(value: unknown, file: string): Manifest {
  checkNesting(value, file, []);
  checkObject(MANIFEST, value, { file, path: "" });
  const manifest = value as Manifest;
  checkReferences(manifest, file);
  return manifest;
}

/** Twice the longest chain of bridges that a bus with 256 numbers could have, and some. */
const MAX_NESTING = 600;

/** A module can export what never ends; text can nest deeper than any machine. */
function checkNesting(value: unknown, file: string, around: object[]): void {
  if (typeof value !== "object" || value === null) return;
  const endless = around.includes(value);
  if (endless || around.length > MAX_NESTING) {
    const found = endless ? "an object that contains itself" : `more than ${MAX_NESTING} objects inside each other`;
    throw wrong({ file }, found, "a manifest");
  }
  for (const inner of Object.values(value)) checkNesting(inner, file, [...around, value]);
}

interface Where {
  readonly file: string;
  readonly path: string;
}

function below({ file, path }: Where, key: string): Where {
  return { file, path: path === "" ? key : `${path}.${key}` };
}

function checkObject(shape: Shape, value: unknown, where: Where): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(where, describeValue(value), `a ${shape.what}: an object`);
  }
  const entries = value as Record<string, unknown>;
  for (const key of Object.keys(entries)) {
    if (!Object.hasOwn(shape.fields, key)) {
      throw unknownWord(below(where, key), ["key", key], Object.keys(shape.fields));
    }
  }
  for (const [key, field] of Object.entries(shape.fields)) {
    const at = below(where, key);
    if (entries[key] !== undefined) checkField(field, entries[key], at);
    else if (field.required) throw wrong(at, "nothing", "value" in field ? field.value.description : field.description);
  }
}

function checkField(field: Field, value: unknown, where: Where): void {
  if ("value" in field) {
    const read = field.value.read(value);
    if ("expected" in read) throw wrong(where, describeValue(value), read.expected);
  } else if ("object" in field) {
    checkEntry(field.object, field.short, value, where);
  } else if (Array.isArray(value)) {
    value.forEach((item, i) => checkEntry(field.list, field.short, item, { ...where, path: `${where.path}[${i}]` }));
  } else {
    throw wrong(where, describeValue(value), `a list of ${field.list.what} entries`);
  }
}

function checkEntry(shape: Shape, short: boolean | undefined, value: unknown, where: Where): void {
  if (short && typeof value === "string") checkObject(shape, { use: value }, where);
  else checkObject(shape, value, where);
}

/** An id and where the manifest has it. */
interface PlacedId {
  readonly id: string;
  readonly path: string;
}

function allBridges(bridges: BridgeEntry[] | undefined, path: string): PlacedId[] {
  return (bridges ?? []).flatMap(({ id, bridges: below }, i) => {
    const at = `${path}.bridges[${i}]`;
    return [{ id, path: `${at}.id` }, ...allBridges(below, at)];
  });
}

function checkReferences(manifest: Manifest, file: string): void {
  const buses = [{ id: manifest.bus?.id ?? "root", path: "bus.id" }, ...allBridges(manifest.bus?.bridges, "bus")];
  const devices = (manifest.devices ?? []).map(({ id }, i) => ({ id, path: `devices[${i}].id` }));
  checkUnique(buses, "bus", file);
  checkUnique(devices, "device", file);
  manifest.devices?.forEach(({ bus }, i) => checkKnown(bus, buses, "bus", { file, path: `devices[${i}].bus` }));
  manifest.workload?.forEach(({ device }, i) =>
    checkKnown(device, devices, "device", { file, path: `workload[${i}].device` })
  );
}

function checkUnique(entries: PlacedId[], what: string, file: string): void {
  const seen = new Map<string, string>();
  for (const { id, path } of entries) {
    const first = seen.get(id);
    if (first) throw wrong({ file, path }, `"${id}" again`, `an id that no other ${what} has (${first})`);
    seen.set(id, path);
  }
}

function checkKnown(id: string | undefined, entries: PlacedId[], what: string, where: Where): void {
  if (id === undefined || entries.some((entry) => entry.id === id)) return;
  throw unknownWord(where, [what, id], entries.map((entry) => entry.id), "no device: the manifest has none");
}
