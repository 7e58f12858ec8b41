/**
 * `plugins`: lists the bundled plugins, or shows the options of one.
 *
 * @module
 */

import { bundledPlugins, resolvePlugin } from "../manifest/loader.ts";
import { optionsJsonSchema, type OptionSpec } from "../options.ts";
import type { Plugin } from "../plugin.ts";
import type { Arguments, Command } from "./command.ts";
import { Exit } from "./failure.ts";
import { toJson } from "./json.ts";
import { optionText } from "./option_text.ts";
import { type Style, styleFor } from "./style.ts";
import { drawTable } from "./table.ts";

/** The command. */
export const command: Command = {
  usage: "[name | specifier]",
  names: [0, 1],
  about: "Needs --allow-read. A path is relative to the current folder.",
  options: { json: { help: "Print one JSON document; options as JSON Schema." } },
  async run(args: Arguments): Promise<number> {
    const style = styleFor(Deno.stdout, args.flag("no-color"));
    const [use] = args.names;
    if (use === undefined) {
      const plugins = await bundledPlugins();
      console.log(args.flag("json") ? toJson(plugins.map(head)) : listText(plugins, style));
    } else {
      const plugin = await resolvePlugin(use, { file: "plugins", path: "" }, Deno.cwd());
      console.log(
        args.flag("json")
          ? toJson({ ...head(plugin), options: optionsJsonSchema(plugin.options) })
          : pluginText(plugin, style),
      );
    }
    return Exit.OK;
  },
};

function head({ name, kind, api, summary }: Plugin): Record<string, unknown> {
  return { name, kind, api, summary };
}

function listText(plugins: readonly Plugin[], style: Style): string {
  const rows = plugins.map(({ kind, name, summary }) => [kind, style.bold(name), summary]);
  return drawTable(["kind", "name", "what it is"], rows, "lll", style).join("\n");
}

/** One plugin and its options. */
export function pluginText(plugin: Plugin, style: Style): string {
  const { name, kind, summary } = plugin;
  const lines = [`${style.bold(name)}: ${summary}`, style.dim(`${kind} plugin${placeText(plugin)}`), ""];
  const options = Object.entries(plugin.options as Record<string, OptionSpec>);
  if (options.length === 0) return [...lines, "It has no options."].join("\n");
  const rows = options.map(([option, spec]) => [
    style.bold(option),
    spec.type,
    spec.required ? style.warn("required") : optionText(spec, spec.default) || "none",
    spec.range ?? "",
    spec.description,
  ]);
  return [...lines, ...drawTable(["option", "type", "default", "range", "what it says"], rows, "lllll", style)].join(
    "\n",
  );
}

function placeText(plugin: Plugin): string {
  if (plugin.kind === "device") return `, plugs into the ${[plugin.bus].flat().join(" or ")} bus`;
  if (plugin.kind === "profile") return `, takes what plugs into the ${plugin.bus} bus`;
  if (plugin.kind === "door") return `, opened with the command ${plugin.command}`;
  if (plugin.kind === "workload") {
    return plugin.drives === undefined ? ", needs no device" : `, drives a ${plugin.drives} device`;
  }
  return "";
}
