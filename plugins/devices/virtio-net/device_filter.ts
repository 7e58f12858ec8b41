/**
 * Which frames a device receives (virtio 1.4 §5.1.6.5.1 to §5.1.6.5.3), asked in QEMU's order (receive_filter in
 * hw/net/virtio-net.c).
 *
 * @module
 */

import { MAC_SIZE } from "./layout.ts";
import { RxCommand } from "./layout_control.ts";

/** Addresses that the table holds, both kinds together (QEMU's MAC_TABLE_ENTRIES). */
export const MAC_TABLE_ENTRIES = 64;
/** VLANs. */
export const VLANS = 4096;
const ETHERNET_HEADER = 14;
const TAG = 4;

/** Addresses of one kind. */
class MacTable {
  /** There were more than fit: every address of this kind is let through. */
  overflow = false;
  #count = 0;
  readonly #bytes = new Uint8Array(MAC_TABLE_ENTRIES * MAC_SIZE);

  clear(): void {
    this.#count = 0;
    this.overflow = false;
  }

  /** Takes `count` addresses from `bytes[at]`. */
  set(bytes: Uint8Array, at: number, count: number): void {
    this.#bytes.set(bytes.subarray(at, at + count * MAC_SIZE));
    this.#count = count;
    this.overflow = false;
  }

  has(bytes: Uint8Array): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (same(bytes, this.#bytes, i * MAC_SIZE)) return true;
    }
    return false;
  }
}

/** The filter of one device. */
export class ReceiveFilter {
  /** Switches by {@linkcode RxCommand}. */
  readonly modes: Uint8Array = new Uint8Array(Object.keys(RxCommand).length);
  /** Unicast addresses besides the device's own. */
  readonly unicast: MacTable = new MacTable();
  /** Multicast addresses. */
  readonly multicast: MacTable = new MacTable();
  readonly #mac: Uint8Array;
  readonly #vlans = new Uint8Array(VLANS);
  /** CTRL_VLAN was negotiated: VLANs are received only when they were added. */
  filtersVlans = false;

  /** A filter for a device whose own address is the first 6 bytes of `mac`, which the device may change. */
  constructor(mac: Uint8Array) {
    this.#mac = mac;
    this.reset();
  }

  /** Back to power-on: everything is received, until the driver says otherwise. */
  reset(): void {
    this.modes.fill(0);
    this.modes[RxCommand.PROMISC] = 1;
    this.unicast.clear();
    this.multicast.clear();
    this.#vlans.fill(0);
    this.filtersVlans = false;
  }

  /** Whether frames of VLAN `id` are received. */
  setVlan(id: number, wanted: boolean): void {
    this.#vlans[id] = wanted ? 1 : 0;
  }

  /** Whether the device receives a frame of `length` bytes. */
  admits(bytes: Uint8Array, length: number): boolean {
    const { modes } = this;
    if (modes[RxCommand.PROMISC] !== 0) return true;
    if (length < ETHERNET_HEADER || !this.#admitsVlan(bytes, length)) return false;
    return (bytes[0] & 1) === 1 ? this.#admitsMulticast(bytes) : this.#admitsUnicast(bytes);
  }

  #admitsVlan(bytes: Uint8Array, length: number): boolean {
    if (!this.filtersVlans || bytes[12] !== 0x81 || bytes[13] !== 0) return true;
    return length >= ETHERNET_HEADER + TAG && this.#vlans[(bytes[14] << 8 | bytes[15]) & (VLANS - 1)] !== 0;
  }

  #admitsMulticast(bytes: Uint8Array): boolean {
    const { modes, multicast } = this;
    if (isBroadcast(bytes)) return modes[RxCommand.NOBCAST] === 0;
    if (modes[RxCommand.NOMULTI] !== 0) return false;
    return modes[RxCommand.ALLMULTI] !== 0 || multicast.overflow || multicast.has(bytes);
  }

  #admitsUnicast(bytes: Uint8Array): boolean {
    const { modes, unicast } = this;
    if (modes[RxCommand.NOUNI] !== 0) return false;
    if (modes[RxCommand.ALLUNI] !== 0 || unicast.overflow) return true;
    return same(bytes, this.#mac, 0) || unicast.has(bytes);
  }
}

function isBroadcast(bytes: Uint8Array): boolean {
  for (let i = 0; i < MAC_SIZE; i++) if (bytes[i] !== 0xff) return false;
  return true;
}

function same(bytes: Uint8Array, other: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAC_SIZE; i++) if (bytes[i] !== other[at + i]) return false;
  return true;
}
