import { assertEquals } from "@std/assert";
import { COLORED, PLAIN, width } from "./style.ts";
import { drawPairs, drawTable, drawTree } from "./table.ts";

Deno.test("a table's columns are aligned, numbers to the right", () => {
  assertEquals(drawTable(["device", "maps"], [["disk0", "1,024"], ["a", "7"]], "lr", PLAIN), [
    "  device   maps",
    "  disk0   1,024",
    "  a           7",
  ]);
});

Deno.test("colours do not disturb the columns", () => {
  const rows = [[COLORED.good("✓ yes"), "1"], [COLORED.bad("✗ no"), "1"]];
  const widths = drawTable(["ok", "n"], rows, "lr", COLORED).map(width);
  assertEquals(widths, [10, 10, 10]);
});

Deno.test("pairs are aligned, and nothing is drawn for none", () => {
  assertEquals(drawPairs([["a", "1"], ["long", "2"]], "  ", PLAIN), ["  a     1", "  long  2"]);
  assertEquals(drawPairs([], "  ", PLAIN), []);
});

Deno.test("a tree is drawn with its branches, the last one with a corner", () => {
  const leaf = (label: string, detail?: string) => ({ label, detail, children: [] });
  const tree = {
    label: "machine",
    detail: "64 MiB",
    children: [
      { label: "root", detail: "a bus", children: [leaf("disk0", "a disk"), leaf("nic", "a card")] },
      { label: "clock", children: [leaf("hand")] },
    ],
  };
  assertEquals(
    drawTree(tree, PLAIN).join("\n"),
    `\
  machine  64 MiB
  ├─ root   a bus
  │  ├─ disk0  a disk
  │  └─ nic    a card
  └─ clock
     └─ hand`,
  );
});
