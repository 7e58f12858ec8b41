/**
 * The packets of a CD-ROM: a table of small functions (MMC-4 §6, SPC-3 §6). What QEMU answers, and nothing more.
 *
 * @module
 */

import type { CdRom } from "./device_cd.ts";
import { readToc } from "./device_cd_toc.ts";
import {
  Capacity,
  CD_BLOCK,
  CD_MAX_BLOCKS,
  Inquiry,
  InquiryText,
  Packet,
  Read10,
  Read12,
  Sense,
  SenseCode,
  SenseKey,
} from "./layout.ts";

/** A packet's function. */
export interface PacketCommand {
  /** Whether a drive without a disc refuses it before looking further. */
  readonly needsDisc: boolean;
  /** Does it. */
  run(cd: CdRom): void;
}

function be16(bytes: Uint8Array, at: number): number {
  return bytes[at] << 8 | bytes[at + 1];
}

function be32(bytes: Uint8Array, at: number): number {
  return (be16(bytes, at) << 16 | be16(bytes, at + 2)) >>> 0;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function text(bytes: Uint8Array, from: number, to: number, words: string): void {
  const source = new TextEncoder().encode(words);
  for (let i = from; i < to; i++) bytes[i] = source[i - from] ?? 0x20;
}

function invalid(cd: CdRom): void {
  cd.check(SenseKey.ILLEGAL_REQUEST, SenseCode.INVALID_FIELD);
}

/** Answers with a structure's bytes. */
function reply(cd: CdRom, bytes: Uint8Array, room: number): void {
  cd.answer(bytes.length).set(bytes);
  cd.reply(bytes.length, room);
}

function requestSense(cd: CdRom): void {
  const { senseKey: key, senseCode: code, packet } = cd;
  reply(cd, Sense.encode({ responseCode: 0x70, valid: 1, key, additional: 10, code }), packet[4]);
}

function inquiry(cd: CdRom): void {
  const bytes = Inquiry.encode({ type: 5, removable: 1, format: 1, atapi: 2, additional: 31 });
  text(bytes, InquiryText.VENDOR, InquiryText.PRODUCT, "QEMU");
  text(bytes, InquiryText.PRODUCT, InquiryText.REVISION, cd.options.model);
  text(bytes, InquiryText.REVISION, InquiryText.END, cd.options.firmware);
  reply(cd, bytes, cd.packet[4]);
}

const POWER_CONDITION = 0xf0;
const START = 1;
const LOAD_EJECT = 2;

function startStop(cd: CdRom): void {
  const what = cd.packet[4];
  const start = (what & START) !== 0;
  if ((what & POWER_CONDITION) === 0 && (what & LOAD_EJECT) !== 0) {
    if (!start && !cd.open && cd.locked) {
      const key = cd.blocks > 0 ? SenseKey.NOT_READY : SenseKey.ILLEGAL_REQUEST;
      return cd.check(key, SenseCode.REMOVAL_PREVENTED);
    }
    cd.open = !start;
  }
  cd.good();
}

function preventRemoval(cd: CdRom): void {
  cd.locked = (cd.packet[4] & 1) !== 0;
  cd.good();
}

function readCapacity(cd: CdRom): void {
  reply(cd, Capacity.encode({ last: cd.blocks - 1, blockLength: CD_BLOCK }), Capacity.size);
}

function read10(cd: CdRom): void {
  cd.readBlocks(be32(cd.packet, Read10.at.lba), be16(cd.packet, Read10.at.length));
}

function read12(cd: CdRom): void {
  cd.readBlocks(be32(cd.packet, Read12.at.lba), be32(cd.packet, Read12.at.length));
}

function seek(cd: CdRom): void {
  if (be32(cd.packet, 2) < cd.blocks) cd.good();
  else cd.check(SenseKey.ILLEGAL_REQUEST, SenseCode.LBA_OUT_OF_RANGE);
}

/** READ TOC/PMA/ATIP: the contents, or the first session, of a disc with one track. */
function toc(cd: CdRom): void {
  const { packet } = cd;
  const answer = readToc(cd.blocks, packet[9] >> 6 || packet[2] & 0xf, (packet[1] & 2) !== 0, packet[6]);
  if (answer === null) invalid(cd);
  else reply(cd, answer, be16(packet, 7));
}

const PROFILE_CD = 0x0008;
const PROFILE_DVD = 0x0010;

/** GET CONFIGURATION: feature 0, the list of profiles. */
function configuration(cd: CdRom): void {
  if (be16(cd.packet, 2) !== 0) return invalid(cd);
  const room = be16(cd.packet, 7);
  const current = !cd.hasDisc ? 0 : cd.blocks > CD_MAX_BLOCKS ? PROFILE_DVD : PROFILE_CD;
  const bytes = cd.answer(20);
  bytes[3] = bytes.length - 4;
  put16(bytes, 6, current);
  bytes[10] = 3;
  bytes[11] = 8;
  [PROFILE_DVD, PROFILE_CD].forEach((profile, i) => {
    put16(bytes, 12 + 4 * i, profile);
    bytes[14 + 4 * i] = profile === current ? 1 : 0;
  });
  cd.reply(bytes.length, room);
}

const MEDIA_CLASS = 4;
const NO_EVENT = 0x80;
const TRAY_OPEN = 1;
const DISC_PRESENT = 2;

/** GET EVENT STATUS NOTIFICATION: what happened to the disc; asked, never told. */
function eventStatus(cd: CdRom): void {
  const { packet } = cd;
  if ((packet[1] & 1) === 0) return invalid(cd);
  const room = be16(packet, 7);
  const media = (packet[4] & 1 << MEDIA_CLASS) !== 0;
  const bytes = cd.answer(media ? 8 : 4);
  put16(bytes, 0, bytes.length - 4);
  bytes[2] = media ? MEDIA_CLASS : NO_EVENT;
  bytes[3] = 1 << MEDIA_CLASS;
  if (media) bytes[5] = cd.open ? TRAY_OPEN : cd.blocks > 0 ? DISC_PRESENT : 0;
  cd.reply(bytes.length, room);
}

/** Mode pages, with their page code and length: error recovery, audio, capabilities. */
const MODE_PAGES: Readonly<Record<number, readonly number[]>> = {
  0x01: [0x01, 0x06, 0x00, 0x05, 0, 0, 0, 0],
  0x0e: [0x0e, 0x0e, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0],
  // Reads CD-R, CD-RW and DVD; plays audio; 704 kB/s; a buffer of 512 KiB.
  0x2a: [0x2a, 0x14, 0x3b, 0, 0x71, 0x60, 0x29, 0, 0x02, 0xc0, 0, 2, 0x02, 0x00, 0x02, 0xc0, 0, 0, 0, 0, 0, 0],
};
const LOCKED_AT = 6;

function modeSense(cd: CdRom): void {
  const { packet } = cd;
  const control = packet[2] >> 6;
  const page = MODE_PAGES[packet[2] & 0x3f];
  if (control === 3) return cd.check(SenseKey.ILLEGAL_REQUEST, SenseCode.SAVING_NOT_SUPPORTED);
  if (control !== 0 || page === undefined) return invalid(cd);
  const room = be16(packet, 7);
  const bytes = cd.answer(8 + page.length);
  put16(bytes, 0, bytes.length - 2);
  bytes[2] = 0x70;
  bytes.set(page, 8);
  if (page[0] === 0x2a && cd.locked) bytes[8 + LOCKED_AT] |= 2;
  cd.reply(bytes.length, room);
}

/** What a CD-ROM does, by operation code. The others are invalid. */
export const PACKETS: readonly (PacketCommand | undefined)[] = byCode([
  [Packet.TEST_UNIT_READY, true, (cd) => cd.good()],
  [Packet.REQUEST_SENSE, false, requestSense],
  [Packet.INQUIRY, false, inquiry],
  [Packet.START_STOP_UNIT, false, startStop],
  [Packet.PREVENT_ALLOW_MEDIUM_REMOVAL, false, preventRemoval],
  [Packet.READ_CAPACITY, true, readCapacity],
  [Packet.READ_10, true, read10],
  [Packet.SEEK_10, true, seek],
  [Packet.READ_TOC, true, toc],
  [Packet.GET_CONFIGURATION, false, configuration],
  [Packet.GET_EVENT_STATUS_NOTIFICATION, false, eventStatus],
  [Packet.MODE_SENSE_10, false, modeSense],
  [Packet.READ_12, true, read12],
  [Packet.SET_CD_SPEED, false, (cd) => cd.good()],
]);

function byCode(rows: readonly (readonly [number, boolean, (cd: CdRom) => void])[]): (PacketCommand | undefined)[] {
  const table = new Array<PacketCommand | undefined>(256).fill(undefined);
  for (const [code, needsDisc, run] of rows) table[code] = { needsDisc, run };
  return table;
}
