/**
 * Which event copies which way. Linux of today, and the two ways in which it was wrong, each of which can be had back.
 *
 * | event | TO_DEVICE | FROM_DEVICE | BIDIRECTIONAL |
 * |---|---|---|---|
 * | map | to the pool | to the pool | to the pool |
 * | sync for device | to the pool | nothing | to the pool |
 * | sync for CPU | nothing | to the buffer | to the buffer |
 * | unmap | nothing | to the buffer, unless the sync is skipped | as FROM_DEVICE |
 *
 * @module
 */

import { Direction, DmaAttr } from "@iova/core";

/** A mistake of the past, by name. */
export const REGRESSIONS = ["none", "no-copy-on-map", "copy-on-every-sync"] as const;
/** One of {@linkcode REGRESSIONS}. */
export type Regression = typeof REGRESSIONS[number];

const { TO_DEVICE, FROM_DEVICE } = Direction;

/** The copy rules of one kernel. */
export class CopyRules {
  readonly #copyOnMap: boolean;
  readonly #copyOnEverySync: boolean;

  /**
   * Today's rules, or those with a regression.
   *
   * - `no-copy-on-map`: before February 2022 (Linux commit ddbd89deb7d3 ended it) mapping FROM_DEVICE copied nothing, so
   *   that a device which wrote less than it was lent left an earlier user's bytes in the buffer (CVE-2022-0854).
   * - `copy-on-every-sync`: March 2022 (aa6f8dcbab47; bddac7c1e02b ended it), a sync for the device always copied and
   *   overwrote what the device had written since the driver last looked.
   */
  constructor(regression: Regression) {
    this.#copyOnMap = regression !== "no-copy-on-map";
    this.#copyOnEverySync = regression === "copy-on-every-sync";
  }

  /** Whether a map copies the buffer to the pool. The old rule also honoured SKIP_CPU_SYNC, today's does not. */
  onMap(direction: Direction, attrs: number): boolean {
    return this.#copyOnMap || (direction !== FROM_DEVICE && (attrs & DmaAttr.SKIP_CPU_SYNC) === 0);
  }

  /** Whether a sync for the device copies to the pool. */
  onSyncForDevice(direction: Direction): boolean {
    return direction !== FROM_DEVICE || this.#copyOnEverySync;
  }

  /** Whether a sync for the CPU copies to the buffer. */
  onSyncForCpu(direction: Direction): boolean {
    return direction !== TO_DEVICE;
  }

  /** Whether an unmap copies to the buffer. */
  onUnmap(direction: Direction, attrs: number): boolean {
    return direction !== TO_DEVICE && (attrs & DmaAttr.SKIP_CPU_SYNC) === 0;
  }
}
