/**
 * Feature bits, header fields and what a frame needs: three words for the same things, translated here and nowhere else.
 *
 * @module
 */

import { type Frame, Offload, Segmentation } from "@iova/net";
import type { FeatureSet } from "@iova/virtio";
import { GsoType, HeaderFlag, NetFeature, NetHeader } from "./layout.ts";

/** What the device does for transmitted frames, by feature. */
const HOST: readonly (readonly [feature: number, offloads: number])[] = [
  [NetFeature.CSUM, Offload.CHECKSUM],
  [NetFeature.HOST_TSO4, Offload.TCP4],
  [NetFeature.HOST_TSO6, Offload.TCP6],
  [NetFeature.HOST_ECN, Offload.ECN],
  [NetFeature.HOST_USO, Offload.UDP4 | Offload.UDP6],
];

/** What the driver takes in received frames, by feature. */
const GUEST: readonly (readonly [feature: number, offloads: number])[] = [
  [NetFeature.GUEST_CSUM, Offload.CHECKSUM],
  [NetFeature.GUEST_TSO4, Offload.TCP4],
  [NetFeature.GUEST_TSO6, Offload.TCP6],
  [NetFeature.GUEST_ECN, Offload.ECN],
  [NetFeature.GUEST_USO4, Offload.UDP4],
  [NetFeature.GUEST_USO6, Offload.UDP6],
];

/** The features of the checksum. */
export const CHECKSUM_FEATURES: readonly number[] = [NetFeature.CSUM, NetFeature.GUEST_CSUM];

/** The features of segmentation, both directions. */
export const SEGMENTATION_FEATURES: readonly number[] = [...HOST, ...GUEST]
  .map(([feature]) => feature)
  .filter((feature) => !CHECKSUM_FEATURES.includes(feature));

/**
 * Offloads that are nothing without one of others (§5.1.3.1). What needs a control queue is not asked for it: where a
 * front-end serves that queue itself, as QEMU's does for vhost-user, the device sees MQ without CTRL_VQ.
 */
const NEEDS: readonly (readonly [feature: number, oneOf: readonly number[]])[] = [
  [NetFeature.GUEST_TSO4, [NetFeature.GUEST_CSUM]],
  [NetFeature.GUEST_TSO6, [NetFeature.GUEST_CSUM]],
  [NetFeature.GUEST_ECN, [NetFeature.GUEST_TSO4, NetFeature.GUEST_TSO6]],
  [NetFeature.GUEST_USO4, [NetFeature.GUEST_CSUM]],
  [NetFeature.GUEST_USO6, [NetFeature.GUEST_CSUM]],
  [NetFeature.HOST_TSO4, [NetFeature.CSUM]],
  [NetFeature.HOST_TSO6, [NetFeature.CSUM]],
  [NetFeature.HOST_ECN, [NetFeature.HOST_TSO4, NetFeature.HOST_TSO6]],
  [NetFeature.HOST_USO, [NetFeature.CSUM]],
];

/** Whether every offload has what it needs. */
export function consistent(features: FeatureSet): boolean {
  return NEEDS.every(([feature, oneOf]) => !features.has(feature) || oneOf.some((other) => features.has(other)));
}

function offloadsOf(table: typeof HOST, features: FeatureSet): number {
  return table.reduce((all, [feature, offloads]) => features.has(feature) ? all | offloads : all, 0);
}

/** What the device does for transmitted frames. */
export function hostOffloads(features: FeatureSet): number {
  return offloadsOf(HOST, features);
}

/** What the driver takes in received frames. */
export function guestOffloads(features: FeatureSet): number {
  return offloadsOf(GUEST, features);
}

/** The features that a GUEST_OFFLOADS command may name. */
export const GUEST_FEATURES: readonly number[] = GUEST.map(([feature]) => feature);

const { flags: FLAGS, gso_type: GSO_TYPE, hdr_len: HDR_LEN, gso_size: GSO_SIZE } = NetHeader.at;
const { csum_start: CSUM_START, csum_offset: CSUM_OFFSET, num_buffers: NUM_BUFFERS } = NetHeader.at;

const KIND = new Map<number, Segmentation>([
  [GsoType.NONE, Segmentation.NONE],
  [GsoType.TCPV4, Segmentation.TCP4],
  [GsoType.TCPV6, Segmentation.TCP6],
]);
const TYPE: readonly number[] = [GsoType.NONE, GsoType.TCPV4, GsoType.TCPV6, GsoType.UDP_L4, GsoType.UDP_L4];
/** Where the IP version stands: an Ethernet type says the same, but a tag may be in between. */
const ETHER_TYPE = 12;

/** Reads a header into a frame whose bytes are there already. False when it names a kind of segmentation that is none. */
export function readHeader(header: Uint8Array, frame: Frame): boolean {
  frame.plain();
  if ((header[FLAGS] & HeaderFlag.NEEDS_CSUM) !== 0) {
    frame.needsChecksum = true;
    frame.checksumStart = header[CSUM_START] | header[CSUM_START + 1] << 8;
    frame.checksumOffset = header[CSUM_OFFSET] | header[CSUM_OFFSET + 1] << 8;
  }
  const type = header[GSO_TYPE];
  if (type === GsoType.NONE) return true;
  frame.ecn = (type & GsoType.ECN) !== 0;
  const base = type & ~GsoType.ECN;
  const kind = base === GsoType.UDP_L4 ? udpKind(frame) : KIND.get(base);
  if (kind === undefined) return false;
  frame.segmentation = kind;
  frame.segmentSize = header[GSO_SIZE] | header[GSO_SIZE + 1] << 8;
  return true;
}

/** UDP segmentation has one number for both IP versions: the frame says which. */
function udpKind({ bytes, length }: Frame): Segmentation {
  let at = ETHER_TYPE;
  while (
    at + 4 < length && (bytes[at] === 0x81 || bytes[at] === 0x88) && (bytes[at + 1] === 0 || bytes[at + 1] === 0xa8)
  ) {
    at += 4;
  }
  return bytes[at] === 0x86 ? Segmentation.UDP6 : Segmentation.UDP4;
}

/** Writes the header of a received frame that lies in `buffers` buffers. */
export function writeHeader(header: Uint8Array, frame: Frame, buffers: number): void {
  header[FLAGS] = frame.needsChecksum ? HeaderFlag.NEEDS_CSUM : frame.checked ? HeaderFlag.DATA_VALID : 0;
  header[GSO_TYPE] = TYPE[frame.segmentation] | (frame.ecn ? GsoType.ECN : 0);
  put(header, HDR_LEN, frame.segmentation === Segmentation.NONE ? 0 : headersOf(frame));
  put(header, GSO_SIZE, frame.segmentation === Segmentation.NONE ? 0 : frame.segmentSize);
  put(header, CSUM_START, frame.needsChecksum ? frame.checksumStart : 0);
  put(header, CSUM_OFFSET, frame.needsChecksum ? frame.checksumOffset : 0);
  put(header, NUM_BUFFERS, buffers);
}

/** Bytes of all headers of a frame that is to be cut. */
function headersOf({ bytes, segmentation, checksumStart }: Frame): number {
  const tcp = segmentation === Segmentation.TCP4 || segmentation === Segmentation.TCP6;
  return checksumStart + (tcp ? bytes[checksumStart + 12] >>> 2 & ~3 : 8);
}

function put(header: Uint8Array, at: number, value: number): void {
  header[at] = value;
  header[at + 1] = value >>> 8;
}
