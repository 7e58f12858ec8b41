/**
 * The IOMMU's PCI function (AMD 48882 §3.2): its configuration space with the capability block and message interrupts.
 * The register base is set and locked by firmware before software runs.
 *
 * @module
 */

import { type PhysAddr, type RegisterBlock, TWO32, type Width } from "@iova/core";
import { Command, ConfigSpace, Header0, Status } from "@iova/pci";
import {
  Capability,
  CAPABILITY_ID,
  CAPABILITY_TYPE_IOMMU,
  IOMMU_CLASS,
  IOMMU_DEVICE,
  IOMMU_VENDOR,
  MSI_CAPABILITY_ID,
  MsiCapability,
} from "../layout.ts";
import type { HardwareOptions } from "./options.ts";

/** Where the capability block is. */
export const CAPABILITY_AT = 0x40;
const MSI_AT = CAPABILITY_AT + Capability.size;
/** The function's id: device 0, function 2 of bus 0, as on AMD's chips. */
export const IOMMU_DEVICE_ID = 0x0002;
/** Physical and bus address bits, as capability and IVRS give them. */
export const ADDRESS_BITS: { readonly gvaSize: number; readonly paSize: number; readonly vaSize: number } = {
  gvaSize: 2,
  paSize: 52,
  vaSize: 64,
};

/** An interrupt message. */
export interface Message {
  readonly address: PhysAddr;
  readonly data: number;
}

/** Configuration space of the IOMMU, 4 KiB as memory-mapped configuration gives it; all but 256 bytes read as zero. */
export class IommuFunction implements RegisterBlock {
  /** The 256 bytes. */
  readonly config: ConfigSpace = new ConfigSpace();
  readonly #atReset: Uint8Array;

  /** The function of an IOMMU whose registers are at `mmio`. */
  constructor(mmio: PhysAddr, options: HardwareOptions) {
    const { config } = this;
    config.define(
      0,
      Header0.encode({
        vendor: IOMMU_VENDOR,
        device: IOMMU_DEVICE,
        classCode: IOMMU_CLASS,
        status: Status.encode({ capabilities: 1 })[0],
        capabilities: CAPABILITY_AT,
      }),
    );
    config.allow(Header0.at.command, 2, Command.mask.memory | Command.mask.busMaster);
    config.define(CAPABILITY_AT, capabilityBlock(mmio, options));
    config.define(MSI_AT, MsiCapability.encode({ capId: MSI_CAPABILITY_ID, address64: 1 }));
    config.allow(MSI_AT, 4, MsiCapability.mask.enable);
    config.allow(MSI_AT + MsiCapability.at.addressLow, 4, ~3);
    config.allow(MSI_AT + MsiCapability.at.addressHigh, 4, -1);
    config.allow(MSI_AT + MsiCapability.at.data, 2, 0xffff);
    this.#atReset = config.bytes.slice();
  }

  /** The message to send; null while messages are off. */
  message(): Message | null {
    const { view } = this.config;
    const word = (at: number) => view.getUint32(MSI_AT + at, true);
    if ((word(MsiCapability.at.enable) & MsiCapability.mask.enable) === 0) return null;
    const address = word(MsiCapability.at.addressHigh) * TWO32 + word(MsiCapability.at.addressLow);
    return { address, data: view.getUint16(MSI_AT + MsiCapability.at.data, true) };
  }

  /** Back to power-on, after which firmware has set the capability block again. */
  reset(): void {
    this.config.reset(this.#atReset);
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    return offset < this.config.bytes.length ? this.config.read(offset, width) : 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    this.config.write(offset, width, value);
  }
}

function capabilityBlock(mmio: PhysAddr, { ats, npCache }: HardwareOptions): Uint8Array {
  return Capability.encode({
    capId: CAPABILITY_ID,
    next: MSI_AT,
    capType: CAPABILITY_TYPE_IOMMU,
    capRev: 1,
    iotlbSup: ats ? 1 : 0,
    npCache: npCache ? 1 : 0,
    efrSup: 1,
    capExt: 1,
    enable: 1,
    baseLow: (mmio % TWO32) / 2 ** 14,
    baseHigh: Math.floor(mmio / TWO32),
    ...ADDRESS_BITS,
  });
}
