/**
 * Hypercalls: numbers, status values, and which register holds what (LoPAR, "Hypervisor Call Functions").
 *
 * Registers carry values and have no byte order. For field tables and golden vectors an argument list is written as the
 * image of r4, r5, … , eight bytes each, most significant first.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Hypercall numbers (r3 on entry). `RTAS` is how a guest of QEMU or KVM enters RTAS. */
export const Hcall = {
  GET_TCE: 0x1c,
  PUT_TCE: 0x20,
  STUFF_TCE: 0x138,
  PUT_TCE_INDIRECT: 0x13c,
  RTAS: 0xf000,
} as const;

/** Names of the hypercalls, by number. */
export const HCALL_NAMES: Readonly<Record<number, string>> = {
  [Hcall.GET_TCE]: "H_GET_TCE",
  [Hcall.PUT_TCE]: "H_PUT_TCE",
  [Hcall.STUFF_TCE]: "H_STUFF_TCE",
  [Hcall.PUT_TCE_INDIRECT]: "H_PUT_TCE_INDIRECT",
  [Hcall.RTAS]: "H_RTAS",
};

/** How many argument registers each hypercall has, by number. */
export const HCALL_ARGUMENTS: Readonly<Record<number, number>> = {
  [Hcall.GET_TCE]: 2,
  [Hcall.PUT_TCE]: 3,
  [Hcall.STUFF_TCE]: 4,
  [Hcall.PUT_TCE_INDIRECT]: 4,
  [Hcall.RTAS]: 1,
};

/** Status values (r3 on return), signed. */
export const HStatus = {
  SUCCESS: 0,
  /** `H_GET_TCE`: the page is mapped and not the caller's. */
  PARTIAL: 5,
  HARDWARE: -1,
  FUNCTION: -2,
  PARAMETER: -4,
  NOT_ENOUGH_RESOURCES: -44,
  /** The fourth parameter is bad. */
  P4: -57,
} as const;

/** Most entries that one list page carries, and most that one call changes under LoPAR. */
export const LIST_ENTRIES = 512;
/** Bytes, and alignment, of a list page. */
export const LIST_BYTES = 4096;

const written = { writtenBy: "operating system", readBy: "hypervisor" } as const;
const source = "LoPAR, Hypervisor Call Functions";
const liobn = { name: "liobn", at: 0, bytes: 8, ...written, doc: "r4: the table; bits 63:32 are 0." } as const;
const ioba = { name: "ioba", at: 8, bytes: 8, ...written, doc: "r5: bus address of the (first) page." } as const;
const tce = { name: "tce", at: 16, bytes: 8, ...written, doc: "r6: the entry." } as const;
const count = { name: "count", at: 24, bytes: 8, ...written, doc: "r7: entries." } as const;
const list = {
  name: "list",
  at: 16,
  bytes: 8,
  ...written,
  doc: "r6: logical real address of a 4 KiB page of big-endian entries.",
} as const;

/** The arguments of `H_GET_TCE`; the entry comes back in r4. */
export const HGetTce: Struct<{ liobn: bigint; ioba: bigint }> = defineStruct({
  name: "H_GET_TCE",
  source,
  size: 16,
  endian: "big",
  fields: [liobn, ioba],
});
/** The arguments of `H_PUT_TCE`. */
export const HPutTce: Struct<{ liobn: bigint; ioba: bigint; tce: bigint }> = defineStruct({
  name: "H_PUT_TCE",
  source,
  size: 24,
  endian: "big",
  fields: [liobn, ioba, tce],
});
/** The arguments of `H_STUFF_TCE`: one value for `count` entries. */
export const HStuffTce: Struct<{ liobn: bigint; ioba: bigint; tce: bigint; count: bigint }> = defineStruct({
  name: "H_STUFF_TCE",
  source,
  size: 32,
  endian: "big",
  fields: [liobn, ioba, tce, count],
});
/** The arguments of `H_PUT_TCE_INDIRECT`. */
export const HPutTceIndirect: Struct<{ liobn: bigint; ioba: bigint; list: bigint; count: bigint }> = defineStruct({
  name: "H_PUT_TCE_INDIRECT",
  source,
  size: 32,
  endian: "big",
  fields: [liobn, ioba, list, count],
});

/** Bytes of a register. */
const REGISTER = 8;

/** Index of each argument register in `HypercallRegisters` (0 is r4). */
export const Arg: Readonly<Record<"LIOBN" | "IOBA" | "TCE" | "LIST" | "COUNT", number>> = {
  LIOBN: HPutTce.at.liobn / REGISTER,
  IOBA: HPutTce.at.ioba / REGISTER,
  TCE: HPutTce.at.tce / REGISTER,
  LIST: HPutTceIndirect.at.list / REGISTER,
  COUNT: HStuffTce.at.count / REGISTER,
};
