import { assertEquals } from "@std/assert";
import { bundledPlugins } from "../manifest/loader.ts";
import plain from "../testdata/plain_platform.ts";
import slot from "../testdata/slot_device.ts";
import { toJson } from "./json.ts";
import { manifestJsonSchema } from "./manifest_schema.ts";

// deno-lint-ignore no-explicit-any
const schema = manifestJsonSchema([plain, slot]) as any;

Deno.test("the schema allows the manifest's keys and no others", () => {
  assertEquals(Object.keys(schema.properties), [
    ..."$schema name seed memory platform profile bus devices workload checks invalidation leases".split(" "),
  ]);
  assertEquals([schema.additionalProperties, schema.required], [false, ["platform"]]);
});

Deno.test("every reference in the schema leads somewhere, and every object in it is described", () => {
  const names = [...toJson(schema).matchAll(/"#\/definitions\/(\w+)"/g)].map(([, name]) => name);
  assertEquals([...new Set(names)].sort(), [
    "bridge",
    "bus",
    "check",
    "device",
    "invalidation",
    "platform",
    "profile",
    "workload",
  ]);
  for (const name of names) assertEquals(schema.definitions[name].type, "object");
});

Deno.test("use suggests the bundled plugins of its kind, and takes any other text", () => {
  assertEquals(schema.definitions.device.properties.use.anyOf, [
    { const: "slot", description: "Fits a backplane." },
    { type: "string", minLength: 1 },
  ]);
  assertEquals(schema.properties.platform.anyOf, [
    {
      anyOf: [{ const: "plain", description: "Nothing between device and memory." }, { type: "string", minLength: 1 }],
    },
    { $ref: "#/definitions/platform" },
  ]);
});

Deno.test("a bundled plugin's name brings its options", () => {
  assertEquals(schema.definitions.device.allOf, [{
    if: { properties: { use: { const: "slot" } }, required: ["use"] },
    then: {
      properties: {
        with: {
          type: "object",
          additionalProperties: false,
          properties: { image: { description: "Its image.", type: "string", minLength: 1 } },
          required: ["image"],
        },
      },
      required: ["with"],
    },
  }]);
});

Deno.test("a kind without bundled plugins leaves no empty lists, which the draft forbids", () => {
  assertEquals(toJson(manifestJsonSchema([])).includes("[]"), false);
});

Deno.test("examples/manifest.schema.json is what `schema` prints", async () => {
  const file = await Deno.readTextFile(new URL("../../examples/manifest.schema.json", import.meta.url));
  const current = JSON.parse(toJson(manifestJsonSchema(await bundledPlugins())));
  assertEquals(
    JSON.parse(file),
    current,
    "write it again: deno run --allow-read mod.ts schema > examples/manifest.schema.json",
  );
});
