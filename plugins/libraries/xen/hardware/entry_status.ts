/**
 * Claiming a shared entry: checking that it permits an access, and telling the granter that it is in use, so that neither
 * can be slipped past the other. Work is bounded whatever the granter does meanwhile.
 *
 * @module
 */

import { GntStatus, Gtf, STATUS_PER_FRAME } from "../layout.ts";
import { Flaw } from "./flaws.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { YieldPoint } from "./schedule.ts";
import type { GrantTable } from "./table.ts";

/** Compare-exchanges before an entry counts as unstable (XSA-295). */
const ATTEMPTS = 5;
/** As many as a model can make that is to come back. */
const UNBOUNDED = 2 ** 20;
const TYPE = Gtf.TYPE_MASK | Gtf.SUB_PAGE;

/** What is to be claimed. A record that its user keeps and reuses; it is read once, so that a schedule may use it too. */
export class Claim {
  ref = 0;
  /** Who wants it. */
  domid = 0;
  write = false;
  /** For a copy: parts of pages will do as well. */
  copy = false;
  /** It is in use already: of a version 2 entry only `readonly` is looked at. */
  pinned = false;
}

/** Checks the entry and sets its status bits. */
export function setStatus(hv: Hypervisor, table: GrantTable, claim: Claim): GntStatus {
  return table.version === 1 ? setStatus1(hv, table, claim) : setStatus2(hv, table, claim);
}

/** Version 1: flags and domain are one 32-bit word, exchanged in one go. */
function setStatus1(hv: Hypervisor, table: GrantTable, { ref, domid, write }: Claim): GntStatus {
  const words = table.words(ref);
  const at = table.at(ref);
  const bits = Gtf.READING | (write ? Gtf.WRITING : 0);
  let header = words[at];
  const attempts = hv.has(Flaw["XSA-295"]) ? UNBOUNDED : ATTEMPTS;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if ((header & TYPE) !== Gtf.PERMIT_ACCESS || header >>> 16 !== domid) return GntStatus.GENERAL_ERROR;
    if (write && (header & Gtf.READONLY) !== 0) return GntStatus.GENERAL_ERROR;
    hv.yieldAt(YieldPoint.ENTRY_EXCHANGE);
    if (words[at] === header) {
      words[at] = header | bits;
      return GntStatus.OKAY;
    }
    header = words[at];
  }
  return GntStatus.GENERAL_ERROR;
}

/** Version 2: the status word is set first and the header read again; the barrier between them orders the two parties. */
function setStatus2(hv: Hypervisor, table: GrantTable, { ref, domid, write, copy, pinned }: Claim): GntStatus {
  const words = table.words(ref);
  const at = table.at(ref);
  if (!permits(words[at], pinned, copy, domid, write)) return GntStatus.GENERAL_ERROR;
  const page = table.statusPage(ref);
  hv.yieldAt(YieldPoint.ENTRY_EXCHANGE);
  // The table is as it was: nobody changes its version meanwhile, unless XSA-501 is at work.
  page.halves[ref & (STATUS_PER_FRAME - 1)] |= Gtf.READING | (write ? Gtf.WRITING : 0);
  if (permits(words[at], pinned, copy, domid, write)) return GntStatus.OKAY;
  if (table.version === 2) table.reduceStatus(ref);
  return GntStatus.GENERAL_ERROR;
}

function permits(header: number, pinned: boolean, copy: boolean, domid: number, write: boolean): boolean {
  if (!pinned) {
    const type = header & TYPE;
    const partial = copy && (type === (Gtf.PERMIT_ACCESS | Gtf.SUB_PAGE) || (type & Gtf.TYPE_MASK) === Gtf.TRANSITIVE);
    if ((type !== Gtf.PERMIT_ACCESS && !partial) || header >>> 16 !== domid) return false;
  }
  return !write || (header & Gtf.READONLY) === 0;
}
