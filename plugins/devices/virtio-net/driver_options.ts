/**
 * What a person can choose about the driver.
 *
 * @module
 */

import type { DriverAddressing, RingFeatures } from "@iova/virtio";

/** The options; the plugin's own are of the same names. */
export interface NetDriverOptions extends RingFeatures {
  /** Entries of the receive and transmit queues, if the device has as many. */
  readonly queueSize: number;
  /** Pairs of queues to use, if the device has as many. */
  readonly pairs: number;
  /** Bytes of a receive buffer. */
  readonly rxBuffer: number;
  /** Who makes addresses. */
  readonly driverAddressing: DriverAddressing;
  /** Whether headers and indirect tables are mapped once or, as Linux does, for every frame. */
  readonly requestMemory: "coherent" | "streaming";
  /** Where commands and their answers lie. `stack`: as drivers had it before 2014, and some until 2016. */
  readonly controlBuffers: "heap" | "stack";
  /** How transmitted frames are mapped: entry by entry, or as a scatterlist whose end marks are cleared or left. */
  readonly scatterlists: "none" | "clean" | "stale-marks";
}
