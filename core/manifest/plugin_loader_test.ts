import { assertEquals, assertRejects } from "@std/assert";
import { InputError } from "../errors.ts";
import type { Use } from "./manifest.ts";
import { filePath } from "../paths.ts";
import type { PluginKind } from "../plugin.ts";
import { bundledPlugins, resolvePlugin } from "./plugin_loader.ts";

const HERE = filePath(new URL("../testdata/", import.meta.url));
const WHERE = { file: "m.json", path: "platform.use" };

async function complaint(use: Use, kind?: PluginKind): Promise<string> {
  const error = await assertRejects(() => resolvePlugin(use, WHERE, HERE, kind), InputError);
  return error.message.replaceAll(import.meta.resolve("../testdata/"), "file:…/").replace(/^m\.json: /, "");
}

Deno.test("a plugin is found by a path relative to the manifest, and by URL", async () => {
  const byPath = await resolvePlugin("./plain_platform.ts", WHERE, HERE, "platform");
  const byUrl = await resolvePlugin(import.meta.resolve("../testdata/plain_platform.ts"), WHERE, "/", "platform");
  assertEquals(byPath.name, "plain");
  assertEquals(byUrl === byPath, true);
});

Deno.test("a missing file is no plugin", async () => {
  assertEquals(
    await complaint("./nowhere.ts"),
    'platform.use: found "./nowhere.ts", which fails to load (Module not found "file:…/nowhere.ts".), expected a plugin',
  );
});

Deno.test("a module that throws when it is loaded is no plugin", async () => {
  assertEquals(
    await complaint("./throws_at_import.ts"),
    'platform.use: found "./throws_at_import.ts", which fails to load (not today), expected a plugin',
  );
});

Deno.test("a module without a default export is no plugin", async () => {
  assertEquals(
    await complaint("./no_default.ts"),
    "platform.use: found a module without a default export, expected a plugin object as its default export",
  );
});

Deno.test("a plugin of another kind is refused", async () => {
  assertEquals(
    await complaint("./slot_device.ts", "platform"),
    'platform.use: found a device plugin ("slot"), expected a platform plugin',
  );
});

Deno.test("a plugin for another API version is refused", async () => {
  assertEquals(
    await complaint("./future_platform.ts"),
    'platform.use: found plugin "future" for API version 2, expected API version 1',
  );
});

Deno.test("a plugin without its functions is refused", async () => {
  assertEquals(
    await complaint("./half_platform.ts"),
    'platform.use: found plugin "half" without create(), expected what a platform plugin has',
  );
});

async function sha256(name: string): Promise<string> {
  const bytes = await Deno.readFile(new URL(`../testdata/${name}`, import.meta.url));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("a plugin with the right hash is loaded, in capitals as well", async () => {
  const hash = await sha256("plain_platform.ts");
  for (const sha256 of [hash, hash.toUpperCase()]) {
    assertEquals((await resolvePlugin({ use: "./plain_platform.ts", sha256 }, WHERE, HERE)).name, "plain");
  }
});

Deno.test("a plugin with the wrong hash is refused before anything in it runs", async () => {
  const wrong = "0".repeat(64);
  assertEquals(
    await complaint({ use: "./throws_at_import.ts", sha256: wrong }),
    `platform.use.sha256: found ./throws_at_import.ts with SHA-256 ${await sha256(
      "throws_at_import.ts",
    )}, expected ${wrong}`,
  );
});

Deno.test("a hash pins files and nothing else", async () => {
  for (const use of ["direct", "npm:left-pad", "jsr:@a/b", "https://example.com/p.ts"]) {
    assertEquals(
      await complaint({ use, sha256: "0".repeat(64) }),
      `platform.use.sha256: found a hash for "${use}", which cannot be pinned, expected a hash only for a plugin file`,
    );
  }
});

Deno.test("a pinned file that is missing is said to be missing", async () => {
  assertEquals(
    await complaint({ use: "./nowhere.ts", sha256: "0".repeat(64) }),
    'platform.use: found no file "./nowhere.ts", expected a plugin',
  );
});

Deno.test("an unknown bundled name is refused with the nearest one", async () => {
  const names = (await bundledPlugins()).map(({ name }) => name);
  const [name] = names;
  assertEquals(
    await complaint(name + "x"),
    `platform.use: found unknown plugin "${name}x", expected one of ${
      names.join(", ")
    }, or a path or URL; did you mean "${name}"?`,
  );
});

Deno.test("every package of plugins that is no library is listed once, in the order of kinds", async () => {
  const folders = [...Deno.readDirSync(new URL("../../plugins/", import.meta.url))].map(({ name }) => name);
  const expected = folders.filter((folder) => folder !== "libraries").flatMap((folder) =>
    [...Deno.readDirSync(new URL(`../../plugins/${folder}/`, import.meta.url))].map(({ name }) => `${folder}/${name}`)
  ).filter((path) => isModule(`../../plugins/${path}/mod.ts`)).map((path) => path.split("/")[1]);
  const plugins = await bundledPlugins();
  const names = plugins.map(({ name }) => name);
  for (const name of expected) assertEquals(names.filter((other) => other === name), [name]);
  const kinds = plugins.map(({ kind }) => kind);
  assertEquals(kinds, [...kinds].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)));
});

function isModule(path: string): boolean {
  try {
    return Deno.statSync(new URL(path, import.meta.url)).isFile;
  } catch {
    return false;
  }
}

const ORDER = ["platform", "bus", "profile", "device", "check", "workload", "door"];
