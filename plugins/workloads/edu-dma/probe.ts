/**
 * What the workload needs of its driver.
 *
 * @module
 */

import type { DmaAddr, Driver, PhysAddr } from "@iova/core";

/** How a transfer ended. */
export type ProbeResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** A driver of edu, or of anything that can do the same. */
export interface EduProbe extends Driver {
  /** The device's version; null when it is no edu. */
  identify(): { readonly major: number; readonly minor: number } | null;
  /** Whether the device inverts `value`. */
  isAlive(value?: number): boolean;
  /** `value`! modulo 2^32; null when there was no answer. */
  factorial(value: number): Promise<number | null>;
  /** Moves `length` bytes between memory and the device's buffer, from byte `offset` of it on. */
  transfer(buffer: PhysAddr, length: number, toDevice: boolean, offset?: number): Promise<ProbeResult>;
  /** Has the device write bytes to any bus address. */
  poke(address: DmaAddr, bytes: Uint8Array): Promise<ProbeResult>;
  /** Has the device read bytes from any bus address; null when there was no answer. */
  peek(address: DmaAddr, length: number): Promise<Uint8Array | null>;
}
