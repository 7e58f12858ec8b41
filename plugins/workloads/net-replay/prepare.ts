/**
 * The frames of a capture, made ready to be sent and to be recognised.
 *
 * @module
 */

import { InputError, type WorkloadContext } from "@iova/core";
import {
  checksumOffset,
  type ChecksumVerdict,
  Layers,
  loadCapture,
  type NetDriver,
  Offload,
  parseLayers,
  Segmentation,
  type TransmitOffload,
  verifyChecksums,
  writePartialChecksum,
} from "@iova/net";
import type { ReplayOptions } from "./options.ts";

/** One frame. */
export interface PreparedFrame {
  /** Nanoseconds after the first frame. */
  readonly at: number;
  /** As captured. */
  readonly bytes: Uint8Array;
  /** As it is given to the device: the same, or with its checksum left undone. */
  readonly sent: Uint8Array;
  /** What the device has to do. */
  readonly offload: TransmitOffload | undefined;
  /** What its checksums were worth when it was captured. */
  readonly verdict: ChecksumVerdict;
}

/** The frames of the capture that `options` name, and when the first of them was captured, in nanoseconds after 1970. */
export interface PreparedCapture {
  readonly frames: readonly PreparedFrame[];
  readonly begin: bigint;
}

/** Reads the capture. @throws {InputError} when it cannot be read or sent. */
export function prepare(context: WorkloadContext, options: ReplayOptions, sender: NetDriver): PreparedCapture {
  const { file, path } = context.where;
  const optionPath = `${path}.with.file`;
  const packets = loadCapture({ path: context.resolvePath(options.file), file, optionPath });
  const problem = (found: string, expected: string) => new InputError({ file, path: optionPath, found, expected });
  if (packets.length === 0) throw problem(`"${options.file}", which has no packets`, "a capture with packets");
  const begin = packets[0].time;
  const offloads = options.offload && (sender.offloads & Offload.CHECKSUM) !== 0;
  const frames = packets.map(({ time, bytes }, i) => {
    if (bytes.length < SHORTEST || bytes.length > sender.maxFrame) {
      throw problem(`packet ${i + 1} of ${bytes.length} bytes`, `${SHORTEST} to ${sender.maxFrame} bytes`);
    }
    return prepareFrame(Math.max(0, Number(time - begin)), bytes, offloads);
  });
  return { frames, begin };
}

const SHORTEST = 14;
const layers = new Layers();

function prepareFrame(at: number, bytes: Uint8Array, offloads: boolean): PreparedFrame {
  const verdict = parseLayers(bytes, bytes.length, layers) ? verifyChecksums(bytes, layers) : "none";
  const plain = { at, bytes, sent: bytes, offload: undefined, verdict };
  const offset = checksumOffset(layers.protocol);
  // A checksum covers the packet, and padding behind it would be summed up by the device as well.
  const whole = layers.payload > 0 && layers.end === bytes.length;
  if (!offloads || verdict !== "good" || !whole || offset < 0 || isZero(bytes, layers.l4 + offset)) return plain;
  const sent = bytes.slice();
  writePartialChecksum(sent, layers);
  const offload = {
    checksumStart: layers.l4,
    checksumOffset: offset,
    segmentation: Segmentation.NONE,
    segmentSize: 0,
    headerLength: layers.payload,
  };
  return { ...plain, sent, offload };
}

/** UDP without a checksum stays without one. */
function isZero(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] === 0;
}
