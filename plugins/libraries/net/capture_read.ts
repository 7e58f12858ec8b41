/**
 * Reads capture files, bounded and without trusting them.
 *
 * @module
 */

import { BlockType, PCAP_MICROSECONDS, PCAP_NANOSECONDS, PcapHeader, PcapRecord } from "./capture_layout.ts";
import { type CapturedPacket, CaptureProblem, checkLinktype, packetAt } from "./capture_packet.ts";
import { readPcapng } from "./capture_read_ng.ts";

/**
 * The packets of a pcap or pcapng file, in the file's order.
 *
 * @throws {CaptureProblem} at the first thing that is wrong with it.
 */
export function readCapture(bytes: Uint8Array): CapturedPacket[] {
  if (bytes.length < 4) throw new CaptureProblem(0, `${bytes.length} bytes`, "a pcap or pcapng file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === BlockType.SECTION) return readPcapng(bytes, view);
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === PCAP_MICROSECONDS) return readPcap(bytes, view, little, 1000n);
    if (magic === PCAP_NANOSECONDS) return readPcap(bytes, view, little, 1n);
  }
  const magic = view.getUint32(0).toString(16).padStart(8, "0");
  throw new CaptureProblem(0, `the magic number ${magic}`, "a pcap or pcapng file");
}

function readPcap(bytes: Uint8Array, view: DataView, little: boolean, unit: bigint): CapturedPacket[] {
  if (bytes.length < PcapHeader.size) {
    throw new CaptureProblem(bytes.length, "the end of the file", "a file header of 24 bytes");
  }
  const major = view.getUint16(PcapHeader.at.major, little);
  if (major !== 2) throw new CaptureProblem(PcapHeader.at.major, `version ${major}`, "version 2");
  const linktype = view.getUint32(PcapHeader.at.linktype, little) & 0xffff;
  checkLinktype(linktype, PcapHeader.at.linktype);
  const packets: CapturedPacket[] = [];
  const { at: field, size } = PcapRecord;
  for (let at = PcapHeader.size; at < bytes.length;) {
    if (bytes.length - at < size) throw new CaptureProblem(at, "the end of the file", "a packet header of 16 bytes");
    const seconds = view.getUint32(at + field.seconds, little);
    const fraction = view.getUint32(at + field.fraction, little);
    const captured = view.getUint32(at + field.captured, little);
    const original = view.getUint32(at + field.original, little);
    const time = BigInt(seconds) * 1_000_000_000n + BigInt(fraction) * unit;
    packets.push(packetAt(bytes, at + size, captured, original, time, packets.length));
    at += size + captured;
  }
  return packets;
}
