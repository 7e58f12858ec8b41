/**
 * Capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng). Both come in either byte order;
 * the tables here are for reading the magic numbers and for writing little-endian.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Link type of Ethernet frames. */
export const LINKTYPE_ETHERNET = 1;
/** Magic number of a pcap file whose fractions are microseconds. */
export const PCAP_MICROSECONDS = 0xa1b2c3d4;
/** Magic number of a pcap file whose fractions are nanoseconds. */
export const PCAP_NANOSECONDS = 0xa1b23c4d;
/** pcapng: how a section says in which byte order it is. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** pcapng block types. */
export const BlockType = {
  SECTION: 0x0a0d0d0a,
  INTERFACE: 1,
  OLD_PACKET: 2,
  SIMPLE_PACKET: 3,
  ENHANCED_PACKET: 6,
} as const;

/** pcapng option codes. */
export const OptionCode = { END: 0, IF_TSRESOL: 9, IF_TSOFFSET: 14 } as const;

const both = { writtenBy: "tool", readBy: "tool" } as const;

/** The header of a pcap file. */
export const PcapHeader: Struct<
  { magic: number; major: number; minor: number; snaplen: number; linktype: number }
> = defineStruct({
  name: "pcap_file_header",
  source: "draft-ietf-opsawg-pcap §4",
  size: 24,
  endian: "little",
  fields: [
    { name: "magic", at: 0, bytes: 4, ...both, doc: "Says byte order and what fractions are." },
    { name: "major", at: 4, bytes: 2, ...both, doc: "2." },
    { name: "minor", at: 6, bytes: 2, ...both, doc: "4." },
    { at: 8, bytes: 8, reserved: true },
    { name: "snaplen", at: 16, bytes: 4, ...both, doc: "Longest packet that was kept." },
    { name: "linktype", at: 20, bytes: 4, ...both, doc: "1: Ethernet. The upper bits tell of a check sequence." },
  ],
});

/** The header of a packet in a pcap file. */
export const PcapRecord: Struct<{ seconds: number; fraction: number; captured: number; original: number }> =
  defineStruct({
    name: "pcap_packet_header",
    source: "draft-ietf-opsawg-pcap §5",
    size: 16,
    endian: "little",
    fields: [
      { name: "seconds", at: 0, bytes: 4, ...both, doc: "Since 1970." },
      { name: "fraction", at: 4, bytes: 4, ...both, doc: "Microseconds or nanoseconds." },
      { name: "captured", at: 8, bytes: 4, ...both, doc: "Bytes that follow." },
      { name: "original", at: 12, bytes: 4, ...both, doc: "Bytes that the packet had." },
    ],
  });

/** A pcapng section header block without options, trailing length included. */
export const SectionBlock: Struct<
  { type: number; length: number; magic: number; major: number; minor: number; section: bigint; trailer: number }
> = defineStruct({
  name: "pcapng_section_header_block",
  source: "draft-ietf-opsawg-pcapng §4.1",
  size: 28,
  endian: "little",
  fields: [
    { name: "type", at: 0, bytes: 4, ...both, values: BlockType, doc: "The same in both byte orders." },
    { name: "length", at: 4, bytes: 4, ...both, doc: "Bytes of the block." },
    { name: "magic", at: 8, bytes: 4, ...both, doc: "Byte-order magic." },
    { name: "major", at: 12, bytes: 2, ...both, doc: "1." },
    { name: "minor", at: 14, bytes: 2, ...both, doc: "0." },
    { name: "section", at: 16, bytes: 8, ...both, doc: "Bytes of the section; all ones: not said." },
    { name: "trailer", at: 24, bytes: 4, ...both, doc: "The length again." },
  ],
});

/** A pcapng interface description block with one option, the resolution of timestamps. */
export const InterfaceBlock: Struct<
  {
    type: number;
    length: number;
    linktype: number;
    snaplen: number;
    option: number;
    option_length: number;
    tsresol: number;
    trailer: number;
  }
> = defineStruct({
  name: "pcapng_interface_description_block",
  source: "draft-ietf-opsawg-pcapng §4.2",
  size: 32,
  endian: "little",
  fields: [
    { name: "type", at: 0, bytes: 4, ...both, values: BlockType, doc: "1." },
    { name: "length", at: 4, bytes: 4, ...both, doc: "Bytes of the block." },
    { name: "linktype", at: 8, bytes: 2, ...both, doc: "1: Ethernet." },
    { at: 10, bytes: 2, reserved: true },
    { name: "snaplen", at: 12, bytes: 4, ...both, doc: "Longest packet that was kept; 0: no limit." },
    { name: "option", at: 16, bytes: 2, ...both, doc: "9: if_tsresol." },
    { name: "option_length", at: 18, bytes: 2, ...both, doc: "1." },
    { name: "tsresol", at: 20, bytes: 1, ...both, doc: "Timestamps count 10^−n seconds." },
    { at: 21, bytes: 3, reserved: true },
    { at: 24, bytes: 4, reserved: true },
    { name: "trailer", at: 28, bytes: 4, ...both, doc: "The length again." },
  ],
});

/** What stands before the data of a pcapng enhanced packet block. */
export const PacketBlock: Struct<
  { type: number; length: number; interface: number; high: number; low: number; captured: number; original: number }
> = defineStruct({
  name: "pcapng_enhanced_packet_block",
  source: "draft-ietf-opsawg-pcapng §4.3",
  size: 28,
  endian: "little",
  fields: [
    { name: "type", at: 0, bytes: 4, ...both, values: BlockType, doc: "6." },
    { name: "length", at: 4, bytes: 4, ...both, doc: "Bytes of the block." },
    { name: "interface", at: 8, bytes: 4, ...both, doc: "Number of the interface in its section." },
    { name: "high", at: 12, bytes: 4, ...both, doc: "Timestamp, bits 63:32." },
    { name: "low", at: 16, bytes: 4, ...both, doc: "Timestamp, bits 31:0." },
    { name: "captured", at: 20, bytes: 4, ...both, doc: "Bytes that follow, before padding." },
    { name: "original", at: 24, bytes: 4, ...both, doc: "Bytes that the packet had." },
  ],
});
