/**
 * Help texts.
 *
 * @module
 */

import { type Command, COMMON_OPTIONS } from "./command.ts";
import type { CommandEntry } from "./main.ts";

const EXAMPLES = `Examples, each with the least permissions that it needs:
  deno run --allow-read mod.ts run examples/quickstart.json
  deno run --allow-read mod.ts run examples/quickstart.json --platform direct,strict
  deno run --allow-read --allow-write=trace.jsonl mod.ts run examples/quickstart.json --trace trace.jsonl
  deno run --allow-read mod.ts check examples/quickstart.json
  deno run --allow-read mod.ts plugins

Exit codes: 0 verified, 1 not verified or a program failed, 2 bad input.`;

function columns(rows: readonly (readonly [string, string])[]): string {
  const longest = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(longest)}  ${text}`).join("\n");
}

/** What `help` prints. */
export function overview(commands: Readonly<Record<string, Pick<CommandEntry, "summary">>>): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    "iova: a workbench for DMA. A manifest describes a machine; running it shows every byte that moves.",
    "Usage: deno run [permissions] mod.ts <command> [options]",
    columns([...rows, ["help [command]", "Print this, or one command's options."], [
      "--version",
      "Print the version.",
    ]]),
    EXAMPLES,
  ].join("\n\n");
}

/** What `help <command>` prints. */
export function commandHelp(name: string, summary: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(([option, { value, help }]) =>
    [`--${option}${value === undefined ? "" : ` ${value}`}`, help] as const
  );
  const usage = `Usage: deno run [permissions] mod.ts ${`${name} ${command.usage}`.trim()} [options]`;
  return [summary, usage, command.about, columns(options)].join("\n\n");
}
