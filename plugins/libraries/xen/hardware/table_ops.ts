/**
 * Operations on a table as a whole: size, version, status frames, swapping references.
 *
 * @module
 */

import { DomId, GntStatus, RESERVED_ENTRIES, XenErrno } from "../layout.ts";
import type { Domain } from "./domain.ts";
import { Flaw } from "./flaws.ts";
import type { Hypervisor } from "./hypervisor.ts";

/** The domain that an operation names, if the caller may ask about it. */
export function subject(hv: Hypervisor, caller: Domain, dom: number): Domain | null {
  return dom === DomId.SELF ? caller : hv.domain(dom);
}

/** GNTTABOP_setup_table, without its list: grows the table to `frames`. */
export function setupTable(table: Domain["table"], frames: number): GntStatus {
  if (frames > table.maxFrames) return GntStatus.GENERAL_ERROR;
  return table.grow(frames) ? GntStatus.OKAY : GntStatus.GENERAL_ERROR;
}

/** GNTTABOP_set_version. 0 or a negative error number; the version in force is in the table. */
export function setVersion(hv: Hypervisor, caller: Domain, version: number): number {
  const { table, arch } = caller;
  if (version !== 1 && version !== 2) return -XenErrno.EINVAL;
  const noVersion2 = arch === "arm" && !hv.has(Flaw["XSA-268"]);
  if (version > hv.maxVersion || (version === 2 && noVersion2)) return -XenErrno.ENOSYS;
  if (version === table.version) return 0;
  if (table.active.anyPinned(RESERVED_ENTRIES, table.entries)) return -XenErrno.EBUSY;
  // An operation that has dropped the table's lock still counts on the layout (XSA-501).
  if (hv.busy > 0 && !hv.unlocked && !hv.has(Flaw["XSA-501"])) return -XenErrno.EAGAIN;
  if (version === 1 && !table.fitsVersion1()) return -XenErrno.ERANGE;
  table.switchTo(version, hv.flaws, hv.heldPage);
  return 0;
}

/** GNTTABOP_swap_grant_ref. */
export function swapGrantRef({ table }: Domain, a: number, b: number): GntStatus {
  const { entries, active, version } = table;
  if (a >= entries || b >= entries) return GntStatus.BAD_GNTREF;
  if (a === b) return GntStatus.OKAY;
  if (active.pin[a] !== 0 || active.pin[b] !== 0) return GntStatus.EAGAIN;
  const wordsA = table.words(a);
  const wordsB = table.words(b);
  const atA = table.at(a);
  const atB = table.at(b);
  for (let i = 0; i < 2 * version; i++) {
    const kept = wordsA[atA + i];
    wordsA[atA + i] = wordsB[atB + i];
    wordsB[atB + i] = kept;
  }
  return GntStatus.OKAY;
}
