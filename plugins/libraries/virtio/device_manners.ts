/**
 * Where implementations differ from the specification in what does not belong to one kind of device: everything that the
 * option `personality` changes in this library.
 *
 * @module
 */

import { Feature } from "./layout_features.ts";
import type { Decoding } from "./device_registers.ts";
import type { RingRules } from "./device_rules.ts";

/** Whose manners a device has: the specification's, or those of QEMU where they differ. */
export type Personality = "spec" | "qemu";

/** One implementation's manners. */
export interface Manners {
  /** How accesses that are not a register's own are decoded. */
  readonly decoding: Decoding;
  /** What an access that runs past the end of the device configuration reads: zeros behind the end, or all ones. */
  readonly beyondConfig: "zeros" | "ones";
  /** A driver that accepts what was not offered, or no VERSION_1: FEATURES_OK is refused, or the bits are masked. */
  readonly masksFeatures: boolean;
  /**
   * Registers keep what was written: status bits that a driver has no say in, features that were not offered; a queue
   * that there is not has a number and can be enabled; one beyond 1023 cannot be selected.
   */
  readonly registersAsWritten: boolean;
  /** Kicks are served as soon as a queue is enabled, before DRIVER_OK. */
  readonly servesEarly: boolean;
  /** Writing 0 as a legacy queue's address resets the whole device, not the queue alone. */
  readonly zeroAddressResets: boolean;
  /** A legacy driver that writes ACKNOWLEDGE and DRIVER is given bus mastering. */
  readonly givesBusMaster: boolean;
  /** What a legacy interface offers besides the device's own bits and those of rings. */
  readonly legacyFeatures: readonly number[];
  /** On PCI it offers bit 30 as well, and takes every feature from a driver that accepts it. */
  readonly offersBadFeature: boolean;
  /** A driver may give any queue this many entries, and MMIO says so; 0: what the queue has. */
  readonly largestQueue: number;
  /** Vendor id of MMIO. */
  readonly mmioVendor: number;
  /** On MMIO every word of features behind the first reads as the second. */
  readonly mmioTwoWords: boolean;
  /** On MMIO the base of a shared memory region that there is not. */
  readonly mmioNoSharedMemory: number;
  /** What rings let a driver do. */
  readonly rings: RingRules;
}

/** By the option `personality`; the rows of `qemu` are those of QEMU 7.2 (hw/virtio/virtio-{pci,mmio}.c). */
export const MANNERS: Readonly<Record<Personality, Manners>> = {
  spec: {
    decoding: "bytes",
    beyondConfig: "zeros",
    masksFeatures: false,
    registersAsWritten: false,
    servesEarly: false,
    zeroAddressResets: false,
    givesBusMaster: false,
    legacyFeatures: [Feature.ANY_LAYOUT],
    offersBadFeature: false,
    largestQueue: 0,
    mmioVendor: 0x1af4,
    mmioTwoWords: false,
    mmioNoSharedMemory: 0xffff_ffff,
    rings: {
      usedWrite: true,
      indirectTail: true,
      indirectNegotiated: true,
      indirectNext: true,
      nested: true,
      tableEntries: 0,
      boundedChains: true,
      powersOfTwo: true,
    },
  },
  qemu: {
    decoding: "start",
    beyondConfig: "ones",
    masksFeatures: true,
    registersAsWritten: true,
    servesEarly: true,
    zeroAddressResets: true,
    givesBusMaster: true,
    legacyFeatures: [Feature.NOTIFY_ON_EMPTY],
    offersBadFeature: true,
    largestQueue: 1024,
    mmioVendor: 0x554d4551,
    mmioTwoWords: true,
    mmioNoSharedMemory: 0,
    rings: {
      usedWrite: false,
      indirectTail: false,
      indirectNegotiated: false,
      indirectNext: false,
      nested: false,
      tableEntries: 1024,
      boundedChains: false,
      powersOfTwo: false,
    },
  },
};
