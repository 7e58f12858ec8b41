/**
 * The 512 bytes that IDENTIFY DEVICE and IDENTIFY PACKET DEVICE answer with: 256 words (ATA/ATAPI-7 vol. 1 §6.17).
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Names of its fields of at most 32 bits. */
export type IdentifyNames =
  | "configuration"
  | "cylinders"
  | "heads"
  | "bytesPerTrack"
  | "bytesPerSector"
  | "sectorsPerTrack"
  | "bufferType"
  | "bufferSize"
  | "eccBytes"
  | "maxMultiple"
  | "dwordIo"
  | "capabilities"
  | "pioTiming"
  | "dmaTiming"
  | "validity"
  | "currentCylinders"
  | "currentHeads"
  | "currentSectors"
  | "currentCapacity"
  | "multiple"
  | "sectors28"
  | "singleWord"
  | "multiWord"
  | "pioModes"
  | "multiWordTime"
  | "multiWordAdvised"
  | "pioTime"
  | "pioTimeIordy"
  | "additional"
  | "packetRelease"
  | "packetService"
  | "majorVersion"
  | "minorVersion"
  | "commands82"
  | "commands83"
  | "commands84"
  | "enabled85"
  | "enabled86"
  | "enabled87"
  | "ultra"
  | "hardwareReset"
  | "trimBlocks"
  | "sectorSizes"
  | "wwn0"
  | "wwn1"
  | "wwn2"
  | "wwn3"
  | "dataSetManagement"
  | "rotationRate";

function words<const N extends string, const B extends number>(index: number, bytes: B, name: N, doc: string) {
  return { name, at: 2 * index, bytes, writtenBy: "device", readBy: "driver", doc } as const;
}

function word<const N extends string>(index: number, name: N, doc: string) {
  return words(index, 2, name, doc);
}

function gap(first: number, last: number = first) {
  return { at: 2 * first, bytes: 2 * (last - first + 1), reserved: true } as const;
}

/** The block. Fields are named after their words; texts hold their first character in the high byte of their first word. */
export const Identify: Struct<
  Record<IdentifyNames, number> & Record<"serial" | "firmware" | "model" | "sectors48", bigint>
> = defineStruct({
  name: "IDENTIFY data",
  source: "ATA/ATAPI-7 vol. 1 §6.17, obsolete words from ATA-2 to ATA-5",
  size: 512,
  endian: "little",
  fields: [
    word(0, "configuration", "0040h: a fixed disk; 85C0h: a CD-ROM with packets of 12 bytes."),
    word(1, "cylinders", "Of the default translation."),
    gap(2),
    word(3, "heads", "Of the default translation."),
    word(4, "bytesPerTrack", "Obsolete."),
    word(5, "bytesPerSector", "Obsolete."),
    word(6, "sectorsPerTrack", "Of the default translation."),
    gap(7, 9),
    words(10, 20, "serial", "Serial number, 20 characters."),
    word(20, "bufferType", "Obsolete."),
    word(21, "bufferSize", "Obsolete: in sectors."),
    word(22, "eccBytes", "Obsolete."),
    words(23, 8, "firmware", "Firmware revision, 8 characters."),
    words(27, 40, "model", "Model, 40 characters."),
    word(47, "maxMultiple", "80h in the high byte; most sectors for SET MULTIPLE."),
    word(48, "dwordIo", "Obsolete: the data register takes 32 bits."),
    word(49, "capabilities", "Bit 8 DMA, 9 LBA, 11 IORDY."),
    gap(50),
    word(51, "pioTiming", "Obsolete."),
    word(52, "dmaTiming", "Obsolete."),
    word(53, "validity", "Which of words 54 to 58, 64 to 70 and 88 are valid."),
    word(54, "currentCylinders", "Of the translation in use."),
    word(55, "currentHeads", "Of the translation in use."),
    word(56, "currentSectors", "Of the translation in use."),
    words(57, 4, "currentCapacity", "Sectors that the translation in use reaches."),
    word(59, "multiple", "Bit 8: the low byte is what SET MULTIPLE has set."),
    words(60, 4, "sectors28", "Sectors that 28 bits reach."),
    word(62, "singleWord", "Single-word DMA modes: low byte supported, high byte selected."),
    word(63, "multiWord", "Multiword DMA modes, likewise."),
    word(64, "pioModes", "PIO modes 3 and 4."),
    word(65, "multiWordTime", "Shortest multiword cycle, ns."),
    word(66, "multiWordAdvised", "Recommended multiword cycle, ns."),
    word(67, "pioTime", "Shortest PIO cycle without flow control, ns."),
    word(68, "pioTimeIordy", "Shortest PIO cycle with IORDY, ns."),
    word(69, "additional", "Bit 14: reads after TRIM are deterministic."),
    gap(70),
    word(71, "packetRelease", "From PACKET to release, ns."),
    word(72, "packetService", "From SERVICE to BSY, ns."),
    gap(73, 79),
    word(80, "majorVersion", "Bit n: ATA/ATAPI-n."),
    word(81, "minorVersion", "Which draft."),
    word(82, "commands82", "Supported: 0 SMART, 5 write cache, 14 NOP."),
    word(83, "commands83", "Supported: 10 LBA48, 12 FLUSH, 13 FLUSH EXT; 14 set."),
    word(84, "commands84", "Supported: 8 WWN; 14 set."),
    word(85, "enabled85", "Enabled, as word 82."),
    word(86, "enabled86", "Enabled, as word 83."),
    word(87, "enabled87", "Enabled, as word 84; 14 set."),
    word(88, "ultra", "Ultra DMA modes: low byte supported, high byte selected."),
    gap(89, 92),
    word(93, "hardwareReset", "14 set; 13: the cable has 80 wires."),
    gap(94, 99),
    words(100, 8, "sectors48", "Sectors that 48 bits reach."),
    gap(104),
    word(105, "trimBlocks", "Most blocks of entries of a TRIM; 0: it does not say."),
    word(106, "sectorSizes", "14 set; 13: several logical sectors in a physical one, their logarithm in 3:0."),
    gap(107),
    word(108, "wwn0", "World wide name, bits 63:48."),
    word(109, "wwn1", "World wide name, bits 47:32."),
    word(110, "wwn2", "World wide name, bits 31:16."),
    word(111, "wwn3", "World wide name, bits 15:0."),
    gap(112, 168),
    word(169, "dataSetManagement", "Bit 0: TRIM."),
    gap(170, 216),
    word(217, "rotationRate", "0 unknown, 1 not rotating, else in 1/min."),
    gap(218, 255),
  ],
});

/** Bits of {@linkcode Identify} that both sides test. */
export const IdentifyBit = {
  /** Word 49. */
  DMA: 1 << 8,
  /** Word 49. */
  LBA: 1 << 9,
  /** Words 83 and 86. */
  LBA48: 1 << 10,
  /** Words 83 and 86. */
  FLUSH: 1 << 12,
  /** Words 83 and 86. */
  FLUSH_EXT: 1 << 13,
  /** Words 82 and 85. */
  WRITE_CACHE: 1 << 5,
  /** Words 84 and 87. */
  WWN: 1 << 8,
  /** Word 59. */
  MULTIPLE_VALID: 1 << 8,
} as const;

/** Puts text into an IDENTIFY field of `length` bytes: padded with spaces, the bytes of each word exchanged. */
export function putText(into: Uint8Array, at: number, length: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let i = 0; i < length; i++) into[at + (i ^ 1)] = i < bytes.length ? bytes[i] : 0x20;
}

/** Text from an IDENTIFY field, without padding. */
export function getText(from: Uint8Array, at: number, length: number): string {
  const bytes = Uint8Array.from({ length }, (_, i) => from[at + (i ^ 1)]);
  return new TextDecoder().decode(bytes).replace(/[\0 ]+$/, "");
}
