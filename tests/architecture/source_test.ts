import { assertEquals } from "@std/assert";
import { plainWords, specifiers, tokens } from "./source.ts";

Deno.test("every form of import is seen", () => {
  const source = `
    import a from "./a.ts";
    import { b } from './b.ts';
    import type { C } from "c";
    import "./d.ts";
    export * from "./e.ts";
    export { f } from "@x/f";
    type G = import("./g.ts").G;
    const h = await import("./h.ts");
    const i = await import(\`./i.ts\`);
    const j = new URL("../j.ts", import.meta.url);
    import json from "./k.json" with { type: "json" };`;
  const expected = ["./a.ts", "./b.ts", "c", "./d.ts", "./e.ts", "@x/f", "./g.ts", "./h.ts", "./i.ts", "../j.ts"];
  assertEquals(specifiers(source), [...expected, "./k.json"]);
});

Deno.test("imports in comments, and text that merely mentions one, are not seen", () => {
  const source = `
    // import a from "./a.ts";
    /** \`\`\`ts
     * import b from "./b.ts";
     * \`\`\` */
    const c = Array.from("./c");
    const d = "import d from './d'";
    const from = "x"; const f = \`\${from}./f.ts\`;
    const e = \`export * from "./e.ts" \${"}" + /* from "./f.ts" */ 1} from "./g.ts"\`;`;
  assertEquals(specifiers(source), []);
});

Deno.test("a quote inside a pattern, and a slash that divides, do not lead the scanner astray", () => {
  const source = `const a = /["'\`/]\\/[/"]/g.test(x) ? 4 / 2 / 1 : (b) / c; // "
    import d from "./d.ts";`;
  assertEquals(specifiers(source), ["./d.ts"]);
  assertEquals(tokens(source).find((token) => token.kind === "pattern")?.line, 1);
});

Deno.test("substitutions in templates nest", () => {
  const source = "const a = `x${ { b: `y${ c({ d: 1 }) }z` } }w`; import e from './e.ts';";
  assertEquals(tokens(source).filter((token) => /string|template/.test(token.kind)).map((token) => token.text), [
    "x",
    "y",
    "z",
    "w",
    "./e.ts",
  ]);
});

Deno.test("a token knows its line", () => {
  const lines = tokens('a\n/* b\n */ c "d\\\ne" f').map((token) => token.line);
  assertEquals(lines, [1, 2, 3, 3, 4]);
});

Deno.test("identifiers fall apart into plain words", () => {
  assertEquals(plainWords("fooBar_BAZ2 PCIeLink #qux"), ["foo", "bar", "baz", "pcie", "link", "qux"]);
  assertEquals(plainWords("MMIOWindow mapSg"), ["mmio", "window", "map", "sg"]);
});
