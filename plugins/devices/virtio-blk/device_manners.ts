/**
 * Where QEMU's block device differs from the specification: everything that the option `personality` changes here. What
 * it changes in rings and transports is in `@iova/virtio`.
 *
 * @module
 */

import { Feature } from "@iova/virtio";
import { BlockFeature } from "./layout.ts";

/** One implementation's manners. */
export interface BlockManners {
  /** The used length: the prefix that was really written, or the whole writable size whatever happened. */
  readonly usedLength: "written" | "all";
  /**
   * A header that leads nowhere reads as zeros, data that leads nowhere counts as moved, a status that leads nowhere is
   * lost. False: the device breaks, the request fails, the device breaks.
   */
  readonly ignoresUnreachable: boolean;
  /** A segment of less than 16 bytes breaks the device. False: the request fails. */
  readonly breaksOnShortSegment: boolean;
  /** A serial number is padded with NUL to all 20 bytes. False: one NUL, and the rest is left alone. */
  readonly padsSerial: boolean;
  /** The barrier bit of a request type means nothing. False: no such type. */
  readonly ignoresBarrier: boolean;
  /** A SCSI command of fewer buffers than two to read and three to write fails. False: it is unsupported like any other. */
  readonly looksAtScsi: boolean;
  /** Requests that a driver has not negotiated are done all the same, if they were offered. */
  readonly servesUnnegotiated: boolean;
  /** Bytes of the configuration; 0: as many as the features offered need. */
  readonly configSize: number;
  /** Feature bits that a legacy interface offers besides: of a device that has no other, and of one that has both. */
  readonly legacyFeatures: { readonly legacy: readonly number[]; readonly transitional: readonly number[] };
}

/** By the option `personality`; the rows of `qemu` are those of QEMU 7.2 (hw/block/virtio-blk.c). */
export const BLOCK_MANNERS: Readonly<Record<"spec" | "qemu", BlockManners>> = {
  spec: {
    usedLength: "written",
    ignoresUnreachable: false,
    breaksOnShortSegment: false,
    padsSerial: true,
    ignoresBarrier: false,
    looksAtScsi: false,
    servesUnnegotiated: false,
    configSize: 0,
    legacyFeatures: { legacy: [], transitional: [] },
  },
  qemu: {
    usedLength: "all",
    ignoresUnreachable: true,
    breaksOnShortSegment: true,
    padsSerial: false,
    ignoresBarrier: true,
    looksAtScsi: true,
    servesUnnegotiated: true,
    configSize: 57,
    legacyFeatures: { legacy: [BlockFeature.SCSI], transitional: [Feature.ANY_LAYOUT] },
  },
};
