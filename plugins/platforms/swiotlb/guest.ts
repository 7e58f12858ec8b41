/**
 * The guest half: buffers that a device cannot reach, or all of them, are copied through a pool that it can reach (Linux
 * kernel/dma/swiotlb.c, kernel/dma/direct.c, Documentation/core-api/swiotlb.rst).
 *
 * @module
 */

import {
  BaseDmaOps,
  type CoherentBuffer,
  type Direction,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  type DmaCosts,
  DmaHandle,
  type DmaOps,
  Errno,
  formatAddress,
  type PhysAddr,
  roundUp,
  toNumber,
} from "@iova/core";
import type { CopyRules } from "./guest_copies.ts";
import { SET_SIZE, SLOT_SIZE } from "./guest_geometry.ts";
import { moveBytes } from "./guest_memory.ts";
import { BufferKind, type Pool } from "./guest_pool.ts";
import { Reports } from "./guest_reports.ts";
import { BufferRequest } from "./guest_request.ts";
import type { IoTlb } from "./guest_tlb.ts";

/** Nanoseconds when buffers are bounced only if they must be. Placeholders, those of `direct`. */
export const COSTS: DmaCosts = { map: 5, unmap: 2, sync: 1 };
/** Nanoseconds when all are. Placeholders: as before, with an uncontended lock and a short search. */
export const FORCED_COSTS: DmaCosts = { map: 65, unmap: 42, sync: 1 };
/** Bytes copied in a nanosecond. Placeholder: 10 GB/s. */
export const COPY_RATE = 10;

/** The last address of the guest's DMA zone (Linux's default zone of 24 bits). */
const DMA_ZONE_LAST = dmaBitMask(24);
const PAGE_MASK = 4095n;

/** What a device that says nothing can take. */
const NO_LIMITS: DmaOps["params"] = { maxSegmentSize: 65536, segmentBoundaryMask: dmaBitMask(64), minAlignMask: 0 };

/** How the buffers of one device are bounced. */
export interface BounceSettings {
  /** Every streaming buffer is bounced, not only those beyond the device's mask. */
  readonly force: boolean;
  /** What copies when. */
  readonly rules: CopyRules;
  /** The number of the CPU that the device's driver runs on: where its searches begin. */
  readonly cpu: number;
}

/** See the module's text. */
export class SwiotlbDmaOps extends BaseDmaOps {
  protected override costs: DmaCosts;
  override readonly params: DmaOps["params"];
  protected readonly tlb: IoTlb;
  protected readonly reports: Reports;
  protected readonly request: BufferRequest = new BufferRequest();
  readonly #above: DmaOps | null;
  readonly #settings: BounceSettings;
  readonly #asked = new DmaHandle();
  #bounced = false;
  #resource = false;

  /** The operations of one device over the pools in `tlb`. */
  constructor(context: DmaContext, tlb: IoTlb, settings: BounceSettings) {
    super(context);
    this.tlb = tlb;
    this.#settings = settings;
    this.costs = settings.force ? FORCED_COSTS : COSTS;
    this.#above = context.upstream;
    this.params = this.#above?.params ?? { ...NO_LIMITS };
    this.request.area = settings.cpu;
    this.reports = new Reports(context);
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    const bounce = this.#settings.force || (this.#above === null && cpu + size - 1 > this.limit && this.tlb.active);
    if (!bounce || this.#resource) return this.#mapDirect(out, cpu, size, direction, attrs);
    const region = this.guest.memory.ram(cpu);
    if (region === null || cpu + size > region.end) return this.reports.notMemory(attrs, cpu, size);
    const { request } = this;
    request.buffer(cpu, size, this.params.minAlignMask);
    request.limit = this.limit;
    const pool = this.take(out, attrs);
    if (pool === null) return false;
    const head = this.tlb.slot;
    pool.enter(head, request.slots, BufferKind.STREAMING);
    pool.length[head] = size;
    pool.origin[head] = cpu;
    pool.direction[head] = direction;
    this.#bounced = true;
    if (this.#settings.rules.onMap(direction, attrs)) this.#toPool("map", pool, head, 0, size);
    return true;
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    const pool = this.#resource ? null : this.tlb.find(handle);
    if (pool === null) return this.#unmapDirect(handle, size, direction, attrs);
    const head = this.exact(pool, BufferKind.STREAMING);
    if (head < 0) return this.reports.notMapped(handle, size);
    const length = pool.length[head];
    if (size !== length) this.reports.otherSize(handle, length, size);
    if (direction !== pool.direction[head]) this.reports.otherDirection(handle, pool.direction[head], direction);
    const { rules } = this.#settings;
    if (rules.onUnmap(direction, attrs)) this.#toBuffer("unmap", pool, head, 0, size < length ? size : length);
    this.give(pool, head);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    const pool = this.tlb.find(handle);
    if (pool === null && this.#above) return this.#above.syncSingleForCpu(handle.value, size, direction);
    const head = this.#containing(pool, handle, size);
    if (head < 0 || !this.#settings.rules.onSyncForCpu(direction)) return;
    const at = this.tlb.offset - pool!.dataOffset(head);
    this.#toBuffer("sync for CPU", pool!, head, at, Math.min(size, pool!.length[head] - at));
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    const pool = this.tlb.find(handle);
    if (pool === null && this.#above) return this.#above.syncSingleForDevice(handle.value, size, direction);
    const head = this.#containing(pool, handle, size);
    if (head < 0 || !this.#settings.rules.onSyncForDevice(direction)) return;
    const at = this.tlb.offset - pool!.dataOffset(head);
    this.#toPool("sync for device", pool!, head, at, Math.min(size, pool!.length[head] - at));
  }

  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    this.#resource = true;
    try {
      return super.mapResource(registers, size, direction, attrs);
    } finally {
      this.#resource = false;
    }
  }

  override unmapResource(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#resource = true;
    try {
      super.unmapResource(handle, size, direction, attrs);
    } finally {
      this.#resource = false;
    }
  }

  /** Coherent memory is never bounced: it lies where the device reaches it. */
  override allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    return this.#above === null ? super.allocCoherent(size, attrs) : this.#above.allocCoherent(size, attrs);
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, attrs = 0): void {
    if (this.#above === null) super.freeCoherent(size, cpu, handle, attrs);
    else this.#above.freeCoherent(size, cpu, handle, attrs);
  }

  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }

  protected override unmapCoherent(): void {}

  protected override coherentPhysLimit(): number {
    return this.coherentLimit;
  }

  override setMask(mask: bigint): number {
    if (this.#above !== null && this.#above.setMask(mask) !== 0) return -Errno.EIO;
    const result = super.setMask(mask);
    // Below another platform addresses may use all 64 bits: a rounded limit is better than none.
    if (result === 0) this.limit = Number(BigInt.asUintN(64, mask));
    return result;
  }

  override setCoherentMask(mask: bigint): number {
    if (this.#above !== null && this.#above.setCoherentMask(mask) !== 0) return -Errno.EIO;
    return super.setCoherentMask(mask);
  }

  /** Any mask of 32 bits or more; a smaller one if it covers the DMA zone, or all memory where that is less. */
  protected override acceptsMask(mask: bigint): boolean {
    if (this.#above !== null || mask >= dmaBitMask(32)) return true;
    const lastPage = BigInt(Math.max(this.guest.memory.ramEnd - 1, 0)) & ~PAGE_MASK;
    return mask >= (lastPage < DMA_ZONE_LAST ? lastPage : DMA_ZONE_LAST);
  }

  override requiredMask(): bigint {
    return this.#above === null ? super.requiredMask() : this.#above.requiredMask();
  }

  /** A slot set less what alignment may cost, when this device's buffers may be bounced. */
  override maxMappingSize(): number {
    const direct = this.#above?.maxMappingSize() ?? super.maxMappingSize();
    const limited = this.#above === null && this.tlb.active && this.limit < Number(this.requiredMask());
    if (!this.#settings.force && !limited) return direct;
    return Math.min(direct, SET_SIZE - roundUp(this.params.minAlignMask, SLOT_SIZE));
  }

  override optMappingSize(): number {
    return Math.min(this.maxMappingSize(), this.#above?.optMappingSize() ?? Infinity);
  }

  /** True of buffers in the pool. Before anything of this device was bounced nobody asks further. */
  override needSync(handle: DmaAddr): boolean {
    if (this.#bounced && this.tlb.find(this.#asked.set(handle)) !== null) return true;
    return this.#above?.needSync(handle) ?? false;
  }

  /**
   * Takes slots for {@linkcode SwiotlbDmaOps.request}, whose first slot is then in `tlb.slot`, and writes the buffer's
   * bus address into `out`. Null, after a report, when there are none that the device can drive.
   */
  protected take(out: DmaHandle, attrs: number): Pool | null {
    const { request, tlb } = this;
    request.within(this.params);
    const pool = tlb.take(request);
    if (pool === null) {
      this.reports.full(attrs, request.bytes, tlb);
      return null;
    }
    const at = tlb.slot * SLOT_SIZE + request.offset;
    pool.addressOf(at, out);
    pool.offset[tlb.slot] = request.offset;
    pool.owner[tlb.slot] = this.context.device.requester;
    if (toNumber(out.hi, out.lo) + request.bytes - request.offset - 1 > request.limit) {
      this.reports.slotOverMask(attrs, out, request.bytes - request.offset, request.limit);
      pool.enter(tlb.slot, request.slots, BufferKind.STREAMING);
      this.give(pool, tlb.slot);
      return null;
    }
    return pool;
  }

  /** Gives a buffer's slots back. */
  protected give(pool: Pool, head: number): void {
    this.tlb.release(pool, head);
  }

  /** The head of this device's buffer that starts exactly where `tlb.find` was asked, or −1. */
  protected exact(pool: Pool, kind: BufferKind): number {
    const { offset } = this.tlb;
    const head = pool.headAt(offset);
    const mine = pool.kind[head] === kind && pool.owner[head] === this.context.device.requester;
    return mine && pool.dataOffset(head) === offset ? head : -1;
  }

  /** The head of this device's buffer that a sync lies in, or −1; what is wrong with it is reported. */
  #containing(pool: Pool | null, handle: DmaHandle, size: number): number {
    if (pool === null) {
      if (this.#settings.force) this.reports.syncOfNothing(handle, size);
      return -1;
    }
    const head = pool.headAt(this.tlb.offset);
    const at = pool.kind[head] === 0 ? -1 : this.tlb.offset - pool.dataOffset(head);
    if (at < 0 || at >= pool.length[head] || pool.owner[head] !== this.context.device.requester) {
      this.reports.syncOfNothing(handle, size);
      return -1;
    }
    const left = pool.length[head] - at;
    if (size > left) this.reports.syncPastEnd(left, size);
    return pool.kind[head] === BufferKind.STREAMING ? head : -1;
  }

  #mapDirect(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    if (this.#above !== null) {
      if (!this.#resource) return this.#above.mapInto(out, cpu, size, direction, attrs);
      const handle = this.#above.mapResource(cpu, size, direction, attrs);
      out.set(handle);
      return this.#above.mappingError(handle) === 0;
    }
    if (cpu + size - 1 > this.limit) return this.reports.overMask(attrs, cpu, size, this.limit);
    out.setNumber(cpu);
    return true;
  }

  #unmapDirect(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    if (this.#resource) this.#above?.unmapResource(handle.value, size, direction, attrs);
    // Forced, everything is in the pool; otherwise a physical address tells nothing about who mapped it.
    else if (this.#settings.force) this.reports.notMapped(handle, size);
    else this.#above?.unmapFrom(handle, size, direction, attrs);
  }

  #toPool(by: string, pool: Pool, head: number, at: number, bytes: number): void {
    const origin = pool.origin[head] + at;
    const slot = pool.start + pool.dataOffset(head) + at;
    this.#copy(slot, origin, bytes);
    if (this.context.events.listening) this.#report(by, "pool", origin, slot, bytes);
  }

  #toBuffer(by: string, pool: Pool, head: number, at: number, bytes: number): void {
    const origin = pool.origin[head] + at;
    const slot = pool.start + pool.dataOffset(head) + at;
    this.#copy(origin, slot, bytes);
    if (this.context.events.listening) this.#report(by, "buffer", origin, slot, bytes);
  }

  #copy(to: PhysAddr, from: PhysAddr, bytes: number): void {
    if (!moveBytes(this.guest.memory, to, from, bytes)) return;
    this.stats.bounces++;
    this.stats.bouncedBytes += bytes;
    this.guest.spend(Math.ceil(bytes / COPY_RATE));
  }

  #report(by: string, to: string, buffer: PhysAddr, slot: PhysAddr, bytes: number): void {
    const { events, device } = this.context;
    events.emit({
      type: "bounce",
      device: device.id,
      by,
      to,
      buffer: formatAddress(buffer),
      slot: formatAddress(slot),
      bytes,
    });
  }
}
