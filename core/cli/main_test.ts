// The command line as people use it: a process of its own, with the permissions that it is said to need.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { filePath } from "../paths.ts";

const MOD = filePath(new URL("../../mod.ts", import.meta.url));
const DATA = filePath(new URL("../testdata", import.meta.url));
const MACHINE = `${DATA}/machine.json`;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

async function iovaWith(permissions: string[], args: string[], cwd?: string): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "--no-prompt", ...permissions, MOD, ...args],
    cwd,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll(DATA, "…");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function iova(...args: string[]): Promise<Outcome> {
  return iovaWith(["--allow-read"], args);
}

/** A folder for the length of one test. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "iova-cli-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("run prints a report and ends with 0 when everything verified", async () => {
  const { code, stdout, stderr } = await iova("run", MACHINE);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^ {2}counting machine {2}.*\n/);
  assertMatch(stdout, /\n {2}counting {2}✓ verified\n {4}moved {9}3 requests, 1\.50 KiB\n/);
  assertMatch(stdout, /\n✓ verified {2}on plain, .* virtual, .* wall, seed 1\n$/);
});

Deno.test("run ends with 1 when something did not verify", async () => {
  const { code, stdout } = await iova("run", MACHINE, "--set", "workload[0].with.verify=false");
  assertEquals(code, 1);
  assertStringIncludes(stdout, "failure       told to fail\n");
});

Deno.test("run --quiet prints nothing", async () => {
  assertEquals(await iova("run", MACHINE, "--quiet"), { code: 0, stdout: "", stderr: "" });
});

Deno.test("run --json prints one JSON document, with the seed and the values that were set", async () => {
  const { code, stdout } = await iova("run", MACHINE, "--json", "--seed", "7", "--set=workload.0.with.count=5");
  const report = JSON.parse(stdout);
  assertEquals([code, report.seed, report.verified, report.platform], [0, 7, true, "plain"]);
  assertEquals(report.workloads[0].details, { sum: 10 });
});

Deno.test("warnings are printed with the report", async () => {
  const { stdout } = await iova("run", MACHINE, "--set", "platform.with.depth=9");
  assertStringIncludes(stdout, "Warnings: 1\n");
  assertStringIncludes(stdout, "nine levels are many");
});

Deno.test("a manifest can be a module", async () => {
  const { code, stdout } = await iova("run", `${DATA}/machine.ts`);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "nothing to verify  on plain");
});

Deno.test("several manifests are compared up to the first observation that differs", async () => {
  await inFolder(async (folder) => {
    const platform = { use: `${DATA}/plain_platform.ts`, with: { depth: 5 } };
    const manifest = { platform, workload: [{ use: `${DATA}/counting_workload.ts` }] };
    await Deno.writeTextFile(`${folder}/five.json`, JSON.stringify(manifest));
    const { code, stdout } = await iova("run", MACHINE, `${folder}/five.json`);
    assertEquals(code, 0);
    const end = stdout.slice(stdout.indexOf("First")).replaceAll(folder, "…").replace(/ {2,}/g, " | ");
    assertEquals(
      end,
      "First observation that differs: number 3\n | …/machine.json | two of 4\n | …/five.json | two of 5\n",
    );
  });
});

Deno.test("several platforms are compared, by paths from the current folder", async () => {
  const platforms = `${DATA}/plain_platform.ts,./testdata/plain_platform.ts`;
  const { code, stdout } = await iovaWith(["--allow-read"], ["run", MACHINE, "--platform", platforms], `${DATA}/..`);
  assertEquals(code, 0);
  assertMatch(stdout, /\n {2}\.\/testdata\/plain_platform\.ts +✓ yes /);
  assertStringIncludes(stdout, "\nAll 3 observations agree.\n");
});

Deno.test("a platform that cannot serve the machine is a row of the comparison, and 1", async () => {
  const platforms = `${DATA}/plain_platform.ts,${DATA}/picky_platform.ts`;
  const { code, stdout, stderr } = await iova("run", MACHINE, "--platform", platforms);
  assertEquals([code, stderr], [1, ""]);
  assertMatch(stdout, /\n {2}…\/plain_platform\.ts {2}✓ yes .*\n {2}…\/picky_platform\.ts {2}✗ could not run\n/);
  assertStringIncludes(stdout, "…/machine.json: platform.with.key: found nothing, expected The key to its door.\n");
});

Deno.test("when no run of a comparison can be made the input is bad, and 2", async () => {
  const { code, stdout } = await iova("run", MACHINE, MACHINE, "--set", "platform.with.depth=10");
  assertEquals(code, 2);
  assertStringIncludes(stdout, "platform.with.depth: found 10, expected a whole number, 1 to 9");
});

Deno.test("a comparison as JSON holds every report and what differed", async () => {
  const { stdout } = await iova("run", MACHINE, MACHINE, "--json");
  const { runs, comparison } = JSON.parse(stdout);
  assertEquals(runs.map((run: { report: { verified: boolean } }) => run.report.verified), [true, true]);
  assertEquals(comparison, { agree: true, compared: 3, cut: false });
});

Deno.test("a platform that does not exist ends a comparison before it begins", async () => {
  const { code, stdout, stderr } = await iova("run", MACHINE, "--platform", `./nowhere.ts,${DATA}/plain_platform.ts`);
  assertEquals([code, stdout], [2, ""]);
  assertMatch(stderr, /^error: --platform: found "file:.*nowhere\.ts", which fails to load/);
});

Deno.test("a trace has every event as one line of JSON, and the run's name in a comparison", async () => {
  await inFolder(async (folder) => {
    const trace = `${folder}/trace.jsonl`;
    const permissions = ["--allow-read", `--allow-write=${trace}`];
    const lines = async () => (await Deno.readTextFile(trace)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals((await iovaWith(permissions, ["run", MACHINE, "--trace", trace])).code, 0);
    assertEquals((await lines()).filter(({ type }) => type === "request"), [
      { type: "request", number: 0, time: 0 },
      { type: "request", number: 1, time: 0 },
      { type: "request", number: 2, time: 0 },
    ]);
    await iovaWith(permissions, [
      "run",
      "machine.json",
      "machine.json",
      "--trace",
      trace,
      "--set=workload.0.with.count=1",
    ], DATA);
    assertEquals((await lines()).map(({ run }) => run), ["machine.json", "machine.json"]);
  });
});

Deno.test("no permission to write is one line that says which and for what", async () => {
  assertEquals(await iova("run", MACHINE, "--trace", "/nowhere/t.jsonl"), {
    code: 2,
    stdout: "",
    stderr: "error: no permission to write /nowhere/t.jsonl; run deno with --allow-write=/nowhere/t.jsonl\n",
  });
  const { code, stderr } = await iova("run", MACHINE, "--set=workload.0.with.open=/nowhere/o");
  assertEquals(
    [code, stderr],
    [2, "error: no permission to write /nowhere/o; run deno with --allow-write=/nowhere/o\n"],
  );
});

Deno.test("no permission to read is one line that says which and for what", async () => {
  const { code, stderr } = await iovaWith([], ["run", MACHINE]);
  assertEquals(code, 2);
  assertEquals(stderr, "error: no permission to read …/machine.json; run deno with --allow-read=…/machine.json\n");
  const plugin = await iovaWith([`--allow-read=${MACHINE}`], ["run", MACHINE]);
  assertEquals(
    [plugin.code, plugin.stderr],
    [2, "error: no permission to read …/plain_platform.ts; run deno with --allow-read=…/plain_platform.ts\n"],
  );
});

Deno.test("a missing manifest is one line and 2", async () => {
  assertEquals(await iova("run", "nowhere.json"), {
    code: 2,
    stdout: "",
    stderr: "error: nowhere.json: found no such file, expected a manifest\n",
  });
});

Deno.test("bad JSON is told by line and column", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/bad.json`, '{\n  "platform": "strict",\n  "memory": 64MiB\n}\n');
    for (const command of ["run", "check"]) {
      const { code, stderr } = await iova(command, `${folder}/bad.json`);
      assertEquals([code, stderr], [
        2,
        `error: ${folder}/bad.json: line 3, column 13: found "64MiB", expected a value\n`,
      ]);
    }
  });
});

const REFUSED: [name: string, set: string, message: string][] = [
  [
    "an option out of range",
    "platform.with.depth=0",
    "…/machine.json: platform.with.depth: found 0, expected a whole number, 1 to 9",
  ],
  [
    "a plugin of the wrong kind",
    "platform=./slot_device.ts",
    '…/machine.json: platform: found a device plugin ("slot"), expected a platform plugin',
  ],
  [
    "a plugin for another API version",
    "platform=./future_platform.ts",
    '…/machine.json: platform: found plugin "future" for API version 2, expected API version 1',
  ],
  [
    "a workload that names no device",
    "workload.0.use=./driving_workload.ts",
    '…/machine.json: workload[0].device: found no device, expected a slots device for "driving", but there is none',
  ],
  [
    "a path that leads nowhere",
    "devices.disk0.with.depth=8",
    '--set: devices.disk0.with.depth: found no device "disk0", expected no entry: the list is empty',
  ],
];
for (const [name, set, message] of REFUSED) {
  Deno.test(`${name} is one line and 2`, async () => {
    assertEquals(await iova("run", MACHINE, "--set", set), { code: 2, stdout: "", stderr: `error: ${message}\n` });
  });
}

Deno.test("a plugin with the wrong hash is refused by name of both hashes", async () => {
  const pin = { use: "./plain_platform.ts", sha256: "f".repeat(64) };
  const { code, stderr } = await iova("run", MACHINE, "--set", `platform=${JSON.stringify(pin)}`);
  assertEquals(code, 2);
  assertMatch(
    stderr,
    /^error: …\/machine\.json: platform\.use\.sha256: found \S+ with SHA-256 [0-9a-f]{64}, expected f{64}\n$/,
  );
});

Deno.test("a plugin that throws is named, exits with 1, and shows its stack only with --debug", async () => {
  const args = ["run", MACHINE, "--set", "workload.0.with.throws=true"];
  const { code, stderr } = await iova(...args);
  assertEquals([code, stderr], [1, 'error: plugin "counting" failed in run: no more numbers\n']);
  const debug = await iova(...args, "--debug");
  assertMatch(debug.stderr, /caused by Error: no more numbers\n.*counting_workload\.ts:\d+/s);
});

Deno.test("check prints the resolved machine with its defaults and runs nothing", async () => {
  const { code, stdout } = await iova("check", MACHINE, "--set=workload.0.with.throws=true");
  assertEquals(code, 0);
  assertEquals(
    stdout,
    `\
  counting machine  1 MiB, seed 1
  ├─ platform      plain, from ./plain_platform.ts
  │  ├─ depth   4
  │  ├─ offset  0x0
  │  └─ window  64 KiB
  ├─ root          no bus
  ├─ workload 0    counting, from ./counting_workload.ts
  │  ├─ verify  true
  │  ├─ count   3
  │  ├─ throws  true
  │  └─ open
  ├─ invalidation  revoke, deadline 10 ms
  └─ leases        direct
`,
  );
});

Deno.test("check shows buses, bridges and what is plugged in where", async () => {
  const { code, stdout } = await iova("check", `${DATA}/with_device.json`);
  assertEquals(code, 0);
  assertStringIncludes(
    stdout,
    `
  ├─ main          backplane, from ./backplane_bus.ts, root bus, acs
  │  ├─ a      slot, from ./slot_device.ts
  │  │  └─ image  a.img
  │  └─ below  bridge, at 2, untranslated
  │     ├─ platform  plain, from ./plain_platform.ts
  │     │  ├─ depth   2
  │     │  ├─ offset  0x0
  │     │  └─ window  64 KiB
  │     └─ b         slot, from ./slot_device.ts, at 7
  │        └─ image  b.img
`,
  );
});

Deno.test("check --json prints addresses as text and plugins by name", async () => {
  const { stdout } = await iova("check", `${DATA}/with_device.json`, "--json");
  const machine = JSON.parse(stdout);
  assertEquals(machine.platform, {
    use: "./plain_platform.ts",
    plugin: "plain",
    with: { depth: 4, offset: "0x0", window: 65536 },
  });
  assertEquals(machine.bus.bridges[0].platform.with.depth, 2);
  assertEquals(machine.devices[1], {
    id: "b",
    busId: "below",
    at: "7",
    use: "./slot_device.ts",
    plugin: "slot",
    with: { image: "b.img" },
  });
});

Deno.test("plugins shows one plugin's options with types, defaults and ranges", async () => {
  const { code, stdout } = await iovaWith(["--allow-read"], ["plugins", "./plain_platform.ts"], DATA);
  assertEquals(code, 0);
  assertEquals(
    stdout,
    `\
plain: Nothing between device and memory.
platform plugin

  option  type     default  range   what it says
  depth   integer  4        1 to 9  How many levels.
  offset  address  0x0              Where memory starts.
  window  size     64 KiB           Bytes that a device sees.
`,
  );
  const slot = await iovaWith(["--allow-read"], ["plugins", "./slot_device.ts"], DATA);
  assertMatch(slot.stdout, /\n {2}image +path +required +Its image\.\n$/);
});

Deno.test("plugins --json gives the options as JSON Schema", async () => {
  const { stdout } = await iova("plugins", `${DATA}/plain_platform.ts`, "--json");
  const plugin = JSON.parse(stdout);
  assertEquals([plugin.name, plugin.kind, plugin.api], ["plain", "platform", 1]);
  assertEquals(plugin.options.properties.depth, {
    description: "How many levels.",
    type: "integer",
    minimum: 1,
    maximum: 9,
    default: 4,
  });
});

Deno.test("plugins lists what is bundled, and schema prints a schema", async () => {
  const list = await iova("plugins", "--json");
  assertEquals(list.code, 0);
  const kinds = new Set(JSON.parse(list.stdout).map(({ kind }: { kind: string }) => kind));
  for (const kind of ["platform", "bus", "device", "check", "workload"]) assert(kinds.has(kind), `a ${kind} is listed`);
  const table = await iova("plugins");
  assertMatch(table.stdout, /^ {2}kind +name +what it is\n {2}platform +\S+ +\S/);
  const schema = await iova("schema");
  assertEquals(JSON.parse(schema.stdout).title, "iova manifest");
});

Deno.test("unknown commands and options are refused with the nearest, and 2", async () => {
  const command = await iova("chek");
  assertEquals(command.code, 2);
  assertMatch(command.stderr, /^error: command line: found unknown command "chek", .*; did you mean "check"\?\n$/);
  const door = await iovaWith([], ["serve", MACHINE]);
  assertEquals(door.code, 2);
  assertMatch(
    door.stderr,
    /^error: .* unknown command "serve", expected one of .*; those of doors need --allow-read\n$/,
  );
  const option = await iova("run", MACHINE, "--jsn");
  assertEquals(option.code, 2);
  assertMatch(option.stderr, /^error: --jsn: found an unknown option, .*; did you mean "--json"\?\n$/);
  assertEquals(await iova("run"), {
    code: 2,
    stdout: "",
    stderr: "error: run: found nothing more, expected run <manifest>…\n",
  });
  const seed = await iova("run", MACHINE, "--seed", "x");
  assertEquals([seed.code, seed.stderr], [2, 'error: --seed: found "x", expected a whole number\n']);
});

Deno.test("help and --version need no permission", async () => {
  for (const args of [[], ["help"], ["--help"]]) {
    const { code, stdout } = await iovaWith([], args);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "deno run --allow-read mod.ts run examples/quickstart.json\n");
  }
  for (const args of [["help", "run"], ["run", "--help"]]) {
    const { code, stdout } = await iovaWith([], args);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "\n  --set path=value ");
  }
  assertMatch((await iovaWith([], ["--version"])).stdout, /^iova \d+\.\d+\.\d+ \(deno \d+\.\d+\.\d+\)\n$/);
});

Deno.test("a workload that waits for what never comes is told so, in one line", async () => {
  await inFolder(async (folder) => {
    const workload = { name: "waits", kind: "workload", api: 1, summary: "", options: {} };
    const module = `export default { ...${JSON.stringify(workload)}, run: () => new Promise(() => {}) };`;
    await Deno.writeTextFile(`${folder}/waits.ts`, module);
    const manifest = { platform: `${DATA}/plain_platform.ts`, workload: [{ use: "./waits.ts" }] };
    await Deno.writeTextFile(`${folder}/m.json`, JSON.stringify(manifest));
    assertEquals(await iova("run", `${folder}/m.json`, "--quiet"), {
      code: 1,
      stdout: "",
      stderr: "error: the machine waits for something that never comes: no work, no timer and no file is left\n",
    });
  });
});
