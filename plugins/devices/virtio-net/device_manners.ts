/**
 * Where QEMU's network device (hw/net/virtio-net.c) does something else than the specification asks for: everything that
 * the option `personality` changes here.
 *
 * @module
 */

import { NetHeader, SHORT_HEADER } from "./layout.ts";

/** One implementation's manners. */
export interface Manners {
  /** Bytes of a received frame's header that are written when frames are not merged; its length counts all the same. */
  readonly headerWritten: number;
  /** A command whose feature was not negotiated is refused; else it is executed. */
  readonly refusesUnnegotiated: boolean;
  /**
   * A transmitted frame that asks for what was not negotiated is dropped. Else it goes out as it is: without a peer that
   * takes offloads QEMU looks at no header.
   */
  readonly dropsUnnegotiated: boolean;
  /** A buffer that the device may write breaks it when it comes with a frame to be transmitted; else it is not looked at. */
  readonly refusesWritable: boolean;
  /** The beginning of a frame that is too long for its buffer is written there, although the buffer is not used. */
  readonly spills: boolean;
}

/** By the option `personality`. */
export const MANNERS: Readonly<Record<"spec" | "qemu", Manners>> = {
  spec: {
    headerWritten: NetHeader.size,
    refusesUnnegotiated: true,
    dropsUnnegotiated: true,
    refusesWritable: true,
    spills: false,
  },
  qemu: {
    headerWritten: SHORT_HEADER,
    refusesUnnegotiated: false,
    dropsUnnegotiated: false,
    refusesWritable: false,
    spills: true,
  },
};
