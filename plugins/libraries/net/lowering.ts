/**
 * Doing what a receiver cannot: completes checksums and cuts long frames, as a network card does (virtio 1.4 §5.1.6.2
 * leaves both to the device).
 *
 * Nothing in the frame is trusted: headers are found by looking, not by the hint that came along, and every checksum of
 * a segment is computed anew.
 *
 * @module
 */

import {
  checksumOffset,
  completeChecksum,
  get16,
  put16,
  writeIpv4Checksum,
  writeTransportChecksum,
} from "./checksum.ts";
import { Frame, FRAME_HEAD, Offload, Segmentation } from "./frame.ts";
import { Layers, parseLayers, Protocol } from "./headers.ts";

/** How sending ended. */
export const Sent = {
  /** The frame is gone, or was dropped on the way. */
  DONE: 0,
  /** The receiver has no room: send the same frame again when it has; what has gone already is not sent twice. */
  BUSY: 1,
  /** What the frame asks for makes no sense: nothing was sent. */
  MALFORMED: 2,
} as const;
/** One of {@linkcode Sent}'s values. */
export type Sent = typeof Sent[keyof typeof Sent];

/** Where frames go: a back-end, or an interface. */
export interface FrameSink {
  /** What it takes beside finished frames: a set of {@linkcode Offload} bits. */
  readonly accepts: number;
  /** Takes a frame that needs nothing else; false: not now. */
  send(frame: Frame): boolean;
}

/** The IP version and protocol that a segmentation is for. */
const KIND: readonly (readonly [version: number, protocol: number])[] = [
  [0, 0],
  [4, Protocol.TCP],
  [6, Protocol.TCP],
  [4, Protocol.UDP],
  [6, Protocol.UDP],
];
const TCP_FLAGS = 13;
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;

/** Segments that have been made of one frame at most: whatever it says, a segment carries at least one byte. */
const MAX_SEGMENT_SIZE = 65535;

/** Sends frames in a form that their receiver takes. One for each sender: it remembers where it was. */
export class Lowering {
  /** Segments made. */
  segments = 0;
  /** Checksums completed. */
  checksums = 0;
  readonly #out = new Frame();
  readonly #layers = new Layers();
  /** Payload byte at which the frame that is being cut goes on. */
  #next = 0;

  /** Sends `frame` to `sink`; see {@linkcode Sent}. */
  send(frame: Frame, sink: FrameSink): Sent {
    const { needs } = frame;
    // What needs nothing, or nothing that the receiver lacks, goes as it is; but only if it is what it says it is.
    if (needs === 0) return sink.send(frame) ? Sent.DONE : Sent.BUSY;
    if (!sane(frame)) return Sent.MALFORMED;
    if (frame.segmentation !== Segmentation.NONE && !this.#parse(frame)) {
      // Headers may be longer than what is there of a frame that nobody has copied.
      if (frame.source === null) return Sent.MALFORMED;
      if (!frame.load()) return Sent.BUSY;
      if (!this.#parse(frame)) return Sent.MALFORMED;
    }
    if (this.#next === 0 && (needs & ~sink.accepts) === 0) return sink.send(frame) ? Sent.DONE : Sent.BUSY;
    if (!frame.load()) return Sent.BUSY;
    return frame.segmentation === Segmentation.NONE ? this.#complete(frame, sink) : this.#cut(frame, sink);
  }

  /** Forgets a frame that was sent in part. */
  reset(): void {
    this.#next = 0;
  }

  /** Whether the frame has the headers that its segmentation and its checksum are for, and something behind them. */
  #parse({ bytes, length, segmentation, source, checksumStart, checksumOffset: offset }: Frame): boolean {
    const layers = this.#layers;
    const [version, protocol] = KIND[segmentation];
    if (!parseLayers(bytes, length, layers) || layers.version !== version || layers.protocol !== protocol) return false;
    if (checksumStart !== layers.l4 || offset !== checksumOffset(protocol)) return false;
    return layers.payload > 0 && layers.payload < (source === null ? length : FRAME_HEAD);
  }

  #complete(frame: Frame, sink: FrameSink): Sent {
    const out = this.#out.plain();
    const { bytes, length, checksumStart, checksumOffset } = frame;
    copy(bytes, 0, out.bytes, 0, length);
    out.length = length;
    completeChecksum(out.bytes, checksumStart, length, checksumStart + checksumOffset);
    if (!sink.send(out)) return Sent.BUSY;
    this.checksums++;
    return Sent.DONE;
  }

  #cut(frame: Frame, sink: FrameSink): Sent {
    const { payload } = this.#layers;
    const total = frame.length - payload;
    while (this.#next < total) {
      const size = Math.min(frame.segmentSize, total - this.#next);
      this.#segment(frame, this.#next, size, this.#next + size === total);
      if (!sink.send(this.#out)) return Sent.BUSY;
      this.segments++;
      this.#next += size;
    }
    this.#next = 0;
    return Sent.DONE;
  }

  /** Makes the segment of `size` payload bytes from byte `from` of the payload. */
  #segment(frame: Frame, from: number, size: number, last: boolean): void {
    const out = this.#out.plain();
    const layers = this.#layers;
    const { l3, l4, payload, version, protocol } = layers;
    const { bytes } = out;
    const index = from / frame.segmentSize;
    copy(frame.bytes, 0, bytes, 0, payload);
    copy(frame.bytes, payload + from, bytes, payload, size);
    out.length = payload + size;
    if (version === 4) {
      put16(bytes, l3 + 2, out.length - l3);
      put16(bytes, l3 + 4, get16(bytes, l3 + 4) + index);
      writeIpv4Checksum(bytes, layers);
    } else {
      put16(bytes, l3 + 4, out.length - l3 - IPV6_HEADER);
    }
    if (protocol === Protocol.TCP) writeTcp(bytes, l4, from, last);
    else put16(bytes, l4 + 4, out.length - l4);
    writeTransportChecksum(bytes, layers, out.length);
  }
}

const IPV6_HEADER = 40;

/** The sequence number and flags of a segment that begins `from` bytes into the payload. */
function writeTcp(bytes: Uint8Array, l4: number, from: number, last: boolean): void {
  const sequence = (get16(bytes, l4 + 4) * 65536 + get16(bytes, l4 + 6) + from) % 4294967296;
  put16(bytes, l4 + 4, sequence / 65536);
  put16(bytes, l4 + 6, sequence);
  if (!last) bytes[l4 + TCP_FLAGS] &= ~TCP_FIN_PSH;
  if (from > 0) bytes[l4 + TCP_FLAGS] &= ~TCP_CWR;
}

/** Whether what is to be done can be done: the checksum lies in the frame, and a segment is neither empty nor endless. */
function sane(
  { length, needsChecksum, checksumStart, checksumOffset, segmentation, segmentSize, ecn }: Frame,
): boolean {
  if (!needsChecksum || checksumStart + checksumOffset + 2 > length) return false;
  if (segmentation === Segmentation.NONE) return !ecn;
  if (ecn && segmentation !== Segmentation.TCP4 && segmentation !== Segmentation.TCP6) return false;
  return segmentSize > 0 && segmentSize <= MAX_SEGMENT_SIZE;
}

/** Copies without making views for what is small. */
function copy(from: Uint8Array, at: number, into: Uint8Array, offset: number, length: number): void {
  if (length > 64) into.set(from.subarray(at, at + length), offset);
  else for (let i = 0; i < length; i++) into[offset + i] = from[at + i];
}

/** Every kind of {@linkcode Offload}. */
export const ALL_OFFLOADS: number = Object.values(Offload).reduce((all: number, bit) => all | bit, 0);
