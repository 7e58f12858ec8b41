/**
 * Arguments of hypercalls in guest memory. Everything is read through one bounded window.
 *
 * @module
 */

import { type AddressSpace, type HypercallRegisters, type PhysAddr, type RamRegion, TWO32 } from "@iova/core";

/** The highest half of an address that can name memory. */
const HIGHEST = 0x10_0000;

/** Register `index` as an address, or −1 when it cannot be one. */
export function addressIn(registers: HypercallRegisters, index: number): PhysAddr {
  const hi = registers.hi[index] >>> 0;
  return hi < HIGHEST ? hi * TWO32 + (registers.lo[index] >>> 0) : -1;
}

/** The 64-bit word at `at`, exact below 2^53; larger ones keep their order. */
export function read64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO32 + view.getUint32(at, true);
}

/** Stores a non-negative integer below 2^53 in 64 bits. */
export function write64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO32), true);
}

/** The frame number of the 64-bit address at `at`: exact. */
export function readFrame(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x10_0000 + (view.getUint32(at, true) >>> 12);
}

/** The RAM region that holds `length` bytes at `address`, or null. */
export function window(space: AddressSpace, address: PhysAddr, length: number): RamRegion | null {
  const region = address < 0 ? null : space.ram(address);
  return region !== null && address + length <= region.end ? region : null;
}
