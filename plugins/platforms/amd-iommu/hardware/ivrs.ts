/**
 * The IVRS table that firmware would make for one IOMMU (AMD 48882 §5.2).
 *
 * @module
 */

import type { PhysAddr } from "@iova/core";
import {
  Efr,
  Ivhd10,
  Ivhd11,
  IvhdEntry4,
  IvhdEntryType,
  IVRS_SIGNATURE,
  IvrsBlock,
  IvrsHeader,
  MAX_DEVICE_ID,
} from "../layout.ts";
import { feature2Bytes, featureBytes } from "./features.ts";
import { ADDRESS_BITS, CAPABILITY_AT, IOMMU_DEVICE_ID } from "./function.ts";
import type { DeviceRange, HardwareOptions } from "./options.ts";

/** The table's bytes: devices in `excluded` (sorted) are left out of every block. */
export function ivrsTable(mmio: PhysAddr, options: HardwareOptions, excluded: readonly DeviceRange[]): Uint8Array {
  const devices = deviceEntries(excluded);
  const blocks = [ivhd10(mmio, options, devices)];
  if (options.ivhd !== "10h") blocks.push(ivhd11(IvrsBlock.IVHD_11, mmio, options, devices));
  const has40 = options.ivhd === "10h+11h+40h";
  if (has40) blocks.push(ivhd11(IvrsBlock.IVHD_40, mmio, options, devices));
  return withChecksum(join([header(blocks, has40 ? 2 : 1), ...blocks]));
}

function header(blocks: Uint8Array[], revision: number): Uint8Array {
  return IvrsHeader.encode({
    signature: IVRS_SIGNATURE,
    length: IvrsHeader.size + blocks.reduce((sum, block) => sum + block.length, 0),
    revision,
    oemIdLow: text("IOVA"),
    oemTableId: BigInt(text("IOMM")) | BigInt(text("U   ")) << 32n,
    oemRevision: 1,
    creatorId: text("IOVA"),
    creatorRevision: 1,
    efrSup: 1,
    ...ADDRESS_BITS,
  });
}

function text(letters: string): number {
  return [...letters].reduceRight((value, letter) => value * 256 + letter.charCodeAt(0), 0);
}

function ivhdHead(type: number, mmio: PhysAddr, { ats }: HardwareOptions, length: number) {
  return {
    type,
    iotlbSup: ats ? 1 : 0,
    coherent: 1,
    length,
    deviceId: IOMMU_DEVICE_ID,
    capability: CAPABILITY_AT,
    mmioBase: BigInt(mmio),
  };
}

function ivhd10(mmio: PhysAddr, options: HardwareOptions, devices: Uint8Array): Uint8Array {
  const { iaSup, heSup, hats, preFSup, pprSup } = Efr.decode(featureBytes(options));
  const head = ivhdHead(IvrsBlock.IVHD_10, mmio, options, Ivhd10.size + devices.length);
  return join([Ivhd10.encode({ ...head, preFSup, pprSup, iaSup, heSup, hats }), devices]);
}

function ivhd11(type: number, mmio: PhysAddr, options: HardwareOptions, devices: Uint8Array): Uint8Array {
  const head = ivhdHead(type, mmio, options, Ivhd11.size + devices.length);
  const efr = asNumber(featureBytes(options));
  const efr2 = asNumber(feature2Bytes(options));
  return join([Ivhd11.encode({ ...head, efr, efr2 }), devices]);
}

function asNumber(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

/** One entry for all devices, or a range for each gap between those left out. */
function deviceEntries(excluded: readonly DeviceRange[]): Uint8Array {
  if (excluded.length === 0) return IvhdEntry4.encode({ type: IvhdEntryType.ALL });
  const entries: Uint8Array[] = [];
  let next = 0;
  for (const { first, last } of [...excluded, { first: MAX_DEVICE_ID + 1, last: MAX_DEVICE_ID + 1 }]) {
    if (first > next) entries.push(...range(next, first - 1));
    next = Math.max(next, last + 1);
  }
  return join(entries);
}

function range(first: number, last: number): Uint8Array[] {
  if (first === last) return [IvhdEntry4.encode({ type: IvhdEntryType.SELECT, deviceId: first })];
  return [
    IvhdEntry4.encode({ type: IvhdEntryType.RANGE_START, deviceId: first }),
    IvhdEntry4.encode({ type: IvhdEntryType.RANGE_END, deviceId: last }),
  ];
}

function join(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  bytes[IvrsHeader.at.checksum] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
