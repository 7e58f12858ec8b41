/**
 * The sheet of cases' fixture: granter domain 1, backend domain 0, version 1, one frame, a device behind it.
 *
 * @module
 */

import { dmaBitMask, type MachineServices } from "@iova/core";
import { type PlatformWorld, type TestDevice, testPlatform } from "@iova/core/testing";
import { toHex } from "@iova/fields/testing";
import { type Hypervisor, hypervisorOf } from "@iova/xen";
import xenGrant from "../mod.ts";

/** RAM with frames 0x200… and 0x12345 in it. */
const RAM = [[0, 0x100_0000], [0x1234_0000, 0x60_0000]] as const;

/** A device behind the platform, the hypervisor, and the granter's table. */
export class GrantWorld {
  readonly made: PlatformWorld;
  readonly device: TestDevice;
  readonly hv: Hypervisor;

  /** The platform with these options; by default of one grant frame. */
  constructor(options: Record<string, unknown> = {}) {
    this.made = testPlatform(xenGrant, { ram: RAM, with: { maxGrantFrames: 1, ...options } });
    this.device = this.made.device();
    this.device.dma.setMaskAndCoherent(dmaBitMask(64));
    const services: MachineServices = this.made.world.services();
    this.hv = hypervisorOf(services, () => {
      throw new Error("the platform has made no hypervisor");
    });
  }

  get table() {
    return this.hv.domain(1)!.table;
  }

  /** The bytes of an entry in the shared frame, in hexadecimal. */
  entry(ref: number): string {
    const size = 8 * this.table.version;
    const perFrame = 4096 / size;
    const at = this.table.placeOf(Math.floor(ref / perFrame)) + (ref % perFrame) * size;
    return toHex(this.made.world.bytes(at, size));
  }

  /** The flags of an entry. */
  flags(ref: number): number {
    return parseInt(this.entry(ref).slice(2, 4) + this.entry(ref).slice(0, 2), 16);
  }
}
