import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { InputError, PluginError, readOptions, type WorkloadContext, type WorkloadResult } from "@iova/core";
import script from "./mod.ts";

/** Runs a script with this text, in a folder of its own. */
async function run(text: string, given: Record<string, unknown> = {}): Promise<WorkloadResult> {
  const folder = Deno.makeTempDirSync({ prefix: "iova-script-" });
  try {
    Deno.writeTextFileSync(`${folder}/mine.ts`, text);
    const context = {
      device: "disk0",
      where: { file: "machine.json", path: "workload[0]" },
      resolvePath: (path: string) => `${folder}/${path}`,
    } as unknown as WorkloadContext;
    const where = { file: "machine.json", path: "workload[0].with" };
    return await script.run(context, readOptions(script.options, { module: "mine.ts", ...given }, where));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What a person is told about a script that is bad input, without the place in the manifest. */
async function refusal(text: string, given: Record<string, unknown> = {}): Promise<string> {
  const { message } = await assertRejects(() => run(text, given), InputError);
  const place = "machine.json: workload[0].with.module: found ";
  assertEquals(message.slice(0, place.length), place);
  return message.slice(place.length);
}

const PLAIN = { verified: true, requests: 0, bytes: 0 };

Deno.test("a script that returns nothing, or true, is verified", async () => {
  assertEquals(await run("export default () => {};"), PLAIN);
  assertEquals(await run("export default async () => true;"), PLAIN);
});

Deno.test("a script that returns false is not verified", async () => {
  const expected = { ...PLAIN, verified: false, failure: "the script says that it is not verified" };
  assertEquals(await run("export default () => false;"), expected);
  assertEquals(await run("export default () => ({ verified: false });"), expected);
});

Deno.test("a script says its own reason", async () => {
  const { failure } = await run('export default () => ({ verified: false, failure: "too slow" });');
  assertEquals(failure, "too slow");
});

Deno.test("parts of a result are taken as they are", async () => {
  const result = await run('export default async () => ({ requests: 3, bytes: 1536, details: { mode: "odd" } });');
  assertEquals(result, { verified: true, requests: 3, bytes: 1536, details: { mode: "odd" } });
});

Deno.test("a script finds its options and what every workload is given", async () => {
  const { details } = await run(
    "export default ({ device, options }: any) => ({ details: { device, depth: options.depth } });",
    { options: { depth: 7 } },
  );
  assertEquals(details, { device: "disk0", depth: 7 });
});

Deno.test("a script that throws is named, with the error, line and column", async () => {
  assertEquals(
    await refusal('export default () => {\n  throw new RangeError("no such register");\n};\n'),
    '"mine.ts", which threw RangeError: no such register at line 2, column 9, expected a script that runs to its end',
  );
});

Deno.test("a script that rejects later is named as well", async () => {
  assertMatch(
    await refusal('export default async () => { await null; throw new Error("late"); };'),
    /^"mine\.ts", which threw Error: late at line 1, column \d+,/,
  );
});

Deno.test("a script may throw anything", async () => {
  assertMatch(await refusal('export default () => { throw "out of memory"; };'), /which threw out of memory, expected/);
});

Deno.test("a missing script is named", async () => {
  assertEquals(
    await refusal("", { module: "other.ts" }),
    '"other.ts", which does not exist, expected a script',
  );
});

Deno.test("a script that does not parse is named", async () => {
  assertMatch(await refusal("export default () => {"), /^"mine\.ts", which fails to load \(.*\), expected a script$/);
});

Deno.test("a script that throws while it loads is named", async () => {
  assertMatch(await refusal('throw new Error("at once");'), /^"mine\.ts", which fails to load \(Error: at once\)/);
});

Deno.test("a module without a default function is no script", async () => {
  const expected = '"mine.ts", which exports no function as default, expected a script';
  assertEquals(await refusal("export const x = 1;"), expected);
  assertEquals(await refusal("export default 1;"), expected);
});

Deno.test("a script that returns something else is told what it may return", async () => {
  assertEquals(
    await refusal('export default () => "fine";'),
    '"mine.ts", which returned string, expected nothing, true, false, or parts of a result',
  );
  await refusal('export default () => ({ verified: "yes" });');
});

Deno.test("a plugin that fails under a script keeps its own name", async () => {
  const core = JSON.stringify(import.meta.resolve("@iova/core"));
  const text = `import { PluginError } from ${core};
    export default () => { throw new PluginError("virtio-blk", "reset", new Error("stuck")); };`;
  await assertRejects(() => run(text), PluginError, 'plugin "virtio-blk" failed in reset: stuck');
});
