/**
 * Commands that door plugins bring: looked up by their word in the plugin folders, so that no list has to be kept.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { doorPlugins } from "../manifest/plugin_loader.ts";
import { type OptionSpec, readOptions } from "../options.ts";
import type { DoorPlugin } from "../plugin.ts";
import type { MachineReport } from "../report/report.ts";
import type { Arguments, Command, CommandOption } from "./command.ts";
import { Exit } from "./failure.ts";
import { toJson } from "./json.ts";
import { fromHere, readOverrides, readSeed } from "./overrides.ts";
import { machineText, resultText } from "./report_text.ts";
import { styleFor } from "./style.ts";

/** Options that every door takes. */
const SHARED: Readonly<Record<string, CommandOption>> = {
  set: { value: "path=value", many: true, help: "Replace a value of the manifest: devices.disk0.with.depth=8." },
  seed: { value: "N", help: "Instead of the manifest's seed." },
  platform: { value: "name", help: "Instead of the manifest's platform." },
  trace: { value: "file.jsonl", help: "Write every event into a file, one line of JSON each." },
  json: { help: "Print one JSON document." },
  quiet: { help: "Print nothing but errors." },
};

/** The commands of all doors, by their words. */
export async function doorCommands(): Promise<Record<string, { summary: string; command: Command }>> {
  const doors = await doorPlugins();
  return Object.fromEntries(doors.map((door) => [door.command, { summary: door.summary, command: doorCommand(door) }]));
}

/** What the command line knows of a door. */
export function doorCommand(door: DoorPlugin): Command {
  const own = Object.entries(door.options).map(([name, spec]) => [flagOf(name), { name, spec }] as const);
  return {
    usage: door.usage,
    names: door.names ?? [1, 1],
    about: door.about,
    options: { ...Object.fromEntries(own.map(([flag, { spec }]) => [flag, commandOption(spec)])), ...SHARED },
    async run(args: Arguments): Promise<number> {
      const given = own.map(([flag, { name, spec }]) => [name, valueOf(args, flag, spec)] as const);
      const options = readFlags(door, Object.fromEntries(given.filter(([, value]) => value !== undefined)));
      const path = args.value("trace");
      const trace = path === undefined ? undefined : new (await import("./trace.ts")).TraceWriter(path);
      const seed = args.value("seed");
      const platform = args.value("platform");
      const load = {
        set: readOverrides(args),
        ...(seed !== undefined && { seed: readSeed(seed) }),
        ...(platform !== undefined && { platform: fromHere(platform) }),
        ...(trace && { listen: trace.listener() }),
      };
      try {
        const report = (report: MachineReport) => printReport(report, args);
        const { names } = args;
        return await door.run({ names, load, json: args.flag("json"), quiet: args.flag("quiet"), report }, options);
      } finally {
        trace?.close();
      }
    },
  };
}

function printReport(report: MachineReport, args: Arguments): number {
  const style = styleFor(Deno.stdout, args.flag("no-color"));
  if (args.flag("json")) console.log(toJson(report));
  else if (!args.flag("quiet")) console.log(machineText(report.tree, style) + "\n" + resultText(report, style));
  return report.verified ? Exit.OK : Exit.FAILED;
}

function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
}

function commandOption({ type, description, default: preset, range, required }: OptionSpec): CommandOption {
  const more = [range, required ? "required" : undefined, preset === undefined ? undefined : `default ${preset}`];
  const help = type === "boolean" ? description : [description, ...more.filter(Boolean)].join(" · ");
  return type === "boolean" ? { help } : { value: type === "integer" ? "N" : type, help };
}

function valueOf(args: Arguments, flag: string, spec: OptionSpec): unknown {
  if (spec.type === "boolean") return args.flag(flag) ? true : undefined;
  const text = args.value(flag);
  return spec.type === "integer" && text !== undefined && /^-?\d+$/.test(text) ? Number(text) : text;
}

/** Reads a door's options; a complaint names the flag. */
function readFlags(door: DoorPlugin, values: Record<string, unknown>): Record<string, unknown> {
  try {
    return readOptions(door.options, values, { file: door.command, path: "" });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { path = "", ...problem } = error.problem;
    throw new InputError({ ...problem, file: `--${flagOf(path.replace(/^\./, ""))}` });
  }
}
