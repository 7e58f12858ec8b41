import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError } from "../errors.ts";
import knocking from "../testdata/knocking_door.ts";
import { readArguments } from "./command.ts";
import { doorCommand } from "./door.ts";
import { commandHelp } from "./help.ts";

const command = doorCommand(knocking);

/** What the door printed, and the exit code. */
async function knock(...args: string[]): Promise<[code: number, said: unknown]> {
  const said: string[] = [];
  const { log } = console;
  console.log = (line: string) => said.push(line);
  try {
    return [await command.run(readArguments(args, command.options)), JSON.parse(said.join("\n"))];
  } finally {
    console.log = log;
  }
}

Deno.test("a door's options become flags, with their defaults", async () => {
  assertEquals(await knock("m.json", "--at", "a.sock"), [0, {
    names: ["m.json"],
    load: { set: [] },
    json: false,
    quiet: false,
    options: { pollTime: 5, slots: 1, loud: false, at: "a.sock" },
  }]);
});

Deno.test("flags are read in the units of their options, and what every command takes goes into loading", async () => {
  const flags = ["--at=b", "--poll-time", "2us", "--slots", "9", "--loud", "--json", "--quiet"];
  const [code, said] = await knock("m.json", ...flags, "--seed", "7", "--set", "memory=1MiB", "--platform", "strict");
  assertEquals([code, said], [1, {
    names: ["m.json"],
    load: { set: [["memory", "1MiB"]], seed: 7, platform: "strict" },
    json: true,
    quiet: true,
    options: { pollTime: 2000, slots: 9, loud: true, at: "b" },
  }]);
});

Deno.test("a bad value is named by its flag", async () => {
  const complaint = async (...args: string[]) =>
    (await assertRejects(() => command.run(readArguments(args, command.options)), InputError) as InputError).message;
  assertEquals(
    await complaint("m.json", "--at", "a", "--slots", "12"),
    "--slots: found 12, expected a whole number, 1 to 9",
  );
  assertEquals(
    await complaint("m.json", "--at", "a", "--poll-time", "soon"),
    '--poll-time: found "soon", expected a time such as "10ms" or a number of nanoseconds',
  );
  assertEquals(await complaint("m.json"), "--at: found nothing, expected Where.");
  assertEquals(
    await complaint("m.json", "--at", "a", "--seed", "x"),
    '--seed: found "x", expected a whole number',
  );
});

Deno.test("help shows a door's flags with their ranges and defaults", () => {
  const help = commandHelp("knock", knocking.summary, command);
  assertStringIncludes(help, "Usage: deno run [permissions] mod.ts knock <manifest> [options]");
  assertStringIncludes(help, "  --slots N             How many. · 1 to 9 · default 1\n");
  assertStringIncludes(help, "  --loud                Whether to shout.\n");
  assertStringIncludes(help, "  --at path             Where. · required\n");
});
