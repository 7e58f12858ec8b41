/**
 * The command line: finds the command, runs it, and turns what goes wrong into one line and an exit code.
 *
 * @module
 */

import { InputError, nearest } from "../errors.ts";
import { checkNames, type Command, readArguments } from "./command.ts";
import { Exit, explain, stackOf } from "./failure.ts";
import { styleFor } from "./style.ts";

/** A command that is loaded when it is used: `run` should not wait for the others. */
export interface CommandEntry {
  readonly summary: string;
  load(): Promise<{ command: Command }>;
}

/** The commands, in the order in which help shows them. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: { summary: "Run machines, print a report or a comparison.", load: () => import("./run.ts") },
  check: {
    summary: "Validate a manifest and print the machine that it means; run nothing.",
    load: () => import("./check.ts"),
  },
  plugins: { summary: "List the bundled plugins, or show one plugin's options.", load: () => import("./plugins.ts") },
  schema: { summary: "Print the JSON Schema of manifests, for editors.", load: () => import("./schema.ts") },
};

/**
 * Runs the command line.
 *
 * @returns the exit code: 0 verified, 1 not verified or failed, 2 bad input.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    const { message, exitCode } = explain(error);
    const style = styleFor(Deno.stderr, args.includes("--no-color"));
    console.error(`${style.bad("error:")} ${message}`);
    if (args.includes("--debug")) console.error(stackOf(error));
    return exitCode;
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return await help(rest[0]);
  if (name === "--version" || name === "-V") return await version();
  const { command } = await find(name);
  const parsed = readArguments(rest, command.options);
  if (parsed.flag("help")) return await help(name);
  checkNames(name, command, parsed.names);
  return await command.run(parsed);
}

/** A command of the kernel's, or of a door. @throws {InputError} when there is neither. */
async function find(name: string): Promise<{ summary: string; command: Command }> {
  if (Object.hasOwn(COMMANDS, name)) return { ...COMMANDS[name], ...await COMMANDS[name].load() };
  const doors = name.startsWith("-") ? {} : await allDoors();
  if (Object.hasOwn(doors, name)) return doors[name];
  const known = [...Object.keys(COMMANDS), ...Object.keys(doors), "help", "--version"];
  const found = `unknown ${name.startsWith("-") ? "option" : "command"} "${name}"`;
  const expected = `one of ${known.join(", ")}${mayLook() ? "" : "; those of doors need --allow-read"}`;
  throw new InputError({ file: "command line", found, expected, nearest: nearest(name, known) });
}

/** What doors bring; nothing when Deno may not look into the plugin folders, so that help needs no permission. */
async function allDoors(): Promise<Record<string, { summary: string; command: Command }>> {
  const { doorCommands } = await import("./door.ts");
  return mayLook() ? await doorCommands() : {};
}

const DOORS = new URL("../../plugins/doors/", import.meta.url);
const mayLook = () => Deno.permissions.querySync({ name: "read", path: DOORS }).state === "granted";

async function help(name: string | undefined): Promise<number> {
  const { commandHelp, overview } = await import("./help.ts");
  if (name === undefined) console.log(overview({ ...COMMANDS, ...await allDoors() }));
  else {
    const { summary, command } = await find(name);
    console.log(commandHelp(name, summary, command));
  }
  return Exit.OK;
}

async function version(): Promise<number> {
  const { default: config } = await import("../deno.json", { with: { type: "json" } });
  console.log(`iova ${config.version} (deno ${Deno.version.deno})`);
  return Exit.OK;
}
