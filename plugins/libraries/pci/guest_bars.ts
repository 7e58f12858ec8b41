/**
 * Reading what BARs a function has, as an operating system does: all ones written, the size mask read.
 *
 * @module
 */

import { type PhysAddr, TWO32 } from "@iova/core";
import type { GuestConfig } from "./guest_config.ts";
import { Command, Header0, IoBar, MemoryBar } from "./layout.ts";

/** A base address register as the guest knows it. */
export interface PciBar {
  /** 0 to 5. */
  readonly index: number;
  /** The address space that it lies in. */
  readonly kind: "memory" | "io";
  /** Bytes. */
  readonly size: number;
  /** Bits of its address. */
  readonly width: 32 | 64;
  /** Reads have no side effects. */
  readonly prefetchable: boolean;
  /** Where its registers are: a physical address, or a port; 0 when there was no room for it. */
  address: PhysAddr;
}

/** Finds and sizes the BARs of a function with `count` of them. Decoding is off meanwhile. */
export function sizeBars(config: GuestConfig, requester: number, count: number): PciBar[] {
  const command = config.read(requester, Header0.at.command, 2);
  config.write(requester, Header0.at.command, 2, command & ~(Command.mask.io | Command.mask.memory));
  const bars: PciBar[] = [];
  for (let index = 0; index < count; index++) {
    const bar = sizeBar(config, requester, index, index + 1 < count);
    if (bar === null) continue;
    bars.push(bar);
    if (bar.width === 64) index++;
  }
  config.write(requester, Header0.at.command, 2, command);
  return bars;
}

function sizeBar(config: GuestConfig, requester: number, index: number, hasUpper: boolean): PciBar | null {
  const at = Header0.at.bar0 + 4 * index;
  const low = probe(config, requester, at);
  if (low === 0) return null;
  if ((low & IoBar.mask.io) !== 0) {
    return { index, kind: "io", size: lowestBit(low & IoBar.mask.base), width: 32, prefetchable: false, address: 0 };
  }
  const wide = (low & MemoryBar.mask.type) >>> MemoryBar.shift.type === 2 && hasUpper;
  const high = wide ? probe(config, requester, at + 4) : 0;
  const size = lowestBit(low & MemoryBar.mask.base) || lowestBit(high) * TWO32;
  const prefetchable = (low & MemoryBar.mask.prefetchable) !== 0;
  return { index, kind: "memory", size, width: wide ? 64 : 32, prefetchable, address: 0 };
}

/** What sticks of all ones; the register is put back. */
function probe(config: GuestConfig, requester: number, at: number): number {
  const before = config.read(requester, at, 4);
  config.write(requester, at, 4, 0xffff_ffff);
  const mask = config.read(requester, at, 4);
  config.write(requester, at, 4, before);
  return mask;
}

/** The lowest bit that is set: the size that a mask stands for. */
function lowestBit(mask: number): number {
  return (mask & -mask) >>> 0;
}

/** Writes a BAR's address. */
export function placeBar(config: GuestConfig, requester: number, bar: PciBar, address: PhysAddr): void {
  const at = Header0.at.bar0 + 4 * bar.index;
  config.write(requester, at, 4, address % TWO32);
  if (bar.width === 64) config.write(requester, at + 4, 4, Math.floor(address / TWO32));
  bar.address = address;
}
