/**
 * The bus tree: who claims an address, which bridge translates it, where it ends.
 *
 * 1. A device performs an access on its local bus. It does not know what lies above.
 * 2. If a peer on that bus claims the address, the access goes there untranslated (peer-to-peer), unless access control
 *    (ACS) redirects it upward.
 * 3. Otherwise the bridge's translator, if it has one and this requester is in its scope, translates; the access goes on
 *    on the parent bus; and so on to the root, which is the CPU's physical address space.
 * 4. A device may carry a translator of its own: same interface, one step earlier.
 * 5. A request marked *translated* passes a translator only if that translator trusts the requester.
 * 6. A translator may serve the CPU as well: it then puts a register block (an aperture) into the address space.
 * 7. No bus mastering, no access.
 *
 * A bus, a bridge and the address space all answer one question, {@linkcode BusTarget.resolve}, so nesting is
 * composition: `behind(translator, bus)` is a bus.
 *
 * @module
 */

import { type DmaAddr, DmaHandle, formatAddress, type PhysAddr, toDmaAddr, toNumber, TWO32 } from "./address.ts";
import { AddressTranslationCache, type AtsOptions } from "./ats.ts";
import {
  Access,
  AddressType,
  type AtsService,
  BusStatus,
  type BusTranslator,
  type FaultRecord,
  type Invalidation,
  Transaction,
  Translation,
  type TranslatorHost,
} from "./bus_translator.ts";
import type { Scheduler, Timer } from "./clock.ts";
import { PluginError, pluginFailure } from "./errors.ts";
import type { EventStream } from "./events.ts";
import { Lease, type LeaseOptions, type LeasePiece, type LeaseRange, type LeaseTable } from "./mapping.ts";
import {
  type AddressSpace,
  copyBytes,
  type RamRegion,
  readRegisters,
  type RegisterRegion,
  writeRegisters,
} from "./memory.ts";
import type { DevicePort, LeaseResult, PieceVisitor, PortStats } from "./ports.ts";

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
  readonly #scheduler: Scheduler;
  readonly #run = () => {
    this.#posted = false;
    this.run();
  };

  /** Work that runs from `scheduler` unless a waiting CPU lets it run earlier ({@linkcode HardwareWork.run}). */
  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** The translator of a stage has commands to execute. */
  kick(stage: { readonly translator: BusTranslator }): void {
    if (this.#kicked.includes(stage)) return;
    this.#kicked.push(stage);
    if (this.#posted) return;
    this.#posted = true;
    this.#scheduler.post(this.#run);
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
    for (const work of parked) this.#scheduler.post(work);
  }
}

/** The root of every tree: the CPU's physical address space. */
export class MemoryTarget implements BusTarget {
  readonly #space: AddressSpace;

  /** The root over `space`. */
  constructor(space: AddressSpace) {
    this.#space = space;
  }

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    if (tx.addressType === AddressType.TRANSLATION_REQUEST) return BusStatus.UNSUPPORTED_REQUEST;
    const address = toNumber(tx.hi, tx.lo);
    let ram = this.#space.recent;
    if (ram === null || address < ram.base || address >= ram.end) ram = this.#space.ram(address);
    if (ram !== null) {
      const left = ram.end - address;
      // Storing a reference costs more than comparing it.
      if (out.ram !== ram) out.ram = ram;
      out.offset = address - ram.base;
      out.length = tx.length < left ? tx.length : left;
      return BusStatus.OK;
    }
    const registers = this.#space.registers(address);
    return registers === null ? BusStatus.UNSUPPORTED_REQUEST : endInRegisters(registers, address, tx, out);
  }
}

function endInRegisters(registers: RegisterRegion, address: number, tx: Transaction, out: Window): BusStatus {
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

class TranslatingStage implements BusTarget {
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
      out.lease.passed(this, hi, lo, tx.length);
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

function makeStage(target: BusTarget, context: BusContext, make: MakeTranslator): TranslatingStage | null {
  // The host is part of the stage, and the translator is made for its host.
  const stage = new TranslatingStage(UNMADE, target);
  const translator = make(new StageHost(stage, context));
  if (translator === null) return null;
  stage.translator = translator;
  return stage;
}

const UNMADE: BusTranslator = { name: "unmade", translate: () => BusStatus.UNSUPPORTED_REQUEST };

/**
 * A bridge: connects a bus to what is above it, with a translator, several (one per requester), or none.
 * Precedence: a requester's own entry, then the bridge's default.
 */
export class Bridge implements BusTarget {
  #stages: BusTarget[];
  // Index into #stages by requester id; null while every requester takes the default.
  #choice: Uint16Array | null = null;

  /** A bridge to `above`. */
  constructor(readonly above: BusTarget) {
    this.#stages = [above];
  }

  /**
   * Puts a translator into the bridge, for every requester or for one. `make` gets the translator's host and may answer
   * null: then nothing translates.
   */
  translate(context: BusContext, make: MakeTranslator, requester?: number): BusTranslator | null {
    const stage = makeStage(this.above, context, make);
    if (requester !== undefined) this.#choose(requester, stage ?? this.above);
    else if (stage !== null) this.#stages[0] = stage;
    return stage?.translator ?? null;
  }

  /** The translator that a requester meets here; null when none. */
  translatorFor(requester: number): BusTranslator | null {
    const stage = this.#stages[this.#choice?.[requester & 0xffff] ?? 0];
    return stage instanceof TranslatingStage ? stage.translator : null;
  }

  /** Lets a requester pass untranslated: its bus addresses are the parent's. */
  bypass(requester: number): void {
    this.#choose(requester, this.above);
  }

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    const choice = this.#choice;
    const stage = choice === null ? this.#stages[0] : this.#stages[choice[tx.requester & 0xffff]];
    return stage.resolve(tx, out);
  }

  #choose(requester: number, stage: BusTarget): void {
    this.#choice ??= new Uint16Array(65536);
    let index = this.#stages.indexOf(stage, 1);
    if (index < 0) index = this.#stages.push(stage) - 1;
    this.#choice[requester & 0xffff] = index;
  }
}

interface Claim {
  readonly first: PhysAddr;
  readonly last: PhysAddr;
  readonly region: RegisterRegion;
  readonly always: boolean;
}

/** A bus: peers that claim addresses, and a bridge upward. */
export class Bus implements BusTarget {
  /** Access control: peer-to-peer requests are redirected to the bridge. */
  redirect = false;
  /** Ports that are plugged in, in order. */
  readonly ports: BusPort[] = [];
  #claims: Claim[] = [];
  #lowest = Infinity;
  #highest = -1;

  /** A bus called `name` below `bridge`; `parent` is the bus that the bridge sits on, null for a root bus. */
  constructor(
    readonly name: string,
    readonly bridge: Bridge,
    readonly parent: Bus | null,
    readonly context: BusContext,
  ) {}

  /** Claims addresses for a peer's registers. `always`: even access control does not redirect (interrupt messages). */
  claim(first: PhysAddr, size: number, region: RegisterRegion, always = false): void {
    this.#claims = [...this.#claims, { first, last: first + size - 1, region, always }].sort((a, b) =>
      a.first - b.first
    );
    this.#bound();
  }

  /** Gives the claims of a region up. */
  unclaim(region: RegisterRegion): void {
    this.#claims = this.#claims.filter((claim) => claim.region !== region);
    this.#bound();
  }

  /** Plugs a function in. */
  attach(name: string, requester: number): BusPort {
    const port = new BusPort(name, requester, this);
    this.ports.push(port);
    return port;
  }

  /** The ATS service of the first translator above that a requester meets; null when it offers none. */
  ats(requester: number): AtsService | null {
    const translator = this.bridge.translatorFor(requester);
    return translator !== null ? translator.ats ?? null : this.parent?.ats(requester) ?? null;
  }

  /** Unplugs a function: its leases end, its accesses get nowhere. */
  detach(port: BusPort): void {
    port.unplug();
    this.ports.splice(this.ports.indexOf(port), 1);
  }

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    const address = toNumber(tx.hi, tx.lo);
    if (address >= this.#lowest && address <= this.#highest && tx.addressType !== AddressType.TRANSLATION_REQUEST) {
      const index = this.#find(address);
      const claim = this.#claims[index];
      const inside = address >= claim.first;
      if (inside && (!this.redirect || claim.always)) {
        tx.length = Math.min(tx.length, claim.last - address + 1);
        return endInRegisters(claim.region, address, tx, out);
      }
      // An access does not run into the next claim.
      const next = inside ? this.#claims[index + 1] : claim;
      if (next !== undefined) tx.length = Math.min(tx.length, next.first - address);
    } else if (address < this.#lowest && tx.length > this.#lowest - address) {
      tx.length = this.#lowest - address;
    }
    return this.bridge.resolve(tx, out);
  }

  /** The first claim that ends at or above an address; there is one. */
  #find(address: number): number {
    let low = 0;
    let high = this.#claims.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (address > this.#claims[middle].last) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #bound(): void {
    this.#lowest = this.#claims[0]?.first ?? Infinity;
    this.#highest = this.#claims.reduce((highest, claim) => Math.max(highest, claim.last), -1);
  }
}

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

  invalidate(range: Invalidation, done?: () => void): void {
    this.#announce(range.first, range.last);
    this.context.leases.invalidate(this.stage, range, done);
  }

  invalidateAt(
    firstHi: number,
    firstLo: number,
    lastHi: number,
    lastLo: number,
    requester: number,
    done?: () => void,
  ): void {
    if (this.context.events.listening) this.#announce(toDmaAddr(firstHi, firstLo), toDmaAddr(lastHi, lastLo));
    this.context.leases.invalidateAt(this.stage, firstHi, firstLo, lastHi, lastLo, requester, done);
  }

  #announce(first: DmaAddr, last: DmaAddr): void {
    const { events } = this.context;
    if (!events.listening) return;
    events.emit({ type: "invalidate", first: formatAddress(first), last: formatAddress(last) });
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

function accessName(access: Access): string {
  return access === Access.READ ? "read" : access === Access.WRITE ? "write" : "read+write";
}

/** A {@linkcode DevicePort} on a simulated bus. */
export class BusPort implements DevicePort {
  busMaster = true;
  /** See {@linkcode DevicePort.stats}. */
  readonly stats: PortStats;
  readonly #tx = new Transaction();
  readonly #window = new Window();
  readonly #word = new Uint8Array(4);
  readonly #wordView = new DataView(this.#word.buffer);
  readonly #leases = new Set<Lease>();
  #route: BusTarget;
  #ats: AddressTranslationCache | null = null;

  /** Made by {@linkcode Bus.attach}. */
  constructor(readonly name: string, public requester: number, readonly bus: Bus) {
    this.stats = this.#window.stats;
    this.#route = bus;
  }

  /** Gives the function a translator of its own, one step before the bus. */
  translate(make: MakeTranslator): void {
    this.#route = makeStage(this.bus, this.bus.context, make) ?? this.bus;
  }

  /** See {@linkcode DevicePort.enableAts}. */
  enableAts(options: AtsOptions = {}): AddressTranslationCache | null {
    this.disableAts();
    const service = this.bus.ats(this.requester);
    if (service === null) return null;
    this.#ats = new AddressTranslationCache(this, this.bus, service, options);
    this.#route = this.#ats;
    return this.#ats;
  }

  /** See {@linkcode DevicePort.disableAts}. */
  disableAts(): void {
    if (this.#ats === null) return;
    this.#ats.disable();
    this.#ats = null;
    this.#route = this.bus;
  }

  /** Takes the function off the bus. */
  unplug(): void {
    this.disableAts();
    this.busMaster = false;
    this.#route = NOWHERE;
    this.revokeAll("unplugged");
  }

  readAt(hi: number, lo: number, into: Uint8Array, offset: number, length: number): BusStatus {
    this.stats.reads++;
    this.stats.bytesRead += length;
    return this.#move(hi, lo, length, Access.READ, into, offset, null);
  }

  writeAt(hi: number, lo: number, from: Uint8Array, offset: number, length: number): BusStatus {
    this.stats.writes++;
    this.stats.bytesWritten += length;
    return this.#move(hi, lo, length, Access.WRITE, from, offset, null);
  }

  visit(hi: number, lo: number, length: number, access: Access, visitor: PieceVisitor): BusStatus {
    if (access === Access.READ) {
      this.stats.reads++;
      this.stats.bytesRead += length;
    } else {
      this.stats.writes++;
      this.stats.bytesWritten += length;
    }
    return this.#move(hi, lo, length, access, this.#word, 0, visitor);
  }

  read(address: DmaAddr, into: Uint8Array): BusStatus {
    const { hi, lo } = halves.set(address);
    return this.readAt(hi, lo, into, 0, into.length);
  }

  write(address: DmaAddr, from: Uint8Array): BusStatus {
    const { hi, lo } = halves.set(address);
    return this.writeAt(hi, lo, from, 0, from.length);
  }

  write32(hi: number, lo: number, value: number): BusStatus {
    this.#wordView.setUint32(0, value, true);
    const ats = this.#ats;
    if (ats === null) return this.writeAt(hi, lo, this.#word, 0, 4);
    ats.passing = true;
    try {
      return this.writeAt(hi, lo, this.#word, 0, 4);
    } finally {
      ats.passing = false;
    }
  }

  map(ranges: LeaseRange[], options: LeaseOptions = {}): LeaseResult {
    const { leases } = this.bus.context;
    const views: LeasePiece[][] = [];
    const lease = new Lease(leases, this.name, this.requester, ranges, views, options);
    const window = this.#window;
    for (const range of ranges) {
      const pieces: { region: RamRegion; offset: number; length: number; at: number }[] = [];
      window.lease = lease;
      const status = this.#pieces(range, (region, offset, length, at) => {
        const previous = pieces[pieces.length - 1];
        // Frames that happen to be neighbours become one piece.
        if (previous?.region === region && previous.offset + previous.length === offset) previous.length += length;
        else pieces.push({ region, offset, length, at });
      });
      window.lease = null;
      if (status !== BusStatus.OK) {
        // Translators that keep something for the pieces before this one hear of its end.
        lease.release();
        return { ok: false, status, address: toDmaAddr(range.hi, range.lo) };
      }
      views.push(pieces.map(({ region: { bytes }, offset, length, at }) => {
        const { buffer, byteOffset } = bytes;
        return {
          at,
          bytes: new Uint8Array(buffer, byteOffset + offset, length),
          view: new DataView(buffer, byteOffset + offset, length),
        };
      }));
    }
    leases.add(lease);
    this.#leases.add(lease);
    lease.whenEnded(() => this.#leases.delete(lease));
    return { ok: true, lease };
  }

  revokeAll(reason: string): void {
    for (const lease of this.#leases) lease.revoke(reason);
  }

  park(work: () => void): void {
    this.bus.context.hardware.park(work);
  }

  /** Resolves every RAM piece of a range; registers cannot be leased. */
  #pieces(
    range: LeaseRange,
    each: (region: RamRegion, offset: number, length: number, at: number) => void,
  ): BusStatus {
    let { hi, lo } = range;
    let at = 0;
    if (wraps(hi, lo, range.length)) return this.#failed(BusStatus.UNSUPPORTED_REQUEST, hi, lo, range.access);
    while (at < range.length) {
      const status = this.#resolve(hi, lo, range.length - at, range.access);
      if (status !== BusStatus.OK) return this.#failed(status, hi, lo, range.access);
      const { ram, offset, length } = this.#window;
      if (ram === null) return this.#failed(BusStatus.COMPLETER_ABORT, hi, lo, range.access);
      each(ram, offset, length, at);
      const next = (lo + length) | 0;
      if ((next >>> 0) < (lo >>> 0)) hi = (hi + 1) | 0;
      lo = next;
      at += length;
    }
    return BusStatus.OK;
  }

  #resolve(hi: number, lo: number, length: number, access: Access): BusStatus {
    if (!this.busMaster) return BusStatus.UNSUPPORTED_REQUEST;
    const tx = this.#tx;
    tx.hi = hi;
    tx.lo = lo;
    tx.length = length;
    tx.access = access;
    tx.addressType = AddressType.UNTRANSLATED;
    tx.requester = this.requester;
    return this.#route.resolve(tx, this.#window);
  }

  /** The one loop under every access: resolve a piece, move it, go on; the first failure ends it. */
  #move(
    hi: number,
    lo: number,
    length: number,
    access: Access,
    bytes: Uint8Array,
    bytesOffset: number,
    visitor: PieceVisitor | null,
  ): BusStatus {
    if (wraps(hi, lo, length)) return this.#failed(BusStatus.UNSUPPORTED_REQUEST, hi, lo, access);
    const { events } = this.bus.context;
    let at = 0;
    while (at < length) {
      const status = this.#resolve(hi, lo, length - at, access);
      if (status !== BusStatus.OK) return this.#failed(status, hi, lo, access);
      const { ram, registers, offset, length: piece } = this.#window;
      if (events.listening) this.#report(hi, lo, piece, access);
      if (ram === null) {
        if (visitor !== null) return this.#failed(BusStatus.COMPLETER_ABORT, hi, lo, access);
        // The word has its view already, so that an interrupt message allocates nothing.
        const view = bytes === this.#word
          ? this.#wordView
          : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        moveRegisters(registers!, offset, view, bytesOffset + at, piece, access);
      } else if (visitor !== null) {
        visitor.piece(ram.bytes, offset, piece, at);
      } else if (access === Access.WRITE) {
        copyBytes(ram.bytes, offset, bytes, bytesOffset + at, piece);
      } else {
        readRam(ram, offset, bytes, bytesOffset + at, piece);
      }
      const next = (lo + piece) | 0;
      if ((next >>> 0) < (lo >>> 0)) hi = (hi + 1) | 0;
      lo = next;
      at += piece;
    }
    return BusStatus.OK;
  }

  #failed(status: BusStatus, hi: number, lo: number, access: Access): BusStatus {
    if (status === BusStatus.PENDING) return status;
    this.stats.faults++;
    const { events } = this.bus.context;
    if (events.listening) {
      const address = formatAddress(toDmaAddr(hi, lo));
      const name = status === BusStatus.UNSUPPORTED_REQUEST ? "unsupported request" : "completer abort";
      events.emit({ type: "fault", device: this.name, access: accessName(access), address, status: name });
    }
    return status;
  }

  #report(hi: number, lo: number, length: number, access: Access): void {
    const address = formatAddress(toDmaAddr(hi, lo));
    this.bus.context.events.emit({ type: "dma", device: this.name, access: accessName(access), address, length });
  }
}

const halves = new DmaHandle();
const NOWHERE: BusTarget = { resolve: () => BusStatus.UNSUPPORTED_REQUEST };

/** Whether `length` bytes from an address run past 2^64. */
function wraps(hi: number, lo: number, length: number): boolean {
  return hi < 0 && length > (TWO32 - (hi >>> 0)) * TWO32 - (lo >>> 0);
}

function readRam(ram: RamRegion, offset: number, into: Uint8Array, intoOffset: number, length: number): void {
  if (length === 4096 && (offset & 4095) === 0) into.set(ram.page(offset / 4096), intoOffset);
  else copyBytes(into, intoOffset, ram.bytes, offset, length);
}

/** Register accesses by device: 32 bits at a time where aligned, bytes elsewhere. */
function moveRegisters(
  region: RegisterRegion,
  offset: number,
  view: DataView,
  at: number,
  length: number,
  access: Access,
): void {
  for (let done = 0; done < length;) {
    const width = (offset + done) % 4 === 0 && length - done >= 4 ? 4 : 1;
    if (access === Access.WRITE) {
      const value = width === 4 ? view.getUint32(at + done, true) : view.getUint8(at + done);
      writeRegisters(region, offset + done, width, value);
    } else {
      const value = readRegisters(region, offset + done, width);
      if (width === 4) view.setUint32(at + done, value, true);
      else view.setUint8(at + done, value);
    }
    done += width;
  }
}
