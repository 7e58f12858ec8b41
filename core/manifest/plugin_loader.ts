/**
 * The plugin loader: from a manifest's `use` to a plugin object whose shape has been checked.
 *
 * @module
 */

import { describeValue } from "../options.ts";
import { wrong } from "../complaints.ts";
import { nearest } from "../errors.ts";
import type { Use, UseEntry } from "./manifest.ts";
import { fileUrl } from "../paths.ts";
import { API_VERSION, type DoorPlugin, type Plugin, type PluginKind, type PluginOf } from "../plugin.ts";

/** Where a plugin is named, for messages. */
interface Where {
  readonly file: string;
  readonly path: string;
}

/** The functions that each kind must have. */
const FUNCTIONS: Readonly<Record<PluginKind, readonly string[]>> = {
  platform: ["create"],
  bus: ["create"],
  profile: ["create", "memoryMap"],
  device: ["create", "driver"],
  check: ["create"],
  workload: ["run"],
  door: ["run"],
};

/** The kinds of plugin, in the order in which lists show them. */
export const PLUGIN_KINDS: readonly PluginKind[] = Object.keys(FUNCTIONS) as PluginKind[];

const BUNDLED_NAME = /^[a-z][a-z0-9-]*$/;

/** The long form of a `use`. */
export function useEntry(use: Use): UseEntry {
  return typeof use === "string" ? { use } : use;
}

/**
 * Imports the plugin that `use` names and checks that it keeps the contract. A bundled name is looked up as
 * `@iova/<name>`; `npm:` and `jsr:` specifiers are imported as they are; everything else is a path or URL relative to
 * the folder `base`. With `sha256` the file's bytes are hashed before anything in it runs; what that file imports is
 * not covered.
 *
 * @throws {InputError} when there is no such plugin, or it is not what was expected there.
 */
export async function resolvePlugin<K extends PluginKind = PluginKind>(
  use: Use,
  where: { readonly file: string; readonly path: string },
  base: string,
  expectedKind?: K,
): Promise<PluginOf<K>> {
  const entry = useEntry(use);
  const specifier = moduleSpecifier(entry.use, base);
  if (entry.sha256 !== undefined) await checkHash(specifier, entry, where);
  const plugin = checkPlugin(await importDefault(specifier, entry.use, where), where);
  if (expectedKind !== undefined && plugin.kind !== expectedKind) {
    throw wrong(where, `a ${plugin.kind} plugin ("${plugin.name}")`, `a ${expectedKind} plugin`);
  }
  return plugin as PluginOf<K>;
}

function moduleSpecifier(use: string, base: string): string {
  if (BUNDLED_NAME.test(use)) return "@iova/" + use;
  // One letter and a colon is a Windows drive.
  return /^[a-z][a-z0-9+.-]+:/i.test(use) ? use : fileUrl(use, base).href;
}

async function checkHash(specifier: string, { use, sha256 }: UseEntry, where: Where): Promise<void> {
  const at = { ...where, path: `${where.path}.sha256` };
  if (!specifier.startsWith("file:")) {
    throw wrong(at, `a hash for "${use}", which cannot be pinned`, "a hash only for a plugin file");
  }
  const bytes = await readPluginFile(new URL(specifier), use, where);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== sha256!.toLowerCase()) {
    throw wrong(at, `${use} with SHA-256 ${found}`, sha256!);
  }
}

async function readPluginFile(url: URL, use: string, where: Where): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(url);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw wrong(where, `no file "${use}"`, "a plugin");
  }
}

async function importDefault(specifier: string, use: string, where: Where): Promise<unknown> {
  try {
    return (await import(specifier)).default;
  } catch (error) {
    if (isPermissionError(error)) throw error;
    if (BUNDLED_NAME.test(use)) await checkBundled(use, where);
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw wrong(where, `"${use}", which fails to load (${reason})`, "a plugin");
  }
}

/** Whether Deno refused something for lack of a permission; a refused import is an ordinary TypeError. */
export function isPermissionError(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable ||
    (error instanceof TypeError && /^Requires \w+ access to .* --allow-\w+ flag/.test(error.message));
}

async function checkBundled(name: string, where: Where): Promise<void> {
  const folders = pluginFolders().map((folder) => folder.name);
  if (folders.includes(name)) return;
  const names = (await bundledPlugins(true)).map((plugin) => plugin.name);
  const bundled = names.length === 0 ? "a bundled plugin" : `one of ${names.join(", ")}`;
  throw wrong(where, `unknown plugin "${name}"`, `${bundled}, or a path or URL`, nearest(name, names));
}

/** Checks that a module's default export keeps the plugin contract. @throws {InputError} when it does not. */
function checkPlugin(value: unknown, where: Where): Plugin {
  const fail = (found: string, expected: string): never => {
    throw wrong(where, found, expected);
  };
  if (value === undefined) fail("a module without a default export", "a plugin object as its default export");
  if (typeof value !== "object" || value === null) fail(describeValue(value), "a plugin object as the default export");
  const plugin = value as Record<string, unknown>;
  const called = typeof plugin.name === "string" && plugin.name !== ""
    ? `plugin "${plugin.name}"`
    : "a plugin without a name";
  if (plugin.api !== API_VERSION) {
    fail(`${called} for API version ${describeValue(plugin.api)}`, `API version ${API_VERSION}`);
  }
  const mistake = contractMistake(plugin);
  if (mistake !== undefined) fail(`${called} ${mistake[0]}`, mistake[1]);
  return value as Plugin;
}

function contractMistake(plugin: Record<string, unknown>): [found: string, expected: string] | undefined {
  const kinds: readonly unknown[] = PLUGIN_KINDS;
  if (typeof plugin.name !== "string" || plugin.name === "") return ["", "a name"];
  if (!kinds.includes(plugin.kind)) return [`of kind ${describeValue(plugin.kind)}`, `a kind: ${kinds.join(", ")}`];
  if (typeof plugin.summary !== "string") return ["without a summary", "one line of text"];
  if (typeof plugin.options !== "object" || plugin.options === null) {
    return ["without options", "an option schema ({} for none)"];
  }
  for (const [name, spec] of Object.entries(plugin.options)) {
    if (typeof spec?.read !== "function") return [`with a malformed option "${name}"`, "one made by option.…"];
  }
  for (const name of FUNCTIONS[plugin.kind as PluginKind]) {
    if (typeof plugin[name] !== "function") return [`without ${name}()`, `what a ${plugin.kind} plugin has`];
  }
  const plugged = plugin.kind === "device" || plugin.kind === "profile";
  if (plugged && ![plugin.bus].flat().every((bus) => typeof bus === "string")) {
    return ["without a bus", "the bus plugin that it plugs into"];
  }
  if (plugin.kind === "door" && typeof plugin.command !== "string") return ["without a command", "its word"];
}

/** The bundled doors: only their folders are looked into, so that a command does not wait for every other plugin. */
export async function doorPlugins(): Promise<DoorPlugin[]> {
  const folders = pluginFolders().filter(({ url }) => url.pathname.includes("/plugins/doors/"));
  const where = { file: "command line", path: "" };
  return await Promise.all(folders.map(({ name }) => resolvePlugin(name, where, "", "door")));
}

interface PluginFolder {
  readonly name: string;
  readonly url: URL;
}

/** The packages `plugins/<group>/<name>` beside the kernel; none when the kernel was not loaded from files. */
function pluginFolders(): PluginFolder[] {
  const root = new URL("../../plugins/", import.meta.url);
  if (root.protocol !== "file:") return [];
  return subfolders(root).flatMap(({ url }) => subfolders(url)).filter(isPackage);
}

function isPackage({ url }: PluginFolder): boolean {
  const names = Array.from(Deno.readDirSync(url), ({ name }) => name);
  return names.includes("deno.json") && names.includes("mod.ts");
}

function subfolders(url: URL): PluginFolder[] {
  return Array.from(Deno.readDirSync(url)).filter((entry) => entry.isDirectory).map(({ name }) => ({
    name,
    url: new URL(`${encodeURIComponent(name)}/`, url),
  }));
}

/**
 * Every bundled plugin, by kind and name: found by looking into the plugin folders, so that no list has to be kept.
 * Library packages, which have no plugin as their default export, are left out.
 *
 * @param skipBroken leave out what cannot be imported, instead of failing.
 */
export async function bundledPlugins(skipBroken = false): Promise<Plugin[]> {
  const found: Plugin[] = [];
  for (const { name } of pluginFolders()) {
    const where = { file: `plugin "${name}"`, path: "" };
    try {
      const value = await importDefault("@iova/" + name, name, where);
      if (value !== undefined) found.push(checkPlugin(value, where));
    } catch (error) {
      if (!skipBroken) throw error;
    }
  }
  return found.sort((a, b) =>
    PLUGIN_KINDS.indexOf(a.kind) - PLUGIN_KINDS.indexOf(b.kind) || (a.name < b.name ? -1 : 1)
  );
}
