/**
 * The DMA operations of devices whose table entry translates nothing: identity domains (Linux `iommu.passthrough`) and
 * blocked ones.
 *
 * @module
 */

import { BaseDmaOps, PhysicalDmaOps } from "@iova/core";

/** Nanoseconds. Placeholders: an addition and a comparison, as in the platform without an IOMMU. */
const IDENTITY_COSTS = { map: 5, unmap: 2, sync: 1 };

/** A handle is the physical address; the table entry has mode 0 and both rights. */
export class IdentityDmaOps extends PhysicalDmaOps {
  protected override costs: { map: number; unmap: number; sync: number } = IDENTITY_COSTS;
}

/** Nothing can be mapped and no mask is served (Linux kernel/dma/dummy.c). */
export class BlockedDmaOps extends BaseDmaOps {
  protected map(): boolean {
    return false;
  }

  protected unmap(): void {
    this.context.warn("unmap-unknown", "iommu: unmap in a blocked domain, where nothing is ever mapped");
  }

  protected override acceptsMask(): boolean {
    return false;
  }
}
