/**
 * A frame on its way: bytes, and what is still to be done to them.
 *
 * @module
 */

/** What a receiver can take beside finished frames, as bits: work that the sender may leave undone. */
export const Offload = {
  /** A transport checksum that covers the pseudo-header only. */
  CHECKSUM: 1,
  /** TCP over IPv4, longer than a frame on a wire. */
  TCP4: 2,
  /** TCP over IPv6, longer than a frame on a wire. */
  TCP6: 4,
  /** TCP segmentation with CWR set in the first segment. */
  ECN: 8,
  /** UDP datagrams over IPv4 that follow each other in one frame. */
  UDP4: 16,
  /** UDP datagrams over IPv6 that follow each other in one frame. */
  UDP6: 32,
} as const;

/** How a frame is to be cut. */
export const Segmentation = {
  /** It goes out as it is. */
  NONE: 0,
  /** TCP over IPv4. */
  TCP4: 1,
  /** TCP over IPv6. */
  TCP6: 2,
  /** UDP over IPv4: the payload is cut into datagrams. */
  UDP4: 3,
  /** UDP over IPv6. */
  UDP6: 4,
} as const;
/** One of {@linkcode Segmentation}'s values. */
export type Segmentation = typeof Segmentation[keyof typeof Segmentation];

/** What a kind of segmentation needs of its receiver. */
const NEEDS: readonly number[] = [0, Offload.TCP4, Offload.TCP6, Offload.UDP4, Offload.UDP6];

/** Longest frame that anything here carries: 64 KiB of IP, a link header, and room to spare (QEMU's NET_BUFSIZE). */
export const MAX_FRAME: number = 4096 + 65536;

/** Longest frame of which views are kept. */
const VIEWED = 2048;

/** Where the bytes of a long frame lie that nobody has copied yet: in its sender's memory, for the length of a call. */
export interface FrameSource {
  /** Copies `length` bytes of the frame from byte `at` on to `into[offset]`; false when they cannot be reached now. */
  copy(at: number, length: number, into: Uint8Array, offset: number): boolean;
}

/** Bytes that are there of every frame, if it has as many: enough for the headers that anybody looks at. */
export const FRAME_HEAD = 256;

/**
 * A frame and what is still to be done to it. The record and its bytes belong to the sender and are lent for one call:
 * who wants to keep them copies them.
 */
export class Frame {
  /** The bytes, from the destination address on, without a frame check sequence. */
  bytes: Uint8Array;
  /** How many of them count. */
  length = 0;
  /** The checksum at `checksumStart + checksumOffset` is to be completed over `checksumStart` … end. */
  needsChecksum = false;
  /** The checksums have been checked, or never left the machine. */
  checked = false;
  /** Where the checksum begins to count. */
  checksumStart = 0;
  /** Where the checksum stands, from `checksumStart`. */
  checksumOffset = 0;
  /** How it is to be cut. */
  segmentation: Segmentation = Segmentation.NONE;
  /** Payload bytes of a segment, when it is to be cut. */
  segmentSize = 0;
  /** TCP segmentation with CWR set: only the first segment keeps it. */
  ecn = false;
  /** Where the bytes behind the first {@linkcode FRAME_HEAD} are to be had; null when they are all there. */
  source: FrameSource | null = null;
  #views: (Uint8Array | undefined)[] = [];
  #viewed: Uint8Array | null = null;

  /** A frame with room for `capacity` bytes. */
  constructor(capacity: number = MAX_FRAME) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Nothing is to be done to the frame any more. */
  plain(): this {
    this.needsChecksum = false;
    this.checked = false;
    this.checksumStart = 0;
    this.checksumOffset = 0;
    this.segmentation = Segmentation.NONE;
    this.segmentSize = 0;
    this.ecn = false;
    return this;
  }

  /**
   * Sees to it that all bytes are there. Whoever looks further than {@linkcode FRAME_HEAD} calls it first.
   *
   * @returns false when they cannot be had now: the receiver then has no room for the frame, and its sender knows why.
   */
  load(): boolean {
    const { source, bytes, length } = this;
    if (source === null) return true;
    if (!source.copy(FRAME_HEAD, length - FRAME_HEAD, bytes, FRAME_HEAD)) return false;
    this.source = null;
    return true;
  }

  /** The bytes that count. Views of up to 2 KiB are made once for each length, so that copying them allocates nothing. */
  get whole(): Uint8Array {
    const { bytes, length } = this;
    if (length === bytes.length) return bytes;
    if (length > VIEWED) return bytes.subarray(0, length);
    if (this.#viewed !== bytes) {
      this.#viewed = bytes;
      // Of full size from the start: an array that random indices make grow becomes a dictionary.
      this.#views = new Array(VIEWED + 1).fill(undefined);
    }
    return this.#views[length] ??= bytes.subarray(0, length);
  }

  /** What a receiver must be able to take for this frame: a set of {@linkcode Offload} bits. */
  get needs(): number {
    const checksum = this.needsChecksum ? Offload.CHECKSUM : 0;
    return checksum | NEEDS[this.segmentation] | (this.ecn ? Offload.ECN : 0);
  }
}

/** A finished frame over `bytes`, which are not copied. */
export function plainFrame(bytes: Uint8Array): Frame {
  const frame = new Frame(0);
  frame.bytes = bytes;
  frame.length = bytes.length;
  return frame;
}
