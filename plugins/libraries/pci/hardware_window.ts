/**
 * Configuration space in memory (PCI Express 5.0 §7.2.2): 4 KiB for each function, by bus, device and function.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";
import type { PciHost } from "./hardware_host.ts";

const FUNCTION_BYTES = 4096;
const FUNCTION_SHIFT = 12;

/** See the module's text. Where no function answers, and behind what a function has, reads give all ones. */
export class ConfigWindow implements RegisterBlock {
  readonly #host: PciHost;

  /** The functions below `host`. */
  constructor(host: PciHost) {
    this.#host = host;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    const node = this.#host.nodeOf(offset >>> FUNCTION_SHIFT);
    return node === null ? -1 >>> (32 - 8 * width) : node.config.read(offset & (FUNCTION_BYTES - 1), width);
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    this.#host.nodeOf(offset >>> FUNCTION_SHIFT)?.config.write(offset & (FUNCTION_BYTES - 1), width, value);
  }
}
