/**
 * What the hypervisor knows about the partition: its memory, and how much of it may be mapped for I/O.
 *
 * @module
 */

import { type PhysAddr, toNumber } from "@iova/core";
import { MemoryRange } from "../layout.ts";

/** Bits that no memory address has (physical addresses end at bit 51). */
const ABOVE_MEMORY = ~0xf_ffff;

/** A range of memory: its first address and its size in bytes. */
export type MemoryPiece = readonly [base: PhysAddr, size: number];

function boundsOf(ranges: readonly MemoryPiece[]): Float64Array {
  return Float64Array.from(ranges.flatMap(([base, size]) => [base, base + size]));
}

/** The partition's memory, by logical real address. */
export class PartitionMemory {
  #ranges: readonly MemoryPiece[];
  // The first address of each range and the first one after it.
  #bounds: Float64Array;

  /** Memory in `ranges`. */
  constructor(ranges: readonly MemoryPiece[]) {
    this.#ranges = ranges;
    this.#bounds = boundsOf(ranges);
  }

  /** Takes memory away from the partition, or gives it some: what tables name already stays in them. */
  resize(ranges: readonly MemoryPiece[]): void {
    this.#ranges = ranges;
    this.#bounds = boundsOf(ranges);
  }

  /** Whether the 2^shift bytes around an address are the partition's; the address as halves, control bits and all. */
  owns(hi: number, lo: number, shift: number): boolean {
    if ((hi & ABOVE_MEMORY) !== 0) return false;
    const firstLo = shift < 32 ? lo & (-1 << shift) : 0;
    const firstHi = shift < 32 ? hi : hi & (-1 << (shift - 32));
    const first = firstHi === 0 ? firstLo >>> 0 : toNumber(firstHi, firstLo);
    const size = shift < 31 ? 1 << shift : 2 ** shift;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i += 2) {
      if (first >= bounds[i] && first + size <= bounds[i + 1]) return true;
    }
    return false;
  }

  /** The `reg` property of a memory node. */
  property(): Uint8Array {
    return new Uint8Array(
      this.#ranges.flatMap(([base, size]) => [...MemoryRange.encode({ base: BigInt(base), size: BigInt(size) })]),
    );
  }
}

/** Cooperative memory over-commitment (LoPAR, CMO option): an entitlement to map memory for I/O. */
export class Entitlement {
  /** Bytes mapped now. */
  mapped = 0;

  /** An entitlement to `bytes` bytes; Infinity without the option. */
  constructor(readonly bytes: number) {}

  /** Whether `change` more bytes may be mapped. */
  allows(change: number): boolean {
    return change <= 0 || this.mapped + change <= this.bytes;
  }
}
