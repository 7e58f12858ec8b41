import { assertEquals } from "@std/assert";
import { DIFFERENCES, personality, personalityTable } from "./device_personality.ts";

/** The cells of a Markdown table's rows. */
function rows(text: string): string[][] {
  return text.split("\n").filter((line) => line.startsWith("|") && !/^\|[ -|]*\|$/.test(line))
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
}

Deno.test("the README shows every difference of the table, and none besides", () => {
  const readme = Deno.readTextFileSync(new URL("README.md", import.meta.url));
  const section = readme.slice(readme.indexOf("## Personalities"), readme.indexOf("## Limits"));
  assertEquals(rows(section), rows(personalityTable()));
});

Deno.test("in every row the two personalities differ", () => {
  const [spec, qemu] = [personality("spec"), personality("qemu")];
  for (const key of Object.keys(DIFFERENCES) as (keyof typeof DIFFERENCES)[]) {
    assertEquals(spec[key] === qemu[key], false, key);
  }
});
