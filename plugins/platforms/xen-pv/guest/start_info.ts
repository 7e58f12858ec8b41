/**
 * What the guest finds in its memory when it is started.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { StartInfo } from "../layout.ts";

/** {@linkcode StartInfo}, read: addresses and frames as numbers. */
export interface BootInfo {
  readonly p2m: PhysAddr;
  readonly p2mPages: number;
  readonly maxMachineFrame: number;
  readonly maxOrder: number;
}

/** Reads the structure at `address`. */
export function readStartInfo(guest: GuestPort, address: PhysAddr): BootInfo {
  const { p2m, maxMachineFrame, ...rest } = StartInfo.decode(guest.memory.bytes(address, StartInfo.size));
  return { ...rest, p2m: Number(p2m), maxMachineFrame: Number(maxMachineFrame) };
}
