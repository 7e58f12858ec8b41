/**
 * The loader: reads a manifest, imports the plugins that it names, reads their options. What it returns is everything
 * that a machine is built from.
 *
 * @module
 */

import { wrong } from "../complaints.ts";
import { parseJsonText } from "./json_text.ts";
import { type BridgeEntry, type DeviceEntry, type Manifest, type Use, validateManifest } from "./manifest.ts";
import { parseDuration, parseSize, readOptions } from "../options.ts";
import { filePath, fileUrl } from "../paths.ts";
import type { PluginKind, PluginOf } from "../plugin.ts";
import { isPermissionError, resolvePlugin, useEntry } from "./plugin_loader.ts";
import type { ResolvedBridge, ResolvedDevice, ResolvedMachine, ResolvedUse, ResolvedWorkload } from "./resolved.ts";

export type * from "./resolved.ts";
export { overrideManifest } from "./override.ts";
export { bundledPlugins, resolvePlugin } from "./plugin_loader.ts";

/** What {@linkcode readManifest} found. */
export interface ManifestSource {
  /** To be overridden (`overrideManifest`), then validated (`validateManifest`). */
  readonly manifest: unknown;
  /** The file, as messages name it. */
  readonly file: string;
  /** The manifest's folder, absolute. */
  readonly base: string;
}

const MODULE = /\.[cm]?[jt]sx?$/;

/**
 * Reads a manifest: a JSON file, or a module whose default export it is.
 *
 * @throws {InputError} when there is none, or it cannot be read.
 */
export async function readManifest(source: string | URL): Promise<ManifestSource> {
  const url = typeof source === "string" ? fileUrl(source) : source;
  if (url.protocol !== "file:") {
    throw wrong({ file: url.href }, `a ${url.protocol} URL`, "a manifest in a file");
  }
  const file = typeof source === "string" ? source : filePath(url);
  const text = await readText(url, file);
  const manifest = MODULE.test(url.pathname) ? await importManifest(url, file) : parseJsonText(text, file);
  return { manifest, file, base: filePath(new URL(".", url)).replace(/(?<=[^:])\/$/, "") };
}

async function importManifest(url: URL, file: string): Promise<unknown> {
  try {
    return (await import(url.href)).default;
  } catch (error) {
    if (isPermissionError(error)) throw error;
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw wrong({ file }, `a module that fails to load (${reason})`, "a manifest as its default export");
  }
}

async function readText(url: URL, file: string): Promise<string> {
  try {
    return await Deno.readTextFile(url);
  } catch (error) {
    if (isPermissionError(error)) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const found = missing ? "no such file" : `an unreadable file (${(error as Error).message})`;
    throw wrong({ file }, found, "a manifest");
  }
}

/** The path of the file that an option names: relative to the manifest's folder `base`. */
export function resolvePath(name: string, base: string): string {
  return filePath(fileUrl(name, base));
}

const DEFAULT_MEMORY = 64 * 1024 ** 2;
const DEFAULT_DEADLINE = 10_000_000;

/**
 * Imports every plugin that a validated manifest names and reads their options.
 *
 * @throws {InputError} naming `file`, the JSON path, what was found and what was expected.
 */
export async function resolveMachine(manifest: Manifest, file: string, base: string): Promise<ResolvedMachine> {
  const resolver = new Resolver(manifest, file, base);
  const platform = await resolver.use(manifest.platform, "platform", "platform");
  const devices = await resolver.devices();
  const bus = await resolver.bus(devices);
  return {
    file,
    base,
    manifest,
    seed: manifest.seed ?? 1,
    memory: parseSize(manifest.memory) ?? DEFAULT_MEMORY,
    platform,
    ...(bus && { bus }),
    busTree: {
      id: manifest.bus?.id ?? ROOT,
      acs: manifest.bus?.acs ?? false,
      ...(manifest.bus?.bypass !== undefined && { bypass: manifest.bus.bypass }),
      bridges: await resolver.bridges(manifest.bus?.bridges, "bus"),
    },
    devices,
    workload: await resolver.workload(devices),
    checks: await each(manifest.checks, (check, i) => resolver.use(check, `checks[${i}]`, "check")),
    invalidation: {
      policy: manifest.invalidation?.policy ?? "revoke",
      deadline: parseDuration(manifest.invalidation?.deadline) ?? DEFAULT_DEADLINE,
    },
    leases: manifest.leases ?? "direct",
  };
}

const ROOT = "root";

/**
 * Imports the plugins of a device that is to be plugged into a machine that is there already.
 *
 * @throws {InputError} as {@linkcode resolveMachine}; the machine counts it as its first device.
 */
export async function resolveDevice(entry: DeviceEntry, machine: ResolvedMachine): Promise<ResolvedDevice> {
  const { file, base, bus } = machine;
  const { workload: _, ...manifest } = machine.manifest;
  const resolver = new Resolver(validateManifest({ ...manifest, devices: [entry] }, file), file, base);
  const [device] = await resolver.devices();
  if (bus === undefined) throw wrong({ file, path: "devices[0].bus" }, "a machine without a bus", "one that has a bus");
  resolver.fits(device, bus);
  return device;
}

type ResolvedBus = NonNullable<ResolvedMachine["bus"]>;

/** In order, one after the other: the first mistake in the manifest is the one reported. */
async function each<T, R>(items: T[] | undefined, make: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (const [index, item] of (items ?? []).entries()) made.push(await make(item, index));
  return made;
}

class Resolver {
  constructor(readonly manifest: Manifest, readonly file: string, readonly base: string) {}

  async use<K extends PluginKind>(use: Use, path: string, kind: K): Promise<ResolvedUse<PluginOf<K>>> {
    const entry = useEntry(use);
    const where = { file: this.file, path: typeof use === "string" ? path : `${path}.use` };
    const plugin = await resolvePlugin(entry, where, this.base, kind);
    const options = readOptions(plugin.options, entry.with, { file: this.file, path: `${path}.with` });
    return { plugin, options, path, specifier: entry.use };
  }

  async optional<K extends PluginKind>(
    use: Use | undefined,
    path: string,
    kind: K,
  ): Promise<ResolvedUse<PluginOf<K>> | undefined> {
    return use === undefined ? undefined : await this.use(use, path, kind);
  }

  devices(): Promise<ResolvedDevice[]> {
    return each(this.manifest.devices, async (entry, i) => {
      const path = `devices[${i}]`;
      const use = await this.use(entry, path, "device");
      const platform = await this.optional(entry.platform, `${path}.platform`, "platform");
      return {
        id: entry.id,
        busId: entry.bus ?? this.manifest.bus?.id ?? ROOT,
        ...(entry.at !== undefined && { at: entry.at }),
        ...(entry.bypass !== undefined && { bypass: entry.bypass }),
        ...(platform && { platform }),
        use,
      };
    });
  }

  bridges(entries: BridgeEntry[] | undefined, parent: string): Promise<ResolvedBridge[]> {
    return each(entries, async (entry, i) => {
      const path = `${parent}.bridges[${i}]`;
      const platform = await this.optional(entry.platform, `${path}.platform`, "platform");
      return {
        id: entry.id,
        ...(entry.at !== undefined && { at: entry.at }),
        acs: entry.acs ?? false,
        ...(entry.bypass !== undefined && { bypass: entry.bypass }),
        ...(platform && { platform }),
        bridges: await this.bridges(entry.bridges, path),
      };
    });
  }

  /**
   * The root bus: what the profile or the manifest names, otherwise what the first device plugs into; every device must
   * fit.
   */
  async bus(devices: readonly ResolvedDevice[]): Promise<ResolvedMachine["bus"]> {
    const { bus, profile } = this.manifest;
    const use = bus?.use ?? [devices[0]?.use.plugin.bus].flat()[0];
    if (profile !== undefined) this.#noBusPlugin();
    else if (use === undefined) return this.#noBus();
    const resolved = profile === undefined
      ? await this.use({ ...bus, use: use! }, "bus", "bus")
      : await this.use(profile, "profile", "profile");
    for (const device of devices) this.fits(device, resolved);
    return resolved;
  }

  /** @throws {InputError} when a device does not plug into the root bus. */
  fits({ use: { plugin, path } }: ResolvedDevice, { plugin: root, specifier }: ResolvedBus): void {
    const buses = [plugin.bus].flat();
    const offered = root.kind === "profile" ? root.bus : root.name;
    if (buses.includes(offered) || buses.includes(specifier)) return;
    throw wrong(
      { file: this.file, path: `${path}.use` },
      `"${plugin.name}", which plugs into a "${buses.join('" or "')}" bus`,
      `a device for this machine's "${offered}" bus`,
    );
  }

  /** A profile brings its root bus along. */
  #noBusPlugin(): void {
    const key = (["use", "with", "sha256"] as const).find((key) => this.manifest.bus?.[key] !== undefined);
    if (key === undefined) return;
    throw wrong({ file: this.file, path: `bus.${key}` }, "a bus plugin", "none beside a profile, which has its own");
  }

  /** Without a device and a bus plugin there is nothing that could make bridges. */
  #noBus(): undefined {
    if (!this.manifest.bus?.bridges?.length && this.manifest.bus?.with === undefined) return undefined;
    throw wrong({ file: this.file, path: "bus.use" }, "nothing", "a bus plugin, as no device names one");
  }

  workload(devices: readonly ResolvedDevice[]): Promise<ResolvedWorkload[]> {
    return each(this.manifest.workload, async (entry, index) => {
      const path = `workload[${index}]`;
      const use = await this.use(entry, path, "workload");
      if (use.plugin.drives !== undefined && entry.device === undefined) {
        const ids = devices.map(({ id }) => id);
        const known = ids.length ? `: ${ids.join(", ")}` : ", but there is none";
        const expected = `a ${use.plugin.drives} device for "${use.plugin.name}"${known}`;
        throw wrong({ file: this.file, path: `${path}.device` }, "no device", expected);
      }
      return { index, ...(entry.device !== undefined && { device: entry.device }), use };
    });
  }
}
