/**
 * Device-tree properties (cells are 32-bit, big-endian; LoPAR, "PAPR binding").
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

const firmware = { writtenBy: "firmware", readBy: "operating system" } as const;

/** Names of the properties that the halves exchange. The memory node's `reg` is an array of {@linkcode MemoryRange}. */
export const Property = {
  DMA_WINDOW: "ibm,dma-window",
  DDW_APPLICABLE: "ibm,ddw-applicable",
  DDW_EXTENSIONS: "ibm,ddw-extensions",
  HYPERTAS_FUNCTIONS: "ibm,hypertas-functions",
  BUID: "pci/reg",
  MEMORY: "memory/reg",
} as const;

/** Words in `ibm,hypertas-functions`: one string each, ended by a zero byte. */
export const HypertasFunction = { TCE: "hcall-tce", MULTI_TCE: "hcall-multi-tce" } as const;

/** `ibm,dma-window`: the default window, with two cells for addresses and two for sizes. */
export const DmaWindow: Struct<{ liobn: number; base: bigint; size: bigint }> = defineStruct({
  name: "ibm,dma-window",
  source: "LoPAR, PAPR binding",
  size: 20,
  endian: "big",
  fields: [
    { name: "liobn", at: 0, bytes: 4, ...firmware, doc: "The table." },
    { name: "base", at: 4, bytes: 8, ...firmware, doc: "First bus address." },
    { name: "size", at: 12, bytes: 8, ...firmware, doc: "Bytes." },
  ],
});

/** `ibm,ddw-applicable`: the tokens of this node's window calls. */
export const DdwApplicable: Struct<{ query: number; create: number; remove: number }> = defineStruct({
  name: "ibm,ddw-applicable",
  source: "LoPAR, PAPR binding",
  size: 12,
  endian: "big",
  fields: [
    { name: "query", at: 0, bytes: 4, ...firmware, doc: "Token of ibm,query-pe-dma-window." },
    { name: "create", at: 4, bytes: 4, ...firmware, doc: "Token of ibm,create-pe-dma-window." },
    { name: "remove", at: 8, bytes: 4, ...firmware, doc: "Token of ibm,remove-pe-dma-window." },
  ],
});

/** `ibm,ddw-extensions` with its first value only. */
export const DdwExtensions: Struct<{ count: number; reset: number }> = defineStruct({
  name: "ibm,ddw-extensions",
  source: "LoPAR, PAPR binding",
  size: 8,
  endian: "big",
  fields: [
    { name: "count", at: 0, bytes: 4, ...firmware, doc: "Values that follow." },
    { name: "reset", at: 4, bytes: 4, ...firmware, doc: "Token of ibm,reset-pe-dma-windows." },
  ],
});

/** The unit id in a host bridge's `reg`. */
export const Buid: Struct<{ hi: number; lo: number }> = defineStruct({
  name: "reg of a PCI host bridge",
  source: "LoPAR, PAPR binding",
  size: 8,
  endian: "big",
  fields: [
    { name: "hi", at: 0, bytes: 4, ...firmware, doc: "High half." },
    { name: "lo", at: 4, bytes: 4, ...firmware, doc: "Low half." },
  ],
});

/** One range in a memory node's `reg`. */
export const MemoryRange: Struct<{ base: bigint; size: bigint }> = defineStruct({
  name: "reg of a memory node",
  source: "LoPAR, PAPR binding",
  size: 16,
  endian: "big",
  fields: [
    { name: "base", at: 0, bytes: 8, ...firmware, doc: "First logical real address." },
    { name: "size", at: 8, bytes: 8, ...firmware, doc: "Bytes." },
  ],
});
