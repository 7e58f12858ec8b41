/**
 * MSI: one message, whose address and data are in configuration space (PCI 3.0 §6.8.1).
 *
 * @module
 */

import { BusStatus, type DevicePort } from "@iova/core";
import type { ConfigSpace } from "./hardware_config.ts";
import { CapabilityHeader, MsiCapability } from "./layout.ts";

const { at, mask } = MsiCapability;

/** The MSI unit of one function. */
export class Msi {
  /** Messages sent. */
  sent = 0;
  readonly #config: ConfigSpace;
  readonly #port: DevicePort;
  #at = 0;

  /** A unit that sends through `port`. Off until its capability has a place. */
  constructor(config: ConfigSpace, port: DevicePort) {
    this.#config = config;
    this.#port = port;
  }

  /** Its capability is at `offset` of configuration space. */
  place(offset: number): void {
    this.#at = offset;
  }

  /** Whether messages are enabled; INTx is not used then. */
  get enabled(): boolean {
    return this.#at !== 0 && (this.#config.view.getUint16(this.#at + at.enable, true) & mask.enable) !== 0;
  }

  /** Sends the message. False when MSI is off. */
  raise(): boolean {
    if (!this.enabled) return false;
    const { view } = this.#config;
    const [hi, lo] = [view.getInt32(this.#at + at.upperAddress, true), view.getInt32(this.#at + at.address, true)];
    const status = this.#port.write32(hi, lo, view.getUint16(this.#at + at.data, true));
    if (status === BusStatus.PENDING) this.#port.park(() => void this.raise());
    else if (status === BusStatus.OK) this.sent++;
    return true;
  }
}

/** The capability's bytes after its header: one message, 64-bit address. */
export function msiBody(): Uint8Array {
  return MsiCapability.encode({ address64: 1 }).subarray(CapabilityHeader.size);
}

/** The bits of {@linkcode msiBody} that the guest may write. */
export function msiWritable(): Uint8Array {
  const all = { enable: 1, granted: 7, address: 0xffff_fffc, upperAddress: 0xffff_ffff, data: 0xffff };
  return MsiCapability.encode(all).subarray(CapabilityHeader.size);
}
