/**
 * The operations of one device (Linux arch/powerpc/kernel/{dma-iommu,iommu}.c): through a table, or straight through a
 * window of all memory.
 *
 * @module
 */

import {
  BaseDmaOps,
  checkDirection,
  checkList,
  type Direction,
  DIRECTION_NAMES,
  DMA_MAPPING_ERROR,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  type DmaCosts,
  type DmaHandle,
  Errno,
  formatAddress,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
  type ScatterEntry,
} from "@iova/core";
import { GUEST_COSTS } from "./costs.ts";
import { TceParameters } from "./parameters.ts";
import type { GuestPhb, Service } from "./phb.ts";
import type { RangeLimits } from "./pools.ts";
import { mapList } from "./sg.ts";
import type { IommuTable } from "./table.ts";

/** Most pages of one piece of coherent memory: Linux refuses orders from 13 on. */
const COHERENT_PAGES = 2 ** 12;

/** See the module's text. */
export class TceDmaOps extends BaseDmaOps {
  protected override costs: DmaCosts = GUEST_COSTS;
  override readonly params: TceParameters = new TceParameters();
  readonly #phb: GuestPhb;
  readonly #warn: (id: string, message: string) => void;
  readonly #limits: RangeLimits = { last: 0, boundary: Infinity };
  #streaming: Service;
  #coherent: Service;

  /** The operations of one device behind a bridge; its masks are 32 bits until it says otherwise. */
  constructor(context: DmaContext, phb: GuestPhb) {
    super(context);
    this.#phb = phb;
    this.#warn = (id, message) => context.warn(id, message);
    this.#streaming = this.#coherent = phb.service(dmaBitMask(32));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    const { direct, table } = this.#streaming;
    if (direct !== null && cpu + size <= direct.end) {
      direct.address(cpu, out);
      return true;
    }
    if (table === null) return false;
    this.#phb.serve(this.context, this.#warn);
    return table.map(out, cpu, size, direction, this.#alignOf(table, cpu, size), this.#within(table, this.limit));
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction): void {
    this.#undo(this.#streaming, handle, size, direction);
  }

  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    const { direct, table } = this.#coherent;
    if (direct !== null && cpu + size <= direct.end) {
      direct.address(cpu, out);
      return true;
    }
    if (table === null || size > COHERENT_PAGES * 2 ** this.#phb.config.guestPageShift) return false;
    this.#phb.serve(this.context, this.#warn);
    const align = 2 ** Math.ceil(Math.log2(Math.max(1, size / table.pageSize)));
    return table.map(out, cpu, size, 0, align, this.#within(table, this.coherentLimit));
  }

  /** Maps memory that CPU and device share: what a bridge below other platforms has allocated there. */
  mapShared(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    return this.mapCoherent(out, cpu, roundUp(size, PAGE_SIZE));
  }

  /** Undoes {@linkcode TceDmaOps.mapShared}. */
  unmapShared(handle: DmaHandle, size: number): void {
    this.unmapCoherent(handle, roundUp(size, PAGE_SIZE));
  }

  protected override unmapCoherent(handle: DmaHandle, size: number): void {
    this.#undo(this.#coherent, handle, size, 0);
  }

  protected override syncForCpu(handle: DmaHandle, size: number): void {
    this.#checkSync(handle, size);
  }

  protected override syncForDevice(handle: DmaHandle, size: number): void {
    this.#checkSync(handle, size);
  }

  override mapSgTable(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    const { direct, table } = this.#streaming;
    if (direct !== null || table === null) return super.mapSgTable(list, direction, attrs);
    checkDirection(direction);
    checkList(list);
    this.guest.spend(this.costs.map * list.length);
    this.#phb.serve(this.context, this.#warn);
    const segment = this.#phb.config.merge ? this.params.maxSegmentSize : 0;
    const limits = { ...this.#within(table, this.limit), segment };
    const count = mapList(list, direction, table, (cpu, size) => this.#alignOf(table, cpu, size), limits);
    if (count < 0) this.stats.mapFailures++;
    else this.stats.maps += count;
    if (this.context.events.listening) this.#reportList(list, count, direction);
    return count < 0 ? -Errno.EIO : count;
  }

  /** Linux has no such operation here: registers of a peer cannot be mapped. */
  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    checkDirection(direction);
    if (this.guest.memory.ram(registers) !== null) return super.mapResource(registers, size, direction, attrs);
    this.stats.mapFailures++;
    return DMA_MAPPING_ERROR;
  }

  protected override acceptsMask(mask: bigint): boolean {
    const { direct, table } = this.#phb.service(mask);
    if (direct !== null) return true;
    return table !== null && BigInt(table.offset) <= mask >> BigInt(table.shift);
  }

  override setMask(mask: bigint): number {
    const result = super.setMask(mask);
    if (result === 0) this.#streaming = this.#phb.service(BigInt.asUintN(64, mask));
    return result;
  }

  override setCoherentMask(mask: bigint): number {
    const result = super.setCoherentMask(mask);
    if (result === 0) this.#coherent = this.#phb.service(BigInt.asUintN(64, mask));
    return result;
  }

  /** Covers the last address of the window, or of all memory behind a direct one. */
  override requiredMask(): bigint {
    const { direct, table } = this.#streaming;
    if (direct !== null) return dmaBitMask(direct.last.toString(2).length);
    if (table === null) return dmaBitMask(64);
    // Linux looks at the first page after the window, and so asks for a bit more than it needs.
    return dmaBitMask(Math.min(64, (table.offset + table.entries).toString(2).length + table.shift));
  }

  override mergeBoundary(): number {
    const { direct, table } = this.#streaming;
    return direct !== null || table === null ? 0 : table.pageSize - 1;
  }

  #undo({ direct, table }: Service, handle: DmaHandle, size: number, direction: Direction): void {
    if (direct !== null && (table === null || direct.holds(handle))) return;
    this.#phb.serve(this.context, this.#warn);
    table?.unmap(handle, size, direction);
  }

  #checkSync(handle: DmaHandle, size: number): void {
    const { direct, table } = this.#streaming;
    if (direct !== null && (table === null || direct.holds(handle))) return;
    this.#phb.serve(this.context, this.#warn);
    table?.checkSync(handle, size);
  }

  /** Whole guest pages stay aligned to guest pages. */
  #alignOf({ shift }: IommuTable, cpu: PhysAddr, size: number): number {
    const { guestPageShift } = this.#phb.config;
    if (shift >= guestPageShift) return 1;
    const page = 2 ** guestPageShift;
    return size >= page && cpu % page === 0 ? 2 ** (guestPageShift - shift) : 1;
  }

  #within({ pageSize }: IommuTable, limit: number): RangeLimits {
    this.#limits.last = Math.floor(limit / pageSize);
    this.#limits.boundary = this.params.boundaryPages(pageSize);
    return this.#limits;
  }

  #reportList(list: ScatterEntry[], count: number, direction: Direction): void {
    const { events, device } = this.context;
    for (const { cpu, dmaAddress, dmaLength } of list.slice(0, Math.max(count, 1))) {
      events.emit({
        type: "map",
        device: device.id,
        cpu: formatAddress(cpu),
        handle: count < 0 ? "error" : formatAddress(dmaAddress!),
        size: dmaLength!,
        direction: DIRECTION_NAMES[direction],
      });
    }
  }
}
