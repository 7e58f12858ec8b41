/**
 * A received frame as the driver's user sees it, and what its header says.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { type ReceivedFrame, Segmentation } from "@iova/net";
import { GsoType, HeaderFlag, NetHeader } from "./layout.ts";

const { flags: FLAGS, gso_type: GSO_TYPE, gso_size: GSO_SIZE } = NetHeader.at;
const { csum_start: CSUM_START, csum_offset: CSUM_OFFSET, num_buffers: NUM_BUFFERS } = NetHeader.at;

const KINDS: readonly (Segmentation | undefined)[] = kinds();

function kinds(): (Segmentation | undefined)[] {
  const table: (Segmentation | undefined)[] = new Array(6).fill(undefined);
  table[GsoType.NONE] = Segmentation.NONE;
  table[GsoType.TCPV4] = Segmentation.TCP4;
  table[GsoType.TCPV6] = Segmentation.TCP6;
  // The frame says which; a user that cares looks.
  table[GsoType.UDP_L4] = Segmentation.UDP4;
  return table;
}

/** A record that its queue reuses for every frame. */
export class Received implements ReceivedFrame {
  length = 0;
  pieces = 0;
  needsChecksum = false;
  checksumStart = 0;
  checksumOffset = 0;
  segmentation: Segmentation = Segmentation.NONE;
  segmentSize = 0;
  /** Buffers that the header says the frame lies in. */
  buffers = 0;
  readonly #guest: GuestPort;
  readonly #cpu: Float64Array;
  readonly #size: Uint32Array;

  /** A frame in at most `capacity` buffers. */
  constructor(guest: GuestPort, capacity: number) {
    this.#guest = guest;
    this.#cpu = new Float64Array(capacity);
    this.#size = new Uint32Array(capacity);
  }

  /** Forgets the pieces. */
  clear(): void {
    this.length = 0;
    this.pieces = 0;
  }

  /** Adds a piece. */
  add(cpu: PhysAddr, size: number): void {
    if (size === 0) return;
    this.#cpu[this.pieces] = cpu;
    this.#size[this.pieces++] = size;
    this.length += size;
  }

  cpu(index: number): PhysAddr {
    return this.#cpu[index];
  }

  size(index: number): number {
    return this.#size[index];
  }

  copy(into: Uint8Array, offset = 0): void {
    const { memory } = this.#guest;
    for (let i = 0; i < this.pieces; i++) {
      into.set(memory.bytes(this.#cpu[i], this.#size[i]), offset);
      offset += this.#size[i];
    }
  }

  /** Reads the header at `at`; without `num_buffers` there is one. */
  readHeader(at: PhysAddr, size: number): void {
    const region = this.#guest.memory.ram(at)!;
    const offset = at - region.base;
    const { bytes } = region;
    this.buffers = size < NetHeader.size ? 1 : half(bytes, offset + NUM_BUFFERS);
    this.needsChecksum = (bytes[offset + FLAGS] & HeaderFlag.NEEDS_CSUM) !== 0;
    const kind = KINDS[bytes[offset + GSO_TYPE] & ~GsoType.ECN];
    this.segmentation = kind ?? Segmentation.NONE;
    this.segmentSize = this.segmentation === Segmentation.NONE ? 0 : half(bytes, offset + GSO_SIZE);
    this.checksumStart = this.needsChecksum ? half(bytes, offset + CSUM_START) : 0;
    this.checksumOffset = this.needsChecksum ? half(bytes, offset + CSUM_OFFSET) : 0;
    this.#sane = kind !== undefined;
  }

  #sane = true;

  /** Whether the header agrees with the frame: a device's word is not trusted. */
  get sane(): boolean {
    if (!this.#sane || this.length === 0) return false;
    if (this.segmentation !== Segmentation.NONE && (!this.needsChecksum || this.segmentSize === 0)) return false;
    return !this.needsChecksum || this.checksumStart + this.checksumOffset + 2 <= this.length;
  }
}

function half(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8;
}
