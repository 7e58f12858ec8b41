import { assertEquals } from "@std/assert";
import { base64, bytesOfBase64, bytesOfHex, hex, hexBytes, signed, unsigned } from "./words.ts";

Deno.test("numbers are read as strtoull reads them with base 0", () => {
  const read = ["10", "0x1F", "017", "0", "-1", "+5", " 7", "18446744073709551615"].map(unsigned);
  assertEquals(read, [10n, 31n, 15n, 0n, (1n << 64n) - 1n, 5n, 7n, (1n << 64n) - 1n]);
  for (const word of ["", "x", "1x", "08", "0x", "18446744073709551616", "1 ", undefined, "9".repeat(400)]) {
    assertEquals([word, unsigned(word)], [word, null]);
  }
  assertEquals([signed("-5"), signed("0x7fffffffffffffff"), signed("0x8000000000000000")], [
    -5n,
    (1n << 63n) - 1n,
    null,
  ]);
});

Deno.test("bytes in hexadecimal: what is missing is zero, what is no digit counts as all ones", () => {
  assertEquals([...bytesOfHex("0xAAbb", 3)], [0xaa, 0xbb, 0]);
  assertEquals([...bytesOfHex("0x1", 1), ...bytesOfHex("0xg1", 1)], [0, 0xf1]);
  assertEquals([hexBytes(Uint8Array.of(0, 255)), hex(5, 4), hex(0x12345n, 4)], ["0x00ff", "0x0005", "0x12345"]);
});

Deno.test("base64 goes both ways, and ends where it is none", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
  assertEquals(bytesOfBase64(base64(bytes)), bytes);
  assertEquals([[...bytesOfBase64("AQID!AAA")], [...bytesOfBase64("AQIDA")], [...bytesOfBase64("!")]], [[1, 2, 3], [
    1,
    2,
    3,
  ], []]);
});
