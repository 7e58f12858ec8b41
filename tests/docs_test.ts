// What a README shows must work, and so must the examples. TypeScript blocks run with `deno test --doc`; here every
// manifest (a `json` block that names a platform) is run as a machine whose workload verifies, and every command of a
// `sh` block is run: each README in a fresh copy of the project, so that what a command writes stays there.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { filesBelow, ROOT, textOf } from "./architecture/tree.ts";

/** A fenced block of a README. */
interface Block {
  language: string;
  /** Line of its fence, from 1. */
  line: number;
  text: string;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1].trim(),
    line: markdown.slice(0, match.index).split("\n").length,
    text: match[2],
  }));
}

/** The commands of a `sh` block, with continued lines joined and comments taken off. */
function commandsOf(block: Block): string[] {
  const lines = block.text.replaceAll(/\\\n\s*/g, "").split("\n");
  return lines.map((line) => line.replace(/(^|\s)#.*$/, "").trim()).filter((line) => line !== "");
}

/** A command's words; single and double quotes group, nothing is expanded. */
function wordsOf(command: string): string[] {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

const TASKS = Object.keys(JSON.parse(textOf(ROOT, "deno.json")).tasks);
const DENO = /^(npx -y deno@[\d.]+|deno)$/;

/** The arguments of a `deno run` command; null for a task, which the continuous integration runs. */
function denoArguments(command: string): string[] | null {
  const [, program, rest] = /^(npx -y deno@[\d.]+|\S+) ?(.*)$/.exec(command)!;
  assert(DENO.test(program), `a README's commands start with deno: ${command}`);
  const words = wordsOf(rest);
  if (words[0] !== "task") return words;
  assert(TASKS.includes(words[1]), `there is no task "${words[1]}"`);
  return null;
}

/** What Deno prints in `folder`; fails with that when it fails. */
function runDeno(folder: string, args: string[]): string {
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).outputSync();
  const text = new TextDecoder();
  if (code === 0) return text.decode(stdout);
  throw new Error(`exit code ${code}: deno ${args.join(" ")}\n${text.decode(stdout)}${text.decode(stderr)}`);
}

/** Runs a manifest; it must verify. */
function runMachine(folder: string, manifest: string): void {
  runDeno(folder, ["run", "--frozen", "--allow-read", `--allow-write=${folder}`, "mod.ts", "run", manifest]);
}

/** A copy of the project, without the tests but with the tables that examples print, for as long as `use` takes. */
function inCopy(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "iova-docs-" });
  try {
    for (const path of filesBelow(ROOT)) {
      if (path.startsWith("tests/") && !path.startsWith("tests/grid/") || path.startsWith(".")) continue;
      Deno.mkdirSync(dirname(`${folder}/${path}`), { recursive: true });
      Deno.copyFileSync(`${ROOT}/${path}`, `${folder}/${path}`);
    }
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

for (const readme of filesBelow(ROOT).filter((path) => /(^|\/)README\.md$/.test(path))) {
  const blocks = blocksOf(textOf(ROOT, readme));
  const manifests = blocks.filter((block) => block.language === "json" && "platform" in JSON.parse(block.text));
  const commands = blocks.filter((block) => block.language === "sh").flatMap((block) =>
    commandsOf(block).map((command) => ({ command, line: block.line }))
  );
  const place = readme.slice(0, -"README.md".length);

  if (manifests.length > 0) {
    Deno.test(`every manifest in ${readme} runs and is verified`, () =>
      inCopy((folder) => {
        for (const { line, text } of manifests) {
          const manifest = `${place}README-${line}.json`;
          Deno.writeTextFileSync(`${folder}/${manifest}`, text);
          runMachine(folder, manifest);
        }
      }));
  }
  if (commands.length > 0) {
    Deno.test(`every command in ${readme} works`, () =>
      inCopy((folder) => {
        for (const { command } of commands) {
          const args = denoArguments(command);
          if (args !== null) runDeno(folder, args);
        }
      }));
  }
}

const examples = filesBelow(ROOT, "examples/");

const isModule = (path: string) => path.endsWith(".ts") && /^export default defineMachine\(/m.test(textOf(ROOT, path));
const isJson = (path: string) => path.endsWith(".json") && "platform" in JSON.parse(textOf(ROOT, path));

for (const manifest of examples.filter((path) => isModule(path) || isJson(path))) {
  Deno.test(`${manifest} runs and is verified`, () => inCopy((folder) => runMachine(folder, manifest)));
}

for (
  const script of examples.filter((path) => /^examples\/[^/]+(?<!_test|_bench)\.ts$/.test(path) && !isModule(path))
) {
  Deno.test(`${script} runs`, () =>
    inCopy((folder) => void runDeno(folder, ["run", "--frozen", "--allow-read", script])));
}

Deno.test("examples/experiment.ts shows the fault that it is about, on the bus and at the driver", () =>
  inCopy((folder) => {
    const shown = runDeno(folder, ["run", "--frozen", "--allow-read", "examples/experiment.ts"]);
    assertStringIncludes(shown, 'disk0 was answered "unsupported request" to its write at 0xdeadbeef0000');
    assertStringIncludes(shown, "The driver learned: I/O error.");
  }));

Deno.test("examples/fat12.img is the image whose making its page describes", async () => {
  const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(`${ROOT}/examples/fat12.img`));
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  assertStringIncludes(textOf(ROOT, "examples/README.md"), `sha256sum fat12.img # ${hex}`);
});

Deno.test("blocks, commands and their words are found in a README", () => {
  const blocks = blocksOf(
    "# x\n```sh\n# first\ndeno run \\\n  --a 'b c' # d\n\nnpx -y deno@2.9.6 run \"e\"\n```\n```json\n{}\n```\n",
  );
  assertEquals(blocks.map(({ language, line }) => [language, line]), [["sh", 2], ["json", 9]]);
  assertEquals(commandsOf(blocks[0]), ["deno run --a 'b c'", 'npx -y deno@2.9.6 run "e"']);
  assertEquals(commandsOf(blocks[0]).map(denoArguments), [["run", "--a", "b c"], ["run", "e"]]);
  assertEquals(denoArguments("npx -y deno@2.9.6 task start"), null);
});
