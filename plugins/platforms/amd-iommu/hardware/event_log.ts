/**
 * What is written into the event log (AMD 48882 §2.5), and into the hardware event registers (§3.4.9).
 *
 * @module
 */

import { Access, AddressType, toDmaAddr, type Transaction, type TranslatorHost } from "@iova/core";
import {
  CommandErrorEvent,
  ErrorType,
  EventCode,
  FaultEvent,
  HardwareErrorEvent,
  HwEvtStatus,
  InvalidDeviceRequestEvent,
  InvalidPprRequestEvent,
  maskOf,
  Register,
} from "../layout.ts";
import type { LogRing } from "./log_ring.ts";
import type { RegisterFile } from "./register_file.ts";

const CODE_SHIFT = FaultEvent.shift.code;
const RW = FaultEvent.mask.rw;
const TR = FaultEvent.mask.tr;
const GN = FaultEvent.mask.gn;
const PASID_HIGH_SHIFT = FaultEvent.shift.pasidHigh;
const STATUS = Register.HW_EVT_STATUS / 4;

/** What a fault event says besides who, where and read or write. */
export const Flag = {
  NONE: 0,
  /** The entry was present. */
  PR: FaultEvent.mask.pr,
  /** The entry was present and lacks a right. */
  PR_PE: FaultEvent.mask.pr | FaultEvent.mask.pe,
  /** The entry was present and has a reserved bit set. */
  PR_RZ: FaultEvent.mask.pr | FaultEvent.mask.rz,
  RZ: FaultEvent.mask.rz,
} as const;

const NAMES: Record<number, string> = Object.fromEntries(
  Object.entries(EventCode).map(([name, code]) => [code, name]),
);

/** Builds events and logs them. */
export class EventLog {
  readonly #log: LogRing;
  readonly #registers: RegisterFile;
  readonly #host: TranslatorHost;
  readonly #logs: boolean;

  /** Writes into `log`; hardware errors also into `registers`. `logs` false: nothing is ever written. */
  constructor(log: LogRing, registers: RegisterFile, host: TranslatorHost, logs = true) {
    this.#logs = logs;
    this.#log = log;
    this.#registers = registers;
    this.#host = host;
    registers.define({ offset: Register.HW_EVT_STATUS, clearOnOne: maskOf(HwEvtStatus) });
  }

  /** ILLEGAL_DEV_TABLE_ENTRY: `flags` is {@linkcode Flag}.RZ for a reserved bit. */
  illegalDte(tx: Transaction, flags: number): void {
    this.#request(EventCode.ILLEGAL_DEV_TABLE_ENTRY, tx, 0, flags | directionOf(tx));
  }

  /** IO_PAGE_FAULT in a domain. */
  pageFault(tx: Transaction, domain: number, flags: number): void {
    this.#request(EventCode.IO_PAGE_FAULT, tx, domain, flags | directionOf(tx));
  }

  /** IO_PAGE_FAULT of a device that has no entry: domain and address are zero. */
  pageFaultBeyondTable(tx: Transaction): void {
    const w0 = tx.requester & 0xffff;
    const w1 = EventCode.IO_PAGE_FAULT << CODE_SHIFT | directionOf(tx);
    this.#write(w0, w1, 0, 0, tx);
  }

  /** INVALID_DEVICE_REQUEST; `type` is of InvalidRequest, or of InvalidTranslationRequest for a translation request. */
  invalidRequest(tx: Transaction, type: number): void {
    const flags = type << InvalidDeviceRequestEvent.shift.type | (isTranslationRequest(tx) ? TR : 0);
    this.#request(EventCode.INVALID_DEVICE_REQUEST, tx, 0, flags);
  }

  /** DEV_TAB_HARDWARE_ERROR: the entry at `address` cannot be read. */
  deviceTableError(tx: Transaction, address: number): void {
    const w1 = hardwareError(EventCode.DEV_TAB_HARDWARE_ERROR, tx);
    this.#hardware(tx.requester & 0xffff, w1, address | 0, address / 4294967296 | 0, tx);
  }

  /** PAGE_TAB_HARDWARE_ERROR: the entry at an address given in halves cannot be read. */
  pageTableError(tx: Transaction, domain: number, hi: number, lo: number): void {
    const w1 = hardwareError(EventCode.PAGE_TAB_HARDWARE_ERROR, tx) | domain;
    this.#hardware(tx.requester & 0xffff, w1, lo, hi, tx);
  }

  /** ILLEGAL_COMMAND_ERROR: the command at `address`. */
  illegalCommand(address: number): void {
    const w1 = EventCode.ILLEGAL_COMMAND_ERROR << CODE_SHIFT;
    this.#write(0, w1, address | 0, address / 4294967296 | 0, null);
  }

  /** COMMAND_HARDWARE_ERROR: no memory at `address`, where a command is or where it stores. */
  commandError(address: number): void {
    const type = ErrorType.MASTER_ABORT << CommandErrorEvent.shift.type;
    const w1 = EventCode.COMMAND_HARDWARE_ERROR << CODE_SHIFT | type;
    this.#hardware(0, w1, address | 0, address / 4294967296 | 0, null);
  }

  /** IOTLB_INV_TIMEOUT: a device has not answered the command at `address`. */
  invalidationTimeout(deviceId: number, address: number): void {
    const w1 = EventCode.IOTLB_INV_TIMEOUT << CODE_SHIFT;
    this.#write(deviceId, w1, address | 0, address / 4294967296 | 0, null);
  }

  /** INVALID_PPR_REQUEST: a page request that is not allowed. */
  invalidPageRequest(deviceId: number, pasid: number, tag: number, hi: number, lo: number): void {
    const { shift, mask } = InvalidPprRequestEvent;
    const w0 = deviceId | (pasid < 0 ? 0 : pasid << shift.pasidLow);
    const extra = pasid < 0 ? 0 : pasid >>> 16 << shift.pasidHigh | mask.gn;
    this.#write(w0, EventCode.INVALID_PPR_REQUEST << CODE_SHIFT | tag | extra, lo, hi, null);
  }

  #request(code: number, tx: Transaction, domain: number, flags: number): void {
    let w0 = tx.requester & 0xffff;
    let w1 = code << CODE_SHIFT | flags;
    if (tx.pasid < 0) w1 |= domain;
    else {
      w0 |= tx.pasid >>> 16 << PASID_HIGH_SHIFT;
      w1 |= tx.pasid & 0xffff | GN;
    }
    this.#write(w0, w1, tx.lo, tx.hi, tx);
  }

  #hardware(w0: number, w1: number, w2: number, w3: number, tx: Transaction | null): void {
    const { words } = this.#registers;
    if ((words[STATUS] & HwEvtStatus.mask.valid) !== 0) words[STATUS] |= HwEvtStatus.mask.overflow;
    else {
      words[STATUS] |= HwEvtStatus.mask.valid;
      words.set([w0, w1, w2, w3], Register.HW_EVT_LOW / 4);
    }
    this.#write(w0, w1, w2, w3, tx);
  }

  #write(w0: number, w1: number, w2: number, w3: number, tx: Transaction | null): void {
    if (!this.#logs || !this.#log.write(w0, w1, w2, w3)) return;
    const flags = w1 >>> 16 & 0xfff;
    this.#host.fault({
      cause: NAMES[w1 >>> CODE_SHIFT],
      requester: w0 & 0xffff,
      address: toDmaAddr(w3, w2),
      access: tx === null ? Access.NONE : tx.access,
      detail: `domain=${hex(w1 & 0xffff)} flags=${hex(flags)}`,
    });
  }
}

function hex(value: number): string {
  return "0x" + value.toString(16).padStart(4, "0");
}

function isTranslationRequest(tx: Transaction): boolean {
  return tx.addressType === AddressType.TRANSLATION_REQUEST;
}

function directionOf(tx: Transaction): number {
  return ((tx.access & Access.WRITE) !== 0 ? RW : 0) | (isTranslationRequest(tx) ? TR : 0);
}

function hardwareError(code: number, tx: Transaction): number {
  return code << CODE_SHIFT | directionOf(tx) | ErrorType.MASTER_ABORT << HardwareErrorEvent.shift.type;
}
