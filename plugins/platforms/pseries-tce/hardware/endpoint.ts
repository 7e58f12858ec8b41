/**
 * The partitionable endpoint: what a fault stops (LoPAR, "Enhanced I/O Error Handling").
 *
 * @module
 */

import { EehState } from "../layout.ts";

/** One endpoint: every device of a host bridge. */
export class Endpoint {
  /** Whether a fault stops it (`ibm,set-eeh-option` 0 and 1). */
  enabled: boolean;
  /** Loads give all ones, stores are dropped. */
  mmioStopped = false;
  /** Accesses by the devices are refused. */
  dmaStopped = false;
  /** How often it was stopped. */
  freezes = 0;

  /** `capable`: whether there is any error handling at all. */
  constructor(readonly capable: boolean) {
    this.enabled = capable;
  }

  /** Stops it because of a fault, unless error handling is off. */
  fault(): void {
    if (!this.enabled || this.dmaStopped) return;
    this.mmioStopped = this.dmaStopped = true;
    this.freezes++;
  }

  /** Lifts both stops. */
  thaw(): void {
    this.mmioStopped = this.dmaStopped = false;
  }

  /** The state after power-on. */
  reset(): void {
    this.thaw();
    this.enabled = this.capable;
  }

  /** As `ibm,read-slot-reset-state2` tells it. */
  get state(): number {
    if (this.mmioStopped) return EehState.STOPPED;
    return this.dmaStopped ? EehState.DMA_STOPPED : EehState.NORMAL;
  }
}
