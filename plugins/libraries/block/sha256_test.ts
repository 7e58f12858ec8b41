import { assertEquals } from "@std/assert";
import { Sha256 } from "./sha256.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function webCrypto(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("the examples of FIPS 180 come out", () => {
  assertEquals(
    new Sha256().update(bytesOf("abc")).hex(),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(
    new Sha256().update(bytesOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
});

Deno.test("every length up to three blocks agrees with WebCrypto", async () => {
  const bytes = new Uint8Array(200).map((_, i) => i * 37);
  for (let length = 0; length <= 200; length++) {
    assertEquals(new Sha256().update(bytes, 0, length).hex(), await webCrypto(bytes.slice(0, length)));
  }
});

Deno.test("pieces of any length give the digest of the whole", async () => {
  const bytes = new Uint8Array(100_000).map((_, i) => i ^ (i >> 8));
  const expected = await webCrypto(bytes);
  for (const piece of [1, 63, 64, 65, 512, 4096, 99_999]) {
    const sum = new Sha256();
    for (let at = 0; at < bytes.length; at += piece) sum.update(bytes, at, Math.min(piece, bytes.length - at));
    assertEquals(sum.hex(), expected);
  }
});

Deno.test("a view into a larger array is hashed, and not the array", async () => {
  const bytes = new Uint8Array(1000).map((_, i) => i);
  assertEquals(new Sha256().update(bytes.subarray(100, 400)).hex(), await webCrypto(bytes.slice(100, 400)));
});
