/**
 * Functions of the chipset that are there before the root bus is: a platform's IOMMU, say. A chipset that has a place for
 * their class shows them on its root bus; elsewhere software finds them as their makers say.
 *
 * @module
 */

import type { AddressSpace } from "@iova/core";
import type { ConfigSpace } from "./hardware_config.ts";

/** Such a function. */
export interface AnnouncedFunction {
  /** What messages call it. */
  readonly name: string;
  /** Its 24-bit class code. */
  readonly classCode: number;
  /** What configuration cycles reach. */
  readonly config: ConfigSpace;
}

const announced = new WeakMap<AddressSpace, AnnouncedFunction[]>();

/** Makes a function known to the root bus of the machine with this address space, which is made later. */
export function announceFunction(space: AddressSpace, fn: AnnouncedFunction): void {
  announced.set(space, [...announcedFunctions(space), fn]);
}

/** What has been announced. */
export function announcedFunctions(space: AddressSpace): readonly AnnouncedFunction[] {
  return announced.get(space) ?? [];
}
