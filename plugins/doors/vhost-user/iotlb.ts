/**
 * The guest's IOMMU as a translator. What it does not know it asks the front-end for (a miss) and answers `PENDING`;
 * the front-end's update, or its word that there is no translation, lets parked work go on.
 *
 * Nothing here ever waits: the front-end may itself be waiting for an answer of ours before it can give us its own. All
 * pages of an access are asked for at once, each with the right that is needed; an update gives no more rights than were
 * asked for, since a front-end may say more than the guest's tables do.
 *
 * @module
 */

import {
  Access,
  BusStatus,
  type BusTranslator,
  formatAddress,
  type Transaction,
  type Translation,
  type TranslatorHost,
} from "@iova/core";
import { IotlbTable } from "./iotlb_table.ts";

/** Most questions that may wait for an answer. More are asked when there is room again. */
const MOST_PENDING = 1024;
/** Most pages of one access that are asked for at once. */
const PAGES_AHEAD = 512;
/** Parked work goes on when every question has its answer, or after so many answers. */
const ANSWERS_PER_RESUME = 64;
const TWO20 = 0x10_0000;
const PAGE_SHIFT = 12;
const PAGE = 4096;

/** Asks for the page at bus address (halves) `hi`, `lo`; false when the question cannot be sent. */
export type AskMiss = (hi: number, lo: number, access: number) => boolean;

/** See the module's text. */
export class IotlbTranslator implements BusTranslator {
  readonly name = "vhost-user IOTLB";
  /** Whether the guest has an IOMMU before this device. Without one every address is a guest physical one. */
  enabled = false;
  /** Ignores invalidations: for tests that show what they are for. */
  deaf = false;
  /** Asks the front-end. */
  ask: AskMiss = () => false;
  readonly #table = new IotlbTable();
  readonly #host: TranslatorHost;
  /** Rights asked for and not answered, by page. */
  readonly #pending = new Map<number, number>();
  /** Rights refused, by page, until the work that asked has seen it. */
  readonly #refused = new Map<number, number>();
  /** Questions in the order in which they were sent: answers come in that order. */
  #questions: { page: number; access: number }[] = [];
  #answers = 0;
  #starved = false;
  readonly #counters = { misses: 0, updates: 0, invalidations: 0, refusals: 0 };

  /** Made for one bridge. */
  constructor(host: TranslatorHost) {
    this.#host = host;
  }

  /** See {@linkcode BusTranslator.translate}. */
  translate(tx: Transaction, out: Translation): BusStatus {
    if (!this.enabled) {
      out.set(0, 0, 64, Access.READ | Access.WRITE);
      return BusStatus.OK;
    }
    const page = (tx.hi >>> 0) * TWO20 + (tx.lo >>> PAGE_SHIFT);
    const guest = this.#table.find(page);
    if (guest < 0 || (this.#table.rights & tx.access) !== tx.access) return this.#miss(page, tx);
    // Pages that lie one after the other are not joined: the loop over pages is the port's.
    out.set((guest / TWO20) | 0, (guest % TWO20) << PAGE_SHIFT, PAGE_SHIFT, this.#table.rights);
    return BusStatus.OK;
  }

  /** The front-end says where `size` bytes are; `guest` is the guest physical address. False: it makes no sense. */
  update(iova: bigint, size: bigint, guest: number, perm: number): boolean {
    const whole = (iova | size) & 0xfffn || guest % PAGE;
    if (whole || size === 0n || iova + size > 1n << 64n || perm < 1 || perm > 3) return false;
    this.#counters.updates++;
    const first = Number(iova >> 12n);
    const count = Number(size >> 12n);
    this.#insert(first, count, guest / PAGE, perm);
    for (const page of this.#pending.keys()) {
      if (page < first || page >= first + count) continue;
      const asked = this.#pending.get(page)!;
      if ((asked & ~perm) === 0) this.#pending.delete(page);
      else this.#pending.set(page, asked & ~perm);
    }
    this.#answered();
    return true;
  }

  /** The front-end has answered the oldest question. */
  answer(granted: boolean): void {
    const question = this.#questions.shift();
    if (question === undefined) return;
    const { page, access } = question;
    const open = (this.#pending.get(page) ?? 0) & access;
    if (!granted || open !== 0) {
      // Refused; or granted without an update, which helps nobody.
      this.#forget(page, access);
      this.#refused.set(page, (this.#refused.get(page) ?? 0) | access);
      this.#counters.refusals++;
    }
    this.#answered();
  }

  /** The front-end takes translations back; `done` runs when nothing old can be used any more. */
  invalidate(iova: bigint, size: bigint, done: () => void): void {
    this.#counters.invalidations++;
    if (size === 0n || this.deaf) return done();
    // The last byte, never the end: that may be 2^64.
    const end = iova + size - 1n;
    const last = end >= 1n << 64n ? (1n << 64n) - 1n : end;
    this.#table.remove(Number(iova >> 12n), Number(last >> 12n));
    const [fromHi, fromLo] = halves(iova);
    const [toHi, toLo] = halves(last);
    this.#host.invalidateAt(fromHi, fromLo, toHi, toLo, -1, done);
  }

  /** Forgets everything: another connection, or another guest. Parked work is tried again. */
  reset(): void {
    this.#table.clear();
    this.#pending.clear();
    this.#refused.clear();
    this.#questions = [];
    this.#host.invalidateAt(0, 0, -1, -1, -1);
    this.#host.resume();
  }

  /** See {@linkcode BusTranslator.counters}. */
  counters(): Record<string, number> {
    return { ...this.#counters, entries: this.#table.size, pending: this.#questions.length };
  }

  /** Keeps an update, with the rights that somebody asked for, or all of them when nobody did. */
  #insert(first: number, count: number, guest: number, perm: number): void {
    let asked = 0;
    for (const question of this.#questions) {
      if (question.page >= first && question.page < first + count) asked |= question.access;
    }
    const before = count === 1 && this.#table.find(first) === guest ? this.#table.rights : 0;
    const rights = asked === 0 ? perm : (asked & perm) | before;
    if (rights !== 0) this.#table.insert(first, count, guest, rights);
  }

  #miss(page: number, tx: Transaction): BusStatus {
    const refused = this.#refused.get(page) ?? 0;
    if ((refused & tx.access) !== 0) {
      this.#refused.delete(page);
      return this.#fault(tx);
    }
    const last = page + Math.min(Math.floor(((tx.lo & (PAGE - 1)) + tx.length - 1) / PAGE), PAGES_AHEAD);
    for (let wanted = page; wanted <= last; wanted++) {
      if (wanted !== page && this.#table.find(wanted) >= 0 && (this.#table.rights & tx.access) === tx.access) continue;
      if (!this.#request(wanted, tx.access)) break;
    }
    return BusStatus.PENDING;
  }

  /** Asks for a page, unless that is under way. False when no more can be asked for. */
  #request(page: number, access: number): boolean {
    const asked = this.#pending.get(page) ?? 0;
    const missing = access & ~asked & ~(this.#refused.get(page) ?? 0);
    if (missing === 0) return true;
    const hi = Math.floor(page / TWO20) | 0;
    const lo = (page % TWO20) << PAGE_SHIFT;
    if (this.#questions.length >= MOST_PENDING || !this.ask(hi, lo, missing)) {
      this.#starved = true;
      return false;
    }
    this.#pending.set(page, asked | missing);
    this.#questions.push({ page, access: missing });
    this.#counters.misses++;
    return true;
  }

  #forget(page: number, access: number): void {
    const left = (this.#pending.get(page) ?? 0) & ~access;
    if (left === 0) this.#pending.delete(page);
    else this.#pending.set(page, left);
  }

  /** Lets parked work go on once that has a point. */
  #answered(): void {
    if (this.#pending.size > 0 && ++this.#answers < ANSWERS_PER_RESUME && !this.#starved) return;
    this.#answers = 0;
    this.#starved = false;
    this.#host.resume();
  }

  #fault(tx: Transaction): BusStatus {
    const { requester, address, access } = tx;
    this.#host.fault({ cause: "IOTLB miss refused", requester, address, access, detail: formatAddress(address) });
    return BusStatus.COMPLETER_ABORT;
  }
}

function halves(address: bigint): [hi: number, lo: number] {
  return [Number(BigInt.asIntN(32, address >> 32n)), Number(BigInt.asIntN(32, address))];
}
