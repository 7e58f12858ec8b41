/**
 * Looks at what comes out: whether it is what went in, in that order, when it should, and with checksums as good.
 *
 * @module
 */

import type { WorkloadContext } from "@iova/core";
import {
  type CaptureFile,
  completeChecksum,
  Layers,
  MAX_FRAME,
  parseLayers,
  type ReceivedFrame,
  verifyChecksums,
} from "@iova/net";
import type { PreparedFrame } from "./prepare.ts";

/** See the module's text. */
export class ReplayReceiver {
  /** Frames that came out right. */
  received = 0;
  /** Bytes of them. */
  bytes = 0;
  /** Frames whose checksums are good. */
  goodChecksums = 0;
  /** Frames whose checksums were bad already when they were captured. */
  badChecksums = 0;
  /** The latest frame was this many nanoseconds late. */
  maxLate = 0;
  /** The first thing that was wrong. */
  failure: string | undefined;
  #late = 0;
  readonly #context: WorkloadContext;
  readonly #frames: readonly PreparedFrame[];
  readonly #due: (index: number) => number;
  readonly #tolerance: number;
  readonly #output: CaptureFile | null;
  readonly #frame = new Uint8Array(MAX_FRAME);
  readonly #layers = new Layers();

  /** Expects `frames`, frame i not before `due(i)` and not later than `tolerance` after that. */
  constructor(
    context: WorkloadContext,
    frames: readonly PreparedFrame[],
    due: (index: number) => number,
    tolerance: number,
    output: CaptureFile | null,
  ) {
    this.#context = context;
    this.#frames = frames;
    this.#due = due;
    this.#tolerance = tolerance;
    this.#output = output;
  }

  /** A frame came out; `begin` is the time of the first frame, in nanoseconds after 1970. */
  take(received: ReceivedFrame, begin: bigint): void {
    if (this.failure !== undefined) return;
    const index = this.received;
    const expected = this.#frames[index];
    if (expected === undefined) return this.#fail(`a frame of ${received.length} bytes more than went in`);
    const bytes = this.#finished(received);
    if (!same(bytes, expected.bytes)) return this.#fail(`frame ${index + 1} ${difference(bytes, expected.bytes)}`);
    this.#check(index, expected, bytes);
    this.#clock(index);
    const { now } = this.#context.guest;
    this.#output?.add(begin + BigInt(Math.round(now - this.#due(0))), bytes);
    if (this.#context.observing) this.#context.observe(`frame ${index + 1}: ${bytes.length} bytes, ${digest(bytes)}`);
    this.received++;
    this.bytes += bytes.length;
  }

  /** For the report. */
  details(): Record<string, number> {
    return {
      frames: this.received,
      goodChecksums: this.goodChecksums,
      badChecksums: this.badChecksums,
      lateMeanNs: this.received === 0 ? 0 : Math.round(this.#late / this.received),
      lateMaxNs: Math.round(this.maxLate),
    };
  }

  /** The frame's bytes, with a checksum that its sender left undone completed: that is what leaving it undone means. */
  #finished(received: ReceivedFrame): Uint8Array {
    const bytes = this.#frame.subarray(0, Math.min(received.length, MAX_FRAME));
    received.copy(bytes);
    const { needsChecksum, checksumStart, checksumOffset } = received;
    if (needsChecksum) completeChecksum(bytes, checksumStart, bytes.length, checksumStart + checksumOffset);
    return bytes;
  }

  #check(index: number, { verdict }: PreparedFrame, bytes: Uint8Array): void {
    const found = parseLayers(bytes, bytes.length, this.#layers) ? verifyChecksums(bytes, this.#layers) : "none";
    if (found === "good") this.goodChecksums++;
    if (found === "bad") this.badChecksums++;
    if (found !== verdict) this.#fail(`the checksums of frame ${index + 1} were ${verdict} and are ${found}`);
  }

  #clock(index: number): void {
    const late = this.#context.guest.now - this.#due(index);
    this.#late += late;
    this.maxLate = Math.max(this.maxLate, late);
    if (late < 0) this.#fail(`frame ${index + 1} came ${-late} ns before its time`);
    if (late > this.#tolerance) this.#fail(`frame ${index + 1} came ${late} ns late, more than ${this.#tolerance}`);
  }

  #fail(why: string): void {
    this.failure ??= why;
  }
}

function same(bytes: Uint8Array, expected: Uint8Array): boolean {
  if (bytes.length !== expected.length) return false;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== expected[i]) return false;
  return true;
}

function difference(bytes: Uint8Array, expected: Uint8Array): string {
  if (bytes.length !== expected.length) return `has ${bytes.length} bytes, not ${expected.length}`;
  const at = bytes.findIndex((byte, i) => byte !== expected[i]);
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  return `has ${hex(bytes[at])} at byte ${at}, not ${hex(expected[at])}`;
}

/** FNV-1a: enough to see that two platforms saw the same. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
