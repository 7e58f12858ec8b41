/**
 * The ACPI table in which firmware describes IOMMUs (AMD 48882 §5.2): a header, then blocks. Firmware writes it, software
 * reads it. Device entries follow an IVHD's fixed part.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Block types. */
export const IvrsBlock = {
  IVHD_10: 0x10,
  IVHD_11: 0x11,
  IVHD_40: 0x40,
  IVMD_ALL: 0x20,
  IVMD_SELECT: 0x21,
  IVMD_RANGE: 0x22,
} as const;

/** Device entry types. Types below 40h have 4 bytes, 40h to 7Fh 8 bytes; F0h says its own length. */
export const IvhdEntryType = {
  PAD: 0x00,
  ALL: 0x01,
  SELECT: 0x02,
  RANGE_START: 0x03,
  RANGE_END: 0x04,
  ALIAS_SELECT: 0x42,
  ALIAS_RANGE_START: 0x43,
  EXTENDED_SELECT: 0x46,
  EXTENDED_RANGE_START: 0x47,
  SPECIAL: 0x48,
  ACPI_HID: 0xf0,
} as const;

/** `variety` of a special device. */
export const SpecialDevice = { IOAPIC: 1, HPET: 2 } as const;

/** Values of {@linkcode IvrsHeader}. */
export type IvrsHeaderFields =
  & Record<
    | "signature"
    | "length"
    | "revision"
    | "checksum"
    | "oemIdLow"
    | "oemIdHigh"
    | "oemRevision"
    | "creatorId"
    | "creatorRevision"
    | "efrSup"
    | "dmaRemapPreboot"
    | "gvaSize"
    | "paSize"
    | "vaSize"
    | "htAtsResv",
    number
  >
  & Record<"oemTableId", bigint>;

/** The table's header: ACPI's 36 bytes, IVinfo, 8 reserved bytes. */
export const IvrsHeader: Struct<IvrsHeaderFields> = defineStruct({
  name: "ivrs_header",
  source: "AMD 48882 §5.2.1; ACPI §5.2.6",
  size: 48,
  endian: "little",
  fields: [
    { name: "signature", at: 0, bytes: 4, doc: '"IVRS".' },
    { name: "length", at: 4, bytes: 4, doc: "Bytes of the whole table." },
    { name: "revision", at: 8, bytes: 1, doc: "1: blocks 10h and 11h; 2: 40h as well." },
    { name: "checksum", at: 9, bytes: 1, doc: "Makes the sum of all bytes zero." },
    { name: "oemIdLow", at: 10, bytes: 4, doc: "Text, first four letters." },
    { name: "oemIdHigh", at: 14, bytes: 2, doc: "Text, last two letters." },
    { name: "oemTableId", at: 16, bytes: 8, doc: "Text." },
    { name: "oemRevision", at: 24, bytes: 4, doc: "Number." },
    { name: "creatorId", at: 28, bytes: 4, doc: "Text." },
    { name: "creatorRevision", at: 32, bytes: 4, doc: "Number." },
    { name: "efrSup", at: 36, bytes: 4, bits: [0, 0], doc: "Feature images are valid." },
    { name: "dmaRemapPreboot", at: 36, bytes: 4, bits: [1, 1], doc: "Devices are blocked before boot." },
    { at: 36, bytes: 4, bits: [4, 2], reserved: true },
    { name: "gvaSize", at: 36, bytes: 4, bits: [7, 5], doc: "As in the capability." },
    { name: "paSize", at: 36, bytes: 4, bits: [14, 8], doc: "Physical address bits." },
    { name: "vaSize", at: 36, bytes: 4, bits: [21, 15], doc: "Bus address bits." },
    { name: "htAtsResv", at: 36, bytes: 4, bits: [22, 22], doc: "As in the capability." },
    { at: 36, bytes: 4, bits: [31, 23], reserved: true },
    { at: 40, bytes: 8, reserved: true },
  ],
});

/** The signature's value: "IVRS", little-endian. */
export const IVRS_SIGNATURE = 0x53525649;

const ivhdHead = [
  { name: "type", at: 0, bytes: 1, doc: "See IvrsBlock." },
  { name: "htTunEn", at: 1, bytes: 1, bits: [0, 0], doc: "Control.htTunEn is to be set." },
  { name: "passPw", at: 1, bytes: 1, bits: [1, 1], doc: "Control.passPw is to be set." },
  { name: "resPassPw", at: 1, bytes: 1, bits: [2, 2], doc: "Control.resPassPw is to be set." },
  { name: "isoc", at: 1, bytes: 1, bits: [3, 3], doc: "Control.isoc is to be set." },
  { name: "iotlbSup", at: 1, bytes: 1, bits: [4, 4], doc: "As in the capability." },
  { name: "coherent", at: 1, bytes: 1, bits: [5, 5], doc: "Control.coherent is to be set." },
  { name: "preFSup", at: 1, bytes: 1, bits: [6, 6], doc: "Type 10h: as in EFR." },
  { name: "pprSup", at: 1, bytes: 1, bits: [7, 7], doc: "Type 10h: as in EFR." },
  { name: "length", at: 2, bytes: 2, doc: "Bytes of the block." },
  { name: "deviceId", at: 4, bytes: 2, doc: "The IOMMU's own function." },
  { name: "capability", at: 6, bytes: 2, doc: "Offset of its capability block." },
  { name: "mmioBase", at: 8, bytes: 8, doc: "Physical address of its registers." },
  { name: "segment", at: 16, bytes: 2, doc: "PCI segment." },
  { name: "msiNum", at: 18, bytes: 2, bits: [4, 0], doc: "As in the capability." },
  { at: 18, bytes: 2, bits: [7, 5], reserved: true },
  { name: "unitId", at: 18, bytes: 2, bits: [12, 8], doc: "As in the capability." },
  { at: 18, bytes: 2, bits: [15, 13], reserved: true },
] as const;

/** Values that every IVHD has. */
export type IvhdHeadFields =
  & Record<
    | "type"
    | "htTunEn"
    | "passPw"
    | "resPassPw"
    | "isoc"
    | "iotlbSup"
    | "coherent"
    | "preFSup"
    | "pprSup"
    | "length"
    | "deviceId"
    | "capability"
    | "segment"
    | "msiNum"
    | "unitId",
    number
  >
  & Record<"mmioBase", bigint>;

/** Values of {@linkcode Ivhd10}. */
export type Ivhd10Fields =
  & IvhdHeadFields
  & Record<
    | "xtSup"
    | "nxSup"
    | "gtSup"
    | "glxSup"
    | "iaSup"
    | "gaSup"
    | "heSup"
    | "pasMax"
    | "counters"
    | "banks"
    | "msiNumPpr"
    | "gats"
    | "hats",
    number
  >;

/** IVHD type 10h, fixed part: device entries start at 24. */
export const Ivhd10: Struct<Ivhd10Fields> = defineStruct({
  name: "ivhd_10",
  source: "AMD 48882 §5.2.2.1",
  size: 24,
  endian: "little",
  fields: [
    ...ivhdHead,
    { name: "xtSup", at: 20, bytes: 4, bits: [0, 0], doc: "As in EFR." },
    { name: "nxSup", at: 20, bytes: 4, bits: [1, 1], doc: "As in EFR." },
    { name: "gtSup", at: 20, bytes: 4, bits: [2, 2], doc: "As in EFR." },
    { name: "glxSup", at: 20, bytes: 4, bits: [4, 3], doc: "As in EFR." },
    { name: "iaSup", at: 20, bytes: 4, bits: [5, 5], doc: "As in EFR." },
    { name: "gaSup", at: 20, bytes: 4, bits: [6, 6], doc: "As in EFR." },
    { name: "heSup", at: 20, bytes: 4, bits: [7, 7], doc: "As in EFR." },
    { name: "pasMax", at: 20, bytes: 4, bits: [12, 8], doc: "As in EFR." },
    { name: "counters", at: 20, bytes: 4, bits: [16, 13], doc: "Performance counters in a bank." },
    { name: "banks", at: 20, bytes: 4, bits: [22, 17], doc: "Performance counter banks." },
    { name: "msiNumPpr", at: 20, bytes: 4, bits: [27, 23], doc: "As in the capability." },
    { name: "gats", at: 20, bytes: 4, bits: [29, 28], doc: "As in EFR." },
    { name: "hats", at: 20, bytes: 4, bits: [31, 30], doc: "As in EFR." },
  ],
});

/** Values of {@linkcode Ivhd11}. */
export type Ivhd11Fields =
  & IvhdHeadFields
  & Record<"hatDis" | "counters" | "banks" | "msiNumPpr", number>
  & Record<"efr" | "efr2", bigint>;

/** IVHD types 11h and 40h, fixed part: device entries start at 40. */
export const Ivhd11: Struct<Ivhd11Fields> = defineStruct({
  name: "ivhd_11",
  source: "AMD 48882 §5.2.2.2",
  size: 40,
  endian: "little",
  fields: [
    ...ivhdHead,
    { name: "hatDis", at: 20, bytes: 4, bits: [0, 0], doc: "No host translation." },
    { at: 20, bytes: 4, bits: [12, 1], reserved: true },
    { name: "counters", at: 20, bytes: 4, bits: [16, 13], doc: "Performance counters in a bank." },
    { name: "banks", at: 20, bytes: 4, bits: [22, 17], doc: "Performance counter banks." },
    { name: "msiNumPpr", at: 20, bytes: 4, bits: [27, 23], doc: "As in the capability." },
    { at: 20, bytes: 4, bits: [31, 28], reserved: true },
    { name: "efr", at: 24, bytes: 8, doc: "Image of the feature register." },
    { name: "efr2", at: 32, bytes: 8, doc: "Image of the second feature register." },
  ],
});

/** Values of {@linkcode IvhdEntry4}. */
export type IvhdEntry4Fields = Record<
  "type" | "deviceId" | "initPass" | "eIntPass" | "nmiPass" | "sysMgt" | "lint0Pass" | "lint1Pass",
  number
>;

const entryHead = [
  { name: "type", at: 0, bytes: 1, doc: "See IvhdEntryType." },
  { name: "deviceId", at: 1, bytes: 2, doc: "First or only device." },
  { name: "initPass", at: 3, bytes: 1, bits: [0, 0], doc: "To be set in the device table entry." },
  { name: "eIntPass", at: 3, bytes: 1, bits: [1, 1], doc: "To be set in the device table entry." },
  { name: "nmiPass", at: 3, bytes: 1, bits: [2, 2], doc: "To be set in the device table entry." },
  { at: 3, bytes: 1, bits: [3, 3], reserved: true },
  { name: "sysMgt", at: 3, bytes: 1, bits: [5, 4], doc: "To be set in the device table entry." },
  { name: "lint0Pass", at: 3, bytes: 1, bits: [6, 6], doc: "To be set in the device table entry." },
  { name: "lint1Pass", at: 3, bytes: 1, bits: [7, 7], doc: "To be set in the device table entry." },
] as const;

/** A device entry of 4 bytes: all, select, range start, range end. */
export const IvhdEntry4: Struct<IvhdEntry4Fields> = defineStruct({
  name: "ivhd_entry4",
  source: "AMD 48882 §5.2.2.3",
  size: 4,
  endian: "little",
  fields: entryHead,
});

/** A device entry of 8 bytes that names another id: requests arrive with `aliasId`. */
export const IvhdAliasEntry: Struct<IvhdEntry4Fields & { aliasId: number }> = defineStruct({
  name: "ivhd_alias_entry",
  source: "AMD 48882 §5.2.2.4",
  size: 8,
  endian: "little",
  fields: [
    ...entryHead,
    { at: 4, bytes: 1, reserved: true },
    { name: "aliasId", at: 5, bytes: 2, doc: "The id in its requests." },
    { at: 7, bytes: 1, reserved: true },
  ],
});

/** A device entry of 8 bytes with an extended setting. */
export const IvhdExtendedEntry: Struct<IvhdEntry4Fields & { extended: number }> = defineStruct({
  name: "ivhd_extended_entry",
  source: "AMD 48882 §5.2.2.5",
  size: 8,
  endian: "little",
  fields: [...entryHead, { name: "extended", at: 4, bytes: 4, doc: "ATS_DISABLED, or 0." }],
});

/** `extended`: no ATS for this device, at the bit that Linux tests. */
export const ATS_DISABLED = 0x1000_0000;

/** A device entry of 8 bytes for an I/O APIC or a timer. */
export const IvhdSpecialEntry: Struct<
  Omit<IvhdEntry4Fields, "deviceId"> & { handle: number; sourceId: number; variety: number }
> = defineStruct({
  name: "ivhd_special_entry",
  source: "AMD 48882 §5.2.2.6",
  size: 8,
  endian: "little",
  fields: [
    entryHead[0],
    { at: 1, bytes: 2, reserved: true },
    ...entryHead.slice(2) as unknown as Tail<typeof entryHead>,
    { name: "handle", at: 4, bytes: 1, doc: "I/O APIC id or timer number." },
    { name: "sourceId", at: 5, bytes: 2, doc: "The id in its requests." },
    { name: "variety", at: 7, bytes: 1, doc: "See SpecialDevice." },
  ],
});

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, unknown, ...infer R] ? R : never;

/** Values of {@linkcode Ivmd}. */
export type IvmdFields =
  & Record<"type" | "unity" | "ir" | "iw" | "exclusion" | "length" | "deviceId" | "aux" | "segment", number>
  & Record<"start" | "size", bigint>;

/** A memory block that devices need mapped as it is. */
export const Ivmd: Struct<IvmdFields> = defineStruct({
  name: "ivmd",
  source: "AMD 48882 §5.2.3",
  size: 32,
  endian: "little",
  fields: [
    { name: "type", at: 0, bytes: 1, doc: "See IvrsBlock." },
    { name: "unity", at: 1, bytes: 1, bits: [0, 0], doc: "Bus address is physical address." },
    { name: "ir", at: 1, bytes: 1, bits: [1, 1], doc: "May be read." },
    { name: "iw", at: 1, bytes: 1, bits: [2, 2], doc: "May be written." },
    { name: "exclusion", at: 1, bytes: 1, bits: [3, 3], doc: "Excluded from translation." },
    { at: 1, bytes: 1, bits: [7, 4], reserved: true },
    { name: "length", at: 2, bytes: 2, doc: "32." },
    { name: "deviceId", at: 4, bytes: 2, doc: "First or only device." },
    { name: "aux", at: 6, bytes: 2, doc: "Last device of a range." },
    { name: "segment", at: 8, bytes: 2, doc: "PCI segment." },
    { at: 10, bytes: 6, reserved: true },
    { name: "start", at: 16, bytes: 8, doc: "First byte, physical." },
    { name: "size", at: 24, bytes: 8, doc: "Bytes." },
  ],
});
