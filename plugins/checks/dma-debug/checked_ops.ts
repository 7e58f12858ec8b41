/**
 * `DmaOps` with the checker in between. Book-keeping comes after a map and after an unmap of a buffer, but before an
 * unmap of a list and before coherent memory is freed, as in Linux (kernel/dma/mapping.c).
 *
 * @module
 */

import {
  type CoherentBuffer,
  Direction,
  type DmaAddr,
  DmaHandle,
  type DmaOps,
  type DmaParameters,
  Errno,
  type PhysAddr,
  type ScatterEntry,
} from "@iova/core";
import { Checked, type Entry, MapType, type Reference } from "./entries.ts";
import type { Tracker } from "./tracker.ts";

const { BIDIRECTIONAL } = Direction;

/** See the module's text. */
export class CheckedDmaOps implements DmaOps {
  readonly #inner: DmaOps;
  readonly #tracker: Tracker;
  readonly #handle = new DmaHandle();

  /** The operations `inner`, watched by `tracker`. */
  constructor(inner: DmaOps, tracker: Tracker) {
    this.#inner = inner;
    this.#tracker = tracker;
  }

  get params(): DmaParameters {
    return this.#inner.params;
  }

  get mandatory(): boolean {
    return this.#inner.mandatory ?? false;
  }

  mapInto(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs = 0): boolean {
    this.#tracker.checkAddress(cpu, size);
    if (!this.#inner.mapInto(out, cpu, size, direction, attrs)) return false;
    // The answer of this form is the check.
    this.#mapped(out, cpu, size, MapType.SINGLE, direction, attrs, Checked.YES);
    return true;
  }

  unmapFrom(handle: DmaHandle, size: number, direction: Direction, attrs = 0): void {
    const { hi, lo } = handle;
    this.#inner.unmapFrom(handle, size, direction, attrs);
    this.#ended(hi, lo, size, MapType.SINGLE, direction);
  }

  mapSingle(cpu: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    this.#tracker.checkAddress(cpu, size);
    const address = this.#inner.mapSingle(cpu, size, direction, attrs);
    return this.#mappedAt(address, cpu, size, MapType.SINGLE, direction, attrs);
  }

  unmapSingle(address: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#inner.unmapSingle(address, size, direction, attrs);
    const { hi, lo } = this.#handle.set(address);
    this.#ended(hi, lo, size, MapType.SINGLE, direction);
  }

  mapPage(page: PhysAddr, offset: number, size: number, direction: Direction, attrs = 0): DmaAddr {
    this.#tracker.checkAddress(page + offset, size);
    const address = this.#inner.mapPage(page, offset, size, direction, attrs);
    return this.#mappedAt(address, page + offset, size, MapType.SINGLE, direction, attrs);
  }

  unmapPage(address: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#inner.unmapPage(address, size, direction, attrs);
    const { hi, lo } = this.#handle.set(address);
    this.#ended(hi, lo, size, MapType.SINGLE, direction);
  }

  mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    const address = this.#inner.mapResource(registers, size, direction, attrs);
    return this.#mappedAt(address, registers, size, MapType.RESOURCE, direction, attrs);
  }

  unmapResource(address: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#inner.unmapResource(address, size, direction, attrs);
    const { hi, lo } = this.#handle.set(address);
    this.#ended(hi, lo, size, MapType.RESOURCE, direction);
  }

  mapSg(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    if (this.#tracker.hasStaleEnd(list)) return 0;
    return this.#mappedList(list, this.#inner.mapSg(list, direction, attrs), direction, attrs);
  }

  mapSgTable(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    if (this.#tracker.hasStaleEnd(list)) return -Errno.EINVAL;
    return this.#mappedList(list, this.#inner.mapSgTable(list, direction, attrs), direction, attrs);
  }

  unmapSg(list: ScatterEntry[], direction: Direction, attrs = 0): void {
    this.#endedList(list, direction);
    this.#inner.unmapSg(list, direction, attrs);
  }

  allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    const buffer = this.#inner.allocCoherent(size, attrs);
    if (buffer === null) return null;
    const handle = this.#handle.set(buffer.handle);
    this.#add(handle, buffer.cpu, size, MapType.COHERENT, BIDIRECTIONAL, attrs, Checked.NOT_APPLICABLE);
    return buffer;
  }

  freeCoherent(size: number, cpu: PhysAddr, address: DmaAddr, attrs = 0): void {
    const { hi, lo } = this.#handle.set(address);
    this.#end({ hi, lo, size, type: MapType.COHERENT, direction: BIDIRECTIONAL, sgCount: 0, cpu });
    this.#inner.freeCoherent(size, cpu, address, attrs);
  }

  syncSingleForCpu(address: DmaAddr, size: number, direction: Direction): void {
    this.#inner.syncSingleForCpu(address, size, direction);
    this.#synced(address, size, MapType.SINGLE, direction, 0, true);
  }

  syncSingleForDevice(address: DmaAddr, size: number, direction: Direction): void {
    this.#inner.syncSingleForDevice(address, size, direction);
    this.#synced(address, size, MapType.SINGLE, direction, 0, false);
  }

  syncSgForCpu(list: ScatterEntry[], direction: Direction): void {
    this.#inner.syncSgForCpu(list, direction);
    this.#syncedList(list, direction, true);
  }

  syncSgForDevice(list: ScatterEntry[], direction: Direction): void {
    this.#inner.syncSgForDevice(list, direction);
    this.#syncedList(list, direction, false);
  }

  mappingError(address: DmaAddr): number {
    const { hi, lo } = this.#handle.set(address);
    const entry = this.#tracker.entries.unchecked(hi, lo);
    if (entry !== null) entry.checked = Checked.YES;
    return this.#inner.mappingError(address);
  }

  setMask(mask: bigint): number {
    return this.#inner.setMask(mask);
  }

  setCoherentMask(mask: bigint): number {
    return this.#inner.setCoherentMask(mask);
  }

  setMaskAndCoherent(mask: bigint): number {
    return this.#inner.setMaskAndCoherent(mask);
  }

  requiredMask(): bigint {
    return this.#inner.requiredMask();
  }

  maxMappingSize(): number {
    return this.#inner.maxMappingSize();
  }

  optMappingSize(): number {
    return this.#inner.optMappingSize();
  }

  mergeBoundary(): number {
    return this.#inner.mergeBoundary();
  }

  needSync(address: DmaAddr): boolean {
    return this.#inner.needSync(address);
  }

  #mappedAt(
    address: DmaAddr,
    cpu: PhysAddr,
    size: number,
    type: MapType,
    direction: Direction,
    attrs: number,
  ): DmaAddr {
    // Asked past the checker: this is not the driver's test.
    if (this.#inner.mappingError(address) === 0) {
      this.#mapped(this.#handle.set(address), cpu, size, type, direction, attrs, Checked.NO);
    }
    return address;
  }

  #mapped(
    handle: DmaHandle,
    cpu: PhysAddr,
    size: number,
    type: MapType,
    direction: Direction,
    attrs: number,
    checked: Checked,
  ): void {
    if (type !== MapType.RESOURCE) this.#tracker.checkKind(cpu, size);
    this.#add(handle, cpu, size, type, direction, attrs, checked);
  }

  #add(
    { hi, lo }: DmaHandle,
    cpu: PhysAddr,
    size: number,
    type: MapType,
    direction: Direction,
    attrs: number,
    checked: Checked,
  ): void {
    this.#tracker.add({ hi, lo, size, type, direction, sgCount: 0, sgMapped: 0, cpu, checked }, attrs);
  }

  #ended(hi: number, lo: number, size: number, type: MapType, direction: Direction): void {
    this.#end({ hi, lo, size, type, direction, sgCount: 0, cpu: 0 });
  }

  #end(ref: Reference): void {
    this.#tracker.end(ref, this.#inner.mappingError(this.#handle.setHalves(ref.hi, ref.lo).value) !== 0);
  }

  #mappedList(list: ScatterEntry[], count: number, direction: Direction, attrs: number): number {
    if (count <= 0) return count;
    for (const { cpu, length } of list) this.#tracker.checkKind(cpu, length);
    for (const { cpu, length, dmaAddress, dmaLength } of list.slice(0, count)) {
      const { hi, lo } = this.#handle.set(dmaAddress!);
      const entry: Entry = {
        hi,
        lo,
        size: dmaLength!,
        type: MapType.SG,
        direction,
        sgCount: list.length,
        sgMapped: count,
        cpu,
        checked: Checked.NOT_APPLICABLE,
      };
      this.#tracker.checkSegment(length, entry, this.params);
      this.#tracker.add(entry, attrs);
    }
    return count;
  }

  /** Only the segments that were mapped are looked at; how many they were stands in the first one's entry. */
  #endedList(list: ScatterEntry[], direction: Direction): void {
    let mapped = list.length;
    for (let i = 0; i < mapped; i++) {
      const ref = this.#segment(list, i, direction);
      if (i === 0) mapped = Math.min(mapped, this.#tracker.entries.exact(ref)?.sgMapped || mapped);
      this.#end(ref);
    }
  }

  #syncedList(list: ScatterEntry[], direction: Direction, toCpu: boolean): void {
    const mapped = this.#tracker.entries.exact(this.#segment(list, 0, direction))?.sgMapped || list.length;
    for (let i = 0; i < Math.min(mapped, list.length); i++) {
      if (!this.#tracker.disabled) this.#tracker.sync(this.#segment(list, i, direction), toCpu);
    }
  }

  #segment(list: ScatterEntry[], i: number, direction: Direction): Reference {
    const { cpu, dmaAddress = ~0n, dmaLength = 0 } = list[i];
    const { hi, lo } = this.#handle.set(dmaAddress);
    return { hi, lo, size: dmaLength, type: MapType.SG, direction, sgCount: list.length, cpu };
  }

  #synced(
    address: DmaAddr,
    size: number,
    type: MapType,
    direction: Direction,
    sgCount: number,
    toCpu: boolean,
  ): void {
    const { hi, lo } = this.#handle.set(address);
    this.#tracker.sync({ hi, lo, size, type, direction, sgCount, cpu: 0 }, toCpu);
  }
}
