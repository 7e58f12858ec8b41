/**
 * Where QEMU's AMD IOMMU is not the specification's (measured on QEMU 7.2.22, `hw/i386/amd_iommu.c`). One row a
 * difference; nothing else about the code differs.
 *
 * @module
 */

/** See the module's text. */
export interface Personality {
  /** The extended feature register, low and high half; null: what the options say. */
  readonly efr: readonly [low: number, high: number] | null;
  /** Registers take every bit, ring pointers anything; the exclusion base and the status take nothing. */
  readonly takesEveryBit: boolean;
  /** Events are logged. */
  readonly logsEvents: boolean;
  /** V = 1 and TV = 0 passes untranslated as far as IR and IW go. */
  readonly passesWithoutTv: boolean;
  /**
   * The walk looks at rights and at nothing else: no PR in a leaf, no reserved bits, no NextLevel, no address bits above
   * the mode's or of levels that are skipped. What is cached are the leaf's rights alone.
   */
  readonly looseWalk: boolean;
  /** The message window passes before anybody looks at the device table entry, for reading too. */
  readonly messageWindowFirst: boolean;
  /** INVALIDATE_IOMMU_PAGES drops its whole domain. */
  readonly invalidatesDomains: boolean;
  /** INVALIDATE_IOTLB_PAGES of one page drops the IOMMU's own entry. */
  readonly invalidatesOwnIotlb: boolean;
  /** A command that makes no sense is skipped; reserved bits are not looked at. */
  readonly skipsIllegalCommands: boolean;
  /** COMPLETION_WAIT's interrupt is sent whether it is enabled or not. */
  readonly alwaysInterrupts: boolean;
}

/** The rows, by name of the personality. */
export const PERSONALITIES: Readonly<Record<"spec" | "qemu", Personality>> = {
  spec: {
    efr: null,
    takesEveryBit: false,
    logsEvents: true,
    passesWithoutTv: false,
    looseWalk: false,
    messageWindowFirst: false,
    invalidatesDomains: false,
    invalidatesOwnIotlb: false,
    skipsIllegalCommands: false,
    alwaysInterrupts: false,
  },
  qemu: {
    // PreFSup, PPRSup, GTSup, IASup, GASup, HESup, HATS and GATS 10b.
    efr: [0x29d3, 0],
    takesEveryBit: true,
    logsEvents: false,
    passesWithoutTv: true,
    looseWalk: true,
    messageWindowFirst: true,
    invalidatesDomains: true,
    invalidatesOwnIotlb: true,
    skipsIllegalCommands: true,
    alwaysInterrupts: true,
  },
};
