/**
 * Frames and interfaces for tests.
 *
 * @module
 */

import type { NetBackend, NetInterface } from "./contract.ts";
import { writeIpv4Checksum, writePartialChecksum, writeTransportChecksum } from "./checksum.ts";
import type { Frame } from "./frame.ts";
import { Layers, parseLayers, Protocol } from "./headers.ts";

/** What a test frame is made of; what is left out has a sensible value. */
export interface TestFrame {
  /** 4 or 6. Default 4. */
  readonly version?: 4 | 6;
  /** TCP or UDP. Default TCP. */
  readonly protocol?: number;
  /** A VLAN tag. Default none. */
  readonly vlan?: number;
  /** Payload bytes: byte i is i · 7 mod 251. Default 100. */
  readonly payload?: number;
  /** TCP flags. Default ACK and PSH. */
  readonly flags?: number;
  /** TCP sequence number. Default 1. */
  readonly sequence?: number;
  /** Leaves the pseudo-header's sum in the checksum field. Default false: the checksum is complete. */
  readonly partial?: boolean;
  /** Destination address. Default 52:54:00:00:00:02. */
  readonly to?: readonly number[];
}

const MACS = [0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1];

/** The bytes of a TCP or UDP frame. */
export function testFrame(options: TestFrame = {}): Uint8Array {
  const { version = 4, protocol = Protocol.TCP, vlan, payload = 100, partial = false } = options;
  const transport = protocol === Protocol.TCP ? tcp(options) : udp(payload);
  const ip = version === 4 ? ipv4(protocol, transport.length + payload) : ipv6(protocol, transport.length + payload);
  const type = version === 4 ? [8, 0] : [0x86, 0xdd];
  const tag = vlan === undefined ? [] : [0x81, 0, vlan >>> 8, vlan & 255];
  const data = Array.from({ length: payload }, (_, i) => i * 7 % 251);
  const macs = [...options.to ?? MACS.slice(0, 6), ...MACS.slice(6)];
  const bytes = Uint8Array.from([...macs, ...tag, ...type, ...ip, ...transport, ...data]);
  const layers = new Layers();
  parseLayers(bytes, bytes.length, layers);
  if (version === 4) writeIpv4Checksum(bytes, layers);
  if (partial) writePartialChecksum(bytes, layers);
  else writeTransportChecksum(bytes, layers, bytes.length);
  return bytes;
}

function ipv4(protocol: number, length: number): number[] {
  const total = length + 20;
  return [0x45, 0, total >>> 8, total & 255, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
}

function ipv6(protocol: number, length: number): number[] {
  const address = (last: number) => [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
  return [0x60, 0, 0, 0, length >>> 8, length & 255, protocol, 64, ...address(1), ...address(2)];
}

function tcp({ flags = 0x18, sequence = 1 }: TestFrame): number[] {
  const seq = [24, 16, 8, 0].map((shift) => sequence >>> shift & 255);
  return [0x04, 0xd2, 0, 80, ...seq, 0, 0, 0, 2, 0x50, flags, 2, 0, 0, 0, 0, 0];
}

function udp(payload: number): number[] {
  return [0x04, 0xd2, 0, 53, (payload + 8) >>> 8, payload + 8 & 255, 0, 0];
}

/** An interface that keeps what it gets. */
export class TestInterface implements NetInterface {
  accepts = 0;
  /** Frames that it still has room for. */
  room: number = Infinity;
  /** Copies of the frames. */
  readonly frames: Uint8Array[] = [];
  /** What was to be done to each. */
  readonly needs: number[] = [];
  /** Times that it was told to go on. */
  readies = 0;
  /** Link states that it was told. */
  readonly links: boolean[] = [];

  deliver(frame: Frame): boolean {
    if (this.room <= 0 || !frame.load()) return false;
    this.room--;
    this.frames.push(frame.bytes.slice(0, frame.length));
    this.needs.push(frame.needs);
    return true;
  }

  ready(): void {
    this.readies++;
  }

  linkChanged(up: boolean): void {
    this.links.push(up);
  }
}

/** A back-end that keeps what it gets, and whose interface a test can reach. */
export class TestBackend extends TestInterface implements NetBackend {
  up = true;
  /** The interface at the other end. */
  nic: NetInterface | null = null;
  /** Times that the interface said that it has room. */
  resumes = 0;
  /** Whether it was closed. */
  closed = false;

  attach(nic: NetInterface): void {
    this.nic = nic;
  }

  send(frame: Frame): boolean {
    return this.deliver(frame);
  }

  resume(): void {
    this.resumes++;
  }

  counters(): Record<string, number> {
    return { frames: this.frames.length };
  }

  close(): void {
    this.closed = true;
  }
}
