/**
 * Untranslated requests (AMD 48882 §2.2.2.1, §2.2.3): from device table entry to frame or fault.
 *
 * @module
 */

import { Access, AddressType, BusStatus, type Transaction, type Translation } from "@iova/core";
import { Control, ExclBase, ExclLimit, InvalidRequest, IoCtl, maskOf, Register, SysMgt } from "../layout.ts";
import type { AddressCache } from "./address_cache.ts";
import type { AtsRequests } from "./ats_requests.ts";
import { type DeviceTable, DteFlag, DteState, DteWord, ioCtlOf, sysMgtOf } from "./device_table.ts";
import { type EventLog, Flag } from "./event_log.ts";
import { type Lookup, SNOOP, use } from "./lookup.ts";
import type { HardwareOptions } from "./options.ts";
import { identity, passAll } from "./pass.ts";
import type { RequestParts } from "./parts.ts";
import type { Personality } from "./personality.ts";
import type { RegisterFile } from "./register_file.ts";
import { mayBeSpecial, Range, rangeOf } from "./special_ranges.ts";
import { Walk } from "./page_entry.ts";
import type { PageWalker } from "./walk.ts";

const CONTROL = Register.CONTROL / 4;
const EXCL_BASE = Register.EXCL_BASE / 4;
const EXCL_LIMIT = Register.EXCL_LIMIT / 4;
const BOTH = Access.ATOMIC;
// Constants of other modules are loaded at each use; those of this one are part of the code.
const { OK, COMPLETER_ABORT } = BusStatus;
const { UNTRANSLATED } = AddressType;
const { RIGHTS, FLAGS, DOMAIN } = DteWord;
const { PAGED } = DteState;
const { MEMORY } = Range;
const WALKED = Walk.OK;
const SNOOP_DISABLED = DteFlag.SD;

/** No requester id, not even that of nobody. */
const NOBODY = -2;

/** What a fault event says of each way in which a walk can fail. */
const WALK_FLAGS: readonly number[] = [Flag.NONE, Flag.NONE, Flag.PR_RZ, Flag.PR, Flag.PR_PE, Flag.NONE];

/** Answers requests. */
export class Requests {
  /** Requests that were refused. */
  refused = 0;
  readonly #registers: RegisterFile;
  readonly #table: DeviceTable;
  readonly #lookup: Lookup;
  readonly #walker: PageWalker;
  readonly #events: EventLog;
  readonly #options: HardwareOptions;
  readonly #ats: AtsRequests;
  readonly #ht: boolean;
  readonly #personality: Personality;
  readonly #loose: boolean;
  readonly #iotlb: AddressCache | null;
  // The device whose paged entry was used last, and what it grants.
  #recent = NOBODY;
  #recentAt = 0;
  #domain = 0;
  #granted = 0;
  // Translation is on; and no exclusion range is, so that the short way may be taken.
  #enabled = false;
  #plain = false;

  /** Requests with an address type of their own go to `ats`. */
  constructor(parts: RequestParts, ats: AtsRequests, iotlb: AddressCache | null) {
    this.#iotlb = iotlb;
    parts.table.onForget = () => this.#recent = NOBODY;
    this.#registers = parts.registers;
    this.#table = parts.table;
    this.#lookup = parts.lookup;
    this.#walker = parts.walker;
    this.#events = parts.events;
    this.#options = parts.options;
    this.#ats = ats;
    this.#ht = !parts.options.htRangeIgnore;
    this.#personality = parts.personality;
    this.#loose = parts.personality.looseWalk;
    const written = () => this.configure();
    if (!parts.personality.takesEveryBit) {
      parts.registers.define({ offset: Register.EXCL_BASE, writable: maskOf(ExclBase), written });
    }
    parts.registers.define({ offset: Register.EXCL_LIMIT, writable: maskOf(ExclLimit), written });
  }

  /** Control or exclusion registers have changed. */
  configure(): void {
    this.#recent = NOBODY;
    const { words } = this.#registers;
    this.#enabled = (words[CONTROL] & Control.mask.iommuEn) !== 0;
    this.#plain = this.#enabled && (words[EXCL_BASE] & ExclBase.mask.exEn) === 0;
  }

  /** See `BusTranslator.translate`. */
  translate(tx: Transaction, out: Translation): BusStatus {
    if (tx.requester !== this.#recent || tx.addressType !== UNTRANSLATED || tx.pasid >= 0) {
      return this.#missed(tx, out);
    }
    const iotlb = this.#iotlb;
    const at = iotlb === null ? -1 : iotlb.guess(this.#domain, tx.hi, tx.lo);
    if (at >= 0 && use(iotlb!, at, this.#granted, tx, out)) return OK;
    return this.#paged(tx, out, this.#table.words, this.#recentAt, at < 0);
  }

  #missed(tx: Transaction, out: Translation): BusStatus {
    if (this.#personality.messageWindowFirst && this.#enabled && rangeOf(tx.hi, tx.lo, false) === Range.INTERRUPT) {
      return identity(tx, out, BOTH);
    }
    if (!this.#plain || tx.addressType !== UNTRANSLATED || tx.pasid >= 0) return this.#uncommon(tx, out);
    const at = this.#table.find(tx.requester);
    const { words } = this.#table;
    if (words[at] !== PAGED) return this.#unpaged(tx, out, words, at);
    if (tx.requester !== this.#recent && at !== 0 && !this.#loose) {
      this.#remember(tx.requester, words, at);
    }
    return this.#paged(tx, out, words, at, false);
  }

  /** The next request may well be of the same device: keeps what an IOTLB hit needs of its cached entry. */
  #remember(requester: number, words: Int32Array, at: number): void {
    this.#recent = requester;
    this.#recentAt = at;
    this.#domain = words[at + DOMAIN];
    const snoops = (words[at + FLAGS] & SNOOP_DISABLED) === 0;
    this.#granted = words[at + RIGHTS] | (snoops ? SNOOP : 0);
  }

  #paged(tx: Transaction, out: Translation, words: Int32Array, at: number, guessed: boolean): BusStatus {
    const { hi, lo, access } = tx;
    const granted = words[at + RIGHTS];
    if (mayBeSpecial(hi, lo)) {
      const range = rangeOf(hi, lo, this.#ht);
      if (range !== MEMORY && !this.#wantsTranslation(range, words[at + FLAGS])) {
        return this.#special(tx, out, range, words[at + FLAGS]);
      }
    }
    // A loose walk looks at the entry's rights when the page is not cached, and nobody does afterwards.
    const counted = this.#loose ? BOTH : granted;
    if ((counted & access) !== access) return this.#fault(tx, words, at, Walk.PERMISSION);
    const result = this.#lookup.find(words, at, hi, lo, access, out, guessed);
    if (result !== WALKED) return this.#fault(tx, words, at, result);
    out.rights &= counted;
    if ((words[at + FLAGS] & SNOOP_DISABLED) === 0) out.snoop = true;
    return OK;
  }

  #unpaged(tx: Transaction, out: Translation, words: Int32Array, at: number): BusStatus {
    switch (words[at]) {
      case DteState.PASS:
      case DteState.EXCLUDED:
        return passAll(out);
      case DteState.IDENTITY:
      case DteState.NO_TRANSLATION:
        return this.#tableless(tx, out, words, at);
      default:
        return this.refuseEntry(tx, words, at);
    }
  }

  /** Mode 0, or no translation at all. */
  #tableless(tx: Transaction, out: Translation, words: Int32Array, at: number): BusStatus {
    const flags = words[at + FLAGS];
    const isIdentity = words[at] === DteState.IDENTITY || this.#personality.passesWithoutTv;
    const range = rangeOf(tx.hi, tx.lo, this.#ht);
    if (range !== MEMORY && !(isIdentity && this.#wantsTranslation(range, flags))) {
      return this.#special(tx, out, range, flags);
    }
    if (!isIdentity) return this.#fault(tx, words, at, Walk.NOT_PRESENT);
    const rights = words[at + RIGHTS];
    if ((rights & tx.access) !== tx.access) return this.#fault(tx, words, at, Walk.PERMISSION);
    return identity(tx, out, rights);
  }

  /** The entry cannot be used: logs why. */
  refuseEntry(tx: Transaction, words: Int32Array, at: number): BusStatus {
    const { deviceBeyondTable, badMode } = this.#options;
    this.refused++;
    switch (words[at]) {
      case DteState.UNREADABLE:
        this.#events.deviceTableError(tx, this.#table.address(tx.requester));
        break;
      case DteState.RESERVED_BIT:
        this.#events.illegalDte(tx, Flag.RZ);
        break;
      case DteState.BEYOND:
        if (deviceBeyondTable === "IO_PAGE_FAULT") this.#events.pageFaultBeyondTable(tx);
        else this.#events.illegalDte(tx, Flag.NONE);
        break;
      default:
        if (badMode === "IO_PAGE_FAULT") this.#logFault(tx, words, at, Walk.ENCODING);
        else this.#events.illegalDte(tx, Flag.NONE);
    }
    return COMPLETER_ABORT;
  }

  #fault(tx: Transaction, words: Int32Array, at: number, result: number): BusStatus {
    this.refused++;
    if (result === Walk.UNREADABLE) {
      const { entryHi, entryLo } = this.#walker;
      this.#events.pageTableError(tx, words[at + DOMAIN], entryHi, entryLo);
    } else this.#logFault(tx, words, at, result);
    return COMPLETER_ABORT;
  }

  #logFault(tx: Transaction, words: Int32Array, at: number, result: number): void {
    if (!this.#table.mayLog(tx.requester, words[at + FLAGS])) return;
    this.#events.pageFault(tx, words[at + DOMAIN], WALK_FLAGS[result]);
  }

  /** Whether the entry wants addresses of a special range translated like memory. */
  #wantsTranslation(range: number, flags: number): boolean {
    return range === Range.PORT_IO
      ? ioCtlOf(flags) === IoCtl.TRANSLATE
      : range === Range.SYSTEM_MANAGEMENT && sysMgtOf(flags) === SysMgt.TRANSLATE;
  }

  #special(tx: Transaction, out: Translation, range: number, flags: number): BusStatus {
    const reads = (tx.access & Access.READ) !== 0;
    if (range === Range.INTERRUPT) {
      return reads ? this.#invalid(tx, InvalidRequest.READ_INTERRUPT_RANGE) : identity(tx, out, Access.WRITE);
    }
    if (this.#wantsTranslation(range, flags)) return this.#invalid(tx, InvalidRequest.NO_TRANSLATION);
    if (range === Range.PORT_IO && ioCtlOf(flags) === IoCtl.ABORT) return this.#invalid(tx, InvalidRequest.PORT_IO);
    if (range === Range.SYSTEM_MANAGEMENT && sysMgtOf(flags) !== SysMgt.FORWARD) {
      return this.#invalid(tx, reads ? InvalidRequest.SYS_MGT_READ : InvalidRequest.SYS_MGT_WRITE);
    }
    return identity(tx, out, BOTH);
  }

  #invalid(tx: Transaction, type: number): BusStatus {
    this.refused++;
    this.#events.invalidRequest(tx, type);
    return COMPLETER_ABORT;
  }

  /** Translation is off, the address type is special, there is an exclusion range, or a PASID. */
  #uncommon(tx: Transaction, out: Translation): BusStatus {
    const isQuestion = tx.addressType === AddressType.TRANSLATION_REQUEST;
    if (!this.#enabled) return isQuestion ? BusStatus.UNSUPPORTED_REQUEST : passAll(out);
    const at = this.#table.find(tx.requester);
    const { words } = this.#table;
    if (tx.addressType === AddressType.TRANSLATED) return this.#ats.translated(tx, out, words, at, this);
    if (words[at] === DteState.PASS && !isQuestion) return passAll(out);
    const excluded = !this.#plain && this.#isExcluded(tx, words, at);
    if (isQuestion) return this.#ats.translationRequest(tx, out, words, at, excluded, this);
    if (excluded) return identity(tx, out, BOTH);
    if (words[at] === PAGED || words[at] === DteState.IDENTITY) {
      if (tx.pasid >= 0) return this.#fault(tx, words, at, Walk.NOT_PRESENT);
      if (words[at] === PAGED) return this.#paged(tx, out, words, at, false);
    }
    return this.#unpaged(tx, out, words, at);
  }

  /** Whether the exclusion range holds this address for this device (§3.4.5). */
  #isExcluded(tx: Transaction, words: Int32Array, at: number): boolean {
    const registers = this.#registers.words;
    const forAll = (registers[EXCL_BASE] & ExclBase.mask.allow) !== 0;
    if (!forAll && (words[at + FLAGS] & DteFlag.EX) === 0) return false;
    const baseHi = registers[EXCL_BASE + 1];
    const limitHi = registers[EXCL_LIMIT + 1];
    const { hi } = tx;
    const page = tx.lo >>> 12;
    if (hi < 0 || hi < baseHi || hi > limitHi) return false;
    return (hi > baseHi || page >= registers[EXCL_BASE] >>> 12) &&
      (hi < limitHi || page <= registers[EXCL_LIMIT] >>> 12);
  }
}
