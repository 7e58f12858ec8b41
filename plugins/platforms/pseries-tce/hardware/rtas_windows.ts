/**
 * RTAS calls on dynamic DMA windows (LoPAR, "DMA Window Calls"; order of checks as in QEMU hw/ppc/spapr_rtas_ddw.c).
 *
 * @module
 */

import { DEFAULT_PAGE_SHIFT, offersPageSize, RtasStatus, RtasToken } from "../layout.ts";
import { DDW_BASE, type Phb } from "./phb.ts";
import type { Rtas, RtasCells } from "./rtas.ts";
import type { Window } from "./window.ts";

const { SUCCESS, PARAMETER } = RtasStatus;

/** Finds what the calls' arguments name. */
export interface WindowDirectory {
  /** The bridge with a unit id, or null. */
  bridge(buid: bigint): Phb | null;
  /** The window of a LIOBN and its bridge, or null. */
  window(hi: number, lo: number): Window | null;
  /** The bridge of a window. */
  bridgeOf(window: Window): Phb;
}

/** Adds the four calls to `rtas`. */
export function addWindowCalls(rtas: Rtas, directory: WindowDirectory): void {
  const withBridge =
    (nargs: number, nret: number, call: (phb: Phb, cells: RtasCells) => void) => (cells: RtasCells) => {
      const phb = cells.nargs === nargs && cells.nret === nret ? directory.bridge(cells.wide(1)) : null;
      if (phb === null || !phb.config.ddw) return cells.answer(PARAMETER);
      call(phb, cells);
    };
  rtas.on(RtasToken.QUERY_PE_DMA_WINDOW, withBridge(3, 5, query));
  rtas.on(RtasToken.CREATE_PE_DMA_WINDOW, withBridge(5, 4, create));
  rtas.on(RtasToken.REMOVE_PE_DMA_WINDOW, (cells) => remove(directory, cells));
  rtas.on(RtasToken.RESET_PE_DMA_WINDOW, withBridge(3, 1, reset));
}

function query({ windows, config }: Phb, cells: RtasCells): void {
  const free = windows.filter((window) => window === null).length;
  cells.answer(SUCCESS, free, config.largestBlock, config.pageSizes, 0);
}

function create(phb: Phb, cells: RtasCells): void {
  const [pageShift, windowShift] = [cells.arg(3), cells.arg(4)];
  if (pageShift < DEFAULT_PAGE_SHIFT || windowShift < pageShift || !offersPageSize(phb.config.pageSizes, pageShift)) {
    return cells.answer(PARAMETER);
  }
  const { rules, windows } = phb;
  const slot = windows.indexOf(null);
  // A table's size is a number of 32 bits, so 2^32 entries are none.
  const entries = windowShift - pageShift >= 32 ? 0 : 2 ** (windowShift - pageShift);
  if (slot < 0 || entries > phb.config.largestBlock) return cells.answer(rules.noWindow);
  const base = windows.every((window) => window === null) ? 0n : DDW_BASE;
  const window = phb.makeWindow(slot, base, pageShift, entries, false);
  if (window === null) return cells.answer(rules.noWindow);
  cells.answer(SUCCESS, window.liobn, Number(base >> 32n), Number(base & 0xffff_ffffn));
}

function remove(directory: WindowDirectory, cells: RtasCells): void {
  const fits = cells.nargs === 1 && cells.nret === 1;
  const window = fits ? directory.window(0, cells.arg(0) | 0) : null;
  if (window === null) return cells.answer(PARAMETER);
  const phb = directory.bridgeOf(window);
  if (!phb.config.ddw) return cells.answer(PARAMETER);
  phb.removeWindow(window);
  const last = phb.windows.every((other) => other === null);
  if (last && !window.isDefault && phb.rules.restoresDefault) phb.makeDefault();
  cells.answer(SUCCESS);
}

function reset(phb: Phb, cells: RtasCells): void {
  phb.resetWindows();
  cells.answer(SUCCESS);
}
