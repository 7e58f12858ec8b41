/**
 * Where a device's flushes wait or fail because somebody wants to see that: a debugger of block devices.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FlushGate } from "@iova/block";
 *
 * const gate = new FlushGate();
 * const ends: boolean[] = [];
 * gate.held = true;
 * gate.pass(() => true, (ok) => void ends.push(ok));
 * assertEquals(ends, []); // held
 * gate.release();
 * assertEquals(ends, [true]);
 * ```
 *
 * @module
 */

import type { Device } from "@iova/core";

/** The gate that every flush of a medium passes. It is open unless somebody says otherwise. */
export class FlushGate {
  /** Flushes wait until {@linkcode FlushGate.release}. */
  held = false;
  /** How many of the next flushes fail. */
  failures = 0;
  /** Hears of a failure instead of the device, with what tries again. Absent: the device is told. */
  onFailure: ((again: () => void) => void) | null = null;
  #waiting: (() => void)[] = [];

  /** Does `flush`, now or later, and tells `done` whether it worked. */
  pass(flush: () => boolean, done: (ok: boolean) => void): void {
    const again = () => this.pass(flush, done);
    if (this.held) this.#waiting.push(again);
    else if (this.failures === 0) done(flush());
    else {
      this.failures--;
      if (this.onFailure === null) done(false);
      else this.onFailure(again);
    }
  }

  /** Opens the gate to those that wait, and to others. */
  release(): void {
    this.held = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const again of waiting) again();
  }
}

/** A device half whose media have such gates. */
export interface GatedDevice extends Device {
  /** The gate of medium `place`, in the device's own numbers; null when there is none. */
  flushGate(place: number): FlushGate | null;
}

/** The gate of a device's medium; null when it has none. */
export function flushGate(device: Device, place: number): FlushGate | null {
  return "flushGate" in device && typeof device.flushGate === "function"
    ? (device as GatedDevice).flushGate(place)
    : null;
}
