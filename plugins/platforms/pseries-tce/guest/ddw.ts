/**
 * Dynamic DMA windows from the guest's side: Linux's `enable_ddw` (arch/powerpc/platforms/pseries/iommu.c).
 *
 * @module
 */

import { compareHalves, Direction, type DmaAddr, DmaHandle, type PhysAddr } from "@iova/core";
import { CreateWindow, largestPageShift, QueryWindow, RemoveWindow, ResetWindows, RtasStatus } from "../layout.ts";
import type { BridgeDescription, DdwTokens, WindowDescription } from "./firmware.ts";
import type { RtasClient } from "./rtas.ts";
import type { IommuTable } from "./table.ts";
import type { TceWriter, WrittenTable } from "./writer.ts";

/** RTAS asks to be called again: busy, or after 10^x ms. */
const EXTENDED_DELAY = { first: 9900, last: 9905 } as const;
/** How often the guest does. */
const TRIES = 10;
/** Pages of tables that map piece by piece are smaller than this. */
const TABLE_SHIFT_END = 32;

/** A window through which the device reaches all memory: bus address = base + address. */
export class DirectWindow implements WrittenTable {
  readonly liobn: number;
  readonly pageSize: number;
  /** The first address that the window does not reach; Infinity when it reaches all memory. */
  end: PhysAddr = Infinity;
  readonly #base: DmaHandle;

  /** The bus address of memory's last byte. */
  readonly last: DmaAddr;

  /** A window that maps nothing yet, for memory that ends before `memoryEnd`. */
  constructor(window: WindowDescription, memoryEnd: PhysAddr) {
    this.last = window.base + BigInt(memoryEnd) - 1n;
    this.liobn = window.liobn;
    this.pageSize = 2 ** window.shift;
    this.#base = new DmaHandle().set(window.base);
  }

  /** See {@linkcode WrittenTable.addressOf}. */
  addressOf(entry: number, out: DmaHandle): DmaHandle {
    return this.address(entry * this.pageSize, out);
  }

  /** The bus address for a physical one. */
  address(cpu: PhysAddr, out: DmaHandle): DmaHandle {
    out.setNumber(cpu);
    const lo = (out.lo + this.#base.lo) | 0;
    const carry = (lo >>> 0) < (out.lo >>> 0) ? 1 : 0;
    return out.setHalves((out.hi + this.#base.hi + carry) | 0, lo);
  }

  /** Whether a bus address is at or above the window's base. */
  holds({ hi, lo }: DmaHandle): boolean {
    return compareHalves(hi, lo, this.#base.hi, this.#base.lo) >= 0;
  }

  /** Maps a range of memory, rounded as Linux does: from the start of its first page, without an incomplete last one. */
  mapRange([base, size]: readonly [PhysAddr, number], writer: TceWriter): boolean {
    const first = Math.floor(base / this.pageSize);
    const entries = Math.floor((size + base % this.pageSize) / this.pageSize);
    const end = (first + entries) * this.pageSize;
    if (end < base + size) this.end = Math.min(this.end, Math.max(end, base));
    return entries === 0 || writer.set(this, first, entries, first * this.pageSize, Direction.BIDIRECTIONAL);
  }
}

/** What came of asking for a 64-bit window: one of all memory, a larger table, or neither. */
export interface DdwResult {
  readonly direct: DirectWindow | null;
  readonly table: IommuTable | null;
  /** The default window is gone. */
  readonly defaultRemoved: boolean;
}

/** What the search for a window stands on. */
export interface DdwHost {
  readonly description: BridgeDescription;
  readonly rtas: RtasClient;
  /** Fails on every failed call: a direct window with a hole is no direct window. */
  readonly writer: TceWriter;
  readonly defaultTable: IommuTable | null;
  /** Makes a table over a new window. */
  makeTable(window: WindowDescription): IommuTable;
}

/** Asks firmware for a 64-bit window. What it cannot have it leaves as it was. */
export function enableDdw(host: DdwHost, tokens: DdwTokens): DdwResult {
  let query = host.rtas.call(QueryWindow, tokens.query, 5, host.rtas.pe);
  let defaultRemoved = false;
  if (query.status === RtasStatus.SUCCESS && query.windows === 0 && removeDefault(host, tokens)) {
    defaultRemoved = true;
    query = host.rtas.call(QueryWindow, tokens.query, 5, host.rtas.pe);
  }
  if (query.status === RtasStatus.SUCCESS && query.windows > 0) {
    const made = makeWindow(host, tokens, query.largestBlock, largestPageShift(query.pageSizes));
    if (made !== null) return { ...made, defaultRemoved };
  }
  if (defaultRemoved) host.rtas.call(ResetWindows, tokens.reset!, 1, host.rtas.pe);
  return { direct: null, table: null, defaultRemoved: false };
}

/** Only a window that can be brought back, and in which nothing is mapped, is given up. */
function removeDefault({ rtas, defaultTable }: DdwHost, { remove, reset }: DdwTokens): boolean {
  if (reset === null || defaultTable === null || defaultTable.ranges.used > 0) return false;
  const liobn = defaultTable.liobn >>> 0;
  return rtas.call(RemoveWindow, remove, 1, { liobn }).status === RtasStatus.SUCCESS;
}

function makeWindow(
  host: DdwHost,
  tokens: DdwTokens,
  largestBlock: number,
  shift: number,
): { direct: DirectWindow | null; table: IommuTable | null } | null {
  const { memory } = host.description;
  const possible = Math.ceil(Math.log2(largestBlock)) + shift;
  const memoryEnd = Math.max(...memory.map(([base, size]) => base + size));
  const wanted = Math.ceil(Math.log2(memoryEnd));
  const direct = possible >= wanted;
  if (!direct && shift >= TABLE_SHIFT_END) return null;
  const window = createWindow(host.rtas, tokens, shift, Math.min(possible, wanted));
  if (window === null) return null;
  if (!direct) return { direct: null, table: host.makeTable(window) };
  const made = new DirectWindow(window, memoryEnd);
  if (memory.every((range) => made.mapRange(range, host.writer))) return { direct: made, table: null };
  host.rtas.call(RemoveWindow, tokens.remove, 1, { liobn: window.liobn >>> 0 });
  return null;
}

function createWindow(
  rtas: RtasClient,
  { create }: DdwTokens,
  pageShift: number,
  windowShift: number,
): WindowDescription | null {
  const args = { ...rtas.pe, pageShift, windowShift };
  let made = rtas.call(CreateWindow, create, 4, args);
  for (let i = 1; i < TRIES && isBusy(made.status); i++) made = rtas.call(CreateWindow, create, 4, args);
  if (made.status !== RtasStatus.SUCCESS) return null;
  return {
    liobn: made.liobn | 0,
    base: BigInt(made.baseHi) << 32n | BigInt(made.baseLo),
    shift: pageShift,
    entries: 2 ** (windowShift - pageShift),
  };
}

function isBusy(status: number): boolean {
  return status === RtasStatus.BUSY || (status >= EXTENDED_DELAY.first && status <= EXTENDED_DELAY.last);
}
