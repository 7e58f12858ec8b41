/**
 * What a command of the command line is, and how its arguments are read.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { InputError, nearest } from "../errors.ts";

/** One `--option`. */
export interface CommandOption {
  /** What stands for its value in help; absent: it takes none. */
  readonly value?: string;
  /** May be given several times. */
  readonly many?: boolean;
  readonly help: string;
}

/** What a command was given. */
export class Arguments {
  /** Takes what the parser found. */
  constructor(readonly names: readonly string[], readonly options: Readonly<Record<string, unknown>>) {}

  /** Whether a flag was given. */
  flag(name: string): boolean {
    return this.options[name] === true;
  }

  /** The value of an option, if it was given. */
  value(name: string): string | undefined {
    return this.all(name).at(-1);
  }

  /** Every value of an option. */
  all(name: string): string[] {
    const found = this.options[name];
    return Array.isArray(found) ? found : found === undefined ? [] : [String(found)];
  }
}

/** A command. Its module is loaded when it is used. */
export interface Command {
  /** What follows its name: `<manifest>…`. */
  readonly usage: string;
  /** How many names may follow; the least and the most. */
  readonly names: readonly [least: number, most: number];
  readonly options: Readonly<Record<string, CommandOption>>;
  /** More for its help. */
  readonly about: string;
  /** Does it. @returns the exit code. */
  run(args: Arguments): Promise<number>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: Readonly<Record<string, CommandOption>> = {
  "no-color": { help: "No colours, also on a terminal (so does NO_COLOR)." },
  debug: { help: "Print the stack of an error." },
  help: { help: "Print this." },
};

/** Reads arguments by a command's options. @throws {InputError} for an unknown option or a missing value. */
export function readArguments(args: readonly string[], own: Command["options"]): Arguments {
  const options = { ...COMMON_OPTIONS, ...own };
  const names = Object.keys(options);
  const valued = names.filter((name) => options[name].value !== undefined);
  const known = names.map((name) => "--" + name);
  const parsed: Record<string, unknown> = parseArgs([...args], {
    boolean: names.filter((name) => options[name].value === undefined),
    string: [...valued, "_"],
    collect: valued.filter((name) => options[name].many),
    alias: { help: "h" },
    unknown(arg: string, key?: string) {
      if (key === undefined) return true;
      const option = arg.replace(/=.*$/s, "");
      const expected = `one of ${known.join(", ")}`;
      throw new InputError({ file: option, found: "an unknown option", expected, nearest: nearest(option, known) });
    },
  });
  const { _: positional, ...found } = parsed;
  const result = new Arguments((positional as unknown[]).map(String), found);
  for (const name of valued) {
    if (result.all(name).includes("")) {
      throw new InputError({ file: "--" + name, found: "no value", expected: `--${name} ${options[name].value}` });
    }
  }
  return result;
}

/** Checks how many names were given. @throws {InputError} when there are too few or too many. */
export function checkNames(command: string, { usage, names: [least, most] }: Command, given: readonly string[]): void {
  if (given.length >= least && given.length <= most) return;
  const found = given.length < least ? "nothing more" : `"${given[most]}"`;
  throw new InputError({ file: command, found, expected: `${command} ${usage}`.trim() });
}
