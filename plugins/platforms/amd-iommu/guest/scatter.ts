/**
 * Scatterlists as Linux's IOMMU layer maps them: one block of addresses for the whole list, and neighbours that meet at
 * page boundaries become one DMA segment (drivers/iommu/dma-iommu.c, `iommu_dma_map_sg` and `__finalise_sg`).
 *
 * @module
 */

import { clearSegments, type DmaParameters, PAGE_SIZE, type ScatterEntry } from "@iova/core";

/** Where the entries of one list lie in its block of addresses. */
export class ScatterLayout {
  /** Pages of the whole block. */
  pages = 0;
  /** Page of each entry from the block's start. */
  readonly starts: number[] = [];

  /** Lays a list out; where a boundary would be crossed the entry before it is padded. */
  constructor(list: readonly ScatterEntry[], { segmentBoundaryMask }: DmaParameters) {
    let bytes = 0;
    for (const { cpu, length } of list) {
      const size = padded(cpu, length);
      const room = roomBelowBoundary(bytes, segmentBoundaryMask);
      // A boundary counts from the block's start, because a block longer than it is aligned to more.
      if (room > 0 && room < size - 1) bytes += room;
      this.starts.push(bytes / PAGE_SIZE);
      bytes += size;
    }
    this.pages = bytes / PAGE_SIZE;
  }
}

/** Writes the DMA segments of a list that is mapped at `first` into its first entries; returns how many there are. */
export function concatenate(
  list: ScatterEntry[],
  { starts }: ScatterLayout,
  first: bigint,
  { maxSegmentSize, segmentBoundaryMask }: DmaParameters,
): number {
  let count = 0;
  let current = 0;
  for (let i = 0; i < list.length; i++) {
    const { cpu, length } = list[i];
    const offset = pageOffset(cpu);
    const start = first + BigInt(starts[i]) * BigInt(PAGE_SIZE);
    list[i].dmaLength = 0;
    // A padded entry is followed by a boundary, so neighbours that may join do meet.
    const joins = current > 0 && offset === 0 && (start & segmentBoundaryMask) !== 0n &&
      maxSegmentSize - current >= length;
    if (joins) current += length;
    else {
      current = length;
      list[count++].dmaAddress = start + BigInt(offset);
    }
    list[count - 1].dmaLength = current;
    // An entry that ends within a page ends its segment.
    if ((offset + length) % PAGE_SIZE !== 0) current = 0;
  }
  clearSegments(list, count);
  return count;
}

/** Bytes of whole pages around an entry. */
function padded(cpu: number, length: number): number {
  return Math.ceil((pageOffset(cpu) + length) / PAGE_SIZE) * PAGE_SIZE;
}

function pageOffset(cpu: number): number {
  return cpu % PAGE_SIZE;
}

/** Bytes to the next boundary; 0 on one, or when there is none. */
function roomBelowBoundary(bytes: number, mask: bigint): number {
  if (mask >= 0xffff_ffffn) return 0;
  const boundary = Number(mask) + 1;
  return bytes % boundary === 0 ? 0 : boundary - bytes % boundary;
}
