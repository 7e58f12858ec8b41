/**
 * The operations of one device: every mapping is a run of grant references, and a DMA address is bit 63, the first reference and the
 * offset in its page (Linux drivers/xen/grant-dma-ops.c).
 *
 * @module
 */

import {
  BaseDmaOps,
  coherentAlign,
  type CoherentBuffer,
  type Direction,
  Direction as Directions,
  DMA_MAPPING_ERROR,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  DmaHandle,
  formatAddress,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
} from "@iova/core";
import { GUEST_COSTS } from "./costs.ts";
import type { Frontend } from "./frontend.ts";
import { Kind } from "./records.ts";
import { Reports } from "./reports.ts";
import { GRANT_HIGH, OFFSET_MASK, REF_HIGH_MASK, REF_HIGH_SCALE, REF_SHIFT } from "../layout.ts";

/** How a device's frontend behaves. */
export interface GrantOptions {
  /** The domain that serves the device. */
  readonly backend: number;
  /** What happens when the backend still holds a page that is to end: the device breaks, or the page waits. */
  readonly inUse: "break" | "defer";
}

/** More than any table has references for: 2 GiB less a page. */
const MAX_SIZE = 0x7fff_f000;
/** Times that a revocation lets hardware go on before it gives up. */
const PATIENCE = 64;

/** See the module's text. */
export class GrantDmaOps extends BaseDmaOps {
  protected readonly frontend: Frontend;
  protected readonly reports: Reports;
  protected readonly options: GrantOptions;
  /** The number of the device in records. */
  protected readonly device: number;
  /** A revocation failed: nothing is mapped for this device any more. */
  broken = false;
  readonly #handle = new DmaHandle();

  /** The operations of one device. */
  constructor(context: DmaContext, frontend: Frontend, options: GrantOptions) {
    super(context);
    this.frontend = frontend;
    this.options = options;
    this.reports = new Reports(context);
    this.device = frontend.addDevice();
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    return this.#enter(out, cpu, size, direction, Kind.SINGLE);
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction): void {
    const ref = this.#expect(handle, size, direction);
    if (ref >= 0) this.#end(ref);
  }

  protected override syncForCpu(handle: DmaHandle, size: number): void {
    this.#checkSync(handle, size);
  }

  protected override syncForDevice(handle: DmaHandle, size: number): void {
    this.#checkSync(handle, size);
  }

  /** Grant addresses have bit 63: no smaller mask will do. */
  protected override acceptsMask(mask: bigint): boolean {
    return mask === dmaBitMask(64);
  }

  override requiredMask(): bigint {
    return dmaBitMask(64);
  }

  /** Registers have no grantable frame. */
  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    if (this.guest.memory.ram(registers) !== null) return super.mapResource(registers, size, direction, attrs);
    this.stats.mapFailures++;
    return DMA_MAPPING_ERROR;
  }

  override allocCoherent(size: number): CoherentBuffer | null {
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const cpu = this.broken ? null : this.guest.heap.alloc(bytes, coherentAlign(size));
    if (cpu === null) return null;
    const out = this.#handle;
    if (!this.#enter(out, cpu, bytes, Directions.BIDIRECTIONAL, Kind.COHERENT)) {
      this.guest.heap.free(cpu);
      return null;
    }
    this.stats.coherentBytes += bytes;
    this.tell("alloc-coherent", out, size, cpu);
    return { cpu, handle: out.value, size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const { records } = this.frontend;
    const ref = this.find(this.#handle.set(handle));
    if (ref < 0 || records.kind[ref] !== Kind.COHERENT || records.cpu[ref] !== cpu || records.size[ref] !== bytes) {
      this.reports.notMapped(this.#handle, size);
      return;
    }
    this.stats.coherentBytes -= bytes;
    this.tell("free-coherent", this.#handle, size, cpu);
    this.#end(ref);
  }

  /** The first reference of the mapping that a handle leads into, or −1: not one, or another device's. */
  protected find(handle: DmaHandle): number {
    const { hi, lo } = handle;
    if ((hi & ~REF_HIGH_MASK) !== GRANT_HIGH) return -1;
    const { records } = this.frontend;
    const ref = records.find((hi & REF_HIGH_MASK) * REF_HIGH_SCALE + (lo >>> REF_SHIFT));
    return ref >= 0 && records.device[ref] === this.device ? ref : -1;
  }

  /** An event about coherent memory, for those who listen. */
  protected tell(type: string, handle: DmaHandle, size: number, cpu: PhysAddr): void {
    const { events, device } = this.context;
    if (!events.listening) return;
    const [from, to] = [formatAddress(cpu), formatAddress(handle.value)];
    events.emit({ type, device: device.id, cpu: from, handle: to, size, direction: "bidirectional" });
  }

  /** Grants the pages of a buffer and names them. */
  #enter(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, kind: number): boolean {
    if (this.broken) return false;
    const { table, records } = this.frontend;
    if (size > MAX_SIZE) return false;
    const offset = (cpu | 0) & OFFSET_MASK;
    const gfn = (cpu - offset) / PAGE_SIZE;
    const pages = (offset + size + OFFSET_MASK) >>> REF_SHIFT;
    if (gfn + pages - 1 > table.lastFrame) return false;
    const before = this.frontend.calls.count;
    const ref = pages === 1 ? table.refs.take() : table.refs.takeRun(pages);
    this.stats.hypercalls += this.frontend.calls.count - before;
    if (ref < 0) return false;
    const readonly = direction === Directions.TO_DEVICE;
    for (let i = 0; i < pages; i++) table.grant(ref + i, this.options.backend, gfn + i, readonly);
    records.add(ref, pages, cpu, size, direction, kind, this.device);
    this.guest.spend(GUEST_COSTS.grant * pages);
    const lo = ref << REF_SHIFT | offset;
    records.lo[ref] = lo;
    out.setHalves(GRANT_HIGH | (ref / REF_HIGH_SCALE), lo);
    return true;
  }

  /** The reference of the mapping that an unmap names, or −1. What does not match is reported. */
  #expect(handle: DmaHandle, size: number, direction: Direction): number {
    const { records } = this.frontend;
    const ref = this.find(handle);
    if (ref < 0 || records.lo[ref] !== handle.lo) {
      this.reports.notMapped(handle, size);
      return -1;
    }
    if (records.kind[ref] !== Kind.SINGLE) {
      this.reports.otherKind(handle, size);
      return -1;
    }
    if (records.size[ref] !== size) this.reports.otherSize(handle, records.size[ref], size);
    if (records.direction[ref] !== direction) this.reports.otherDirection(handle, records.direction[ref], direction);
    return ref;
  }

  #checkSync(handle: DmaHandle, size: number): void {
    if (this.find(handle) < 0) this.reports.syncOfNothing(handle, size);
  }

  /** Ends a mapping, from its first page to its last; the first that is still in use stops it. */
  #end(ref: number): void {
    const pages = this.frontend.records.pages[ref];
    this.guest.spend(GUEST_COSTS.end * pages);
    for (let i = 0; i < pages; i++) if (!this.#tryEnd(ref + i)) return this.#inUse(ref, i);
    this.#release(ref);
  }

  /** Ends one grant. While it is in use, hardware may go on with what it has queued: a backend lets go at its own pace. */
  #tryEnd(ref: number): boolean {
    const { table } = this.frontend;
    if (table.tryEnd(ref)) return true;
    for (let i = 0; i < PATIENCE && this.guest.relax(); i++) if (table.tryEnd(ref)) return true;
    return false;
  }

  /** Every page has ended: the references, and coherent memory, can be used again. */
  #release(ref: number): void {
    const { records, table } = this.frontend;
    const pages = records.pages[ref];
    records.remove(ref);
    if (pages === 1) table.refs.give(ref);
    else table.refs.giveRun(ref, pages);
    if (records.kind[ref] === Kind.COHERENT) this.guest.heap.free(records.cpu[ref]);
  }

  /** The backend holds page `from` of a mapping. Nothing of it may be used again until it has let go. */
  #inUse(ref: number, from: number): void {
    const { deferred, table, records } = this.frontend;
    const defer = this.options.inUse === "defer";
    this.reports.inUse(ref + from, !defer);
    if (!defer) {
      this.broken = true;
      return records.remove(ref);
    }
    const pages = records.pages[ref];
    let next = from;
    // The driver has given it back: it is not a mapping any more, but its references stay taken.
    records.remove(ref);
    const end = () => {
      while (next < pages && table.tryEnd(ref + next)) next++;
      if (next === pages) this.#release(ref);
      return next === pages;
    };
    deferred.add(ref, end, (tries) => this.reports.stillInUse(ref + next, tries));
  }
}
