import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "../errors.ts";
import { parseJsonText } from "./json_text.ts";

function complaint(text: string): string {
  return assertThrows(() => parseJsonText(text, "m.json"), InputError).message;
}

Deno.test("JSON text is parsed, with or without a byte order mark", () => {
  assertEquals(parseJsonText('\ufeff{"a": [1, -2.5e3, "x\\n\\u0041", true, null]}', "m.json"), {
    a: [1, -2500, "x\nA", true, null],
  });
});

const MISTAKES: [name: string, text: string, message: string][] = [
  ["a bare word", '{\n  "a": yes\n}', 'line 2, column 8: found "yes", expected a value'],
  ["a trailing comma", '{\n  "a": 1,\n}', 'line 3, column 1: found "}", expected a key in double quotes'],
  ["a missing comma", '{"a": 1\n "b": 2}', 'line 2, column 2: found "\\"", expected "," or "}"'],
  ["a missing colon", '{"a" 1}', 'line 1, column 6: found "1", expected ":"'],
  ["a list that does not end", "[1, 2", 'line 1, column 6: found the end of the file, expected "," or "]"'],
  ["an empty file", "", "line 1, column 1: found the end of the file, expected a value"],
  ["a comment", "{} // mine", 'line 1, column 4: found "/", expected the end of the file'],
  ["single quotes", "{'a': 1}", `line 1, column 2: found "'", expected a key in double quotes`],
  ["a number with a leading zero", "[012]", 'line 1, column 2: found "012", expected a value'],
  [
    "a line break in a text",
    '["a\nb"]',
    'line 1, column 4: found "\\n", expected closing quotes (or a valid escape) in this line',
  ],
  [
    "a bad escape",
    '["\\x41"]',
    'line 1, column 3: found "\\\\", expected closing quotes (or a valid escape) in this line',
  ],
];
for (const [name, text, message] of MISTAKES) {
  Deno.test(`${name} is found by line and column`, () => assertEquals(complaint(text), `m.json: ${message}`));
}

Deno.test("a mistake below ten thousand brackets is reported and not run into", () => {
  assertEquals(complaint("[".repeat(10_000)), 'm.json: line 1, column 1001: found "[", expected less nesting');
});
