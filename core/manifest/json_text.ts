/**
 * JSON with errors that people can find: line, column, what stands there and what belongs there.
 *
 * @module
 */

import { InputError } from "../errors.ts";

/** Parses JSON text. @throws {InputError} naming `file`, line and column (both from 1). */
export function parseJsonText(text: string, file: string): unknown {
  const plain = text.replace(/^\ufeff/, "");
  try {
    return JSON.parse(plain);
  } catch {
    // The engine does not say where for every kind of mistake; the scanner does.
    const { at, expected } = new Scanner(plain).findError();
    const before = plain.slice(0, at).split("\n");
    const path = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
    throw new InputError({ file, path, found: quote(plain, at), expected });
  }
}

function quote(text: string, at: number): string {
  if (at >= text.length) return "the end of the file";
  const word = /[\w.+-]+|./ysu;
  word.lastIndex = at;
  return JSON.stringify(word.exec(text)![0].slice(0, 30));
}

class JsonMistake {
  constructor(readonly at: number, readonly expected: string) {}
}

const MAX_DEPTH = 1000;

/** Walks JSON text (RFC 8259) up to its first mistake. */
class Scanner {
  #at = 0;
  #depth = 0;
  constructor(readonly text: string) {}

  findError(): JsonMistake {
    try {
      this.#value();
      if (this.#next() !== "") this.#fail("the end of the file");
    } catch (mistake) {
      if (mistake instanceof JsonMistake) return mistake;
      throw mistake;
    }
    return new JsonMistake(0, "JSON");
  }

  #value(): void {
    if (++this.#depth > MAX_DEPTH) this.#fail("less nesting");
    const next = this.#next();
    if (next === "{") this.#members("}", () => this.#member());
    else if (next === "[") this.#members("]", () => this.#value());
    else if (next === '"') this.#string();
    else this.#token(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y, "a value");
    this.#depth--;
  }

  #members(close: string, item: () => void): void {
    this.#at++;
    if (this.#next() !== close) {
      for (item(); this.#next() === ","; item()) this.#at++;
    }
    if (this.#next() !== close) this.#fail(`"," or "${close}"`);
    this.#at++;
  }

  #member(): void {
    if (this.#next() !== '"') this.#fail("a key in double quotes");
    this.#string();
    if (this.#next() !== ":") this.#fail('":"');
    this.#at++;
    this.#value();
  }

  #string(): void {
    // deno-lint-ignore no-control-regex
    this.#token(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y, "text");
    if (this.text[this.#at] !== '"') this.#fail("closing quotes (or a valid escape) in this line");
    this.#at++;
  }

  #token(pattern: RegExp, expected: string): void {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.text)) this.#fail(expected);
    this.#at = pattern.lastIndex;
  }

  #next(): string {
    while (" \t\r\n".includes(this.text[this.#at] ?? "x")) this.#at++;
    return this.text[this.#at] ?? "";
  }

  #fail(expected: string): never {
    throw new JsonMistake(this.#at, expected);
  }
}
