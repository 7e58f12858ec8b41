/**
 * GNTTABOP_copy: the hypervisor moves bytes between two pages, each named by a reference or by the caller's own frame.
 *
 * @module
 */

import { copyBytes } from "@iova/core";
import { DomId, GntCopy, GntStatus, Gtf, XEN_PAGE_SIZE } from "../layout.ts";
import { HOST_PINS, Pin, WRITE_PINS } from "./active.ts";
import type { Domain } from "./domain.ts";
import { Claim, setStatus } from "./entry_status.ts";
import { Flaw } from "./flaws.ts";
import { NoFrame, wholePage } from "./frames.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { lostRace } from "./map.ts";
import { YieldPoint } from "./schedule.ts";

/** One side of a copy. */
export class CopySide {
  /** Reference or guest frame, as `byRef` says. */
  name = 0;
  /** Whether `name` is a reference. */
  byRef = false;
  /** Whose. */
  domid = 0;
  /** First byte in the page. */
  offset = 0;
  /** Found: the machine frame. */
  mfn = 0;
  /** Found: the first byte of it that is granted. */
  start = 0;
  /** Found: bytes that are granted. */
  length = 0;
  /** Whose pin is held on which reference; null for none. */
  pinnedIn: Domain | null = null;
  /** See {@linkcode CopySide.pinnedIn}. */
  pinnedRef = 0;
}

/** Operands and result of one copy. A record that its user keeps and reuses. */
export class CopyRequest {
  /** Where from. */
  readonly source: CopySide = new CopySide();
  /** Where to. */
  readonly dest: CopySide = new CopySide();
  /** Bytes. */
  length = 0;
  /** Out. */
  status: GntStatus = 0;
}

/** Takes `flags` of the structure apart. */
export function setCopyFlags(op: CopyRequest, flags: number): void {
  op.source.byRef = (flags & GntCopy.SOURCE_GREF) !== 0;
  op.dest.byRef = (flags & GntCopy.DEST_GREF) !== 0;
}

/** Copies. */
export function copyGrant(hv: Hypervisor, caller: Domain, op: CopyRequest): void {
  const { source, dest, length } = op;
  source.pinnedIn = dest.pinnedIn = null;
  if (length === 0) {
    op.status = GntStatus.OKAY;
    return;
  }
  op.status = claimSide(hv, caller, source, false);
  if (op.status === GntStatus.OKAY) op.status = claimSide(hv, caller, dest, true);
  if (op.status === GntStatus.OKAY) op.status = checkWindows(op);
  if (op.status === GntStatus.OKAY) {
    hv.yieldAt(YieldPoint.COPY_PINNED);
    op.status = move(hv, op);
    hv.yieldAt(YieldPoint.COPY_DONE);
  }
  releaseSide(hv, dest, true);
  releaseSide(hv, source, false);
}

function checkWindows({ source, dest, length }: CopyRequest): GntStatus {
  if (source.offset + length > XEN_PAGE_SIZE || dest.offset + length > XEN_PAGE_SIZE) return GntStatus.BAD_COPY_ARG;
  return inWindow(source, length) && inWindow(dest, length) ? GntStatus.OKAY : GntStatus.GENERAL_ERROR;
}

function inWindow({ offset, start, length }: CopySide, bytes: number): boolean {
  return offset >= start && offset + bytes <= start + length;
}

function move(hv: Hypervisor, { source, dest, length }: CopyRequest): GntStatus {
  const from = hv.frames.address(source.mfn);
  const to = hv.frames.address(dest.mfn);
  const fromRam = from < 0 ? null : wholePage(hv.space, from);
  const toRam = to < 0 ? null : wholePage(hv.space, to);
  if (fromRam === null || toRam === null) return GntStatus.BAD_PAGE;
  const toAt = to - toRam.base + dest.offset;
  copyBytes(toRam.bytes, toAt, fromRam.bytes, from - fromRam.base + source.offset, length);
  return GntStatus.OKAY;
}

/** Finds and pins what one side names. */
export function claimSide(hv: Hypervisor, caller: Domain, side: CopySide, write: boolean): GntStatus {
  side.pinnedIn = null;
  if (!side.byRef) return claimFrame(hv, caller, side);
  const granter = hv.domain(side.domid === DomId.SELF ? caller.id : side.domid);
  if (granter === null) return GntStatus.BAD_DOMAIN;
  if (!hv.permits(caller.id, granter.id)) return GntStatus.PERMISSION_DENIED;
  return pinRef(hv, granter, caller.id, side.name, write, true, side);
}

function claimFrame(hv: Hypervisor, caller: Domain, side: CopySide): GntStatus {
  if (side.domid !== DomId.SELF) return GntStatus.PERMISSION_DENIED;
  const mfn = hv.frames.resolve(caller.id, side.name);
  if (mfn < 0) return mfn === NoFrame.PAGED_OUT ? GntStatus.EAGAIN : GntStatus.BAD_PAGE;
  side.mfn = mfn;
  side.start = 0;
  side.length = XEN_PAGE_SIZE;
  return GntStatus.OKAY;
}

/** Gives up the pin of one side. */
export function releaseSide(hv: Hypervisor, side: CopySide, write: boolean): void {
  const { pinnedIn, pinnedRef } = side;
  if (pinnedIn === null) return;
  side.pinnedIn = null;
  if (hv.has(Flaw["XSA-236"])) {
    hv.unreferenced = { table: pinnedIn.table, ref: pinnedRef };
    hv.yieldAt(YieldPoint.COPY_RELEASING);
    hv.unreferenced = null;
    unpinRef(hv, pinnedIn, pinnedRef, write);
  } else {
    unpinRef(hv, pinnedIn, pinnedRef, write);
    hv.yieldAt(YieldPoint.COPY_RELEASING);
  }
}

const claim = new Claim();
/** No domain: the reference is not transitive. */
const NONE = 0xffff;

/** Pins a reference for a copy and says where its bytes are. A transitive one is followed one step and no further. */
function pinRef(
  hv: Hypervisor,
  granter: Domain,
  domid: number,
  ref: number,
  write: boolean,
  mayFollow: boolean,
  side: CopySide,
): GntStatus {
  const { active, entries } = granter.table;
  if (ref >= entries) return GntStatus.BAD_GNTREF;
  if (hv.isLocked(granter.table)) return GntStatus.EAGAIN;
  const before = active.pin[ref];
  const more = write ? Pin.HOST_WRITE : Pin.HOST_READ;
  if (before !== 0 && (active.domid[ref] !== domid || active.isFull(ref, more))) return GntStatus.GENERAL_ERROR;
  if (before === 0 || (write && (before & WRITE_PINS) === 0)) {
    const status = claimRef(hv, granter, domid, ref, write, before, mayFollow);
    if (status !== GntStatus.OKAY) return status;
  }
  // The frame is that of the first pin, whatever the entry says by now (XSA-500).
  active.pin[ref] = (before + more) | 0;
  const renamed = before !== 0 && hv.has(Flaw["XSA-500"]);
  side.mfn = renamed ? hv.frames.resolve(granter.id, granter.table.frameOf(ref)) : active.mfn[ref];
  side.start = active.start[ref];
  side.length = active.length[ref];
  side.pinnedIn = granter;
  side.pinnedRef = ref;
  return GntStatus.OKAY;
}

function claimRef(
  hv: Hypervisor,
  granter: Domain,
  domid: number,
  ref: number,
  write: boolean,
  before: number,
  mayFollow: boolean,
): GntStatus {
  const { table } = granter;
  const pinned = before !== 0;
  const header = table.words(ref)[table.at(ref)];
  const transitive = pinned
    ? table.active.transDomid[ref] !== NONE
    : table.version === 2 && (header & Gtf.TYPE_MASK) === Gtf.TRANSITIVE;
  // A transitive pin keeps the strength that its target was pinned with.
  if (transitive && (pinned || !mayFollow || !hv.allowTransitive)) return GntStatus.GENERAL_ERROR;
  claim.ref = ref;
  claim.domid = domid;
  claim.write = write;
  claim.copy = true;
  claim.pinned = pinned;
  const status = setStatus(hv, table, claim);
  if (status !== GntStatus.OKAY) return status;
  if (table.active.pin[ref] !== before) return lostRace(table, ref);
  if (pinned) return status;
  const found = transitive ? follow(hv, granter, domid, ref, write) : findPage(hv, granter, domid, ref);
  if (found !== GntStatus.OKAY) table.reduceStatus(ref);
  return found;
}

function findPage(hv: Hypervisor, { id, table }: Domain, domid: number, ref: number): GntStatus {
  const { active } = table;
  const words = table.words(ref);
  const at = table.at(ref);
  const part = table.version === 2 && (words[at] & Gtf.SUB_PAGE) !== 0;
  // Read once: the granter may change it at any time.
  const window = words[at + 1];
  const mfn = hv.frames.resolve(id, table.frameOf(ref));
  if (mfn < 0) return mfn === NoFrame.PAGED_OUT ? GntStatus.EAGAIN : GntStatus.BAD_PAGE;
  active.domid[ref] = domid;
  active.mfn[ref] = mfn;
  active.start[ref] = part ? window & 0xffff : 0;
  active.length[ref] = part ? window >>> 16 : XEN_PAGE_SIZE;
  active.isSubPage[ref] = part ? 1 : 0;
  active.transDomid[ref] = NONE;
  return GntStatus.OKAY;
}

const target = new CopySide();

/** A transitive grant: pins what the other domain granted to this granter. */
function follow(hv: Hypervisor, granter: Domain, domid: number, ref: number, write: boolean): GntStatus {
  const { table } = granter;
  const words = table.words(ref);
  const at = table.at(ref);
  const transDomid = words[at + 1] & 0xffff;
  const transRef = words[at + 2] >>> 0;
  const other = transDomid === granter.id ? null : hv.domain(transDomid);
  if (other === null) return GntStatus.GENERAL_ERROR;
  hv.yieldAt(YieldPoint.TRANSITIVE_UNLOCKED);
  const status = pinRef(hv, other, granter.id, transRef, write, false, target);
  if (status !== GntStatus.OKAY) return status;
  const { active } = table;
  if (ref >= table.entries || (active.pin[ref] !== 0 && !hv.has(Flaw["XSA-226"]))) {
    // Somebody pinned the reference, or changed the table, while it was unlocked: two frames must not be mixed (XSA-226).
    // Giving the other one up takes that table's lock, and so must not keep this one's (XSA-411).
    if (hv.has(Flaw["XSA-411"])) hv.locked = table;
    hv.yieldAt(YieldPoint.TRANSITIVE_RELEASING);
    hv.locked = null;
    unpinRef(hv, other, transRef, write);
    return GntStatus.EAGAIN;
  }
  active.domid[ref] = domid;
  active.mfn[ref] = target.mfn;
  active.start[ref] = target.start;
  active.length[ref] = target.length;
  // Also when the target is a whole page: what was granted in passing is not to be mapped.
  active.isSubPage[ref] = 1;
  active.transDomid[ref] = transDomid;
  active.transRef[ref] = transRef | 0;
  active.transWrite[ref] = write ? 1 : 0;
  return GntStatus.OKAY;
}

function unpinRef(hv: Hypervisor, { table }: Domain, ref: number, write: boolean): void {
  const { active } = table;
  active.pin[ref] = (active.pin[ref] - (write ? Pin.HOST_WRITE : Pin.HOST_READ)) | 0;
  if (hv.has(Flaw["XSA-230"])) table.reduceStatus(ref, HOST_PINS);
  else table.reduceStatus(ref);
  const transDomid = active.transDomid[ref];
  if (active.pin[ref] !== 0 || transDomid === NONE) return;
  active.transDomid[ref] = NONE;
  const other = hv.domain(transDomid);
  if (other !== null) unpinRef(hv, other, active.transRef[ref] >>> 0, active.transWrite[ref] !== 0);
}
