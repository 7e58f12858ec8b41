/**
 * The command ring (AMD 48882 §2.4): one command a step, in order. A command that makes no sense stops the ring where it
 * stands.
 *
 * @module
 */

import { type TranslatorHost, TWO32 } from "@iova/core";
import {
  CompletePprRequest,
  CompletionWait,
  ENTRY_SIZE,
  InvalidateDevtabEntry,
  InvalidateInterruptTable,
  InvalidateIommuAll,
  InvalidateIommuPages,
  InvalidateIotlbPages,
  Opcode,
  PrefetchIommuPages,
  Register,
  reservedMaskOf,
} from "../layout.ts";
import type { Ats } from "./ats_service.ts";
import { DteFlag, DteState, DteWord } from "./device_table.ts";
import { blockRange, commandShift, type Invalidator } from "./invalidation.ts";
import { Ring } from "./log_ring.ts";
import type { RequestParts } from "./parts.ts";
import { ControlBit, type Signals, StatusBit } from "./signals.ts";

/** How a command ended. */
const Outcome = { DONE: 0, WAIT: 1, ILLEGAL: 2, NO_MEMORY: 3 } as const;
type Outcome = typeof Outcome[keyof typeof Outcome];

/** A command: which bits of its words must be zero, and what it does. */
class Handler {
  readonly #reserved: readonly number[];

  constructor(struct: Parameters<typeof reservedMaskOf>[0], readonly run: () => Outcome) {
    this.#reserved = [...reservedMaskOf(struct)];
  }

  /** Whether a reserved bit is set. */
  refuses(words: Int32Array): boolean {
    const reserved = this.#reserved;
    return (words[0] & reserved[0] | words[1] & reserved[1] | words[2] & reserved[2] | words[3] & reserved[3]) !== 0;
  }
}

// Constants of other modules are loaded at each use; those of this one are part of the code.
const { DONE, NO_MEMORY } = Outcome;
const RUN = StatusBit.CMD_BUF_RUN;
const ENTRY = ENTRY_SIZE;
const OPCODE_SHIFT = 28;
const ADDRESS_LOW = InvalidateIommuPages.mask.address | 0;
const PAGES_DOMAIN = InvalidateIommuPages.mask.domainId;
const PAGES_SIZED = InvalidateIommuPages.mask.s;
const PAGES_DIRECTORIES = InvalidateIommuPages.mask.pde;
const WAIT_STORES = CompletionWait.mask.s;
const WAIT_INTERRUPTS = CompletionWait.mask.i;
const STORE_HIGH = CompletionWait.maskHigh.storeAddress;
const STORE_LOW = CompletionWait.mask.storeAddress;

/** The command ring of one IOMMU. */
export class CommandRing {
  /** Commands executed. */
  executed = 0;
  readonly ring: Ring;
  readonly #parts: RequestParts;
  readonly #host: TranslatorHost;
  readonly #signals: Signals;
  readonly #invalidator: Invalidator;
  readonly #ats: Ats;
  readonly #handlers = new Array<Handler | undefined>(16).fill(undefined);
  // The command being executed: four 32-bit words, lowest first, and its address.
  readonly #words = new Int32Array(ENTRY_SIZE / 4);
  #address = 0;
  #errorAddress = 0;
  #waiting = false;

  /** A ring over the parts of one IOMMU. */
  constructor(parts: RequestParts, host: TranslatorHost, signals: Signals, invalidator: Invalidator, ats: Ats) {
    this.#parts = parts;
    this.#host = host;
    this.#signals = signals;
    this.#invalidator = invalidator;
    this.#ats = ats;
    const place = { base: Register.CMD_BUF_BASE, head: Register.CMD_HEAD, tail: Register.CMD_TAIL };
    this.ring = new Ring(parts.registers, place, "head", () => signals.is(RUN), () => this.kick());
    this.#defineHandlers();
  }

  /** Starts executing, if the ring's length is legal. */
  start(): void {
    if (this.ring.bytes === 0) return;
    this.#signals.set(RUN, true);
    this.kick();
  }

  /** Stops executing; what waits is forgotten, what is under way goes on. */
  stop(): void {
    this.#signals.set(RUN, false);
  }

  /** Has the machine call {@linkcode CommandRing.step} when there may be something to do. */
  kick(): void {
    if (this.#signals.is(RUN) && this.ring.head !== this.ring.tail) this.#host.kick();
  }

  /** What a command waited for may have happened. */
  resume(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.kick();
  }

  /** Executes one command; false when there is none, or the next one has to wait. */
  step(): boolean {
    const { ring } = this;
    if (ring.head === ring.tail || !this.#signals.is(RUN) || !ring.isInside) return false;
    const outcome = this.#fetch() ? this.#execute() : NO_MEMORY;
    if (outcome !== DONE) return this.#stopped(outcome);
    this.executed++;
    ring.advance();
    return true;
  }

  #stopped(outcome: Outcome): boolean {
    switch (outcome) {
      case Outcome.WAIT:
        this.#waiting = true;
        return false;
      case Outcome.ILLEGAL:
        this.stop();
        this.#parts.events.illegalCommand(this.#address);
        return false;
      default:
        this.stop();
        this.#parts.events.commandError(this.#errorAddress);
        return false;
    }
  }

  #fetch(): boolean {
    const address = this.ring.base + this.ring.head;
    this.#address = this.#errorAddress = address;
    const region = this.#host.memory.ram(address);
    if (region === null || address + ENTRY > region.end) return false;
    const words = this.#words;
    const { view } = region;
    const at = address - region.base;
    words[0] = view.getInt32(at, true);
    words[1] = view.getInt32(at + 4, true);
    words[2] = view.getInt32(at + 8, true);
    words[3] = view.getInt32(at + 12, true);
    return true;
  }

  #execute(): Outcome {
    const words = this.#words;
    const handler = this.#handlers[words[1] >>> OPCODE_SHIFT];
    if (this.#parts.personality.skipsIllegalCommands) {
      const outcome = handler?.run() ?? DONE;
      return outcome === Outcome.ILLEGAL ? DONE : outcome;
    }
    return handler === undefined || handler.refuses(words) ? Outcome.ILLEGAL : handler.run();
  }

  #defineHandlers(): void {
    const { pri, ats } = this.#parts.options;
    const define = (opcode: number, struct: Parameters<typeof reservedMaskOf>[0], run: () => Outcome) =>
      this.#handlers[opcode] = new Handler(struct, run);
    define(Opcode.COMPLETION_WAIT, CompletionWait, () => this.#completionWait());
    define(Opcode.INVALIDATE_DEVTAB_ENTRY, InvalidateDevtabEntry, () => this.#invalidateDevtabEntry());
    define(Opcode.INVALIDATE_IOMMU_PAGES, InvalidateIommuPages, () => this.#invalidateIommuPages());
    if (ats) define(Opcode.INVALIDATE_IOTLB_PAGES, InvalidateIotlbPages, () => this.#invalidateIotlbPages());
    // Nothing is cached of interrupts, and a prefetch is a hint: both are checked and have no effect.
    define(Opcode.INVALIDATE_INTERRUPT_TABLE, InvalidateInterruptTable, () => Outcome.DONE);
    define(Opcode.PREFETCH_IOMMU_PAGES, PrefetchIommuPages, () => Outcome.DONE);
    if (pri) define(Opcode.COMPLETE_PPR_REQUEST, CompletePprRequest, () => this.#completePprRequest());
    define(Opcode.INVALIDATE_IOMMU_ALL, InvalidateIommuAll, () => this.#invalidateAll());
  }

  /** Waits for every device that owes an answer, and for every lease that is still in use. */
  #completionWait(): Outcome {
    if (!this.#ats.idle || !this.#invalidator.idle) return Outcome.WAIT;
    const words = this.#words;
    if ((words[0] & WAIT_STORES) !== 0) {
      const address = (words[1] & STORE_HIGH) * TWO32 + ((words[0] & STORE_LOW) >>> 0);
      if (!this.#store(address, words[2], words[3])) return NO_MEMORY;
    }
    if ((words[0] & WAIT_INTERRUPTS) !== 0) {
      this.#signals.set(StatusBit.COM_WAIT_INT, true);
      this.#signals.interrupt(ControlBit.COM_WAIT_INT_EN);
    }
    return DONE;
  }

  #store(address: number, low: number, high: number): boolean {
    const region = this.#host.memory.ram(address);
    if (region === null || address + 8 > region.end) {
      this.#errorAddress = address;
      return false;
    }
    region.view.setInt32(address - region.base, low, true);
    region.view.setInt32(address - region.base + 4, high, true);
    return true;
  }

  #invalidateDevtabEntry(): Outcome {
    this.#invalidator.device(this.#words[0] & InvalidateDevtabEntry.mask.deviceId);
    return Outcome.DONE;
  }

  #invalidateIommuPages(): Outcome {
    const words = this.#words;
    const lo = words[2] & ADDRESS_LOW;
    const shift = commandShift(words[3], lo, (words[2] & PAGES_SIZED) !== 0);
    this.#invalidator.pages(words[1] & PAGES_DOMAIN, words[3], lo, shift, (words[2] & PAGES_DIRECTORIES) !== 0);
    return DONE;
  }

  #invalidateIotlbPages(): Outcome {
    const words = this.#words;
    const w0 = words[0];
    const w1 = words[1];
    const w2 = words[2];
    const hi = words[3];
    const { mask, shift } = InvalidateIotlbPages;
    // Type needs InvIotlbTypeSup, which is not offered.
    if ((w2 & mask.type) !== 0) return Outcome.ILLEGAL;
    const requester = w0 & mask.deviceId;
    const lo = w2 & ADDRESS_LOW;
    if (this.#parts.personality.invalidatesOwnIotlb && (w2 & mask.s) === 0) {
      const { table } = this.#parts;
      const at = table.find(requester);
      this.#invalidator.ownPage(table.words[at + DteWord.DOMAIN], hi, lo);
    }
    if (!this.#isTrusted(requester)) return Outcome.DONE;
    const pasid = ((w1 & mask.pasidHigh) >>> shift.pasidHigh) << 16 |
      ((w0 & mask.pasidMiddle) >>> shift.pasidMiddle) << 8 | (w1 & mask.pasidLow) >>> shift.pasidLow;
    const sent = this.#ats.invalidate({
      requester,
      queue: w1 & mask.queueId,
      maxPend: (w0 & mask.maxPend) >>> shift.maxPend,
      pasid: (w2 & mask.gn) !== 0 ? pasid : -1,
      range: blockRange(hi, lo, commandShift(hi, lo, (w2 & mask.s) !== 0)),
      command: this.#address,
    });
    return sent ? Outcome.DONE : Outcome.WAIT;
  }

  /** Whether the device may have a translation cache at all: no message goes to one that may not. */
  #isTrusted(requester: number): boolean {
    const { table } = this.#parts;
    const at = table.find(requester);
    const state = table.words[at];
    const isGood = state !== DteState.PASS && state !== DteState.EXCLUDED && state < DteState.BEYOND;
    return isGood && (table.words[at + DteWord.FLAGS] & DteFlag.I) !== 0;
  }

  #completePprRequest(): Outcome {
    const { mask, shift } = CompletePprRequest;
    const w3 = this.#words[3];
    const group = w3 & mask.prgIndex;
    this.#ats.respond(this.#words[0] & mask.deviceId, group, (w3 & mask.response) >>> shift.response);
    return Outcome.DONE;
  }

  #invalidateAll(): Outcome {
    this.#invalidator.all();
    return Outcome.DONE;
  }
}
