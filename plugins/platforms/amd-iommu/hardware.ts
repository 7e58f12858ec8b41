/**
 * The hardware half of the AMD IOMMU: what sits in the bridge. It meets the guest half in guest memory (device table,
 * page tables, rings), in its registers, and in what firmware tells: the IVRS table and the place of its PCI function.
 *
 * @module
 */

import type { BusTranslator, MachineServices, PhysAddr, TranslatorHost } from "@iova/core";
import { IommuSite } from "./hardware/iommu.ts";
import type { HardwareOptions } from "./hardware/options.ts";

export { DEFAULT_HARDWARE_OPTIONS, HARDWARE_OPTIONS, type HardwareOptions } from "./hardware/options.ts";

/** What firmware knows of one IOMMU and hands to the operating system. */
export interface Firmware {
  /** The ACPI IVRS table (`layout/ivrs.ts`): one IOMMU, its registers, its scope. The caller must not change it. */
  readonly ivrs: Uint8Array;
  /** Physical address of the 4 KiB configuration space of its PCI function: what MCFG gives for IVHD.deviceId. */
  readonly configuration: PhysAddr;
}

/** The hardware half in one machine. */
export interface Hardware {
  /** Of the first bridge: all there is unless one plugin instance sits in several bridges. */
  readonly firmware: Firmware;
  /** Puts an IOMMU into a bridge. Each call makes another IOMMU, with registers of its own; the first has `firmware`. */
  translator(host: TranslatorHost): BusTranslator;
}

/**
 * Makes the hardware half: reserves registers at once, so that `firmware` is complete when this returns.
 *
 * @throws {InputError} when an option is wrong.
 */
export function createHardware(services: MachineServices, options: HardwareOptions): Hardware {
  const firmware = new IommuSite(services, options);
  let next: IommuSite | null = firmware;
  return {
    firmware,
    translator(host) {
      const site = next ?? new IommuSite(services, options);
      next = null;
      return site.connect(host);
    },
  };
}
