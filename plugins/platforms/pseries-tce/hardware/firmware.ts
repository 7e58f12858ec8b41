/**
 * The device-tree properties by which firmware tells the operating system about a bridge.
 *
 * @module
 */

import type { FirmwareTable } from "@iova/core";
import { Buid, DdwApplicable, DdwExtensions, DmaWindow, HypertasFunction, Property, RtasToken } from "../layout.ts";
import type { Phb } from "./phb.ts";

/** The properties of one bridge and of the partition's memory. */
export function properties(phb: Phb): FirmwareTable[] {
  const { config, memory, multiTce, windows } = phb;
  const window = windows[0]!;
  const functions = [HypertasFunction.TCE, ...(multiTce ? [HypertasFunction.MULTI_TCE] : [])];
  return [
    { name: Property.BUID, bytes: Buid.encode({ hi: Number(phb.buid >> 32n), lo: Number(phb.buid & 0xffff_ffffn) }) },
    {
      name: Property.DMA_WINDOW,
      bytes: DmaWindow.encode({
        liobn: window.liobn >>> 0,
        base: window.base,
        size: BigInt(window.entries) << BigInt(window.shift),
      }),
    },
    { name: Property.HYPERTAS_FUNCTIONS, bytes: strings(functions) },
    { name: Property.MEMORY, bytes: memory.property() },
    ...(config.ddw ? dynamicWindows() : []),
  ];
}

function dynamicWindows(): FirmwareTable[] {
  const tokens = {
    query: RtasToken.QUERY_PE_DMA_WINDOW,
    create: RtasToken.CREATE_PE_DMA_WINDOW,
    remove: RtasToken.REMOVE_PE_DMA_WINDOW,
  };
  return [
    { name: Property.DDW_APPLICABLE, bytes: DdwApplicable.encode(tokens) },
    { name: Property.DDW_EXTENSIONS, bytes: DdwExtensions.encode({ count: 1, reset: RtasToken.RESET_PE_DMA_WINDOW }) },
  ];
}

function strings(words: readonly string[]): Uint8Array {
  return new TextEncoder().encode(words.map((word) => `${word}\0`).join(""));
}
