/**
 * The half of `DmaOps` that every platform has in common: a platform's guest half extends {@linkcode BaseDmaOps} and
 * says how one buffer is mapped and unmapped; masks, scatterlists, coherent memory, counters, events and argument checks
 * come with it, and each of them can be overridden.
 *
 * ```ts
 * import { BaseDmaOps, type DmaHandle, type PhysAddr } from "@iova/core";
 *
 * // Memory starts at bus address 0x8000_0000.
 * class OffsetDmaOps extends BaseDmaOps {
 *   protected map(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
 *     if (cpu + 0x8000_0000 + size - 1 > this.limit) return false;
 *     out.setNumber(cpu + 0x8000_0000);
 *     return true;
 *   }
 *   protected unmap(): void {}
 * }
 * ```
 *
 * @module
 */

import { type DmaAddr, DmaHandle, formatAddress, PAGE_SIZE, type PhysAddr, roundUp } from "./address.ts";
import {
  type CoherentBuffer,
  Direction,
  DMA_MAPPING_ERROR,
  DmaAttr,
  dmaBitMask,
  type DmaOps,
  type DmaParameters,
  type DmaStats,
  Errno,
  type ScatterEntry,
} from "./dma_ops.ts";
import { DmaApiError } from "./errors.ts";
import type { DmaContext } from "./plugin.ts";
import type { GuestPort } from "./ports.ts";

/** What a platform charges for its operations, in nanoseconds of virtual time. */
export interface DmaCosts {
  /** One map. */
  map: number;
  /** One unmap. */
  unmap: number;
  /** One sync. */
  sync: number;
}

/** See the module's text. */
export abstract class BaseDmaOps implements DmaOps {
  readonly params: DmaParameters = {
    maxSegmentSize: 65536,
    segmentBoundaryMask: dmaBitMask(64),
    minAlignMask: 0,
  };
  /** Prices; a subclass sets them from a table that names its sources. */
  protected costs: DmaCosts = { map: 0, unmap: 0, sync: 0 };
  /** The last bus address that the device can drive for streaming mappings; Infinity above 2^53. */
  protected limit: number = 0xffff_ffff;
  /** As {@linkcode BaseDmaOps.limit}, for coherent memory. */
  protected coherentLimit: number = 0xffff_ffff;
  /** The CPU's port. */
  protected readonly guest: GuestPort;
  /** The counters of this device. */
  protected readonly stats: DmaStats;
  /** Everything that the platform was given for this device. */
  protected readonly context: DmaContext;
  readonly #scratch = new DmaHandle();

  /** Binds the operations to one device. */
  constructor(context: DmaContext) {
    this.context = context;
    this.guest = context.guest;
    this.stats = context.stats;
  }

  /** Maps `size` bytes at `cpu` and writes the handle into `out`; false when it cannot. Arguments have been checked. */
  protected abstract map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean;
  /** Undoes {@linkcode BaseDmaOps.map}. The handle may be wrong: misuse is reported, never thrown. */
  protected abstract unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void;
  /** Copies to the CPU's side what the device wrote. Default: nothing to do, memory is coherent. */
  protected syncForCpu(_handle: DmaHandle, _size: number, _direction: Direction): void {}
  /** Copies to the device's side what the CPU wrote. Default: nothing to do. */
  protected syncForDevice(_handle: DmaHandle, _size: number, _direction: Direction): void {}
  /** Whether the platform can serve a device with this mask. Default: any. */
  protected acceptsMask(_mask: bigint): boolean {
    return true;
  }
  /** Maps pages that `allocCoherent` took from the heap. Default: as a bidirectional mapping. */
  protected mapCoherent(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    return this.map(out, cpu, size, Direction.BIDIRECTIONAL, 0);
  }
  /** Undoes {@linkcode BaseDmaOps.mapCoherent}. */
  protected unmapCoherent(handle: DmaHandle, size: number): void {
    this.unmap(handle, size, Direction.BIDIRECTIONAL, 0);
  }

  mapInto(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs = 0): boolean {
    checkDirection(direction);
    this.guest.spend(this.costs.map);
    const mapped = size > 0 && this.map(out, cpu, size, direction, attrs);
    if (mapped) this.stats.maps++;
    else this.stats.mapFailures++;
    if (this.context.events.listening) this.#report("map", mapped ? out : null, size, direction, cpu);
    return mapped;
  }

  unmapFrom(handle: DmaHandle, size: number, direction: Direction, attrs = 0): void {
    checkDirection(direction);
    this.guest.spend(this.costs.unmap);
    if (this.context.events.listening) this.#report("unmap", handle, size, direction);
    this.unmap(handle, size, direction, attrs);
    this.stats.unmaps++;
  }

  mapSingle(cpu: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    return this.mapInto(this.#scratch, cpu, size, direction, attrs) ? this.#scratch.value : DMA_MAPPING_ERROR;
  }

  unmapSingle(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.unmapFrom(this.#scratch.set(handle), size, direction, attrs);
  }

  mapPage(page: PhysAddr, offset: number, size: number, direction: Direction, attrs = 0): DmaAddr {
    return this.mapSingle(page + offset, size, direction, attrs);
  }

  unmapPage(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.unmapSingle(handle, size, direction, attrs);
  }

  mapSg(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    return Math.max(this.mapSgTable(list, direction, attrs), 0);
  }

  mapSgTable(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    checkDirection(direction);
    checkList(list);
    for (let i = 0; i < list.length; i++) {
      const { cpu, length } = list[i];
      const handle = this.mapSingle(cpu, length, direction, attrs);
      if (handle === DMA_MAPPING_ERROR) {
        for (let j = 0; j < i; j++) {
          this.unmapSingle(list[j].dmaAddress!, list[j].length, direction, attrs | DmaAttr.SKIP_CPU_SYNC);
        }
        clearSegments(list, 0);
        return -Errno.EIO;
      }
      list[i].dmaAddress = handle;
      list[i].dmaLength = length;
    }
    return list.length;
  }

  unmapSg(list: ScatterEntry[], direction: Direction, attrs = 0): void {
    for (const { dmaAddress, dmaLength } of list) {
      if (dmaLength) this.unmapSingle(dmaAddress!, dmaLength, direction, attrs);
    }
  }

  syncSingleForCpu(handle: DmaAddr, size: number, direction: Direction): void {
    checkDirection(direction);
    this.#sync("cpu", handle, size, direction);
    this.syncForCpu(this.#scratch.set(handle), size, direction);
  }

  syncSingleForDevice(handle: DmaAddr, size: number, direction: Direction): void {
    checkDirection(direction);
    this.#sync("device", handle, size, direction);
    this.syncForDevice(this.#scratch.set(handle), size, direction);
  }

  syncSgForCpu(list: ScatterEntry[], direction: Direction): void {
    for (const { dmaAddress, dmaLength } of list) {
      if (dmaLength) this.syncSingleForCpu(dmaAddress!, dmaLength, direction);
    }
  }

  syncSgForDevice(list: ScatterEntry[], direction: Direction): void {
    for (const { dmaAddress, dmaLength } of list) {
      if (dmaLength) this.syncSingleForDevice(dmaAddress!, dmaLength, direction);
    }
  }

  mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    if (this.guest.memory.ram(registers) !== null) {
      throw new DmaApiError(`mapResource is for registers; ${formatAddress(registers)} is RAM`);
    }
    return this.mapSingle(registers, size, direction, attrs | DmaAttr.SKIP_CPU_SYNC);
  }

  unmapResource(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.unmapSingle(handle, size, direction, attrs | DmaAttr.SKIP_CPU_SYNC);
  }

  allocCoherent(size: number, _attrs = 0): CoherentBuffer | null {
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const cpu = this.guest.heap.alloc(bytes, coherentAlign(size), this.coherentPhysLimit());
    if (cpu === null) return null;
    if (!this.mapCoherent(this.#scratch, cpu, bytes)) {
      this.guest.heap.free(cpu);
      return null;
    }
    this.stats.coherentBytes += bytes;
    const handle = this.#scratch.value;
    if (this.context.events.listening) {
      this.#report("alloc-coherent", this.#scratch, size, Direction.BIDIRECTIONAL, cpu);
    }
    return { cpu, handle, size };
  }

  freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, _attrs = 0): void {
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    this.#scratch.set(handle);
    if (this.context.events.listening) this.#report("free-coherent", this.#scratch, size, Direction.BIDIRECTIONAL, cpu);
    this.unmapCoherent(this.#scratch, bytes);
    if (!this.guest.heap.free(cpu)) {
      this.context.warn("free", `freeCoherent of ${formatAddress(cpu)}, which is not allocated`);
      return;
    }
    this.stats.coherentBytes -= bytes;
  }

  mappingError(handle: DmaAddr): number {
    return handle === DMA_MAPPING_ERROR ? -Errno.ENOMEM : 0;
  }

  setMask(mask: bigint): number {
    const truncated = BigInt.asUintN(64, mask);
    if (!this.acceptsMask(truncated)) return -Errno.EIO;
    this.limit = maskLimit(truncated);
    return 0;
  }

  setCoherentMask(mask: bigint): number {
    const truncated = BigInt.asUintN(64, mask);
    if (!this.acceptsMask(truncated)) return -Errno.EIO;
    this.coherentLimit = maskLimit(truncated);
    return 0;
  }

  setMaskAndCoherent(mask: bigint): number {
    const result = this.setMask(mask);
    if (result === 0) this.setCoherentMask(mask);
    return result;
  }

  requiredMask(): bigint {
    return dmaBitMask(Math.max(this.guest.memory.ramEnd - 1, 1).toString(2).length);
  }

  maxMappingSize(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  optMappingSize(): number {
    return this.maxMappingSize();
  }

  mergeBoundary(): number {
    return 0;
  }

  needSync(_handle: DmaAddr): boolean {
    return false;
  }

  /** The highest physical address that coherent memory may have. Default: none, the platform maps it anywhere. */
  protected coherentPhysLimit(): number {
    return Infinity;
  }

  #sync(who: string, handle: DmaAddr, size: number, direction: Direction): void {
    this.stats.syncs++;
    this.guest.spend(this.costs.sync);
    if (this.context.events.listening) this.#report(`sync-for-${who}`, this.#scratch.set(handle), size, direction);
  }

  #report(type: string, handle: DmaHandle | null, size: number, direction: Direction, cpu?: PhysAddr): void {
    this.context.events.emit({
      type,
      device: this.context.device.id,
      ...(cpu !== undefined && { cpu: formatAddress(cpu) }),
      handle: handle === null ? "error" : formatAddress(handle.value),
      size,
      direction: DIRECTION_NAMES[direction],
    });
  }
}

/** The names of the directions, by value. */
export const DIRECTION_NAMES = ["bidirectional", "to device", "from device", "none"] as const;

/** The smallest power of two of pages that holds `size` bytes, in bytes: how coherent memory is aligned. */
export function coherentAlign(size: number): number {
  let align = PAGE_SIZE;
  while (align < size) align *= 2;
  return align;
}

/** Marks the entries from `from` on as holding no segment. */
export function clearSegments(list: ScatterEntry[], from: number): void {
  for (let i = from; i < list.length; i++) {
    list[i].dmaAddress = DMA_MAPPING_ERROR;
    list[i].dmaLength = 0;
  }
}

/** Checks a direction. @throws {DmaApiError} unless it is one that can be mapped. */
export function checkDirection(direction: Direction): void {
  if (direction !== 0 && direction !== 1 && direction !== 2) {
    throw new DmaApiError(`direction ${direction} cannot be mapped; use BIDIRECTIONAL, TO_DEVICE or FROM_DEVICE`);
  }
}

/** Checks a scatterlist. @throws {DmaApiError} when it is empty or its end mark stands anywhere but on the last entry. */
export function checkList(list: ScatterEntry[]): void {
  if (list.length === 0) throw new DmaApiError("an empty scatterlist cannot be mapped");
  const marked = list.findIndex((entry) => entry.end === true);
  if (marked >= 0 && marked !== list.length - 1) {
    throw new DmaApiError(
      `scatterlist ends at entry ${marked} but has ${list.length} entries (NET1: a stale end mark)`,
    );
  }
}

function maskLimit(mask: bigint): number {
  return mask > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(mask);
}

/** The operations of a device that passes every platform untranslated: handles are physical addresses. */
export class PhysicalDmaOps extends BaseDmaOps {
  /** One map. */
  protected map(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    if (cpu + size - 1 > this.limit) return false;
    out.setNumber(cpu);
    return true;
  }

  /** One unmap. */
  protected unmap(): void {}

  /** Coherent memory lies below the coherent mask. */
  protected override coherentPhysLimit(): number {
    return this.coherentLimit;
  }

  /** The streaming mask does not matter here. */
  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }
}
