import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Explanation, explanationTable } from "@iova/qtest/testing";
import { ROOT, textOf } from "../architecture/tree.ts";

const files = [...Deno.readDirSync(new URL(".", import.meta.url))].map(({ name }) => name).filter((name) =>
  name.endsWith("_differences.ts")
).sort();
const all: Explanation[] = [];
for (const file of files) all.push(...(await import(`./${file}`)).EXPLANATIONS);

Deno.test("the README of the door has every explanation, once", () => {
  const once = [...new Map(all.map((one) => [one.what, one])).values()];
  const readme = textOf(ROOT, "plugins/doors/qtest/README.md").replaceAll(/ +\|/g, " |").replaceAll(
    /\| -+ /g,
    "| --- ",
  );
  assertStringIncludes(readme, explanationTable(once));
});

Deno.test("the same difference has the same words wherever it shows", () => {
  for (const { what, ours, qemu, why } of all) {
    const same = all.filter((other) => other.what === what);
    assertEquals(same.map((other) => [other.ours, other.qemu, other.why]), same.map(() => [ours, qemu, why]));
  }
});
