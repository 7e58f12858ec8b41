/**
 * The headers of a stream's frames.
 *
 * @module
 */

import {
  checksumOffset,
  Layers,
  type NetDriver,
  Offload,
  parseLayers,
  Protocol,
  put16,
  Segmentation,
  type TransmitOffload,
  writeIpv4Checksum,
  writePartialChecksum,
  writeTransportChecksum,
} from "@iova/net";
import type { StreamOptions } from "./options.ts";

const ADDRESS4 = [10, 0, 0];
const ADDRESS6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const FROM = 1;
const TO = 2;
const PORTS = [0xc0, 0x00, 0x13, 0x89];
/** TCP: 20 bytes of header, ACK, a window. */
const TCP_REST = [0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0];

const KIND: Record<string, Segmentation> = {
  "tcp ipv4": Segmentation.TCP4,
  "tcp ipv6": Segmentation.TCP6,
  "udp ipv4": Segmentation.UDP4,
  "udp ipv6": Segmentation.UDP6,
};

/** What a segmentation needs of the device. */
const NEEDS: readonly number[] = [0, Offload.TCP4, Offload.TCP6, Offload.UDP4, Offload.UDP6];

/** Headers for payloads of one size. */
export class Template {
  /** Headers, and room for the payload. */
  readonly bytes: Uint8Array;
  /** Where the payload begins. */
  readonly payload: number;
  /** What the device has to do; undefined: nothing. */
  readonly offload: TransmitOffload | undefined;
  readonly #layers = new Layers();

  /** Headers from `from` to `to`. */
  constructor(options: StreamOptions, from: NetDriver, to: NetDriver) {
    const tcp = options.protocol === "tcp";
    const transport = tcp ? [...PORTS, 0, 0, 0, 0, ...TCP_REST] : [...PORTS, ...half(options.size + 8), 0, 0];
    const ip = options.version === "ipv4"
      ? ipv4(tcp, transport.length + options.size)
      : ipv6(tcp, transport.length + options.size);
    const type = options.version === "ipv4" ? [0x08, 0x00] : [0x86, 0xdd];
    const head = [...to.mac, ...from.mac, ...type, ...ip, ...transport];
    this.payload = head.length;
    this.bytes = new Uint8Array(head.length + options.size);
    this.bytes.set(head);
    parseLayers(this.bytes, this.bytes.length, this.#layers);
    if (options.version === "ipv4") writeIpv4Checksum(this.bytes, this.#layers);
    this.offload = this.#offload(options);
    if (this.offload !== undefined) writePartialChecksum(this.bytes, this.#layers);
  }

  /** What the device must be able to do: a set of `Offload` bits. */
  get needs(): number {
    return this.offload === undefined ? 0 : Offload.CHECKSUM | NEEDS[this.offload.segmentation];
  }

  /** Makes the frame whose payload, which is there already, begins at byte `position` of the stream. */
  finish(position: number): void {
    const { bytes } = this;
    const { l4, protocol } = this.#layers;
    if (protocol === Protocol.TCP) {
      const sequence = (position + 1) % 4294967296;
      put16(bytes, l4 + 4, sequence / 65536);
      put16(bytes, l4 + 6, sequence);
    }
    // The pseudo-header is the same for every frame of one size.
    if (this.offload === undefined) writeTransportChecksum(bytes, this.#layers, bytes.length);
  }

  #offload({ offload, segment, size, protocol, version }: StreamOptions): TransmitOffload | undefined {
    if (offload === "none") return undefined;
    const { l4 } = this.#layers;
    const cut = offload === "segmentation" && size > segment;
    return {
      checksumStart: l4,
      checksumOffset: checksumOffset(this.#layers.protocol),
      segmentation: cut ? KIND[`${protocol} ${version}`] : Segmentation.NONE,
      segmentSize: cut ? segment : 0,
      headerLength: this.payload,
    };
  }
}

function half(value: number): number[] {
  return [value >>> 8, value & 0xff];
}

function ipv4(tcp: boolean, length: number): number[] {
  const protocol = tcp ? Protocol.TCP : Protocol.UDP;
  return [0x45, 0, ...half(length + 20), 0, 0, 0x40, 0, 64, protocol, 0, 0, ...ADDRESS4, FROM, ...ADDRESS4, TO];
}

function ipv6(tcp: boolean, length: number): number[] {
  const protocol = tcp ? Protocol.TCP : Protocol.UDP;
  return [0x60, 0, 0, 0, ...half(length), protocol, 64, ...ADDRESS6, FROM, ...ADDRESS6, TO];
}
