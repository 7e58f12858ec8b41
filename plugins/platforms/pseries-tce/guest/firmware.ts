/**
 * What the guest learns from the device tree before it touches anything.
 *
 * @module
 */

import type { FirmwareTable, PhysAddr } from "@iova/core";
import {
  Buid,
  DdwApplicable,
  DdwExtensions,
  DEFAULT_PAGE_SHIFT,
  DmaWindow,
  HypertasFunction,
  MemoryRange,
  Property,
} from "../layout.ts";

/** A DMA window, as firmware or RTAS describes it. */
export interface WindowDescription {
  /** The table's number, 32 bits, signed. */
  readonly liobn: number;
  /** First bus address. */
  readonly base: bigint;
  /** log2 of the page size. */
  readonly shift: number;
  /** Pages. */
  readonly entries: number;
}

/** Tokens of the calls on dynamic windows. */
export interface DdwTokens {
  readonly query: number;
  readonly create: number;
  readonly remove: number;
  /** Null when windows cannot be reset. */
  readonly reset: number | null;
}

/** The bridge and the partition, as the device tree describes them. */
export interface BridgeDescription {
  readonly buid: { readonly hi: number; readonly lo: number };
  readonly window: WindowDescription;
  /** Whether `H_STUFF_TCE` and `H_PUT_TCE_INDIRECT` may be called. */
  readonly multiTce: boolean;
  /** The partition's memory: first address and bytes of each range. */
  readonly memory: readonly (readonly [base: PhysAddr, size: number])[];
  /** Null when dynamic windows are not offered. */
  readonly ddw: DdwTokens | null;
}

/** Reads the properties. */
export function readDeviceTree(tables: readonly FirmwareTable[]): BridgeDescription {
  const property = (name: string) => tables.find((table) => table.name === name)?.bytes;
  const { liobn, base, size } = DmaWindow.decode(property(Property.DMA_WINDOW)!);
  const functions = new TextDecoder().decode(property(Property.HYPERTAS_FUNCTIONS)).split("\0");
  return {
    buid: Buid.decode(property(Property.BUID)!),
    window: {
      liobn: liobn | 0,
      base,
      shift: DEFAULT_PAGE_SHIFT,
      entries: Number(size >> BigInt(DEFAULT_PAGE_SHIFT)),
    },
    multiTce: functions.includes(HypertasFunction.MULTI_TCE),
    memory: readMemory(property(Property.MEMORY)!),
    ddw: readTokens(property(Property.DDW_APPLICABLE), property(Property.DDW_EXTENSIONS)),
  };
}

function readMemory(bytes: Uint8Array): [number, number][] {
  const ranges: [number, number][] = [];
  for (let at = 0; at < bytes.length; at += MemoryRange.size) {
    const { base, size } = MemoryRange.decode(bytes.subarray(at));
    ranges.push([Number(base), Number(size)]);
  }
  return ranges;
}

function readTokens(applicable?: Uint8Array, extensions?: Uint8Array): DdwTokens | null {
  if (applicable === undefined) return null;
  return { ...DdwApplicable.decode(applicable), reset: extensions ? DdwExtensions.decode(extensions).reset : null };
}
