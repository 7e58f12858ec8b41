import { assertEquals } from "@std/assert";
import { fromHex, toHex } from "@iova/fields/testing";
import { completeChecksum, sum16, verifyChecksums } from "./checksum.ts";
import { Layers, parseLayers, Protocol } from "./headers.ts";
import { testFrame } from "./testing.ts";

/** The example of RFC 1071 §3. */
const RFC1071 = Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);

Deno.test("the sum of RFC 1071's example is ddf2", () => {
  assertEquals(sum16(RFC1071, 0, 8), 0xddf2);
});

Deno.test("long and short, aligned or not, sums agree with the definition", () => {
  const bytes = new Uint8Array(70001).map((_, i) => i * 131 + (i >> 7));
  for (
    const [start, length] of [[0, 511], [0, 512], [0, 513], [1, 600], [2, 600], [3, 65535], [2, 69999], [0, 70001]]
  ) {
    let sum = 0;
    for (let i = 0; i < length; i++) sum += bytes[start + i] * (i % 2 === 0 ? 256 : 1);
    while (sum > 0xffff) sum = sum % 0x10000 + Math.floor(sum / 0x10000);
    assertEquals(sum16(bytes, start, length), sum, `${length} from ${start}`);
  }
});

Deno.test("an odd last byte counts as a high byte", () => {
  assertEquals(sum16(Uint8Array.from([0x12, 0x34, 0x56]), 0, 3), 0x1234 + 0x5600);
});

Deno.test("the sum of the longest frame of ones stays exact", () => {
  assertEquals(sum16(new Uint8Array(69632).fill(255), 0, 69632), 0xffff);
});

Deno.test("case 13: the checksum of the sheet's TCP frame completes to fc1e", () => {
  const frame = fromHex(
    "020000000002020000000001" + "0800" + "4500002c00004000400600000a0000010a000002" +
      "04d20050000000010000000250180200" + "14210000" + "44415441",
  );
  completeChecksum(frame, 34, frame.length, 50);
  assertEquals(toHex(frame.subarray(50, 52)), "fc1e");
});

Deno.test("a checksum that comes out as zero is written as the other zero", () => {
  const bytes = Uint8Array.from([0xff, 0xff, 0, 0]);
  completeChecksum(bytes, 0, 4, 2);
  assertEquals([...bytes.subarray(2)], [0xff, 0xff]);
});

const verdict = (bytes: Uint8Array) => {
  const layers = new Layers();
  parseLayers(bytes, bytes.length, layers);
  return verifyChecksums(bytes, layers);
};

for (const version of [4, 6] as const) {
  for (const protocol of [Protocol.TCP, Protocol.UDP]) {
    Deno.test(`IPv${version} protocol ${protocol}: a good frame is good, and no byte can be changed unnoticed`, () => {
      const frame = testFrame({ version, protocol, payload: 33, vlan: 5 });
      assertEquals(verdict(frame), "good");
      const l3 = 18;
      for (let at = l3 + (version === 4 ? 12 : 8); at < frame.length; at++) {
        const changed = frame.slice();
        changed[at] ^= 0x10;
        // The transport's length and header size say what is covered, and may make a frame unreadable instead.
        if (verdict(changed) === "good") throw new Error(`byte ${at} changed and nobody saw`);
      }
    });
  }
}

Deno.test("UDP over IPv4 may go without a checksum, over IPv6 not; what is no IP has none", () => {
  const four = testFrame({ protocol: Protocol.UDP });
  four.fill(0, 14 + 20 + 6, 14 + 20 + 8);
  assertEquals(verdict(four), "good");
  const six = testFrame({ protocol: Protocol.UDP, version: 6 });
  six.fill(0, 14 + 40 + 6, 14 + 40 + 8);
  assertEquals(verdict(six), "bad");
  assertEquals(verdict(new Uint8Array(60)), "none");
});
