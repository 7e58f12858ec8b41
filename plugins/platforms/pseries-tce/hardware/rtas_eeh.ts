/**
 * RTAS calls on a stopped endpoint (LoPAR, "ibm,set-eeh-option", "ibm,set-slot-reset", "ibm,read-slot-reset-state2").
 *
 * @module
 */

import { EehOption, RtasStatus, RtasToken, SlotReset } from "../layout.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Rtas, RtasCells } from "./rtas.ts";
import type { WindowDirectory } from "./rtas_windows.ts";

const { SUCCESS, PARAMETER } = RtasStatus;
/** The result that says that error handling is supported. */
const SUPPORTED = 1;

const SLOT_RESETS: readonly number[] = Object.values(SlotReset);

/** Adds the three calls to `rtas`. */
export function addEehCalls(rtas: Rtas, directory: WindowDirectory): void {
  const withEndpoint =
    (nargs: number, nrets: readonly number[], call: (endpoint: Endpoint, cells: RtasCells) => void) =>
    (cells: RtasCells) => {
      const fits = cells.nargs === nargs && nrets.includes(cells.nret);
      const endpoint = fits ? directory.bridge(cells.wide(1))?.endpoint : undefined;
      if (endpoint === undefined) return cells.answer(PARAMETER);
      call(endpoint, cells);
    };
  rtas.on(RtasToken.SET_EEH_OPTION, withEndpoint(4, [1], setOption));
  rtas.on(RtasToken.SET_SLOT_RESET, withEndpoint(4, [1], setReset));
  rtas.on(RtasToken.READ_SLOT_RESET_STATE2, withEndpoint(3, [4, 5], readState));
}

function setOption(endpoint: Endpoint, cells: RtasCells): void {
  if (!endpoint.capable) return cells.answer(PARAMETER);
  const option = cells.arg(3);
  if (option === EehOption.DISABLE) endpoint.enabled = false;
  else if (option === EehOption.ENABLE) endpoint.enabled = true;
  else if (option === EehOption.THAW_MMIO) endpoint.mmioStopped = false;
  else if (option === EehOption.THAW_DMA) endpoint.dmaStopped = false;
  else return cells.answer(PARAMETER);
  cells.answer(SUCCESS);
}

function setReset(endpoint: Endpoint, cells: RtasCells): void {
  if (!endpoint.capable || !SLOT_RESETS.includes(cells.arg(3))) return cells.answer(PARAMETER);
  if (cells.arg(3) === SlotReset.DEACTIVATE) endpoint.thaw();
  cells.answer(SUCCESS);
}

function readState(endpoint: Endpoint, cells: RtasCells): void {
  cells.answer(SUCCESS, endpoint.state, endpoint.capable ? SUPPORTED : 0, 0, 0);
}
