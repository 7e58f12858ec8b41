import { assertEquals } from "@std/assert";
import type { WorkloadContext } from "@iova/core";
import { type ChecksumVerdict, type ReceivedFrame, Segmentation } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { ReplayReceiver } from "./receiver.ts";

/** A frame in one piece. */
function frame(bytes: Uint8Array, needsChecksum = false): ReceivedFrame {
  return {
    length: bytes.length,
    pieces: 1,
    cpu: () => 0,
    size: () => bytes.length,
    copy: (into, offset = 0) => into.set(bytes, offset),
    needsChecksum,
    checksumStart: 34,
    checksumOffset: 16,
    segmentation: Segmentation.NONE,
    segmentSize: 0,
  };
}

/** A receiver that expects `bytes`, due at 100 ns, 50 ns late at most; `take` is what comes, and when. */
function expecting(bytes: Uint8Array, verdict: ChecksumVerdict = "good") {
  const guest = { now: 100 };
  const seen: string[] = [];
  const context = { guest, observing: true, observe: (what: string) => void seen.push(what) };
  const frames = [{ at: 0, bytes, sent: bytes, offload: undefined, verdict }];
  const receiver = new ReplayReceiver(context as unknown as WorkloadContext, frames, () => 100, 50, null);
  const take = (received: ReceivedFrame, now = 120) => {
    guest.now = now;
    receiver.take(received, 0n);
    return receiver.failure;
  };
  return { receiver, take, seen };
}

const GOOD = testFrame({ payload: 20 });

Deno.test("the frame that went in is right, finished or with its checksum left undone, and is observed", () => {
  const { receiver, take, seen } = expecting(GOOD);
  assertEquals([take(frame(GOOD)), receiver.received, receiver.goodChecksums, seen.length], [undefined, 1, 1, 1]);
  assertEquals(receiver.details(), { frames: 1, goodChecksums: 1, badChecksums: 0, lateMeanNs: 20, lateMaxNs: 20 });
  assertEquals(expecting(GOOD).take(frame(testFrame({ payload: 20, partial: true }), true)), undefined);
});

Deno.test("one byte more, less or different is told, and so is a frame too many", () => {
  const changed = GOOD.slice();
  changed[60] ^= 0xff;
  const { [60]: was } = GOOD;
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  assertEquals(expecting(GOOD).take(frame(changed)), `frame 1 has ${hex(was ^ 0xff)} at byte 60, not ${hex(was)}`);
  assertEquals(expecting(GOOD).take(frame(GOOD.subarray(1))), "frame 1 has 73 bytes, not 74");
  const { take } = expecting(GOOD);
  take(frame(GOOD));
  assertEquals(take(frame(GOOD)), "a frame of 74 bytes more than went in");
});

Deno.test("a checksum that is better or worse than it was is told", () => {
  assertEquals(expecting(GOOD, "bad").take(frame(GOOD)), "the checksums of frame 1 were bad and are good");
  const bad = GOOD.slice();
  bad[50] ^= 1;
  assertEquals(expecting(bad).take(frame(bad)), "the checksums of frame 1 were good and are bad");
});

Deno.test("a frame before its time, or too long after it, is told", () => {
  assertEquals(expecting(GOOD).take(frame(GOOD), 99), "frame 1 came 1 ns before its time");
  assertEquals(expecting(GOOD).take(frame(GOOD), 150), undefined);
  assertEquals(expecting(GOOD).take(frame(GOOD), 151), "frame 1 came 51 ns late, more than 50");
});
