/**
 * Reads TypeScript source as far as the architecture tests need it: which modules a file names, and which words stand in
 * its code, its strings and its comments.
 *
 * @module
 */

/**
 * A piece of source. A template literal without substitutions is a `string`; one with them gives a `template` token for
 * each stretch of text, and the tokens of what is substituted.
 */
export interface Token {
  kind: "word" | "string" | "template" | "pattern" | "comment" | "punctuation";
  /** The text, without quotes or comment marks. */
  text: string;
  /** Where it starts, from 1. */
  line: number;
}

const PIECES: [Token["kind"] | "space", RegExp][] = [
  ["space", /\s+/y],
  ["comment", /\/\/([^\n]*)|\/\*([^]*?)\*\//y],
  ["word", /[\p{ID_Start}$_#@][\p{ID_Continue}$]*|[0-9][0-9a-zA-Z_.]*/uy],
  ["string", /"((?:[^"\\\n]|\\[^])*)"|'((?:[^'\\\n]|\\[^])*)'/y],
  ["template", /`/y],
  ["pattern", /\/((?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/[a-z]*/y],
  ["punctuation", /[^]/uy],
];

const TEMPLATE_TEXT = /((?:[^`\\$]|\\[^]|\$(?!\{))*)(`|\$\{|$)/y;

/** After these, a slash divides; anywhere else it begins a pattern. */
const VALUE_END = /^[)\]}]$/;
const OPERATOR_WORDS = new Set(["return", "typeof", "case", "in", "of", "delete", "void", "throw", "else", "await"]);

/** The tokens of a source text. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  const braces: number[] = []; // for each open substitution of a template: how many braces are open inside it
  let at = 0;
  let line = 1;
  const take = (kind: Token["kind"] | null, whole: string, inner: string) => {
    if (kind !== null) found.push({ kind, text: inner, line });
    line += whole.split("\n").length - 1;
    at += whole.length;
  };
  const templateText = (first: boolean) => {
    TEMPLATE_TEXT.lastIndex = at;
    const [whole, inner, end] = TEMPLATE_TEXT.exec(text)!;
    take(first && end === "`" ? "string" : "template", whole, inner);
    if (end === "${") braces.push(0);
  };
  while (at < text.length) {
    const open = braces.length - 1;
    if (open >= 0 && text[at] === "}" && braces[open] === 0) {
      braces.pop();
      take(null, "}", "");
      templateText(false);
      continue;
    }
    for (const [kind, expression] of PIECES) {
      if (kind === "pattern" && endsValue(found)) continue;
      expression.lastIndex = at;
      const match = expression.exec(text);
      if (match === null) continue;
      if (open >= 0 && match[0] === "{") braces[open]++;
      if (open >= 0 && match[0] === "}") braces[open]--;
      take(kind === "space" || kind === "template" ? null : kind, match[0], match[1] ?? match[2] ?? match[0]);
      if (kind === "template") templateText(true);
      break;
    }
  }
  return found;
}

function endsValue(found: Token[]): boolean {
  const last = found.findLast((token) => token.kind !== "comment");
  if (last === undefined) return false;
  if (last.kind === "word") return !OPERATOR_WORDS.has(last.text);
  return last.kind !== "punctuation" || VALUE_END.test(last.text);
}

/**
 * The module specifiers that a source names: in `import` and `export … from`, in `import("…")` as value or as type, and
 * in any string that looks like the relative path of a module, since `new URL` and `import.meta.resolve` open doors too.
 */
export function specifiers(text: string): string[] {
  const code = tokens(text).filter((token) => token.kind !== "comment");
  const found = code.filter((token, i) => {
    if (token.kind !== "string") return false;
    const [before, last] = [code[i - 2]?.text, code[i - 1]];
    const imported = last?.kind === "word" && (last.text === "from" || last.text === "import");
    return imported || (last?.text === "(" && before === "import") || /^\.\.?\/.*\.(ts|js|tsx|mts)$/.test(token.text);
  });
  return [...new Set(found.map((token) => token.text))];
}

/** The plain words in a piece of text: `fooBar_BAZ2 qux` has foo, bar, baz and qux. */
export function plainWords(text: string): string[] {
  return text.replaceAll("PCIe", "Pcie").replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(
    /([A-Z]+)([A-Z][a-z])/g,
    "$1 $2",
  )
    .toLowerCase().match(/[a-z]+/g) ?? [];
}
