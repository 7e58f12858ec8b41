import { assertEquals, assertMatch } from "@std/assert";
import { BlockHash } from "./block_hash.ts";

Deno.test("every single bit of a sector changes the checksum, each differently", () => {
  const sector = new Uint8Array(512);
  const view = new DataView(sector.buffer);
  const seen = new Set([new BlockHash().of(view, 0, 512).toString()]);
  for (let bit = 0; bit < 4096; bit++) {
    sector[bit >> 3] ^= 1 << (bit & 7);
    seen.add(new BlockHash().of(view, 0, 512).toString());
    sector[bit >> 3] ^= 1 << (bit & 7);
  }
  assertEquals(seen.size, 4097);
});

Deno.test("words that change places change the checksum", () => {
  const view = new DataView(new ArrayBuffer(512));
  view.setUint32(0, 0x12345678);
  const first = new BlockHash().of(view, 0, 512).toString();
  view.setUint32(0, 0);
  view.setUint32(4, 0x12345678);
  assertEquals(new BlockHash().of(view, 0, 512).toString() === first, false);
});

Deno.test("only the range counts, wherever it lies", () => {
  const a = new DataView(new Uint8Array(2048).fill(9).buffer);
  const b = new DataView(new Uint8Array(1024).fill(9, 0, 512).buffer);
  assertEquals(new BlockHash().of(a, 1024, 512).toString(), new BlockHash().of(b, 0, 512).toString());
  assertMatch(new BlockHash().of(a, 0, 512).toString(), /^[0-9a-f]{16}$/);
});
