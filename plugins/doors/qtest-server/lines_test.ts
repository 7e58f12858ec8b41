import { assertEquals } from "@std/assert";
import { LineSplitter } from "./lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("lines end where they end, however they arrive", () => {
  const lines = new LineSplitter(100);
  assertEquals([...lines.push(bytes("in"))], []);
  assertEquals([...lines.push(bytes("b 1\n\nout"))], ["inb 1", ""]);
  assertEquals([...lines.push(bytes("b 2 ä\nx"))], ["outb 2 ä"]);
});

Deno.test("a line that is too long is told apart, and costs no memory meanwhile; the next one is whole", () => {
  const lines = new LineSplitter(8);
  for (let i = 0; i < 1000; i++) assertEquals([...lines.push(bytes("x".repeat(1000)))], []);
  assertEquals([...lines.push(bytes("x\n12345678\n123456789\nok\n"))], [null, "12345678", null, "ok"]);
});
