/**
 * A function's way onto a simulated bus.
 *
 * @module
 */

import { type DmaAddr, DmaHandle, formatAddress, toDmaAddr, TWO32 } from "./address.ts";
import { AddressTranslationCache, type AtsOptions } from "./ats.ts";
import type { Bus } from "./bus.ts";
import { accessName, type BusTarget, makeStage, type MakeTranslator, Window } from "./bus_stage.ts";
import { Access, AddressType, BusStatus, Transaction } from "./bus_translator.ts";
import { Lease, type LeaseOptions, type LeasePiece, type LeaseRange } from "./mapping.ts";
import { copyBytes, type RamRegion, readRegisters, type RegisterRegion, writeRegisters } from "./memory.ts";
import type { DevicePort, LeaseResult, PieceVisitor, PortStats } from "./ports.ts";

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
  // The function's own translator comes first, then its translation cache, then the bus.
  #own: BusTarget | null = null;
  #exit: BusTarget;
  #route: BusTarget;
  #ats: AddressTranslationCache | null = null;

  /** Made by {@linkcode Bus.attach}. */
  constructor(readonly name: string, public requester: number, readonly bus: Bus) {
    this.stats = this.#window.stats;
    this.#route = this.#exit = bus;
  }

  /** Gives the function a translator of its own, one step before the bus. */
  translate(make: MakeTranslator): void {
    const onward: BusTarget = { resolve: (tx, out) => this.#exit.resolve(tx, out) };
    this.#own = makeStage(onward, this.bus.context, make);
    this.#leaveBy(this.#exit);
  }

  /** See {@linkcode DevicePort.enableAts}. */
  enableAts(options: AtsOptions = {}): AddressTranslationCache | null {
    this.disableAts();
    const service = this.bus.ats(this.requester);
    if (service === null) return null;
    this.#ats = new AddressTranslationCache(this, this.bus, service, options);
    this.#leaveBy(this.#ats);
    return this.#ats;
  }

  /** See {@linkcode DevicePort.disableAts}. */
  disableAts(): void {
    if (this.#ats === null) return;
    this.#ats.disable();
    this.#ats = null;
    this.#leaveBy(this.bus);
  }

  /** Takes the function off the bus. */
  unplug(): void {
    this.disableAts();
    this.busMaster = false;
    this.#own = null;
    this.#leaveBy(NOWHERE);
    this.revokeAll("unplugged");
  }

  #leaveBy(exit: BusTarget): void {
    this.#exit = exit;
    this.#route = this.#own ?? exit;
  }

  readAt(hi: number, lo: number, into: Uint8Array, offset: number, length: number): BusStatus {
    return this.#move(hi, lo, length, Access.READ, into, offset, null);
  }

  writeAt(hi: number, lo: number, from: Uint8Array, offset: number, length: number): BusStatus {
    return this.#move(hi, lo, length, Access.WRITE, from, offset, null);
  }

  visit(hi: number, lo: number, length: number, access: Access, visitor: PieceVisitor): BusStatus {
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
    tx.pasid = -1;
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
    if (access === Access.READ) {
      this.stats.reads++;
      this.stats.bytesRead += length;
    } else {
      this.stats.writes++;
      this.stats.bytesWritten += length;
    }
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
