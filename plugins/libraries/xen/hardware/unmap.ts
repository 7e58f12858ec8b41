/**
 * GNTTABOP_unmap_grant_ref and unmap_and_replace: first the mappings of a batch go, then one flush, and only then are
 * pins and status bits given up, so that a granter never sees "free" while somebody can still reach the page.
 *
 * @module
 */

import { GntMap, GntStatus } from "../layout.ts";
import { Pin } from "./active.ts";
import type { Domain } from "./domain.ts";
import { Flaw } from "./flaws.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { pinOf } from "./map.ts";
import { YieldPoint } from "./schedule.ts";

/** Operands and result of one unmap. A record that its user keeps and reuses. */
export class UnmapRequest {
  /** Whether the CPU's mapping goes (`host_addr` is not 0). */
  hasHost = false;
  /** Frame where it is. */
  hostFrame = 0;
  /** Whether the devices' mapping goes (`dev_bus_addr` is not 0). */
  hasDevice = false;
  /** Machine frame of `dev_bus_addr`. */
  busFrame = 0;
  /** From the map operation. */
  handle = 0;
  /** Out. */
  status: GntStatus = 0;
  /** The halves that are gone: {@linkcode GntMap} bits. Internal, between the two steps. */
  done = 0;
  /** Reference of the handle. Internal. */
  ref = 0;
  /** Granter of the handle. Internal. */
  granter: Domain | null = null;
}

const HALVES = GntMap.HOST_MAP | GntMap.DEVICE_MAP;

/** Operations between two flushes. */
export const UNMAP_BATCH = 32;

/** Unmaps one grant, with a flush of its own. */
export function unmapGrant(hv: Hypervisor, mapper: Domain, op: UnmapRequest): void {
  clearMapping(hv, mapper, op);
  flush(hv);
  finishUnmap(hv, mapper, op);
}

/** One flush for everything that has been cleared. */
export function flush(hv: Hypervisor): void {
  hv.counters.flushes++;
  hv.yieldAt(YieldPoint.MAPPING_CLEARED);
}

/** First step: the mapping goes. */
export function clearMapping(hv: Hypervisor, mapper: Domain, op: UnmapRequest): void {
  op.done = 0;
  const { maptrack } = mapper;
  const { handle } = op;
  if (!maptrack.isLive(handle)) {
    op.status = GntStatus.BAD_HANDLE;
    return;
  }
  op.ref = maptrack.ref[handle] >>> 0;
  op.granter = hv.domain(maptrack.domid[handle]);
  if (op.granter === null) {
    mapper.crashed = `unmap of a grant of domain ${maptrack.domid[handle]}, which is gone`;
    op.status = GntStatus.BAD_DOMAIN;
    return;
  }
  op.status = clearHalves(hv, mapper, op, op.granter.table.active.mfn[op.ref]);
  if (hv.has(Flaw["XSA-218"])) {
    settlePins(hv, mapper, op);
    return;
  }
  // In the first step, so that two halves that go in one batch free the handle once (XSA-218).
  if ((op.done & HALVES) !== 0) freeHandle(mapper, handle);
}

function clearHalves(hv: Hypervisor, mapper: Domain, op: UnmapRequest, mfn: number): GntStatus {
  const { maptrack, hostMappings } = mapper;
  const flags = maptrack.flags[op.handle];
  const device = op.hasDevice && (flags & GntMap.DEVICE_MAP) !== 0;
  if (device && op.busFrame !== mfn) return GntStatus.BAD_DEV_ADDR;
  if (op.hasHost && (flags & GntMap.HOST_MAP) !== 0) {
    if (hostMappings.get(op.hostFrame) !== mfn) return GntStatus.GENERAL_ERROR;
    // Told to be free first, taken away later: XSA-218.
    if (!hv.has(Flaw["XSA-218"])) hostMappings.delete(op.hostFrame);
    op.done |= GntMap.HOST_MAP;
  }
  if (device) op.done |= GntMap.DEVICE_MAP;
  if (device || (hv.has(Flaw["XSA-380"]) && (flags & GntMap.DEVICE_MAP) !== 0)) dropDevice(mapper, mfn);
  maptrack.flags[op.handle] = flags & ~op.done;
  op.done |= flags & GntMap.READONLY;
  return GntStatus.OKAY;
}

/** One device mapping of a frame less. */
function dropDevice({ deviceMappings }: Domain, mfn: number): void {
  const left = deviceMappings.get(mfn) - 1;
  if (left > 0) deviceMappings.set(mfn, left);
  else deviceMappings.delete(mfn);
}

/** Gives a handle back when both its halves are gone. */
function freeHandle({ maptrack }: Domain, handle: number): void {
  if ((maptrack.flags[handle] & HALVES) !== 0) return;
  maptrack.give(handle);
  maptrack.live--;
}

/** Second step, after the flush: pins and status bits. */
export function finishUnmap(hv: Hypervisor, mapper: Domain, op: UnmapRequest): void {
  if (!hv.has(Flaw["XSA-218"])) settlePins(hv, mapper, op);
  else if ((op.done & HALVES) !== 0) {
    if ((op.done & GntMap.HOST_MAP) !== 0) mapper.hostMappings.delete(op.hostFrame);
    freeHandle(mapper, op.handle);
  }
  op.done = 0;
}

function settlePins(hv: Hypervisor, mapper: Domain, op: UnmapRequest): void {
  if ((op.done & HALVES) === 0) return;
  // XSA-224: both halves, whichever was asked for.
  const done = hv.has(Flaw["XSA-224"]) ? op.done | mapper.maptrack.flags[op.handle] & HALVES : op.done;
  const { table } = op.granter!;
  const readonly = (done & GntMap.READONLY) !== 0;
  let pin = table.active.pin[op.ref];
  if ((done & GntMap.HOST_MAP) !== 0) pin -= readonly ? Pin.HOST_READ : Pin.HOST_WRITE;
  if ((done & GntMap.DEVICE_MAP) !== 0) pin -= readonly ? Pin.DEVICE_READ : Pin.DEVICE_WRITE;
  table.active.pin[op.ref] = pin | 0;
  table.reduceStatus(op.ref);
}

/** A domain dies: its mappings go, newest first. */
export function releaseMappings(hv: Hypervisor, mapper: Domain): void {
  const { maptrack, deviceMappings, hostMappings } = mapper;
  const op = new UnmapRequest();
  for (let handle = maptrack.size - 1; handle >= 0; handle--) {
    if (!maptrack.isLive(handle)) continue;
    const granter = hv.domain(maptrack.domid[handle]);
    const flags = maptrack.flags[handle];
    maptrack.flags[handle] = 0;
    maptrack.give(handle);
    maptrack.live--;
    if (granter === null) continue;
    op.granter = granter;
    op.ref = maptrack.ref[handle] >>> 0;
    const { active } = granter.table;
    const mfn = active.mfn[op.ref];
    if ((flags & GntMap.DEVICE_MAP) !== 0) deviceMappings.delete(mfn);
    active.pin[op.ref] = (active.pin[op.ref] - pinOf(flags)) | 0;
    granter.table.reduceStatus(op.ref);
  }
  hostMappings.clear();
  hv.counters.flushes++;
}
