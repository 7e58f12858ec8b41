/**
 * From a manifest's path, or a manifest in hand, to a resolved machine, with what the command line replaces.
 *
 * @module
 */

import { overrideManifest, readManifest, type ResolvedMachine, resolveMachine } from "./loader.ts";
import { type Manifest, type Use, validateManifest } from "./manifest.ts";

/** What may stand instead of a manifest's own words. */
export interface SourceOptions {
  /** Values to replace in the manifest before it is validated, by path (`devices.disk0.with.depth`). */
  set?: readonly (readonly [path: string, value: unknown])[];
  /** Instead of the manifest's seed. */
  seed?: number;
  /** Instead of the manifest's platform. */
  platform?: Use;
  /** For a manifest given as an object: the folder that its relative paths are relative to. Default: the current one. */
  base?: string;
}

/** Reads, overrides, validates and resolves a manifest; makes nothing. */
export async function resolveSource(
  source: string | URL | Manifest,
  options: SourceOptions = {},
): Promise<ResolvedMachine> {
  const isFile = typeof source === "string" || source instanceof URL;
  const inHand = { manifest: source as unknown, file: "manifest", base: options.base ?? Deno.cwd() };
  const { manifest, file, base } = isFile ? await readManifest(source) : inHand;
  const { platform, seed, set = [] } = options;
  const asked: [string, unknown][] = [["platform", platform], ["seed", seed]];
  const overrides = [...asked.filter(([, value]) => value !== undefined), ...set];
  const changed = overrides.reduce((value, [path, to]) => overrideManifest(value, path, to), manifest);
  return await resolveMachine(validateManifest(changed, file), file, base);
}
