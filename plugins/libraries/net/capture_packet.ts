/**
 * A packet of a capture, and what can be wrong with one.
 *
 * @module
 */

import { BYTE_ORDER_MAGIC, LINKTYPE_ETHERNET } from "./capture_layout.ts";
import { MAX_FRAME } from "./frame.ts";

/** A packet of a capture. */
export interface CapturedPacket {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** What was kept of it: a view of the file's bytes. */
  readonly bytes: Uint8Array;
  /** Bytes that it had. */
  readonly original: number;
}

/** Why a file is no capture that can be read, and where. */
export class CaptureProblem extends Error {
  /** `what` was found at byte `at`, where `expected` should be. */
  constructor(readonly at: number, readonly what: string, readonly expected: string) {
    super(`at byte ${at}: found ${what}, expected ${expected}`);
  }
}

/** Packets that are read at most. */
export const MAX_PACKETS = 4_000_000;

/** The packet of `captured` bytes at `at`. @throws {CaptureProblem} when there is no such packet. */
export function packetAt(
  bytes: Uint8Array,
  at: number,
  captured: number,
  original: number,
  time: bigint,
  before: number,
): CapturedPacket {
  if (before >= MAX_PACKETS) throw new CaptureProblem(at, "one more packet", `at most ${MAX_PACKETS} packets`);
  if (captured > MAX_FRAME) throw new CaptureProblem(at, `a packet of ${captured} bytes`, `at most ${MAX_FRAME} bytes`);
  if (captured > bytes.length - at) {
    throw new CaptureProblem(at, `${bytes.length - at} bytes to the end of the file`, `a packet of ${captured} bytes`);
  }
  if (captured > original) {
    throw new CaptureProblem(at, `${captured} bytes kept of a packet of ${original}`, "no more than it had");
  }
  return { time, bytes: bytes.subarray(at, at + captured), original };
}

/** Only Ethernet is understood. @throws {CaptureProblem} */
export function checkLinktype(linktype: number, at: number): void {
  if (linktype === LINKTYPE_ETHERNET) return;
  throw new CaptureProblem(at, `link type ${linktype}`, `link type ${LINKTYPE_ETHERNET} (Ethernet)`);
}

/** For pcapng: whether a byte-order magic stands at `at`, and in which order. @throws {CaptureProblem} when none does. */
export function sectionOrder(view: DataView, at: number): boolean {
  for (const little of [true, false]) if (view.getUint32(at, little) === BYTE_ORDER_MAGIC) return little;
  throw new CaptureProblem(at, view.getUint32(at).toString(16).padStart(8, "0"), "a byte-order magic, 1a2b3c4d");
}
