/**
 * `BusTranslator`: what sits in a bridge between a device and the rest of the machine.
 *
 * One method is required: given one transaction it answers with a translation, or with what the bus saw. The answer is
 * synchronous and may be kept **until the translator announces an invalidation that covers it**
 * ({@linkcode TranslatorHost.invalidate}). Everything else is optional, and each optional member says what its absence
 * means.
 *
 * - The **bus status** ({@linkcode BusStatus}: what the device sees) and the **fault record** ({@linkcode FaultRecord}:
 *   what software finds in a log) are different types; a translator reports the second through its host.
 * - A translator **owns neither memory nor time**: it walks the memory that its host gives it and waits on the host's
 *   clock, so fault injection is another memory, not a flag in the model.
 * - **One call, one command**: a queue-driven part has {@linkcode BusTranslator.step}; draining is a loop in the machine.
 * - **Translator + bus = bus**: `behind(translator, bus)` in `bus.ts`; nesting is composition.
 *
 * ```ts
 * import { Access, BusStatus, type BusTranslator, type Transaction, type Translation } from "@iova/core";
 *
 * // A window: bus addresses 0x8000_0000 … 0xbfff_ffff are the first GiB of memory, read-only.
 * const window: BusTranslator = {
 *   name: "window",
 *   translate(tx: Transaction, out: Translation): BusStatus {
 *     if (tx.bits(30, 2) !== 2 || tx.hi !== 0) return BusStatus.UNSUPPORTED_REQUEST;
 *     if (tx.access !== Access.READ) return BusStatus.COMPLETER_ABORT;
 *     out.set(0, 0, 30, Access.READ); // frame at 0, 2^30 bytes, readable
 *     return BusStatus.OK;
 *   },
 * };
 * ```
 *
 * @module
 */

import { type DmaAddr, type PhysAddr, toDmaAddr } from "./address.ts";
import type { RamRegion } from "./memory.ts";
import type { Timer } from "./clock.ts";
import type { Lease } from "./mapping.ts";

/** What an access does, as bits; also the rights of a translation. */
export const Access = {
  /** Nothing: the rights of a translation request that succeeded without any. */
  NONE: 0,
  READ: 1,
  WRITE: 2,
  /** An atomic operation needs both rights. */
  ATOMIC: 3,
} as const;
/** One of {@linkcode Access}'s values. */
export type Access = typeof Access[keyof typeof Access];

/** The PCIe AT field: what kind of address a transaction carries (PCIe, ATS chapter). */
export const AddressType = {
  /** A bus address that nobody has translated yet. */
  UNTRANSLATED: 0,
  /** A question: what does this address translate to? No data moves. */
  TRANSLATION_REQUEST: 1,
  /** An address from an earlier translation completion. Only a translator that trusts the requester forwards it. */
  TRANSLATED: 2,
} as const;
/** One of {@linkcode AddressType}'s values. */
export type AddressType = typeof AddressType[keyof typeof AddressType];

/** What the device sees on its bus (PCIe completion status), and `PENDING`. */
export const BusStatus = {
  /** Successful completion. For a translation request this may still give no rights. */
  OK: 0,
  /** Unsupported request: nobody claims the address, or ATS is refused. A posted write is dropped. */
  UNSUPPORTED_REQUEST: 1,
  /** Completer abort: the address is known and the access is not allowed. A posted write is dropped. */
  COMPLETER_ABORT: 2,
  /** Not known yet (a page request or a miss that a peer must answer): the port parks the work and retries. */
  PENDING: 3,
} as const;
/** One of {@linkcode BusStatus}'s values. */
export type BusStatus = typeof BusStatus[keyof typeof BusStatus];

/** The requester id of an access that no function made. */
export const NO_REQUESTER: number = -1;

/**
 * One access on a bus, in a record that its port reuses. A stage on the way up rewrites `hi`, `lo` and `length`; nobody
 * keeps the record.
 */
export class Transaction {
  /** First byte, bits 63:32, signed. */
  hi = 0;
  /** First byte, bits 31:0, signed. */
  lo = 0;
  /** Bytes, at least 1. A stage may shorten it to what its answer covers. */
  length = 0;
  /** What the device wants to do. */
  access: Access = Access.READ;
  /** The kind of address. */
  addressType: AddressType = AddressType.UNTRANSLATED;
  /** 16-bit requester id (bus:device.function), or {@linkcode NO_REQUESTER}. */
  requester: number = NO_REQUESTER;
  /** 20-bit process address space id, or −1 for none. */
  pasid: number = -1;
  /** With a PASID: an instruction fetch. */
  execute = false;
  /** With a PASID: privileged mode asked for. */
  privileged = false;
  /** Translation request: only reading is wanted (the NW bit). */
  noWrite = false;

  /** Bits `low` … `low + width − 1` of the address as a non-negative number; `width` at most 31. */
  bits(low: number, width: number): number {
    const mask = (1 << width) - 1;
    if (low >= 32) return (this.hi >>> (low - 32)) & mask;
    if (low + width <= 32 || low === 0) return (this.lo >>> low) & mask;
    return ((this.lo >>> low) | (this.hi << (32 - low))) & mask;
  }

  /** The address as a bigint (allocates: for reports, not for translating). */
  get address(): DmaAddr {
    return toDmaAddr(this.hi, this.lo);
  }
}

/** An answer, in a record that the caller reuses; it means something only after `translate` returned `OK`. */
export class Translation {
  /** Frame address on the parent bus, bits 63:32, signed. Bits below `shift` are ignored. */
  hi = 0;
  /** Frame address on the parent bus, bits 31:0, signed. */
  lo = 0;
  /** log2 of the frame's size: the answer holds for the aligned block of 2^shift bytes around the address; 64 is all. */
  shift = 12;
  /** What the device may do in the whole frame: a set of {@linkcode Access} bits. */
  rights: number = Access.NONE;
  /** Accesses must be snooped (the opposite of the ATS completion's N bit). */
  snoop = true;
  /** ATS completion: use untranslated requests for this page (U). */
  untranslatedOnly = false;
  /** ATS completion: the entry holds for every PASID (Global). */
  global = false;
  /** ATS completion: privileged rights (Priv). */
  privileged = false;
  /** ATS completion: execute permitted (Exe). */
  execute = false;

  /** Sets the four fields that every answer has. */
  set(hi: number, lo: number, shift: number, rights: number): void {
    this.hi = hi;
    this.lo = lo;
    this.shift = shift;
    this.rights = rights;
  }
}

/** What software finds in a log after a fault; `cause` is in the platform's own words (`IO_PAGE_FAULT`, `EEH`, …). */
export interface FaultRecord {
  /** The platform's name for what happened. */
  cause: string;
  /** Requester id. */
  requester: number;
  /** The bus address that faulted. */
  address: DmaAddr;
  /** What the device wanted to do. */
  access: Access;
  /** Anything else that the platform logs. */
  detail?: string;
}

/** A range of bus addresses whose translations are no longer valid. `last` is inclusive, so 2^64 − 1 can be named. */
export interface Invalidation {
  /** First byte. */
  first: DmaAddr;
  /** Last byte, inclusive. */
  last: DmaAddr;
  /** Only for this requester; absent means every requester behind the translator. */
  requester?: number;
}

/** Memory as a bridge sees it: RAM by physical address, and writes that raise message interrupts. */
export interface TranslatorMemory {
  /** The RAM region that holds `address`, or null. Keep it no longer than the current call. */
  ram(address: PhysAddr): RamRegion | null;
  /** A 32-bit write by the translator itself, to RAM, registers or an interrupt doorbell. */
  write32(address: PhysAddr, value: number): BusStatus;
}

/** What the machine gives a translator: memory to walk, time to wait on, and ears. */
export interface TranslatorHost {
  /** The memory that the translator walks. */
  readonly memory: TranslatorMemory;
  /** Virtual time in nanoseconds. */
  readonly now: number;
  /** Runs `work` after `delay` nanoseconds of virtual time. */
  after(delay: number, work: () => void): Timer;
  /**
   * Announces that translations in a range are gone. Live leases over it are revoked or waited for, as the machine's
   * policy says; `done` is called once, when no access through an old translation can reach memory any more: before
   * this call returns when nothing is in flight, later otherwise.
   */
  invalidate(range: Invalidation, done?: () => void): void;
  /**
   * {@linkcode TranslatorHost.invalidate} for data paths, which allocates nothing unless a lease is hit: first and last
   * byte (inclusive) as signed halves; `requester` −1 means every one.
   */
  invalidateAt(
    firstHi: number,
    firstLo: number,
    lastHi: number,
    lastLo: number,
    requester: number,
    done?: () => void,
  ): void;
  /** Something that was {@linkcode BusStatus.PENDING} may have an answer now: parked work is tried again. */
  resume(): void;
  /** Reports a fault record to traces, counters and checks. */
  fault(record: FaultRecord): void;
  /** Tells the machine that {@linkcode BusTranslator.step} has something to do. */
  kick(): void;
}

/** Messages that a translator sends to a function with an address translation cache. */
export interface AtsEndpoint {
  /** Drop every cached entry that overlaps; answer later with {@linkcode AtsService.invalidateCompletion}. */
  invalidate(tag: number, range: Invalidation, pasid: number, global: boolean): void;
  /** The answer to a page request group: 0 success, 1 invalid request, 15 response failure. */
  pageResponse(group: number, code: number): void;
}

/** A page request message (PCIe PRI). */
export interface PageRequest {
  /** 16-bit requester id. */
  requester: number;
  /** Process address space id; −1 for none. */
  pasid: number;
  /** Page-aligned bus address. */
  address: DmaAddr;
  /** Page request group index, 9 bits. */
  group: number;
  /** Last request of its group. */
  last: boolean;
  /** The rights wanted: a set of {@linkcode Access} bits. Last without rights is the stop marker. */
  rights: number;
}

/** ATS and PRI: the messages that flow beside translation requests, which are ordinary `translate` calls. */
export interface AtsService {
  /** Connects a function's translation cache, so that invalidations reach it. */
  attach(requester: number, endpoint: AtsEndpoint): void;
  /** Disconnects it. */
  detach(requester: number): void;
  /** A function has dropped what it was told to; `tags` is the bit vector of the tags done, `count` the CC field. */
  invalidateCompletion(requester: number, tags: number, count: number): void;
  /** Absent: this translator takes no page requests, and a function that sends one gets an unsupported request. */
  pageRequest?(request: PageRequest): BusStatus;
}

/** A table that firmware would hand to the operating system (ACPI IVRS, a device-tree property). */
export interface FirmwareTable {
  /** Its signature or property name. */
  name: string;
  /** Its bytes. */
  bytes: Uint8Array;
}

/** Named and versioned state, for a saved machine. */
export interface TranslatorSnapshot {
  /** The name of what was saved. */
  name: string;
  /** Of the form of `state`. */
  version: number;
  /** Plain data. */
  state: unknown;
}

/** A translator. See the module's text. */
export interface BusTranslator {
  /** For reports. */
  readonly name: string;

  /**
   * Answers for one transaction and changes nothing in it. Writes `out` and returns `OK`, or returns what the bus saw
   * and reports a fault record if the platform logs one. The caller checks `out.rights` against the access once more.
   *
   * - `UNTRANSLATED`: rights must allow the access, otherwise `COMPLETER_ABORT`.
   * - `TRANSLATION_REQUEST`: `OK` with rights 0 is "no translation", which is not a fault.
   * - `TRANSLATED`: forwarded unchanged only if this requester is trusted, otherwise `UNSUPPORTED_REQUEST`.
   *
   * Must not allocate on a hit, must not throw, must do bounded work whatever memory holds.
   */
  translate(tx: Transaction, out: Translation): BusStatus;

  /**
   * A device keeps the translation of `length` bytes from an address (signed halves) beyond one access, until
   * `lease.whenEnded`. Called after `translate` has answered `OK` for the first of them; a translator that cannot keep
   * its answer good revokes the lease. Absent: an answer stays good until it is announced to be gone, at no cost.
   */
  leased?(hi: number, lo: number, length: number, access: Access, lease: Lease): void;
  /**
   * True: this is how memory is wired, and no IOMMU in front of it. A device that by its own nature is addressed
   * physically passes an IOMMU, and not this: what it is told is an address here. Absent: false.
   */
  readonly isMemoryBus?: boolean;
  /** Whether this requester is in the translator's scope. Absent: every requester below the bridge is. */
  covers?(requester: number): boolean;
  /** Whether CPU accesses to this function's registers are stopped: reads give all ones, writes are lost. Absent: never. */
  registersStopped?(requester: number): boolean;
  /** Whether its interrupt messages, which pass a translator by, are stopped. Absent: never. */
  messagesStopped?(requester: number): boolean;
  /** ATS and PRI. Absent: translation requests get an unsupported request and nothing may be marked translated. */
  readonly ats?: AtsService;
  /** Executes one queued command; false when there is none. Absent: nothing is queue-driven. */
  step?(): boolean;
  /** What firmware tells the operating system. Absent: nothing. */
  firmware?(): FirmwareTable[];
  /** Platform counters for the report, by name. Absent: none. */
  counters?(): Record<string, number>;
  /** Returns to the state after power-on. Absent: there is no state. */
  reset?(): void;
  /** Saves and restores state. Absent: there is none besides guest memory. */
  snapshot?(): TranslatorSnapshot;
  /** Restores what {@linkcode BusTranslator.snapshot} returned. Absent: see there. */
  restore?(snapshot: TranslatorSnapshot): void;
}
