/**
 * The project's own files, for the tests that read the tree.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { fromFileUrl } from "@std/path/from-file-url";

/** The top of the project, without a slash at the end. */
export const ROOT: string = dirname(dirname(dirname(fromFileUrl(import.meta.url))));

const SKIPPED = new Set([".git", "node_modules", "coverage", "vendor"]);

/** Every file below `root` as a path relative to it, with `/` between the parts, sorted. */
export function filesBelow(root: string, folder = ""): string[] {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(`${root}/${folder}`)) {
    if (SKIPPED.has(entry.name)) continue;
    const path = folder + entry.name;
    if (entry.isDirectory) files.push(...filesBelow(root, path + "/"));
    else files.push(path);
  }
  return files.sort();
}

/** A file's text. */
export function textOf(root: string, path: string): string {
  return Deno.readTextFileSync(`${root}/${path}`);
}

/** The entry points in a `deno.json`'s `exports`, relative to `root`; `config` is that file's path. */
export function exportsOf(root: string, config: string): string[] {
  const { exports } = JSON.parse(textOf(root, config));
  const entries: string[] = typeof exports === "string" ? [exports] : Object.values(exports ?? {});
  const folder = config.slice(0, -"deno.json".length);
  return entries.map((entry) => folder + entry.replace(/^\.\//, ""));
}
