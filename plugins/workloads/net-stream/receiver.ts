/**
 * Puts the stream together again from what comes out.
 *
 * @module
 */

import type { WorkloadContext } from "@iova/core";
import {
  completeChecksum,
  get16,
  Layers,
  MAX_FRAME,
  parseLayers,
  Protocol,
  type ReceivedFrame,
  verifyChecksums,
} from "@iova/net";
import type { Content } from "./content.ts";

/** See the module's text. */
export class StreamReceiver {
  /** Bytes of the stream that came out. */
  position = 0;
  /** Frames that they came in. */
  frames = 0;
  /** The longest of them. */
  longest = 0;
  /** Frames whose checksum was left undone on the way. */
  partial = 0;
  /** The first thing that was wrong. */
  failure: string | undefined;
  readonly #context: WorkloadContext;
  readonly #content: Content;
  readonly #frame = new Uint8Array(MAX_FRAME);
  readonly #layers = new Layers();

  /** Expects `content`. */
  constructor(context: WorkloadContext, content: Content) {
    this.#context = context;
    this.#content = content;
  }

  /** A frame came out. */
  take(received: ReceivedFrame): void {
    if (this.failure !== undefined) return;
    const length = Math.min(received.length, MAX_FRAME);
    const bytes = this.#frame;
    received.copy(bytes.subarray(0, length));
    if (received.needsChecksum) {
      const { checksumStart, checksumOffset } = received;
      completeChecksum(bytes, checksumStart, length, checksumStart + checksumOffset);
      this.partial++;
    }
    this.frames++;
    this.longest = Math.max(this.longest, length);
    this.failure = this.#problem(bytes, length);
  }

  #problem(bytes: Uint8Array, length: number): string | undefined {
    const layers = this.#layers;
    const name = `frame ${this.frames}`;
    if (!parseLayers(bytes, length, layers) || layers.payload === 0) return `${name} carries no TCP or UDP`;
    if (verifyChecksums(bytes, layers) !== "good") return `${name} has a bad checksum`;
    const { l4, payload, end, protocol } = layers;
    if (protocol === Protocol.TCP) {
      const sequence = get16(bytes, l4 + 4) * 65536 + get16(bytes, l4 + 6);
      const expected = (this.position + 1) % 4294967296;
      if (sequence !== expected) return `${name} has the sequence number ${sequence}, not ${expected}`;
    }
    const wrong = this.#content.differs(this.position, bytes, payload, end - payload);
    if (wrong >= 0) return `byte ${this.position + wrong} of the stream is not what was sent`;
    this.position += end - payload;
    return undefined;
  }

  /** Says how far the stream is, so that platforms can be compared. */
  observe(): void {
    if (this.#context.observing) this.#context.observe(`${this.position} bytes in ${this.frames} frames`);
  }
}
