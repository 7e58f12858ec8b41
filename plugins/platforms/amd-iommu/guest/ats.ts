/**
 * A device's translation cache as the kernel finds and switches it (Linux drivers/pci/ats.c): by the ATS capability in
 * extended configuration space.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { AtsCapability, ExtendedCapabilityId, type ExtendedConfig, extendedConfig } from "@iova/pci";

const CONTROL = AtsCapability.at.enable;
/** Smallest translation unit: pages of 4 KiB. */
const STU_4K = 0;
/** What a queue depth of 0 stands for. */
const DEEPEST = 32;

/** The ATS capability of one device. */
export class DeviceAts {
  readonly #config: ExtendedConfig;
  readonly #requester: number;
  readonly #at: number;
  /** Invalidations that the device takes at once. */
  readonly depth: number;

  constructor(config: ExtendedConfig, requester: number, at: number) {
    this.#config = config;
    this.#requester = requester;
    this.#at = at;
    const capability = config.read(requester, at + AtsCapability.at.queueDepth, 2);
    this.depth = (capability & AtsCapability.mask.queueDepth) || DEEPEST;
  }

  /** Turns the cache on. The device table entry is to allow it from the next moment on. */
  enable(): void {
    this.#config.write(this.#requester, this.#at + CONTROL, 2, AtsCapability.mask.enable | STU_4K);
  }

  /** Turns it off: the device forgets what it has. */
  disable(): void {
    const control = this.#config.read(this.#requester, this.#at + CONTROL, 2);
    this.#config.write(this.#requester, this.#at + CONTROL, 2, control & ~AtsCapability.mask.enable);
  }
}

/** The ATS capability of a device; null when it has none, or nothing reaches it. */
export function findAts(guest: GuestPort, requester: number): DeviceAts | null {
  const config = extendedConfig(guest);
  const at = config?.findCapability(requester, ExtendedCapabilityId.ATS) ?? 0;
  return config === null || at === 0 ? null : new DeviceAts(config, requester, at);
}
