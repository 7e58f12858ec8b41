/**
 * JSON values from a stream of bytes, as QEMU's monitor reads them: one after the other, with anything or nothing between
 * them, strings in double or single quotes.
 *
 * @module
 */

/** Most bytes of one value. */
const MOST_BYTES = 1024 ** 2;
/** Most values inside each other. */
const MOST_DEPTH = 1024;

// deno-lint-ignore no-control-regex
const NOT_IN_STRING = /[\x00-\x1f\ufffd]/;
const NOT_OUTSIDE = /[^\s{}[\]:,\w+\-."']/;
// deno-lint-ignore no-control-regex
const RESUMES = /[{}[\]\x00-\x08\x0a-\x1f\ufffd]/;

/** A value, or that there was none. */
export type Parsed = { readonly value: unknown } | { readonly mistake: string };

/** Collects characters until they are a value. */
export class JsonStream {
  readonly #decoder = new TextDecoder();
  #text = "";
  #depth = 0;
  #quote = "";
  #escaped = false;
  /** After a character that JSON has not, what follows is passed over up to a bracket or the end of the line. */
  #recovering = false;

  /** The values that `chunk` ends. */
  *push(chunk: Uint8Array): Generator<Parsed> {
    for (const character of this.#decoder.decode(chunk, { stream: true })) {
      const parsed = this.#next(character);
      if (parsed !== null) yield parsed;
    }
  }

  #next(character: string): Parsed | null {
    if (this.#recovering) {
      if (!RESUMES.test(character)) return null;
      this.#recovering = false;
    }
    if (this.#quote !== "" ? NOT_IN_STRING.test(character) : NOT_OUTSIDE.test(character)) return this.#lost();
    if (this.#quote !== "") return this.#inString(character);
    if (this.#depth === 0 && this.#text === "" && /\s/.test(character)) return null;
    this.#text += character;
    if (character === '"' || character === "'") this.#quote = character;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") this.#depth--;
    else if (this.#depth === 0) return this.#loose(character);
    if (this.#text.length > MOST_BYTES || this.#depth > MOST_DEPTH) return this.#wrong("JSON token limit exceeded");
    if (this.#depth < 0) return this.#wrong("JSON parse error, expecting value");
    return this.#depth === 0 && this.#quote === "" && /[}\]]$/.test(this.#text) ? this.#take() : null;
  }

  #inString(character: string): Parsed | null {
    this.#text += character;
    if (this.#escaped) this.#escaped = false;
    else if (character === "\\") this.#escaped = true;
    else if (character === this.#quote) this.#quote = "";
    if (this.#text.length > MOST_BYTES) return this.#wrong("JSON token limit exceeded");
    return this.#depth === 0 && this.#quote === "" ? this.#take() : null;
  }

  /** Outside of objects, lists and strings a value ends with the word. */
  #loose(character: string): Parsed | null {
    if (!/\s/.test(character)) return this.#text.length > MOST_DEPTH ? this.#wrong("JSON parse error") : null;
    this.#text = this.#text.trim();
    return this.#take();
  }

  #take(): Parsed {
    const text = this.#text;
    this.#clear();
    try {
      return { value: JSON.parse(doubleQuoted(text)) };
    } catch {
      return { mistake: `JSON parse error, ${whyNone(text)}` };
    }
  }

  #lost(): Parsed {
    this.#recovering = true;
    return this.#wrong("JSON parse error, invalid token");
  }

  #wrong(mistake: string): Parsed {
    this.#clear();
    return { mistake };
  }

  #clear(): void {
    this.#text = this.#quote = "";
    this.#depth = 0;
    this.#escaped = false;
  }
}

const STRINGS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/gs;
const KEYWORD = /(?<![\w.+-])(?!(?:true|false|null)(?![a-z]))[a-z]+/;

/** What QEMU's parser would say of a text that is no value: a word that it does not know, above all. */
function whyNone(text: string): string {
  const [keyword] = KEYWORD.exec(text.replace(STRINGS, '""')) ?? [];
  return keyword === undefined ? "expecting value" : `invalid keyword '${keyword}'`;
}

/** A value as QEMU's monitor writes it, on one line with a blank behind each colon and comma. */
export function spacedJson(value: unknown): string {
  return JSON.stringify(value).replace(TOKENS, (token) => token === ":" || token === "," ? `${token} ` : token);
}

/** A whole string, or one of the two characters between values. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[:,]/gs;

/** The text with strings in double quotes only. */
function doubleQuoted(text: string): string {
  if (!text.includes("'")) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'/gs, (all, inner: string | undefined) => {
    if (inner === undefined) return all;
    return `"${inner.replaceAll("\\'", "'").replaceAll('"', '\\"')}"`;
  });
}
