/**
 * What `edu-dma` is asked to do.
 *
 * @module
 */

import type { DmaAddr } from "@iova/core";

/** What the bus must do at a bad address. */
export const EXPECTATIONS = ["fault", "reach", "any"] as const;
/** One of {@linkcode EXPECTATIONS}. */
export type Expectation = typeof EXPECTATIONS[number];

/** The options, read. */
export interface EduDmaOptions {
  /** Round trips. */
  readonly count: number;
  /** Most bytes of one. */
  readonly size: number;
  /** The number whose factorial is asked for. */
  readonly factorial: number;
  /** A bus address that the driver was never given. Absent: none is tried. */
  readonly badAddress?: DmaAddr | undefined;
  /** See {@linkcode Expectation}. */
  readonly expect: Expectation;
}
