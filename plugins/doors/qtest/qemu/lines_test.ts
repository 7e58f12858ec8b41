import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { hex, LineBuffer, MAX_LINE, parseBytes, parseLine, parseValue, QemuError } from "./lines.ts";

Deno.test("answers, refusals and interrupts are told apart", () => {
  assertEquals(parseLine("OK"), { kind: "ok", value: "" });
  assertEquals(parseLine("OK 0x12"), { kind: "ok", value: "0x12" });
  assertEquals(parseLine("FAIL Unknown command 'x'"), { kind: "fail", message: "FAIL Unknown command 'x'" });
  assertEquals(parseLine("ERR bad"), { kind: "fail", message: "ERR bad" });
  assertEquals(parseLine("IRQ raise 14"), { kind: "irq", line: 14, asserted: true });
  assertEquals(parseLine("IRQ lower 0"), { kind: "irq", line: 0, asserted: false });
});

Deno.test("what is no line of the protocol is an error that shows it, however long it is", () => {
  for (const text of ["", "OKAY", "ok", "IRQ raise", "IRQ up 3", "IRQ raise 99999999999", "\u0000"]) {
    assertThrows(() => parseLine(text), QemuError, "no line of the qtest protocol");
  }
  const { message } = assertThrows(() => parseLine("x".repeat(1000)), QemuError);
  assertEquals(message.length < 150, true);
});

Deno.test("values are numbers in either base, bytes are as many as were asked for", () => {
  assertEquals([parseValue("0x00000000fee00000"), parseValue("17"), parseValue("0xFF")], [0xfee00000, 17, 255]);
  for (const text of ["", "0x", "x1", "-1", "1.5", "0x1g", "1 2"]) assertThrows(() => parseValue(text), QemuError);
  assertEquals(parseBytes("0x0aFf", 2), Uint8Array.of(10, 255));
  for (const text of ["0x0a", "0a0b", "0x0a0b0c", "0x0g00"]) assertThrows(() => parseBytes(text, 2), QemuError);
  assertEquals([hex(0xcf8), hex(2n ** 64n - 1n)], ["0xcf8", "0xffffffffffffffff"]);
});

Deno.test("lines come out as they went in, however the socket cuts them", () => {
  const seed = 20260128;
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "0", " ", "x"), maxLength: 40 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 20 }),
      (lines, cuts) => {
        const bytes = new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
        const buffer = new LineBuffer();
        const out: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length];
          buffer.push(bytes.subarray(at, at + size));
          at += size;
          for (let line = buffer.next(); line !== null; line = buffer.next()) out.push(line);
        }
        assertEquals(out, lines);
      },
    ),
    { seed },
  );
});

Deno.test("a carriage return before the end of a line is no part of it, and a line that never ends is an error", () => {
  const buffer = new LineBuffer();
  buffer.push(new TextEncoder().encode("OK\r\nOK 1"));
  assertEquals([buffer.next(), buffer.next()], ["OK", null]);
  assertThrows(() => buffer.push(new Uint8Array(MAX_LINE)), QemuError, "a line of more than");
});
