/**
 * Firmware's way to what QEMU has prepared for it: the fw_cfg device with its DMA interface (QEMU docs/specs/fw_cfg), and
 * in there the ACPI tables.
 *
 * @module
 */

import type { FirmwareTable, Width } from "@iova/core";
import type { Mapping } from "@iova/libc";
import { QemuError } from "../qemu/lines.ts";

/** Port of the DMA address register: the high half here, the low half 4 further, both big-endian. */
const DMA_PORT = 0x514;
const SELECT = 8;
const READ = 2;
const ERROR = 1;
const FILE_DIRECTORY = 0x19;
const DIRECTORY_ENTRY = 64;
const MOST_FILES = 256;
/** Where a control structure and what is read lie: memory below 640 KiB that nobody else has. */
const CONTROL = 0xa000;
const BUFFER = 0x10000;
const BUFFER_SIZE = 0x80000;
const ACPI_HEADER = 36;

/** The ports of the machine. */
interface Ports {
  ioWrite(port: number, width: Width, value: number): void;
}

/** The ACPI tables of this machine, each as firmware finds it; none when QEMU has made none. */
export function acpiTables(ports: Ports, ram: Mapping): FirmwareTable[] {
  const view = new DataView(ram.buffer);
  readItem(ports, view, FILE_DIRECTORY, 4 + MOST_FILES * DIRECTORY_ENTRY);
  const count = Math.min(view.getUint32(BUFFER), MOST_FILES);
  for (let i = 0; i < count; i++) {
    const at = BUFFER + 4 + i * DIRECTORY_ENTRY;
    if (cString(new Uint8Array(ram.buffer, at + 8, 56)) !== "etc/acpi/tables") continue;
    const size = Math.min(view.getUint32(at), BUFFER_SIZE);
    readItem(ports, view, view.getUint16(at + 4), size);
    return split(new Uint8Array(ram.buffer, BUFFER, size).slice());
  }
  return [];
}

function readItem(ports: Ports, view: DataView, key: number, length: number): void {
  view.setUint32(CONTROL, (key << 16 | SELECT | READ) >>> 0);
  view.setUint32(CONTROL + 4, length);
  view.setBigUint64(CONTROL + 8, BigInt(BUFFER));
  ports.ioWrite(DMA_PORT, 4, 0);
  ports.ioWrite(DMA_PORT + 4, 4, swap32(CONTROL));
  const left = view.getUint32(CONTROL);
  if (left !== 0) throw new QemuError(`fw_cfg item ${key}: ${(left & ERROR) !== 0 ? "error" : "not read"}`);
}

/** Cuts the file into its tables; FACS is among them and has the same head, as far as is looked at. */
function split(bytes: Uint8Array): FirmwareTable[] {
  const view = new DataView(bytes.buffer);
  const tables: FirmwareTable[] = [];
  for (let at = 0; at + ACPI_HEADER <= bytes.length;) {
    const length = view.getUint32(at + 4, true);
    const name = new TextDecoder().decode(bytes.subarray(at, at + 4));
    // The file is padded with zeroes, between tables and at its end.
    if (!/^[A-Z]{4}$/.test(name) || length < ACPI_HEADER || at + length > bytes.length) at += 4;
    else {
      tables.push({ name, bytes: bytes.subarray(at, at + length) });
      at += length;
    }
  }
  return tables;
}

function swap32(value: number): number {
  return (value >>> 24 | value >>> 8 & 0xff00 | value << 8 & 0xff0000 | value << 24) >>> 0;
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
