import { assertEquals } from "@std/assert";
import { JsonStream, spacedJson } from "./json_stream.ts";

function parse(...chunks: (string | Uint8Array)[]) {
  const stream = new JsonStream();
  return chunks.flatMap((chunk) => [
    ...stream.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk),
  ]);
}

Deno.test("values come one after the other, with anything or nothing between, in any pieces", () => {
  assertEquals(parse('{"a": [1, {}]}{"b"', ': "}"}\r\n [2]'), [
    { value: { a: [1, {}] } },
    { value: { b: "}" } },
    { value: [2] },
  ]);
});

Deno.test("strings stand in either quotes", () => {
  assertEquals(parse(`{'execute': 'x', "y": "it's", 'z': 'a "b" \\'c\\''}`), [
    { value: { execute: "x", y: "it's", z: `a "b" 'c'` } },
  ]);
});

Deno.test("what is no JSON is a mistake, and what follows is read", () => {
  const [value, keyword] = ["expecting value", "invalid keyword 'nonsense'"].map((what) => ({
    mistake: `JSON parse error, ${what}`,
  }));
  assertEquals(parse('} {"a": nonsense} {"a": 1}'), [value, keyword, { value: { a: 1 } }]);
  assertEquals(parse('nonsense [1] {"b c": [true, null,]}'), [keyword, { value: [1] }, value]);
});

Deno.test("values are written with a blank behind each colon and comma, and strings as they are", () => {
  assertEquals(spacedJson({ a: [1, { "b,c": 'd:"e,\\' }], f: {} }), '{"a": [1, {"b,c": "d:\\"e,\\\\"}], "f": {}}');
});

Deno.test("a character that JSON has not loses what it stands in, and nothing behind the next bracket or line", () => {
  const mistake = { mistake: "JSON parse error, invalid token" };
  const value = { value: { a: 1 } };
  for (const text of ["{\x01", "{'bad \ufffd", "{'a': 'x\n", "%p "]) {
    assertEquals([text, parse(text, '{"a": 1}')], [text, [mistake, value]]);
  }
  assertEquals(parse(Uint8Array.of(0x7b, 0x27, 0xff), '\n{"a": 1}'), [mistake, value]);
});

Deno.test("depth and length have bounds", () => {
  assertEquals(parse("[".repeat(2000))[0], { mistake: "JSON token limit exceeded" });
  assertEquals(parse('"' + "x".repeat(1024 ** 2))[0], { mistake: "JSON token limit exceeded" });
  assertEquals(parse("x".repeat(5000))[0], { mistake: "JSON parse error" });
});
