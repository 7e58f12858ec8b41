/**
 * Reads the ACPI IVRS table as Linux does (drivers/iommu/amd/init.c): the highest block type up to 40h counts, and its
 * device entries say whom the IOMMU serves and under which id.
 *
 * @module
 */

import type { PhysAddr } from "@iova/core";
import {
  ATS_DISABLED,
  Ivhd10,
  Ivhd11,
  IvhdAliasEntry,
  IvhdEntry4,
  IvhdEntryType,
  IvhdExtendedEntry,
  IvrsBlock,
  IvrsHeader,
  MAX_DEVICE_ID,
} from "../layout.ts";

/** What firmware says of one IOMMU. */
export interface IommuDescription {
  /** Physical address of the registers. */
  readonly mmio: PhysAddr;
  /** The IOMMU's own function. */
  readonly deviceId: number;
  /** Offset of its capability block. */
  readonly capability: number;
  /** Flags that go to the control register. */
  readonly flags: {
    readonly htTunEn: number;
    readonly passPw: number;
    readonly resPassPw: number;
    readonly isoc: number;
  };
  /** Devices may have translation caches. */
  readonly iotlbSup: boolean;
  /** The largest DeviceID that is named: the device table ends there. */
  readonly lastDeviceId: number;
  /** Requests of these devices arrive under another id. */
  readonly aliases: ReadonlyMap<number, number>;
  /** Devices whose ATS firmware forbids. */
  readonly atsDisabled: ReadonlySet<number>;
}

/** Block types that are read, the best one first. */
const KNOWN_TYPES = [IvrsBlock.IVHD_40, IvrsBlock.IVHD_11, IvrsBlock.IVHD_10];

/** The first IOMMU in a table; null when there is none that is understood. */
export function parseIvrs(table: Uint8Array): IommuDescription | null {
  for (const type of KNOWN_TYPES) {
    for (const block of blocks(table)) {
      if (block[0] === type && block.length >= Ivhd10.size) return describe(block);
    }
  }
  return null;
}

function* blocks(table: Uint8Array): Generator<Uint8Array> {
  if (table.length < IvrsHeader.size) return;
  const end = Math.min(IvrsHeader.decode(table).length, table.length);
  for (let at = IvrsHeader.size; at + 4 <= end;) {
    const length = table[at + 2] | table[at + 3] << 8;
    // A block of no length would be read for ever.
    if (length < 4 || at + length > end) return;
    yield table.subarray(at, at + length);
    at += length;
  }
}

function describe(block: Uint8Array): IommuDescription {
  const head = Ivhd10.decode(block);
  const aliases = new Map<number, number>();
  const atsDisabled = new Set<number>();
  const start = head.type === IvrsBlock.IVHD_10 ? Ivhd10.size : Ivhd11.size;
  const lastDeviceId = readEntries(block.subarray(start), aliases, atsDisabled);
  const { htTunEn, passPw, resPassPw, isoc } = head;
  return {
    mmio: Number(head.mmioBase),
    deviceId: head.deviceId,
    capability: head.capability,
    flags: { htTunEn, passPw, resPassPw, isoc },
    iotlbSup: head.iotlbSup === 1,
    lastDeviceId,
    aliases,
    atsDisabled,
  };
}

/** Reads device entries; returns the largest id in them. */
function readEntries(bytes: Uint8Array, aliases: Map<number, number>, atsDisabled: Set<number>): number {
  let last = 0;
  let range: { first: number; alias: number | null; ats: boolean } | null = null;
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = entrySize(bytes.subarray(at));
    if (at + size > bytes.length) break;
    const entry = bytes.subarray(at, at + size);
    const { type, deviceId } = IvhdEntry4.decode(entry);
    at += size;
    if (type === IvhdEntryType.ALL) return MAX_DEVICE_ID;
    if (type === IvhdEntryType.PAD || type === IvhdEntryType.SPECIAL) continue;
    last = Math.max(last, deviceId);
    const started = { first: deviceId, alias: aliasOf(entry, type), ats: atsAllowed(entry, type) };
    if (isRangeStart(type)) range = started;
    else if (type !== IvhdEntryType.RANGE_END) note(started, deviceId);
    else if (range !== null) note(range, deviceId);
    if (started.alias !== null) last = Math.max(last, started.alias);
  }
  return last;

  function note({ first, alias, ats }: { first: number; alias: number | null; ats: boolean }, end: number): void {
    for (let id = first; id <= end; id++) {
      if (alias !== null) aliases.set(id, alias);
      if (!ats) atsDisabled.add(id);
    }
  }
}

function entrySize(entry: Uint8Array): number {
  const type = entry[0];
  if (type < IvhdEntryType.ACPI_HID) return 4 << (type >> 6);
  return entry.length > 21 ? 22 + entry[21] : entry.length;
}

function isRangeStart(type: number): boolean {
  return type === IvhdEntryType.RANGE_START || type === IvhdEntryType.ALIAS_RANGE_START ||
    type === IvhdEntryType.EXTENDED_RANGE_START;
}

function aliasOf(entry: Uint8Array, type: number): number | null {
  const names = type === IvhdEntryType.ALIAS_SELECT || type === IvhdEntryType.ALIAS_RANGE_START;
  return names ? IvhdAliasEntry.decode(entry).aliasId : null;
}

function atsAllowed(entry: Uint8Array, type: number): boolean {
  const extended = type === IvhdEntryType.EXTENDED_SELECT || type === IvhdEntryType.EXTENDED_RANGE_START;
  return !extended || (IvhdExtendedEntry.decode(entry).extended & ATS_DISABLED) === 0;
}
