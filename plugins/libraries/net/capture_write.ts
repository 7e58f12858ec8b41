/**
 * Writes capture files that other tools read: pcap with nanoseconds, or pcapng, little-endian.
 *
 * @module
 */

import {
  BlockType,
  BYTE_ORDER_MAGIC,
  InterfaceBlock,
  LINKTYPE_ETHERNET,
  OptionCode,
  PacketBlock,
  PCAP_NANOSECONDS,
  PcapHeader,
  PcapRecord,
  SectionBlock,
} from "./capture_layout.ts";

/** The formats that can be written. */
export type CaptureFormat = "pcap" | "pcapng";

/** Makes the bytes of a capture, piece by piece. */
export interface CaptureEncoder {
  /** What a file begins with. */
  header(): Uint8Array;
  /** A packet that was seen `time` nanoseconds after 1970. */
  packet(time: bigint, bytes: Uint8Array): Uint8Array;
}

/** Longest packet, as the files say; what tcpdump writes. */
const SNAPLEN = 262144;
const BILLION = 1_000_000_000n;
const NANOSECONDS = 9;

const pcap: CaptureEncoder = {
  header: () =>
    PcapHeader.encode({ magic: PCAP_NANOSECONDS, major: 2, minor: 4, snaplen: SNAPLEN, linktype: LINKTYPE_ETHERNET }),
  packet(time, bytes) {
    const head = PcapRecord.encode({
      seconds: Number(time / BILLION % (1n << 32n)),
      fraction: Number(time % BILLION),
      captured: bytes.length,
      original: bytes.length,
    });
    return join(head, bytes, 0);
  },
};

const pcapng: CaptureEncoder = {
  header() {
    const length = SectionBlock.size;
    const section = SectionBlock.encode({
      type: BlockType.SECTION,
      length,
      magic: BYTE_ORDER_MAGIC,
      major: 1,
      minor: 0,
      section: 0xffff_ffff_ffff_ffffn,
      trailer: length,
    });
    const description = InterfaceBlock.encode({
      type: BlockType.INTERFACE,
      length: InterfaceBlock.size,
      linktype: LINKTYPE_ETHERNET,
      snaplen: SNAPLEN,
      option: OptionCode.IF_TSRESOL,
      option_length: 1,
      tsresol: NANOSECONDS,
      trailer: InterfaceBlock.size,
    });
    return join(section, description, 0);
  },
  packet(time, bytes) {
    const padding = -bytes.length & 3;
    const length = PacketBlock.size + bytes.length + padding + 4;
    const head = PacketBlock.encode({
      type: BlockType.ENHANCED_PACKET,
      length,
      high: Number(time >> 32n & 0xffff_ffffn),
      low: Number(time & 0xffff_ffffn),
      captured: bytes.length,
      original: bytes.length,
    });
    const block = join(head, bytes, padding + 4);
    new DataView(block.buffer).setUint32(length - 4, length, true);
    return block;
  },
};

/** The encoder of a format. */
export const ENCODERS: Readonly<Record<CaptureFormat, CaptureEncoder>> = { pcap, pcapng };

/** The format that a file's name asks for: pcapng if it ends so, else pcap. */
export function formatOf(path: string): CaptureFormat {
  return path.endsWith(".pcapng") ? "pcapng" : "pcap";
}

function join(head: Uint8Array, bytes: Uint8Array, more: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(head.length + bytes.length + more);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}
