/**
 * GNTTABOP_transfer: a PV domain gives a page away to a domain that has an entry ready for it.
 *
 * @module
 */

import { GntStatus, Gtf } from "../layout.ts";
import type { Domain } from "./domain.ts";
import { Flaw } from "./flaws.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { YieldPoint } from "./schedule.ts";
import type { GrantTable } from "./table.ts";

/** Operands and result. A record that its user keeps and reuses. */
export class TransferRequest {
  /** The machine frame that is given away. */
  mfn = 0;
  /** Who gets it. */
  domid = 0;
  /** The receiver's accepting entry. */
  ref = 0;
  /** Out. */
  status: GntStatus = 0;
}

/** Compare-exchanges before an entry counts as unstable. */
const ATTEMPTS = 5;
/** The last frame that a version 1 entry can hold. */
const V1_LAST_FRAME = 0xffff_ffff;

/** Transfers one page. */
export function transferPage(hv: Hypervisor, caller: Domain, op: TransferRequest): void {
  op.status = transfer(hv, caller, op);
}

function transfer(hv: Hypervisor, caller: Domain, { mfn, domid, ref }: TransferRequest): GntStatus {
  if (caller.kind !== "pv" || !hv.allowTransfer || hv.frames.give === undefined) return GntStatus.GENERAL_ERROR;
  if (hv.frames.resolve(caller.id, mfn) < 0) return GntStatus.BAD_PAGE;
  const receiver = hv.domain(domid);
  if (receiver === null || receiver === caller) return GntStatus.BAD_DOMAIN;
  if (!hv.permits(caller.id, domid)) return GntStatus.PERMISSION_DENIED;
  const { table } = receiver;
  if (ref >= table.entries) return GntStatus.BAD_GNTREF;
  // Nobody else may hold a reference to a page that changes its owner (XSA-287).
  if (hv.isReferenced(mfn) && !hv.has(Flaw["XSA-287"])) return GntStatus.BAD_PAGE;
  const { version } = table;
  const moved = version === 1 && mfn > V1_LAST_FRAME ? hv.frames.replace?.(mfn, domid, V1_LAST_FRAME) ?? -1 : mfn;
  if (moved < 0) return GntStatus.ADDRESS_TOO_BIG;
  if (!commit(hv, receiver, caller.id, ref)) {
    if (moved !== mfn) hv.frames.dispose?.(moved);
    return GntStatus.GENERAL_ERROR;
  }
  hv.yieldAt(YieldPoint.TRANSFER_COMMITTED);
  // The layout may have changed while the lock was dropped (XSA-501).
  if (table.version !== version && !hv.has(Flaw["XSA-501"])) return GntStatus.GENERAL_ERROR;
  if (moved === mfn) hv.frames.give(mfn, caller.id, domid);
  else hv.frames.dispose?.(mfn);
  // The receiver is told what it has got, not what was given (XSA-284).
  finish(table, ref, hv.has(Flaw["XSA-284"]) ? mfn : moved);
  return GntStatus.OKAY;
}

function finish(table: GrantTable, ref: number, mfn: number): void {
  const words = table.words(ref);
  const at = table.at(ref);
  if (table.version === 1) words[at + 1] = mfn | 0;
  else {
    words[at + 2] = mfn | 0;
    words[at + 3] = (mfn / 0x1_0000_0000) | 0;
  }
  words[at] |= Gtf.TRANSFER_COMPLETED;
}

/** Sets "committed" in an entry that accepts a transfer from `domid`. */
function commit(hv: Hypervisor, { table }: Domain, domid: number, ref: number): boolean {
  const words = table.words(ref);
  const at = table.at(ref);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const header = words[at];
    if ((header & 0xffff) !== Gtf.ACCEPT_TRANSFER || header >>> 16 !== domid) return false;
    hv.yieldAt(YieldPoint.ENTRY_EXCHANGE);
    if (words[at] !== header) continue;
    words[at] = header | Gtf.TRANSFER_COMMITTED;
    return true;
  }
  return false;
}
