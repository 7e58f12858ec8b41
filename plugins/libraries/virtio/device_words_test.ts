import { assertEquals } from "@std/assert";
import { PrivateCopy } from "./device_words.ts";

Deno.test("words are copied from memory beyond 2 GiB, aligned or not", () => {
  const memory = new Uint8Array(3 * 1024 ** 3);
  const at = memory.length - 32;
  memory.set([1, 2, 3, 4, 5, 6, 7, 8, 9], at);
  const copy = new PrivateCopy(8);
  copy.piece(memory, at, 8, 0);
  assertEquals([...copy.words], [0x04030201, 0x08070605]);
  copy.piece(memory, at + 1, 8, 0);
  assertEquals([...copy.words], [0x05040302, 0x09080706]);
});
