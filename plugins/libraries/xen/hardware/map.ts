/**
 * GNTTABOP_map_grant_ref.
 *
 * @module
 */

import { GntMap, GntStatus, INVALID_HANDLE, XEN_PAGE_SIZE } from "../layout.ts";
import { Pin, WRITE_PINS } from "./active.ts";
import type { Domain } from "./domain.ts";
import { Claim, setStatus } from "./entry_status.ts";
import { Flaw } from "./flaws.ts";
import { NoFrame } from "./frames.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { YieldPoint } from "./schedule.ts";
import type { GrantTable } from "./table.ts";

/** Operands and results of one map. A record that its user keeps and reuses. */
export class MapRequest {
  /** Frame of the mapper's address space where the page is wanted. */
  hostFrame = 0;
  /** {@linkcode GntMap}. */
  flags = 0;
  /** Reference in the granter's table. */
  ref = 0;
  /** The granter. */
  dom = 0;
  /** Out. */
  status: GntStatus = 0;
  /** Out: {@linkcode INVALID_HANDLE} unless the status is okay. */
  handle = 0;
  /** Out: the machine frame. */
  mfn = 0;
}

const TRANSLATED_REFUSES = GntMap.DEVICE_MAP | GntMap.APPLICATION_MAP | GntMap.CONTAINS_PTE;
const TRACKED = 0x1f;
/** What a misplaced bracket made of an error (XSA-316). */
const NOT_NEGATIVE = 1 as GntStatus;
const claim = new Claim();

/** Maps one grant into `mapper`. */
export function mapGrant(hv: Hypervisor, mapper: Domain, op: MapRequest): void {
  op.handle = INVALID_HANDLE;
  op.mfn = 0;
  const granter = hv.domain(op.dom);
  op.status = check(hv, mapper, granter, op.flags);
  if (op.status !== GntStatus.OKAY) return;
  const { maptrack } = mapper;
  const handle = takeHandle(hv, mapper);
  if (handle === INVALID_HANDLE) {
    op.status = GntStatus.NO_SPACE;
    return;
  }
  op.status = pin(hv, mapper, granter!, op);
  if (op.status !== GntStatus.OKAY) return maptrack.give(handle);
  maptrack.ref[handle] = op.ref;
  maptrack.domid[handle] = op.dom;
  maptrack.flags[handle] = op.flags & TRACKED;
  maptrack.live++;
  op.handle = handle;
}

function takeHandle(hv: Hypervisor, { maptrack }: Domain): number {
  if (!hv.has(Flaw["XSA-228"])) {
    const handle = maptrack.take();
    hv.yieldAt(YieldPoint.HANDLE_FOUND);
    return handle;
  }
  // What is found is not yet taken.
  const found = maptrack.peek();
  hv.yieldAt(YieldPoint.HANDLE_FOUND);
  const taken = maptrack.take();
  return found === INVALID_HANDLE ? taken : found;
}

function check(hv: Hypervisor, mapper: Domain, granter: Domain | null, flags: number): GntStatus {
  if ((flags & (GntMap.HOST_MAP | GntMap.DEVICE_MAP)) === 0) return GntStatus.BAD_GNTREF;
  if (mapper.kind !== "pv" && (flags & TRANSLATED_REFUSES) !== 0) return GntStatus.GENERAL_ERROR;
  if (granter === null) return GntStatus.BAD_DOMAIN;
  return hv.permits(mapper.id, granter.id) ? GntStatus.OKAY : GntStatus.PERMISSION_DENIED;
}

/** What a map with these flags adds to the pin. */
export function pinOf(flags: number): number {
  const readonly = (flags & GntMap.READONLY) !== 0;
  return ((flags & GntMap.HOST_MAP) !== 0 ? readonly ? Pin.HOST_READ : Pin.HOST_WRITE : 0) +
      ((flags & GntMap.DEVICE_MAP) !== 0 ? readonly ? Pin.DEVICE_READ : Pin.DEVICE_WRITE : 0) | 0;
}

/** Claims the entry, finds its frame and makes the mapping. */
function pin(hv: Hypervisor, mapper: Domain, { id, table }: Domain, op: MapRequest): GntStatus {
  const { active } = table;
  const { ref } = op;
  if (ref >= table.entries) return GntStatus.BAD_GNTREF;
  if (hv.isLocked(table)) return GntStatus.EAGAIN;
  const before = active.pin[ref];
  const more = pinOf(op.flags);
  if (before !== 0) {
    if (active.domid[ref] !== mapper.id || active.isFull(ref, more) || active.isSubPage[ref] !== 0) {
      return GntStatus.GENERAL_ERROR;
    }
  }
  const write = (op.flags & GntMap.READONLY) === 0;
  // A pin of sufficient strength is enough: the shared entry is not looked at again.
  if (before === 0 || (write && (before & WRITE_PINS) === 0)) {
    claim.ref = ref;
    claim.domid = mapper.id;
    claim.write = write;
    claim.copy = false;
    claim.pinned = before !== 0;
    const status = claimEntry(hv, id, table, before);
    if (status !== GntStatus.OKAY) return status;
  }
  active.pin[ref] = (before + more) | 0;
  hv.yieldAt(YieldPoint.STATUS_SET);
  makeMapping(mapper, op, active.mfn[ref]);
  op.mfn = active.mfn[ref];
  return GntStatus.OKAY;
}

/** What `claim` says: sets the status bits, and at the first pin finds the frame. */
function claimEntry(hv: Hypervisor, granter: number, table: GrantTable, before: number): GntStatus {
  const { ref, domid, pinned } = claim;
  const status = setStatus(hv, table, claim);
  if (status !== GntStatus.OKAY) return status;
  if (table.active.pin[ref] !== before) return lostRace(table, ref);
  if (pinned) return status;
  const mfn = hv.frames.resolve(granter, table.frameOf(ref));
  if (mfn < 0) {
    table.reduceStatus(ref);
    if (hv.has(Flaw["XSA-316"])) return NOT_NEGATIVE;
    return mfn === NoFrame.PAGED_OUT ? GntStatus.EAGAIN : GntStatus.BAD_PAGE;
  }
  const { active } = table;
  active.domid[ref] = domid;
  active.mfn[ref] = mfn;
  active.start[ref] = 0;
  active.length[ref] = XEN_PAGE_SIZE;
  active.isSubPage[ref] = 0;
  active.transDomid[ref] = 0xffff;
  return GntStatus.OKAY;
}

/** Another operation came between and has pinned the reference: Xen's lock would have made one of them wait. */
export function lostRace(table: GrantTable, ref: number): GntStatus {
  table.reduceStatus(ref);
  return GntStatus.EAGAIN;
}

function makeMapping(mapper: Domain, { flags, hostFrame }: MapRequest, mfn: number): void {
  if ((flags & GntMap.HOST_MAP) !== 0) mapper.hostMappings.set(hostFrame, mfn);
  if ((flags & GntMap.DEVICE_MAP) !== 0) {
    const { deviceMappings } = mapper;
    deviceMappings.set(mfn, Math.max(deviceMappings.get(mfn), 0) + 1);
  }
}
