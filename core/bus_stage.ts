/**
 * Steps of an access on its way up: a translating stage, what its translator is given, and the root where it ends.
 *
 * @module
 */

import { DmaHandle, formatAddress, toDmaAddr, toNumber, TWO32 } from "./address.ts";
import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  type FaultRecord,
  type Invalidation,
  type Transaction,
  Translation,
  type TranslatorHost,
} from "./bus_translator.ts";
import type { Scheduler, Timer } from "./clock.ts";
import { PluginError, pluginFailure } from "./errors.ts";
import type { EventStream } from "./events.ts";
import { type Lease, type LeaseTable, PassageIndex } from "./mapping.ts";
import type { AddressSpace, RamRegion, RegisterRegion } from "./memory.ts";
import type { PortStats } from "./ports.ts";

/** Where one piece of an access ends: in RAM or in registers. A record that its port reuses. */
export class Window {
  /** The RAM region; null when the piece ends in registers. */
  ram: RamRegion | null = null;
  /** The register region; meaningful while `ram` is null. */
  registers: RegisterRegion | null = null;
  /** Offset in the region. */
  offset = 0;
  /** Bytes from there that this answer covers. */
  length = 0;
  /** Counters of the port that asks. */
  stats: PortStats = { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, translations: 0, faults: 0 };
  /** While a lease is being made: it is told every translator that it passes. */
  lease: Lease | null = null;
  /** The answer to a translation request; the first translator on the way up gives it. */
  readonly completion: Translation = new Translation();
}

/** Anything that can take an access one step further. */
export interface BusTarget {
  /** Answers for the first piece of `tx`: writes `out` and returns `OK`, or returns what the bus saw. */
  resolve(tx: Transaction, out: Window): BusStatus;
}

/** What a bus tree shares. */
export interface BusContext {
  /** The CPU's physical address space: the root. */
  readonly space: AddressSpace;
  /** Virtual time. */
  readonly scheduler: Scheduler;
  /** Where accesses and faults are told. */
  readonly events: EventStream;
  /** Live leases. */
  readonly leases: LeaseTable;
  /** Queued commands and parked work. */
  readonly hardware: HardwareWork;
}

/** Executes a translator's queued commands, one call each. */
function drain(translator: BusTranslator): void {
  try {
    while (translator.step?.()) { /* one call, one command */ }
  } catch (cause) {
    throw pluginFailure(translator.name, "step", cause);
  }
}

/** What hardware has to do apart from answering: queued commands of translators, and work parked behind a pending answer. */
export class HardwareWork {
  #kicked: { readonly translator: BusTranslator }[] = [];
  #posted = false;
  #parked: (() => void)[] = [];
  readonly #run = () => {
    this.#posted = false;
    this.run();
  };

  /** Work that runs from `scheduler` unless a waiting CPU lets it run earlier ({@linkcode HardwareWork.run}). */
  constructor(readonly scheduler: Scheduler) {}

  /** The translator of a stage has commands to execute. */
  kick(stage: { readonly translator: BusTranslator }): void {
    if (this.#kicked.length > 0 && this.#kicked.includes(stage)) return;
    this.#kicked.push(stage);
    if (this.#posted) return;
    this.#posted = true;
    this.scheduler.post(this.#run);
  }

  /** Executes queued commands, one call each, until there are none; false when there were none. */
  run(): boolean {
    if (this.#kicked.length === 0) return false;
    // What a command kicks runs in the same turn, one translator after the other.
    for (let stage = this.#kicked.pop(); stage !== undefined; stage = this.#kicked.pop()) drain(stage.translator);
    return true;
  }

  /** Keeps work until {@linkcode HardwareWork.resume}. */
  park(work: () => void): void {
    this.#parked.push(work);
  }

  /** Schedules all parked work again. */
  resume(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const work of parked) this.scheduler.post(work);
  }
}

/** The root of every tree: the CPU's physical address space. */
export class MemoryTarget implements BusTarget {
  /** The root over `space`. */
  constructor(readonly space: AddressSpace) {}

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    if (tx.addressType === AddressType.TRANSLATION_REQUEST) return BusStatus.UNSUPPORTED_REQUEST;
    const address = toNumber(tx.hi, tx.lo);
    let ram = this.space.recent;
    if (ram === null || address < ram.base || address >= ram.end) ram = this.space.ram(address);
    if (ram !== null) {
      const left = ram.end - address;
      // Storing a reference costs more than comparing it.
      if (out.ram !== ram) out.ram = ram;
      out.offset = address - ram.base;
      out.length = tx.length < left ? tx.length : left;
      return BusStatus.OK;
    }
    const registers = this.space.registers(address);
    return registers === null ? BusStatus.UNSUPPORTED_REQUEST : endInRegisters(registers, address, tx, out);
  }
}

/** Ends an access in a register block, unless the block is at work already. */
export function endInRegisters(registers: RegisterRegion, address: number, tx: Transaction, out: Window): BusStatus {
  if (registers.busy) return BusStatus.COMPLETER_ABORT;
  out.ram = null;
  out.registers = registers;
  out.offset = address - registers.base;
  out.length = Math.min(tx.length, registers.size - out.offset);
  return BusStatus.OK;
}

/** Translator + bus = bus. What `translator` lets through continues on `target`. */
export function behind(translator: BusTranslator, target: BusTarget): BusTarget {
  return new TranslatingStage(translator, target);
}

/** One step upward through a translator. */
export class TranslatingStage implements BusTarget {
  /** Of leases that devices hold over answers of this translator. */
  readonly passages: PassageIndex = new PassageIndex();
  readonly #answer = new Translation();

  constructor(public translator: BusTranslator, readonly target: BusTarget) {}

  resolve(tx: Transaction, out: Window): BusStatus {
    out.stats.translations++;
    if (tx.addressType === AddressType.TRANSLATION_REQUEST) return this.#translate(tx, out.completion);
    const answer = this.#answer;
    const status = this.#translate(tx, answer);
    if (status !== BusStatus.OK) return status;
    // A translator that shortens the access to nothing would have it tried again for ever.
    if (!(tx.length > 0)) throw new PluginError(this.translator.name, "translate", "it answered for no bytes");
    if ((answer.rights & tx.access) !== tx.access) return BusStatus.COMPLETER_ABORT;
    const { shift } = answer;
    const { hi, lo } = tx;
    if (shift < 32) {
      const mask = shift === 0 ? 0 : -1 >>> (32 - shift);
      const left = mask - (lo & mask) + 1 >>> 0;
      // A frame of 2^31 bytes or less: `left` is exact and non-zero.
      if (tx.length > left) tx.length = left;
      tx.lo = (answer.lo & ~mask) | (lo & mask);
      tx.hi = answer.hi;
    } else if (shift < 64) {
      const mask = shift === 32 ? 0 : -1 >>> (64 - shift);
      const left = ((mask - (hi & mask)) >>> 0) * TWO32 + (TWO32 - (lo >>> 0));
      if (tx.length > left) tx.length = left;
      tx.hi = (answer.hi & ~mask) | (hi & mask);
    }
    // A translated address is no bus address any more: the function's own cache has noted the passage.
    if (out.lease !== null && tx.addressType === AddressType.UNTRANSLATED) {
      out.lease.passed(this.passages, hi, lo, tx.length);
      this.translator.leased?.(hi, lo, tx.length, tx.access, out.lease);
    }
    return this.target.resolve(tx, out);
  }

  #translate(tx: Transaction, out: Translation): BusStatus {
    try {
      return this.translator.translate(tx, out);
    } catch (cause) {
      throw pluginFailure(this.translator.name, "translate", cause);
    }
  }
}

/** Makes a translator for a host; null when nothing is to be translated. */
export type MakeTranslator = (host: TranslatorHost) => BusTranslator | null;

/** A stage with the translator that `make` makes for it; null when there is none. */
export function makeStage(target: BusTarget, context: BusContext, make: MakeTranslator): TranslatingStage | null {
  // The host is part of the stage, and the translator is made for its host.
  const stage = new TranslatingStage(UNMADE, target);
  const translator = make(new StageHost(stage, context));
  if (translator === null) return null;
  stage.translator = translator;
  return stage;
}

const UNMADE: BusTranslator = { name: "unmade", translate: () => BusStatus.UNSUPPORTED_REQUEST };
/** What a translator gets from the machine: see {@linkcode TranslatorHost}. */
class StageHost implements TranslatorHost {
  readonly memory: TranslatorHost["memory"];

  constructor(readonly stage: TranslatingStage, readonly context: BusContext) {
    const { space, events } = context;
    this.memory = {
      ram: (address) => space.ram(address),
      write32: (address, value) => {
        const ram = space.ram(address);
        const missing = ram === null ? space.registers(address) === null : address + 4 > ram.end;
        if (missing) return BusStatus.UNSUPPORTED_REQUEST;
        if (events.listening) {
          const { name } = stage.translator;
          events.emit({ type: "translator-write", translator: name, address: formatAddress(address), value });
        }
        space.write(address, 4, value);
        return BusStatus.OK;
      },
    };
  }

  get now(): number {
    return this.context.scheduler.now;
  }

  after(delay: number, work: () => void): Timer {
    return this.context.scheduler.after(delay, work);
  }

  invalidate({ first, last, requester = -1 }: Invalidation, done?: () => void): void {
    const [from, to] = [new DmaHandle().set(first), new DmaHandle().set(last)];
    this.invalidateAt(from.hi, from.lo, to.hi, to.lo, requester, done);
  }

  invalidateAt(
    firstHi: number,
    firstLo: number,
    lastHi: number,
    lastLo: number,
    requester: number,
    done?: () => void,
  ): void {
    const { events, leases } = this.context;
    if (events.listening) {
      const [first, last] = [toDmaAddr(firstHi, firstLo), toDmaAddr(lastHi, lastLo)].map(formatAddress);
      events.emit({ type: "invalidate", first, last });
    }
    leases.invalidate(this.stage.passages, firstHi, firstLo, lastHi, lastLo, requester, done);
  }

  resume(): void {
    this.context.hardware.resume();
  }

  fault(record: FaultRecord): void {
    const { events } = this.context;
    if (events.listening) {
      const address = formatAddress(record.address);
      events.emit({ type: "fault-record", ...record, address, access: accessName(record.access) });
    }
  }

  kick(): void {
    this.context.hardware.kick(this.stage);
  }
}

/** What an access is called in events. */
export function accessName(access: Access): string {
  return access === Access.READ ? "read" : access === Access.WRITE ? "write" : "read+write";
}
