/**
 * The guest half: handle = physical address + offset (Linux kernel/dma/direct.c with one range in `dma_range_map`).
 *
 * @module
 */

import {
  BaseDmaOps,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  type DmaCosts,
  type DmaHandle,
  type DmaOps,
  type PhysAddr,
} from "@iova/core";
import { NestedDirectDmaOps } from "./guest_nested.ts";
import { Offset } from "./guest_offset.ts";

/** Nanoseconds. Placeholders: an addition and a comparison, as no measurement of a kernel is at hand. */
export const COSTS: DmaCosts = { map: 5, unmap: 2, sync: 1 };

const PAGE_MASK = 4095n;
/** The last address of the guest's DMA zone (Linux's default zone of 24 bits). */
const DMA_ZONE_LAST = dmaBitMask(24);
const MAX_PHYSICAL = BigInt(Number.MAX_SAFE_INTEGER);

/** The operations of one device. A bridge that changes nothing has those of the bridge above. */
export function directDmaOps(context: DmaContext, offset: DmaAddr): DmaOps {
  if (context.upstream === null) return new DirectDmaOps(context, offset);
  return offset === 0n ? context.upstream : new NestedDirectDmaOps(context, context.upstream, offset);
}

/** See the module's text. */
export class DirectDmaOps extends BaseDmaOps {
  protected override costs: DmaCosts = COSTS;
  readonly #offset: Offset;
  // The last *physical* address that the device can be told of; negative when there is none.
  #physLimit: number;
  #coherentPhysLimit: number;

  /** The operations of one device directly below the root. */
  constructor(context: DmaContext, offset: DmaAddr) {
    super(context);
    this.#offset = new Offset(offset);
    this.#physLimit = this.#coherentPhysLimit = this.#lastPhysical(dmaBitMask(32));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    if (cpu + size - 1 > this.#physLimit) return false;
    this.#offset.add(out.setNumber(cpu));
    return true;
  }

  protected unmap(): void {}

  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr): boolean {
    this.#offset.add(out.setNumber(cpu));
    return true;
  }

  protected override coherentPhysLimit(): number {
    return this.#coherentPhysLimit;
  }

  /** Any mask of 32 bits or more; a smaller one if it covers the DMA zone, or all memory where that is less. */
  protected override acceptsMask(mask: bigint): boolean {
    const lastPage = this.#lastPage();
    const least = lastPage < DMA_ZONE_LAST ? lastPage : DMA_ZONE_LAST;
    return mask >= dmaBitMask(32) || mask >= least + this.#offset.value;
  }

  override setMask(mask: bigint): number {
    const result = super.setMask(mask);
    if (result === 0) this.#physLimit = this.#lastPhysical(mask);
    return result;
  }

  override setCoherentMask(mask: bigint): number {
    const result = super.setCoherentMask(mask);
    if (result === 0) this.#coherentPhysLimit = this.#lastPhysical(mask);
    return result;
  }

  override requiredMask(): bigint {
    return dmaBitMask(Math.min((this.#lastPage() + this.#offset.value).toString(2).length, 64));
  }

  /** The last page of memory, which is what masks have to cover. */
  #lastPage(): bigint {
    return BigInt(Math.max(this.guest.memory.ramEnd - 1, 0)) & ~PAGE_MASK;
  }

  #lastPhysical(mask: bigint): number {
    const last = BigInt.asUintN(64, mask) - this.#offset.value;
    return Number(last > MAX_PHYSICAL ? MAX_PHYSICAL : last);
  }
}
