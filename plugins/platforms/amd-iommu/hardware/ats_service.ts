/**
 * The messages of ATS and PRI (AMD 48882 §2.1.3, §2.4.4, §2.6; PCIe ATS): invalidations with tags, their time-out, and
 * page request groups.
 *
 * @module
 */

import {
  Access,
  type AtsEndpoint,
  type AtsService,
  BusStatus,
  DmaHandle,
  type Invalidation,
  type MachineServices,
  type PageRequest,
  type Timer,
  type TranslatorHost,
} from "@iova/core";
import { Control, INV_TIME_OUT_NS, PPR_CODE, PprAutoResponse, PprLogEntry, PprResponse, Register } from "../layout.ts";
import { DteFlag, DteState, DteWord } from "./device_table.ts";
import type { LogRing } from "./log_ring.ts";
import type { RequestParts } from "./parts.ts";
import { ControlBit, type Signals } from "./signals.ts";

/** Tags that a device can tell apart. */
const TAGS = 32;
const CONTROL = Register.CONTROL / 4;
const AUTO_RESPONSE = Register.PPR_AUTO_RESPONSE / 4;
const CONTROL_HIGH = CONTROL + 1;
const WANTS = { [Access.READ]: PprLogEntry.mask.read, [Access.WRITE]: PprLogEntry.mask.write };

/** An invalidation that a device has not yet answered. */
interface Outstanding {
  readonly requester: number;
  readonly tag: number;
  readonly queue: number;
  /** Address of the command. */
  readonly command: number;
  /** When it times out, in nanoseconds of virtual time. */
  readonly due: number;
  /** Completions still to come; −1 until the first says how many. */
  left: number;
}

/** An INVALIDATE_IOTLB_PAGES command, decoded. */
export interface RemoteInvalidation {
  readonly requester: number;
  readonly queue: number;
  readonly maxPend: number;
  readonly pasid: number;
  readonly range: Invalidation;
  /** Address of the command. */
  readonly command: number;
}

/** ATS and PRI of one IOMMU. */
export class Ats implements AtsService {
  /** Invalidations sent. */
  sent = 0;
  /** Invalidations that no device answered in time. */
  timeouts = 0;
  /** Absent when EFR says that there are no page requests. */
  readonly pageRequest?: (request: PageRequest) => BusStatus;
  readonly #endpoints = new Map<number, AtsEndpoint>();
  readonly #address = new DmaHandle();
  readonly #parts: RequestParts;
  readonly #host: TranslatorHost;
  readonly #scheduler: MachineServices["scheduler"];
  readonly #log: LogRing;
  readonly #signals: Signals;
  readonly #progress: () => void;
  #outstanding: Outstanding[] = [];
  #timer: Timer | null = null;

  /** Page requests go into `log`; `progress` is called when an invalidation has come to its end. */
  constructor(
    parts: RequestParts,
    host: TranslatorHost,
    scheduler: MachineServices["scheduler"],
    log: LogRing,
    signals: Signals,
    progress: () => void,
  ) {
    this.#parts = parts;
    this.#host = host;
    this.#scheduler = scheduler;
    this.#log = log;
    this.#signals = signals;
    this.#progress = progress;
    if (parts.options.pri) this.pageRequest = (request) => this.#pageRequest(request);
  }

  /** Whether no device owes an answer. */
  get idle(): boolean {
    return this.#outstanding.length === 0;
  }

  /** See `AtsService`. */
  attach(requester: number, endpoint: AtsEndpoint): void {
    this.#endpoints.set(requester, endpoint);
  }

  /** See `AtsService`. Whoever is gone answers nothing. */
  detach(requester: number): void {
    this.#endpoints.delete(requester);
  }

  /** Sends an invalidation; false when the device's queue or its tags are all taken, so that it has to wait. */
  invalidate({ requester, queue, maxPend, pasid, range, command }: RemoteInvalidation): boolean {
    const inFlight = this.#outstanding.reduce((count, other) => count + (other.queue === queue ? 1 : 0), 0);
    const tag = this.#freeTag(requester);
    if (inFlight >= (maxPend === 0 ? TAGS : maxPend) || tag < 0) return false;
    const code = (this.#parts.registers.words[CONTROL] & Control.mask.invTimeOut) >>> Control.shift.invTimeOut;
    const due = this.#host.now + INV_TIME_OUT_NS[code];
    this.sent++;
    this.#outstanding.push({ requester, tag, queue, command, due, left: -1 });
    this.#arm();
    this.#endpoints.get(requester)?.invalidate(tag, range, pasid, false);
    return true;
  }

  /** See `AtsService`. An answer that nobody waits for is ignored. */
  invalidateCompletion(requester: number, tags: number, count: number): void {
    const before = this.#outstanding.length;
    this.#outstanding = this.#outstanding.filter((other) => {
      if (other.requester !== requester || (tags >>> other.tag & 1) === 0) return true;
      other.left = (other.left < 0 ? (count & 7) || 8 : other.left) - 1;
      return other.left > 0;
    });
    if (this.#outstanding.length < before) this.#progressed();
  }

  /** Answers a page request group. */
  respond(requester: number, group: number, code: number): void {
    this.#endpoints.get(requester)?.pageResponse(group, code);
  }

  /** Forgets every invalidation. */
  reset(): void {
    this.#outstanding = [];
    this.#arm();
  }

  #freeTag(requester: number): number {
    let taken = 0;
    for (const other of this.#outstanding) if (other.requester === requester) taken |= 1 << other.tag;
    return taken === -1 ? -1 : 31 - Math.clz32(~taken & (taken + 1));
  }

  #progressed(): void {
    this.#arm();
    this.#progress();
  }

  /** One timer, for whichever invalidation is due first. */
  #arm(): void {
    const due = this.#outstanding.reduce((first, other) => Math.min(first, other.due), Infinity);
    if (this.#timer !== null) this.#scheduler.cancel(this.#timer);
    this.#timer = due === Infinity ? null : this.#host.after(due - this.#host.now, () => this.#expire());
  }

  #expire(): void {
    const late = this.#outstanding.filter(({ due }) => due <= this.#host.now);
    this.#outstanding = this.#outstanding.filter(({ due }) => due > this.#host.now);
    for (const { requester, command } of late) {
      this.timeouts++;
      this.#parts.events.invalidationTimeout(requester, command);
    }
    this.#progressed();
  }

  #pageRequest(request: PageRequest): BusStatus {
    if (this.#isAllowed(request.requester)) this.#logRequest(request);
    else this.#refuse(request);
    return BusStatus.OK;
  }

  #isAllowed(requester: number): boolean {
    const { table } = this.#parts;
    const at = table.find(requester);
    const { words } = table;
    const state = words[at];
    const isGood = state === DteState.PAGED || state === DteState.IDENTITY || state === DteState.NO_TRANSLATION;
    return isGood && (words[at + DteWord.FLAGS] & DteFlag.PPR) !== 0 && this.#signals.enabled(ControlBit.PPR_EN);
  }

  #logRequest(request: PageRequest): void {
    const { lo, hi } = this.#address.set(request.address);
    const { shift, mask } = PprLogEntry;
    const { requester, pasid, group, last, rights } = request;
    const w0 = requester & 0xffff | (pasid < 0 ? 0 : pasid << shift.pasidLow);
    let w1 = PPR_CODE << shift.code | group & 0x1ff | (last ? mask.last : 0);
    if (pasid >= 0) w1 |= pasid >>> 16 << shift.pasidHigh | mask.gn;
    if ((rights & Access.READ) !== 0) w1 |= WANTS[Access.READ];
    if ((rights & Access.WRITE) !== 0) w1 |= WANTS[Access.WRITE];
    if (!this.#log.write(w0, w1, lo & ~0xfff, hi) && last) this.#autoRespond(requester, group);
  }

  /** The log is full: the request is lost, and the device hears of it only if software asked for that. */
  #autoRespond(requester: number, group: number): void {
    const { words } = this.#parts.registers;
    if ((words[CONTROL_HIGH] & Control.mask.pprAutoRspEn) === 0) return;
    this.#later(requester, group, words[AUTO_RESPONSE] & PprAutoResponse.mask.code);
  }

  #refuse({ requester, pasid, address, group, last }: PageRequest): void {
    const { lo, hi } = this.#address.set(address);
    const tag = group & 0x1ff | (last ? PprLogEntry.mask.last : 0);
    this.#parts.events.invalidPageRequest(requester & 0xffff, pasid, tag, hi, lo);
    if (last) this.#later(requester, group, PprResponse.FAILURE);
  }

  /** A response is a message of its own: it never arrives within the request. */
  #later(requester: number, group: number, code: number): void {
    this.#host.after(0, () => this.respond(requester, group, code));
  }
}
