/**
 * A device's DMA parameters, with the boundary kept in the form that searches need.
 *
 * @module
 */

import { dmaBitMask, type DmaParameters } from "@iova/core";

const DEFAULT_SEGMENT = 65536;

/** See the module's text. */
export class TceParameters implements DmaParameters {
  maxSegmentSize: number = DEFAULT_SEGMENT;
  minAlignMask = 0;
  /** The boundary in bytes; Infinity for none. */
  boundary: number = Infinity;
  #mask = dmaBitMask(64);

  /** See {@linkcode DmaParameters.segmentBoundaryMask}. */
  get segmentBoundaryMask(): bigint {
    return this.#mask;
  }
  set segmentBoundaryMask(mask: bigint) {
    this.#mask = mask;
    this.boundary = mask >= dmaBitMask(53) ? Infinity : Number(mask) + 1;
  }

  /** The boundary in pages of `pageSize` bytes (Linux `dma_get_seg_boundary_nr_pages`). */
  boundaryPages(pageSize: number): number {
    return this.boundary === Infinity ? Infinity : Math.ceil(this.boundary / pageSize);
  }
}
