/**
 * The two ports that everything stands on. Both are synchronous: a register read returns a value, a translation an
 * answer. Each has more than one implementation (the simulated machine, a real QEMU, a real guest), so nothing above
 * them may assume a simulation.
 *
 * - {@linkcode GuestPort}: what a CPU can do. Drivers and `DmaOps` stand on it.
 * - {@linkcode DevicePort}: what a bus function can do. Devices stand on it.
 *
 * @module
 */

import type { DmaAddr, PhysAddr } from "./address.ts";
import type { AddressTranslationCache, AtsOptions } from "./ats.ts";
import type { Access, BusStatus } from "./bus_translator.ts";
import type { Timer } from "./clock.ts";
import type { GuestHeap } from "./heap.ts";
import type { Lease, LeaseOptions, LeaseRange } from "./mapping.ts";
import type { AddressSpace, Width } from "./memory.ts";

/**
 * The registers of a hypercall, in a record that its user keeps and reuses: values as signed 32-bit halves, numbered
 * from 0 for the first argument or result.
 */
export class HypercallRegisters {
  /** High halves. */
  readonly hi: Int32Array = new Int32Array(12);
  /** Low halves. */
  readonly lo: Int32Array = new Int32Array(12);

  /** Sets register `index` from a bigint, or from a non-negative integer below 2^53. */
  set(index: number, value: bigint | number): this {
    if (typeof value === "bigint") {
      this.lo[index] = Number(BigInt.asIntN(32, value));
      this.hi[index] = Number(BigInt.asIntN(32, value >> 32n));
    } else {
      this.lo[index] = value | 0;
      this.hi[index] = (value / 4294967296) | 0;
    }
    return this;
  }

  /** Register `index`, unsigned. */
  get(index: number): bigint {
    return (BigInt(this.hi[index] >>> 0) << 32n) | BigInt(this.lo[index] >>> 0);
  }
}

/** A message interrupt that the guest has set aside: a device that writes `data` to `address` raises it. */
export interface MessageInterrupt {
  /** Where the 32-bit write goes. It is a physical address that every bus forwards untranslated. */
  readonly address: PhysAddr;
  /** What is written, little-endian. */
  readonly data: number;
}

/** What a CPU can do. */
export interface GuestPort {
  /** RAM as bytes. Views are borrowed for one synchronous call. */
  readonly memory: AddressSpace;
  /** The guest's own allocator over its RAM. */
  readonly heap: GuestHeap;
  /** Virtual time in nanoseconds. */
  readonly now: number;

  /** Reads a register (MMIO); all ones where nothing answers. Values are unsigned, little-endian on the bus. */
  read(address: PhysAddr, width: Width): number;
  /** Writes a register (MMIO). */
  write(address: PhysAddr, width: Width, value: number): void;
  /** Reads an I/O port. */
  ioRead(port: number, width: Width): number;
  /** Writes an I/O port. */
  ioWrite(port: number, width: Width, value: number): void;
  /**
   * Calls the hypervisor. Arguments are read from `registers`, results written there.
   *
   * @returns the signed status. An unknown call gives −2 (`H_FUNCTION`'s value, and Linux's −ENOENT).
   */
  hypercall(number: number, registers: HypercallRegisters): number;

  /** Sets a message interrupt aside; `handler` runs in interrupt context, never inside a device's call. */
  messageInterrupt(handler: () => void): MessageInterrupt;
  /** Adds a handler for a level-triggered interrupt line; it runs while the line is asserted. Returns its remover. */
  lineInterrupt(line: number, handler: () => void): () => void;

  /** Runs `work` after `delay` nanoseconds (a kernel timer). */
  after(delay: number, work: () => void): Timer;
  /** Cancels a timer. */
  cancel(timer: Timer): void;
  /** Runs `work` as soon as the current work has returned. */
  post(work: () => void): void;
  /**
   * One turn of a spin-wait: lets hardware execute what it has queued while the CPU waits for a memory word or a
   * register to change. False when hardware has nothing to do, so that waiting longer is pointless.
   */
  relax(): boolean;
  /** Says that the CPU was busy for `nanoseconds`; real machines ignore it. */
  spend(nanoseconds: number): void;
}

/** Lends bytes piece by piece: an access in the order of its addresses, one call for each contiguous piece of memory. */
export interface PieceVisitor {
  /**
   * `length` bytes at `bytes[offset]` are bytes `at` … of the access. The view is lent for this call only.
   */
  piece(bytes: Uint8Array, offset: number, length: number, at: number): void;
}

/** What a port counts. */
export interface PortStats {
  /** Read accesses. */
  reads: number;
  /** Write accesses. */
  writes: number;
  /** Bytes asked for by reads. */
  bytesRead: number;
  /** Bytes given to writes. */
  bytesWritten: number;
  /** Questions put to translators. */
  translations: number;
  /** Accesses that failed. */
  faults: number;
}

/** The answer of {@linkcode DevicePort.map}. */
export type LeaseResult = { ok: true; lease: Lease } | { ok: false; status: BusStatus; address: DmaAddr };

/**
 * What a bus function can do: reach memory and other devices through its bus. It does not know what lies above. An
 * access that is longer than one translation is split; earlier pieces stay done when a later one fails, and the first
 * failure ends the access.
 *
 * Addresses come as two signed 32-bit halves, straight from a descriptor, or as a bigint.
 */
export interface DevicePort {
  /** The manifest id of the device. */
  readonly name: string;
  /** 16-bit requester id. */
  readonly requester: number;
  /** Whether accesses are let onto the bus at all. Without bus mastering every access is an unsupported request. */
  busMaster: boolean;
  /** What the port has counted. */
  readonly stats: PortStats;

  /** Reads `length` bytes into `into[offset]`, which stays the caller's. */
  readAt(hi: number, lo: number, into: Uint8Array, offset: number, length: number): BusStatus;
  /** Writes `length` bytes from `from[offset]`. */
  writeAt(hi: number, lo: number, from: Uint8Array, offset: number, length: number): BusStatus;
  /** Lends the memory behind an access to `visitor`, piece by piece, without a copy. Registers cannot be visited. */
  visit(hi: number, lo: number, length: number, access: Access, visitor: PieceVisitor): BusStatus;
  /** Reads `into.length` bytes. */
  read(address: DmaAddr, into: Uint8Array): BusStatus;
  /** Writes `from.length` bytes. */
  write(address: DmaAddr, from: Uint8Array): BusStatus;
  /** Writes 32 bits, little-endian: a message interrupt, or a doorbell of a peer. */
  write32(hi: number, lo: number, value: number): BusStatus;

  /** Takes a lease over memory for longer than one call: rings, and buffers of asynchronous I/O. See `mapping.ts`. */
  map(ranges: LeaseRange[], options?: LeaseOptions): LeaseResult;
  /** Ends every lease of this port: the device was reset or removed, or bus mastering is off. */
  revokeAll(reason: string): void;
  /**
   * Gives the function an address translation cache (PCIe ATS): from now on it asks for translations, keeps them, and
   * accesses memory with translated addresses. Null when no translator above offers ATS.
   */
  enableAts(options?: AtsOptions): AddressTranslationCache | null;
  /** Drops the cache and everything in it; accesses are untranslated again. */
  disableAts(): void;
  /** Work that met {@linkcode BusStatus.PENDING} waits here and is tried again, from its start, when there may be an answer. */
  park(work: () => void): void;
}
