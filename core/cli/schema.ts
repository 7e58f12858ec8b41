/**
 * `schema`: prints the JSON Schema of manifests.
 *
 * @module
 */

import { bundledPlugins } from "../manifest/loader.ts";
import type { Command } from "./command.ts";
import { Exit } from "./failure.ts";
import { toJson } from "./json.ts";
import { manifestJsonSchema } from "./manifest_schema.ts";

/** The command. */
export const command: Command = {
  usage: "",
  names: [0, 0],
  about:
    `Needs --allow-read. Save it beside a manifest and name it there, and editors complete keys, plugins and options:
  { "$schema": "./manifest.schema.json", … }`,
  options: {},
  async run(): Promise<number> {
    console.log(toJson(manifestJsonSchema(await bundledPlugins())));
    return Exit.OK;
  },
};
