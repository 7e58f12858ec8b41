/**
 * Where a machine's RAM and registers lie.
 *
 * @module
 */

import { PAGE_SIZE } from "./address.ts";
import { MESSAGE_DOORBELL } from "./interrupts.ts";
import type { ResolvedMachine } from "./manifest/resolved.ts";
import { guarded } from "./errors.ts";
import type { MemoryMap } from "./plugin.ts";

const GIB = 1024 ** 3;
const LOW_RAM_LIMIT = 3 * GIB;
const HEAP_START = 0x10_0000;

/** The memory map of a machine: its profile's, or the generic one. */
export function memoryMap({ bus, memory }: Pick<ResolvedMachine, "bus" | "memory">): MemoryMap {
  if (bus?.plugin.kind !== "profile") return genericMemoryMap(memory);
  const { plugin } = bus;
  return guarded(plugin.name, "memoryMap", () => plugin.memoryMap(memory, bus.options));
}

/** RAM below 3 GiB at 0, the rest from 4 GiB, as PCs have it; the heap above the first MiB, if there is as much. */
export function genericMemoryMap(memory: number): MemoryMap {
  const low = Math.min(memory, LOW_RAM_LIMIT);
  return {
    ram: [{ base: 0, size: low }, ...(memory > low ? [{ base: 4 * GIB, size: memory - low }] : [])],
    heap: memory > 2 * HEAP_START ? HEAP_START : PAGE_SIZE,
    registers: { first: 0xfec0_0000, end: MESSAGE_DOORBELL },
  };
}
