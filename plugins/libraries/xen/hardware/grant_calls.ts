/**
 * The grant table hypercall: an array of structures in the caller's memory, each with a status of its own. The first
 * error does not stop the batch.
 *
 * @module
 */

import type { HypercallRegisters } from "@iova/core";
import {
  CacheFlush,
  Copy,
  GetStatusFrames,
  GetVersion,
  GntStatus,
  GntTabOp,
  MapGrantRef,
  QuerySize,
  SetupTable,
  SetVersion,
  SwapGrantRef,
  Transfer,
  UnmapAndReplace,
  UnmapGrantRef,
  XenErrno,
} from "../layout.ts";
import { CopyRequest, setCopyFlags } from "./copy.ts";
import { XEN_COSTS } from "./costs.ts";
import type { Domain } from "./domain.ts";
import { Flaw } from "./flaws.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { MapRequest } from "./map.ts";
import { addressIn, read64, readFrame, window, write64 } from "./operands.ts";
import { setupTable, setVersion, subject, swapGrantRef } from "./table_ops.ts";
import { transferPage, TransferRequest } from "./transfer.ts";
import { clearMapping, finishUnmap, flush, UNMAP_BATCH, UnmapRequest } from "./unmap.ts";

/** Who is charged for the hypervisor's time, in nanoseconds. */
export type Spend = (nanoseconds: number) => void;

interface Call {
  /** Bytes of an element. */
  readonly size: number;
  /** The only count allowed. Absent: any. */
  readonly count?: number;
  /** Does `count` elements at `at`; returns the call's result. */
  run(view: DataView, at: number, count: number): number;
}

/** The hypercall of one domain. */
export class GrantCalls {
  readonly #hv: Hypervisor;
  readonly #caller: Domain;
  readonly #spend: Spend;
  readonly #calls: (Call | undefined)[] = [];
  readonly #map = new MapRequest();
  readonly #unmaps = Array.from({ length: UNMAP_BATCH }, () => new UnmapRequest());
  readonly #copy = new CopyRequest();
  readonly #transfer = new TransferRequest();

  /** Answers for `caller`. */
  constructor(hv: Hypervisor, caller: Domain, spend: Spend) {
    this.#hv = hv;
    this.#caller = caller;
    this.#spend = spend;
    const each = (size: number, one: (view: DataView, at: number) => void): Call => ({
      size,
      run: (view, at, count) => {
        for (let i = 0; i < count; i++) one(view, at + i * size);
        return 0;
      },
    });
    const calls = this.#calls;
    calls[GntTabOp.MAP_GRANT_REF] = each(MapGrantRef.size, (view, at) => this.#mapOne(view, at));
    calls[GntTabOp.UNMAP_GRANT_REF] = {
      size: UnmapGrantRef.size,
      run: (view, at, count) => this.#unmap(view, at, count),
    };
    calls[GntTabOp.UNMAP_AND_REPLACE] = each(UnmapAndReplace.size, (view, at) => this.#replace(view, at));
    calls[GntTabOp.COPY] = { size: Copy.size, run: (view, at, count) => this.#copies(view, at, count) };
    calls[GntTabOp.TRANSFER] = each(Transfer.size, (view, at) => this.#transferOne(view, at));
    calls[GntTabOp.SWAP_GRANT_REF] = each(SwapGrantRef.size, (view, at) => this.#swap(view, at));
    calls[GntTabOp.SETUP_TABLE] = { size: SetupTable.size, count: 1, run: (view, at) => this.#setup(view, at) };
    calls[GntTabOp.QUERY_SIZE] = { size: QuerySize.size, count: 1, run: (view, at) => this.#querySize(view, at) };
    calls[GntTabOp.SET_VERSION] = { size: SetVersion.size, count: 1, run: (view, at) => this.#setVersion(view, at) };
    calls[GntTabOp.GET_STATUS_FRAMES] = {
      size: GetStatusFrames.size,
      count: 1,
      run: (view, at) => this.#statusFrames(view, at),
    };
    calls[GntTabOp.GET_VERSION] = { size: GetVersion.size, count: 1, run: (view, at) => this.#getVersion(view, at) };
    if (caller.arch === "arm") {
      calls[GntTabOp.CACHE_FLUSH] = { size: CacheFlush.size, run: (view, at, count) => cacheFlush(view, at, count) };
    }
  }

  /** Registers: command, address, count. Returns 0 or a negative error number. */
  call(registers: HypercallRegisters): number {
    this.#hv.counters.guestCalls++;
    this.#spend(XEN_COSTS.hypercall);
    const count = registers.lo[2];
    if (count < 0) return -XenErrno.EINVAL;
    const call = this.#calls[registers.lo[0] >>> 0];
    if (call === undefined) return -XenErrno.ENOSYS;
    if (call.count !== undefined && call.count !== count) return -XenErrno.EINVAL;
    if (count === 0) return 0;
    const address = addressIn(registers, 1);
    const region = window(this.#hv.space, address, count * call.size);
    return region === null ? -XenErrno.EFAULT : call.run(region.view, address - region.base, count);
  }

  #mapOne(view: DataView, at: number): void {
    const op = this.#map;
    const { at: field } = MapGrantRef;
    op.hostFrame = readFrame(view, at + field.host_addr);
    op.flags = view.getUint32(at + field.flags, true);
    op.ref = view.getUint32(at + field.ref, true);
    op.dom = view.getUint16(at + field.dom, true);
    this.#spend(XEN_COSTS.map);
    this.#hv.map(this.#caller, op);
    view.setInt16(at + field.status, op.status, true);
    view.setUint32(at + field.handle, op.handle, true);
    write64(view, at + field.dev_bus_addr, op.mfn * 4096);
  }

  /** In batches: clear, one flush, finish. */
  #unmap(view: DataView, at: number, count: number): number {
    const { size } = UnmapGrantRef;
    for (let done = 0; done < count; done += UNMAP_BATCH) {
      const batch = Math.min(count - done, UNMAP_BATCH);
      for (let i = 0; i < batch; i++) this.#clearOne(view, at + (done + i) * size, this.#unmaps[i]);
      flush(this.#hv);
      this.#spend(XEN_COSTS.unmap * batch + (this.#caller.kind === "pv" ? XEN_COSTS.flush : 0));
      for (let i = 0; i < batch; i++) finishUnmap(this.#hv, this.#caller, this.#unmaps[i]);
    }
    return 0;
  }

  #clearOne(view: DataView, at: number, op: UnmapRequest): void {
    const { at: field } = UnmapGrantRef;
    op.hasHost = !isZero(view, at + field.host_addr);
    op.hostFrame = readFrame(view, at + field.host_addr);
    op.hasDevice = !isZero(view, at + field.dev_bus_addr);
    op.busFrame = readFrame(view, at + field.dev_bus_addr);
    op.handle = view.getUint32(at + field.handle, true);
    this.#hv.counters.unmaps++;
    clearMapping(this.#hv, this.#caller, op);
    view.setInt16(at + field.status, op.status, true);
  }

  /** The mapping at `host_addr` goes, and what `new_addr` showed moves there. */
  #replace(view: DataView, at: number): void {
    const { at: field } = UnmapAndReplace;
    const op = this.#unmaps[0];
    const hostFrame = readFrame(view, at + field.host_addr);
    const newFrame = readFrame(view, at + field.new_addr);
    op.hasHost = true;
    op.hostFrame = hostFrame;
    op.hasDevice = false;
    op.handle = view.getUint32(at + field.handle, true);
    if (this.#caller.kind !== "pv") op.status = GntStatus.GENERAL_ERROR;
    else {
      this.#hv.unmap(this.#caller, op);
      if (op.status === GntStatus.OKAY) this.#moveMapping(newFrame, hostFrame);
    }
    view.setInt16(at + field.status, op.status, true);
  }

  #moveMapping(from: number, to: number): void {
    const { hostMappings } = this.#caller;
    const mfn = hostMappings.get(from);
    if (mfn < 0 || from === to) return;
    hostMappings.delete(from);
    hostMappings.set(to, mfn);
  }

  #copies(view: DataView, at: number, count: number): number {
    for (let i = 0; i < count; i++) if (!this.#copyOne(view, at + i * Copy.size)) break;
    return 0;
  }

  /** False when the batch ends here as if it were done (XSA-318). */
  #copyOne(view: DataView, at: number): boolean {
    const op = this.#copy;
    const { at: field } = Copy;
    setCopyFlags(op, view.getUint16(at + field.flags, true));
    const { source, dest } = op;
    source.name = source.byRef ? view.getUint32(at + field.source, true) : read64(view, at + field.source);
    source.domid = view.getUint16(at + field.source_domid, true);
    source.offset = view.getUint16(at + field.source_offset, true);
    dest.name = dest.byRef ? view.getUint32(at + field.dest, true) : read64(view, at + field.dest);
    dest.domid = view.getUint16(at + field.dest_domid, true);
    dest.offset = view.getUint16(at + field.dest_offset, true);
    op.length = view.getUint16(at + field.len, true);
    this.#spend(XEN_COSTS.copy + op.length * XEN_COSTS.copyByte);
    this.#hv.copy(this.#caller, op);
    if (op.status === GntStatus.EAGAIN && this.#hv.has(Flaw["XSA-318"])) return false;
    view.setInt16(at + field.status, op.status, true);
    return true;
  }

  #transferOne(view: DataView, at: number): void {
    const op = this.#transfer;
    op.mfn = read64(view, at + Transfer.at.mfn);
    op.domid = view.getUint16(at + Transfer.at.domid, true);
    op.ref = view.getUint32(at + Transfer.at.ref, true);
    transferPage(this.#hv, this.#caller, op);
    view.setInt16(at + Transfer.at.status, op.status, true);
  }

  #swap(view: DataView, at: number): void {
    const { ref_a, ref_b, status } = SwapGrantRef.at;
    const result = swapGrantRef(this.#caller, view.getUint32(at + ref_a, true), view.getUint32(at + ref_b, true));
    view.setInt16(at + status, result, true);
  }

  #setup(view: DataView, at: number): number {
    const { dom, nr_frames, status, frame_list } = SetupTable.at;
    const domain = subject(this.#hv, this.#caller, view.getUint16(at + dom, true));
    const frames = view.getUint32(at + nr_frames, true);
    let result: GntStatus = domain === null ? GntStatus.BAD_DOMAIN : GntStatus.PERMISSION_DENIED;
    if (domain === this.#caller) {
      result = setupTable(domain.table, frames);
      if (result === GntStatus.OKAY) {
        const listed = this.#list(read64(view, at + frame_list), frames, (i) => domain.table.placeOf(i));
        if (!listed) return -XenErrno.EFAULT;
      }
    }
    view.setInt16(at + status, result, true);
    return 0;
  }

  #querySize(view: DataView, at: number): number {
    const { dom, nr_frames, max_nr_frames, status } = QuerySize.at;
    const domain = subject(this.#hv, this.#caller, view.getUint16(at + dom, true));
    if (domain !== null) {
      view.setUint32(at + nr_frames, domain.table.frames, true);
      view.setUint32(at + max_nr_frames, domain.table.maxFrames, true);
    }
    view.setInt16(at + status, domain === null ? GntStatus.BAD_DOMAIN : GntStatus.OKAY, true);
    return 0;
  }

  #setVersion(view: DataView, at: number): number {
    const result = setVersion(this.#hv, this.#caller, view.getUint32(at + SetVersion.at.version, true));
    view.setUint32(at + SetVersion.at.version, this.#caller.table.version, true);
    return result;
  }

  #statusFrames(view: DataView, at: number): number {
    const { nr_frames, dom, status, frame_list } = GetStatusFrames.at;
    const domain = subject(this.#hv, this.#caller, view.getUint16(at + dom, true));
    const frames = view.getUint32(at + nr_frames, true);
    let result: GntStatus = GntStatus.OKAY;
    if (domain === null) result = GntStatus.BAD_DOMAIN;
    else if (frames > domain.table.statusFrames && !this.#hv.has(Flaw["XSA-382"])) result = GntStatus.GENERAL_ERROR;
    else {
      const listed = this.#list(read64(view, at + frame_list), frames, (i) => domain.table.placeOfStatus(i));
      if (!listed) return -XenErrno.EFAULT;
    }
    view.setInt16(at + status, result, true);
    return 0;
  }

  #getVersion(view: DataView, at: number): number {
    const domain = subject(this.#hv, this.#caller, view.getUint16(at + GetVersion.at.dom, true));
    if (domain === null) return -XenErrno.ESRCH;
    view.setUint32(at + GetVersion.at.version, domain.table.version, true);
    return 0;
  }

  /** Writes a list of frame numbers: where each frame is in the physical map, all ones for one that is not there. */
  #list(address: number, frames: number, place: (frame: number) => number): boolean {
    if (frames === 0) return true;
    const region = window(this.#hv.space, address, frames * 8);
    if (region === null) return false;
    for (let i = 0; i < frames; i++) {
      const where = place(i);
      if (where >= 0) write64(region.view, address - region.base + 8 * i, where / 4096);
      else region.bytes.fill(0xff, address - region.base + 8 * i, address - region.base + 8 * i + 8);
    }
    return true;
  }
}

function isZero(view: DataView, at: number): boolean {
  return view.getInt32(at, true) === 0 && view.getInt32(at + 4, true) === 0;
}

/** Caches are coherent here: only the arguments are checked. */
function cacheFlush(view: DataView, at: number, count: number): number {
  for (let i = 0; i < count; i++, at += CacheFlush.size) {
    const op = view.getUint32(at + CacheFlush.at.op, true);
    const end = view.getUint16(at + CacheFlush.at.offset, true) + view.getUint16(at + CacheFlush.at.length, true);
    if ((op & ~3) !== 0 || op === 0 || end > 4096) return -XenErrno.EINVAL;
  }
  return 0;
}
