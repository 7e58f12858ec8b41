/**
 * Who a drive says it is: the IDENTIFY block, and what SET FEATURES changes in it.
 *
 * @module
 */

import { Identify, IdentifyBit, LBA28_SECTORS, MAX_MULTIPLE, ModeGroup, putText, SECTOR } from "./layout.ts";

/** A drive's identity. */
export interface DriveIdentity {
  /** At most 20 characters. */
  readonly serial: string;
  /** At most 8 characters. */
  readonly firmware: string;
  /** At most 40 characters. */
  readonly model: string;
  /** World wide name; 0: none. */
  readonly wwn: bigint;
  /** Word 217: 0 unknown, 1 a solid state disk, else turns a minute. */
  readonly rotationRate: number;
}

/** A translation of cylinders, heads and sectors. */
export interface Geometry {
  cylinders: number;
  heads: number;
  /** Sectors of a track. */
  sectors: number;
}

/** Most cylinders that a translation has. */
const MOST_CYLINDERS = 16383;

/** The translation that a disk of `capacity` sectors has after power-on: 16 heads, 63 sectors. */
export function defaultGeometry(capacity: number): Geometry {
  const cylinders = Math.max(2, Math.min(Math.floor(capacity / (16 * 63)), MOST_CYLINDERS));
  return { cylinders, heads: 16, sectors: 63 };
}

const WORD_14 = 1 << 14;
const LOW_BYTE = 0xff;
/** Modes 0 to 2; Ultra modes 0 to 5, of which 5 is selected at power-on. */
const MODES = 0x07;
const ULTRA_MODES = 0x3f;
const ULTRA_5 = 1 << 13;

/** The block of a disk of `capacity` sectors. */
export function diskBlock(
  who: DriveIdentity,
  geometry: Geometry,
  capacity: number,
  trimBlocks: number,
): Uint8Array<ArrayBuffer> {
  const { cylinders, heads, sectors } = geometry;
  const commands83 = IdentifyBit.FLUSH_EXT | IdentifyBit.FLUSH | IdentifyBit.LBA48;
  const commands82 = WORD_14 | IdentifyBit.WRITE_CACHE | 1;
  const wwn = who.wwn === 0n ? 0 : IdentifyBit.WWN;
  const bytes = Identify.encode({
    configuration: 0x0040,
    cylinders,
    heads,
    bytesPerTrack: (SECTOR * sectors) & 0xffff,
    bytesPerSector: SECTOR,
    sectorsPerTrack: sectors,
    maxMultiple: 0x8000 | MAX_MULTIPLE,
    capabilities: 1 << 11 | IdentifyBit.LBA | IdentifyBit.DMA,
    pioTiming: 0x200,
    dmaTiming: 0x200,
    multiple: IdentifyBit.MULTIPLE_VALID | MAX_MULTIPLE,
    sectors28: Math.min(capacity, LBA28_SECTORS - 1),
    pioModes: 3,
    multiWordTime: 120,
    multiWordAdvised: 120,
    pioTime: 120,
    pioTimeIordy: 120,
    additional: WORD_14,
    majorVersion: 0x00f0,
    minorVersion: 0x0016,
    commands82,
    commands83: WORD_14 | commands83,
    commands84: WORD_14 | wwn,
    enabled85: commands82,
    enabled86: commands83,
    enabled87: WORD_14 | wwn,
    hardwareReset: WORD_14 | 0x2001,
    sectors48: BigInt(capacity),
    trimBlocks,
    sectorSizes: 0x6000,
    dataSetManagement: 1,
    rotationRate: who.rotationRate,
    ...common(who),
  });
  putTranslation(bytes, geometry);
  return texts(bytes, who);
}

/** The block of a CD-ROM. */
export function packetBlock(who: DriveIdentity): Uint8Array<ArrayBuffer> {
  const wwn = who.wwn === 0n ? 0 : IdentifyBit.WWN;
  const bytes = Identify.encode({
    configuration: 0x85c0,
    capabilities: IdentifyBit.LBA | IdentifyBit.DMA,
    pioModes: 3,
    multiWordTime: 180,
    multiWordAdvised: 180,
    pioTime: 300,
    pioTimeIordy: 180,
    packetRelease: 30,
    packetService: 30,
    majorVersion: 0x001e,
    commands84: wwn,
    enabled87: wwn,
    ...common(who),
  });
  return texts(bytes, who);
}

function common({ wwn }: DriveIdentity) {
  const part = (shift: bigint) => Number(wwn >> shift & 0xffffn);
  return {
    bufferType: 3,
    bufferSize: 512,
    eccBytes: 4,
    dwordIo: 1,
    validity: 7,
    singleWord: MODES,
    multiWord: MODES,
    ultra: ULTRA_5 | ULTRA_MODES,
    wwn0: part(48n),
    wwn1: part(32n),
    wwn2: part(16n),
    wwn3: part(0n),
  };
}

function texts(bytes: Uint8Array<ArrayBuffer>, { serial, firmware, model }: DriveIdentity): Uint8Array<ArrayBuffer> {
  const { at, width } = Identify;
  putText(bytes, at.serial, width.serial / 8, serial);
  putText(bytes, at.firmware, width.firmware / 8, firmware);
  putText(bytes, at.model, width.model / 8, model);
  return bytes;
}

/** Puts the translation in use into a disk's block. */
export function putTranslation(block: Uint8Array, { cylinders, heads, sectors }: Geometry): void {
  const view = new DataView(block.buffer, block.byteOffset);
  const { at } = Identify;
  view.setUint16(at.currentCylinders, cylinders, true);
  view.setUint16(at.currentHeads, heads, true);
  view.setUint16(at.currentSectors, sectors, true);
  view.setUint32(at.currentCapacity, cylinders * heads * sectors, true);
}

/** Puts what SET MULTIPLE has set into a disk's block. */
export function putMultiple(block: Uint8Array, multiple: number): void {
  const value = multiple === 0 ? 0 : IdentifyBit.MULTIPLE_VALID | multiple;
  new DataView(block.buffer, block.byteOffset).setUint16(Identify.at.multiple, value, true);
}

/** Puts the state of the write cache into a disk's block. */
export function putWriteCache(block: Uint8Array, on: boolean): void {
  const view = new DataView(block.buffer, block.byteOffset);
  const other = view.getUint16(Identify.at.enabled85, true) & ~IdentifyBit.WRITE_CACHE;
  view.setUint16(Identify.at.enabled85, other | (on ? IdentifyBit.WRITE_CACHE : 0), true);
}

const MODE_WORDS: readonly (keyof typeof Identify.at)[] = ["singleWord", "multiWord", "ultra"];
const WORD_OF_GROUP: ReadonlyMap<number, (typeof MODE_WORDS)[number] | null> = new Map([
  [ModeGroup.PIO_DEFAULT, null],
  [ModeGroup.PIO, null],
  [ModeGroup.SINGLE_WORD, "singleWord"],
  [ModeGroup.MULTI_WORD, "multiWord"],
  [ModeGroup.ULTRA, "ultra"],
]);
/** Best PIO mode. */
const BEST_PIO = 4;

/** Selects a transfer mode: one at a time in all three words. False when there is no such mode, or `checked` none listed. */
export function selectMode(block: Uint8Array, mode: number, checked: boolean): boolean {
  const group = mode >> 3;
  const number = mode & 7;
  const word = WORD_OF_GROUP.get(group);
  if (word === undefined) return false;
  const view = new DataView(block.buffer, block.byteOffset);
  const listed = word === null
    ? (group === ModeGroup.PIO_DEFAULT ? number <= 1 : number <= BEST_PIO)
    : (view.getUint16(Identify.at[word], true) >> number & 1) !== 0;
  if (checked && !listed) return false;
  for (const other of MODE_WORDS) {
    const selected = other === word ? 1 << (number + 8) & 0xffff : 0;
    const place = Identify.at[other];
    view.setUint16(place, view.getUint16(place, true) & LOW_BYTE | selected, true);
  }
  return true;
}
