/**
 * RTAS call buffers: 32-bit big-endian cells in guest memory: token, nargs, nret, arguments, results; the first result is
 * the status (LoPAR, "RTAS Call Function Definition" and the calls' own sections).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Tokens, as QEMU numbers them; the device tree tells a guest those of the windows. */
export const RtasToken = {
  SET_EEH_OPTION: 0x2020,
  READ_SLOT_RESET_STATE2: 0x2022,
  SET_SLOT_RESET: 0x2023,
  QUERY_PE_DMA_WINDOW: 0x2026,
  CREATE_PE_DMA_WINDOW: 0x2027,
  REMOVE_PE_DMA_WINDOW: 0x2028,
  RESET_PE_DMA_WINDOW: 0x2029,
} as const;

/** RTAS status values, signed. */
export const RtasStatus = { SUCCESS: 0, HARDWARE: -1, BUSY: -2, PARAMETER: -3 } as const;

/** Most arguments and results of one call together (Linux `struct rtas_args`). */
export const RTAS_CELLS = 16;

/** Functions of `ibm,set-eeh-option`. */
export const EehOption = { DISABLE: 0, ENABLE: 1, THAW_MMIO: 2, THAW_DMA: 3 } as const;

/** Functions of `ibm,set-slot-reset`. */
export const SlotReset = { DEACTIVATE: 0, HOT: 1, FUNDAMENTAL: 3 } as const;

/** States told by `ibm,read-slot-reset-state2`. */
export const EehState = { NORMAL: 0, RESET: 1, STOPPED: 2, DMA_STOPPED: 4, UNAVAILABLE: 5 } as const;

const guest = { writtenBy: "operating system", readBy: "RTAS" } as const;
const rtas = { writtenBy: "RTAS", readBy: "operating system" } as const;

const head = [
  { name: "token", at: 0, bytes: 4, ...guest, doc: "Which call." },
  { name: "nargs", at: 4, bytes: 4, ...guest, doc: "Cells of arguments." },
  { name: "nret", at: 8, bytes: 4, ...guest, doc: "Cells of results." },
] as const;
const pe = [
  ...head,
  { name: "configAddr", at: 12, bytes: 4, ...guest, doc: "(bus << 16) | (devfn << 8), register 0." },
  { name: "buidHi", at: 16, bytes: 4, ...guest, doc: "Unit id of the host bridge, high half." },
  { name: "buidLo", at: 20, bytes: 4, ...guest, doc: "Low half." },
] as const;
const statusAt = <const A extends number>(at: A) =>
  ({
    name: "status",
    at,
    bytes: 4,
    ...rtas,
    doc: "0 success, -1 hardware, -2 busy, -3 parameter (two's complement).",
  }) as const;

/** What every call's buffer begins with. */
export type RtasHead = { token: number; nargs: number; nret: number };
/** What names a partitionable endpoint. */
export type PeAddress = { configAddr: number; buidHi: number; buidLo: number };

/** The first three cells of any buffer. */
export const RtasHead: Struct<RtasHead> = defineStruct({
  name: "rtas head",
  source: "LoPAR, RTAS argument buffer",
  size: 12,
  endian: "big",
  fields: head,
});

/** `ibm,query-pe-dma-window`, the form with five results. */
export const QueryWindow: Struct<
  & RtasHead
  & PeAddress
  & { status: number; windows: number; largestBlock: number; pageSizes: number; migration: number }
> = defineStruct({
  name: "ibm,query-pe-dma-window",
  source: "LoPAR, ibm,query-pe-dma-window",
  size: 44,
  endian: "big",
  fields: [
    ...pe,
    statusAt(24),
    { name: "windows", at: 28, bytes: 4, ...rtas, doc: "Windows that can still be made." },
    { name: "largestBlock", at: 32, bytes: 4, ...rtas, doc: "Most entries of a table, in TCEs." },
    { name: "pageSizes", at: 36, bytes: 4, ...rtas, doc: "Mask of I/O page sizes." },
    { name: "migration", at: 40, bytes: 4, ...rtas, doc: "Mask of page sizes that survive migration." },
  ],
});

/** `ibm,create-pe-dma-window`. */
export const CreateWindow: Struct<
  & RtasHead
  & PeAddress
  & { pageShift: number; windowShift: number; status: number; liobn: number; baseHi: number; baseLo: number }
> = defineStruct({
  name: "ibm,create-pe-dma-window",
  source: "LoPAR, ibm,create-pe-dma-window",
  size: 48,
  endian: "big",
  fields: [
    ...pe,
    { name: "pageShift", at: 24, bytes: 4, ...guest, doc: "log2 of the I/O page size." },
    { name: "windowShift", at: 28, bytes: 4, ...guest, doc: "log2 of the window's size." },
    statusAt(32),
    { name: "liobn", at: 36, bytes: 4, ...rtas, doc: "The new table." },
    { name: "baseHi", at: 40, bytes: 4, ...rtas, doc: "Bus address of the window, high half." },
    { name: "baseLo", at: 44, bytes: 4, ...rtas, doc: "Low half." },
  ],
});

/** `ibm,remove-pe-dma-window`. */
export const RemoveWindow: Struct<RtasHead & { liobn: number; status: number }> = defineStruct({
  name: "ibm,remove-pe-dma-window",
  source: "LoPAR, ibm,remove-pe-dma-window",
  size: 20,
  endian: "big",
  fields: [...head, { name: "liobn", at: 12, bytes: 4, ...guest, doc: "The table to remove." }, statusAt(16)],
});

/** `ibm,reset-pe-dma-windows`. */
export const ResetWindows: Struct<RtasHead & PeAddress & { status: number }> = defineStruct({
  name: "ibm,reset-pe-dma-windows",
  source: "LoPAR, ibm,reset-pe-dma-windows",
  size: 28,
  endian: "big",
  fields: [...pe, statusAt(24)],
});

/** `ibm,set-eeh-option`, and `ibm,set-slot-reset`, which has the same shape. */
export const SetEehOption: Struct<RtasHead & PeAddress & { option: number; status: number }> = defineStruct({
  name: "ibm,set-eeh-option",
  source: "LoPAR, ibm,set-eeh-option and ibm,set-slot-reset",
  size: 32,
  endian: "big",
  fields: [...pe, { name: "option", at: 24, bytes: 4, ...guest, doc: "The function." }, statusAt(28)],
});

/** `ibm,read-slot-reset-state2`, the form with four results. */
export const ReadSlotResetState: Struct<
  RtasHead & PeAddress & { status: number; state: number; capability: number; unavailable: number }
> = defineStruct({
  name: "ibm,read-slot-reset-state2",
  source: "LoPAR, ibm,read-slot-reset-state2",
  size: 40,
  endian: "big",
  fields: [
    ...pe,
    statusAt(24),
    {
      name: "state",
      at: 28,
      bytes: 4,
      ...rtas,
      values: { normal: 0, reset: 1, stopped: 2, dmaStopped: 4, unavailable: 5 },
      doc: "State of the endpoint.",
    },
    { name: "capability", at: 32, bytes: 4, ...rtas, doc: "1: EEH is supported." },
    { name: "unavailable", at: 36, bytes: 4, ...rtas, doc: "Milliseconds until it is worth asking again." },
  ],
});
