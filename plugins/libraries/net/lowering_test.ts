import { assertEquals } from "@std/assert";
import { get16, verifyChecksums } from "./checksum.ts";
import { Frame, Offload, Segmentation } from "./frame.ts";
import { Layers, parseLayers, Protocol } from "./headers.ts";
import { Lowering, Sent } from "./lowering.ts";
import { TestBackend, testFrame } from "./testing.ts";

/** A frame with work left to do. */
function frameOf(bytes: Uint8Array, fields: Partial<Frame>): Frame {
  const frame = new Frame();
  frame.bytes.set(bytes);
  frame.length = bytes.length;
  return Object.assign(frame, { needsChecksum: true, checksumStart: 34, checksumOffset: 16 }, fields);
}

function layersOf(bytes: Uint8Array): Layers {
  const layers = new Layers();
  parseLayers(bytes, bytes.length, layers);
  return layers;
}

Deno.test("a receiver that takes what a frame needs gets it as it is", () => {
  const sink = new TestBackend();
  sink.accepts = Offload.CHECKSUM | Offload.TCP4;
  const bytes = testFrame({ payload: 3000, partial: true });
  const frame = frameOf(bytes, { segmentation: Segmentation.TCP4, segmentSize: 1000 });
  assertEquals(new Lowering().send(frame, sink), Sent.DONE);
  assertEquals([sink.frames, sink.needs], [[bytes], [Offload.CHECKSUM | Offload.TCP4]]);
});

Deno.test("a checksum is completed for a receiver that cannot, and the sender's frame stays as it was", () => {
  const sink = new TestBackend();
  const bytes = testFrame({ partial: true });
  const frame = frameOf(bytes, {});
  const lowering = new Lowering();
  assertEquals(lowering.send(frame, sink), Sent.DONE);
  assertEquals([sink.frames, sink.needs, lowering.checksums], [[testFrame()], [0], 1]);
  assertEquals(frame.bytes.subarray(0, frame.length), bytes);
});

for (
  const [version, protocol, segmentation, offset] of [
    [4, Protocol.TCP, Segmentation.TCP4, 16],
    [6, Protocol.TCP, Segmentation.TCP6, 16],
    [4, Protocol.UDP, Segmentation.UDP4, 6],
    [6, Protocol.UDP, Segmentation.UDP6, 6],
  ] as const
) {
  Deno.test(`IPv${version} protocol ${protocol} is cut into segments that a receiver can check and join`, () => {
    const sink = new TestBackend();
    const bytes = testFrame({ version, protocol, payload: 10_001, partial: true, flags: 0x99, sequence: 0xfffff000 });
    const { l4, payload, l3 } = layersOf(bytes);
    const frame = frameOf(bytes, { checksumStart: l4, checksumOffset: offset, segmentation, segmentSize: 1440 });
    const lowering = new Lowering();
    assertEquals([lowering.send(frame, sink), sink.frames.length, lowering.segments], [Sent.DONE, 7, 7]);
    const joined: number[] = [];
    sink.frames.forEach((segment, i) => {
      const layers = layersOf(segment);
      const size = i < 6 ? 1440 : 10_001 - 6 * 1440;
      assertEquals([layers.end, segment.length - payload], [segment.length, size]);
      assertEquals(verifyChecksums(segment, layers), "good");
      if (version === 4) assertEquals(get16(segment, l3 + 4), 0x1234 + i);
      if (protocol === Protocol.TCP) {
        const sequence = get16(segment, l4 + 4) * 65536 + get16(segment, l4 + 6);
        assertEquals(sequence, (0xfffff000 + i * 1440) % 2 ** 32);
        // CWR in the first, FIN and PSH in the last, ACK in all.
        assertEquals(segment[l4 + 13], (i === 0 ? 0x80 : 0) | (i === 6 ? 0x09 : 0) | 0x10);
      } else assertEquals(get16(segment, l4 + 4), size + 8);
      joined.push(...segment.subarray(payload));
    });
    assertEquals(joined, [...bytes.subarray(payload)]);
  });
}

Deno.test("a receiver without room is given the rest later, and nothing twice", () => {
  const sink = new TestBackend();
  sink.room = 2;
  const frame = frameOf(testFrame({ payload: 5000, partial: true }), {
    segmentation: Segmentation.TCP4,
    segmentSize: 1000,
  });
  const lowering = new Lowering();
  assertEquals([lowering.send(frame, sink), sink.frames.length], [Sent.BUSY, 2]);
  assertEquals(lowering.send(frame, sink), Sent.BUSY);
  // A receiver that has learned something in between does not get the whole frame on top.
  sink.accepts = 0xff;
  sink.room = 9;
  assertEquals([lowering.send(frame, sink), sink.frames.length], [Sent.DONE, 5]);
});

Deno.test("what makes no sense is not sent, whatever the receiver takes", () => {
  const good = testFrame({ payload: 3000, partial: true });
  const cut = { segmentation: Segmentation.TCP4, segmentSize: 1000 } as const;
  const cases: Record<string, [Uint8Array, Partial<Frame>]> = {
    "a checksum beyond the end": [good, { checksumStart: 3050, checksumOffset: 16 }],
    "a checksum that starts beyond the end": [good, { checksumStart: 65535 }],
    "segmentation without a checksum": [good, { ...cut, needsChecksum: false }],
    "segments of nothing": [good, { ...cut, segmentSize: 0 }],
    "IPv6 segmentation of IPv4": [good, { ...cut, segmentation: Segmentation.TCP6 }],
    "UDP segmentation of TCP": [good, { ...cut, segmentation: Segmentation.UDP4 }],
    "segmentation of what is no IP": [new Uint8Array(3000), cut],
    "segmentation of a header without payload": [testFrame({ payload: 0, partial: true }), cut],
    "segmentation with another checksum": [good, { ...cut, checksumStart: 14 }],
    "segmentation with the checksum elsewhere": [good, { ...cut, checksumOffset: 6 }],
    "CWR of a frame that is not cut": [good, { ecn: true }],
    "CWR in UDP": [good, { ...cut, segmentation: Segmentation.UDP4, ecn: true }],
  };
  for (const accepts of [0, 0xff]) {
    for (const [name, [bytes, fields]] of Object.entries(cases)) {
      const sink = new TestBackend();
      sink.accepts = accepts;
      assertEquals([new Lowering().send(frameOf(bytes, fields), sink), sink.frames.length], [Sent.MALFORMED, 0], name);
    }
  }
});
