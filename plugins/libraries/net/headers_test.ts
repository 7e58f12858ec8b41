import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Layers, parseLayers, Protocol } from "./headers.ts";
import { testFrame } from "./testing.ts";

function parse(bytes: Uint8Array): [boolean, Layers] {
  const layers = new Layers();
  return [parseLayers(bytes, bytes.length, layers), layers];
}

Deno.test("headers are found behind VLAN tags, of both IP versions and protocols", () => {
  for (
    const [options, l3, l4, payload] of [
      [{}, 14, 34, 54],
      [{ vlan: 7 }, 18, 38, 58],
      [{ version: 6 }, 14, 54, 74],
      [{ version: 6, protocol: Protocol.UDP, vlan: 7 }, 18, 58, 66],
      [{ protocol: Protocol.UDP }, 14, 34, 42],
    ] as const
  ) {
    const [found, layers] = parse(testFrame(options));
    assertEquals([found, layers.l3, layers.l4, layers.payload], [true, l3, l4, payload]);
    assertEquals(layers.vlan, "vlan" in options ? 7 : -1);
  }
});

Deno.test("IPv6 extension headers are passed over, and a fragment has no payload", () => {
  const plain = testFrame({ version: 6, payload: 8 });
  const extended = new Uint8Array(plain.length + 8);
  extended.set(plain.subarray(0, 54));
  extended.set(plain.subarray(54), 62);
  extended.set([Protocol.TCP, 0], 54);
  extended[18 + 1] += 8;
  extended[20] = 60;
  const [, layers] = parse(extended);
  assertEquals([layers.l4, layers.protocol, layers.payload], [62, Protocol.TCP, 82]);
  extended[20] = 44;
  assertEquals([parse(extended)[1].whole, parse(extended)[1].payload], [false, 0]);
});

Deno.test("an IPv4 fragment and a packet that is cut off have no payload", () => {
  const fragment = testFrame();
  fragment[14 + 6] = 0x20;
  assertEquals(parse(fragment)[1].payload, 0);
  const cut = testFrame().subarray(0, 80);
  assertEquals([parse(cut)[0], parse(cut)[1].whole, parse(cut)[1].payload], [true, false, 0]);
});

Deno.test("a TCP header that says it is shorter than 20 bytes, or longer than its packet, is none", () => {
  for (const size of [0x40, 0xf0]) {
    const frame = testFrame({ payload: 4 });
    frame[34 + 12] = size;
    assertEquals(parse(frame)[1].payload, 0);
  }
});

Deno.test("whatever the bytes are, what is found lies within the frame", () => {
  const start = fc.constantFrom(testFrame(), testFrame({ version: 6 }), testFrame({ vlan: 1, protocol: 17 }));
  fc.assert(
    fc.property(
      start,
      fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
      fc.nat(160),
      (base, edits, cut) => {
        const bytes = base.slice(0, cut);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        const [found, layers] = parse(bytes);
        if (!found) return;
        assertEquals(layers.l4 <= bytes.length && layers.payload <= bytes.length, true);
      },
    ),
    { numRuns: 2000 },
  );
});
