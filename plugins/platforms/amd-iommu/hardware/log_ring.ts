/**
 * A log in guest memory (AMD 48882 §2.5.1, §2.6.1): the IOMMU writes 16-byte entries at the tail, software reads at the
 * head. Full is tail + 1 = head; the entry that finds it full is lost, and the log stops until it is enabled again.
 *
 * @module
 */

import { type TranslatorMemory, TWO32 } from "@iova/core";
import { ENTRY_SIZE, maskOf, Register, RING_LENGTH, RingBase, RingPointer } from "../layout.ts";
import type { RegisterFile } from "./register_file.ts";
import type { Signals } from "./signals.ts";

const BASE_MASK = maskOf(RingBase);
const POINTER_MASK = maskOf(RingPointer);
// Constants of other modules are loaded at each use; those of this one are part of the code.
const POINTER_BITS = POINTER_MASK[0];
const ADDRESS_HIGH = RingBase.maskHigh.base;
const ADDRESS_LOW = RingBase.mask.base | 0;
const LENGTH_SHIFT = RingBase.shift.length;
const LENGTH_BITS = RingBase.mask.length >>> LENGTH_SHIFT;
const SHORTEST = RING_LENGTH.min;
const ENTRY = ENTRY_SIZE;

/** A base register and the two pointers of a ring. */
export interface RingPlace {
  /** Register offset of the base and length. */
  readonly base: number;
  /** Register offset of the head pointer. */
  readonly head: number;
  /** Register offset of the tail pointer. */
  readonly tail: number;
}

/** The registers of a ring: geometry, and the write rules of §3.4. */
export class Ring {
  readonly #words: Int32Array;
  // Indices of the registers' low words: base and length, head, tail, and the pointer that hardware moves.
  readonly #base: number;
  readonly #head: number;
  readonly #tail: number;
  readonly #own: number;

  /**
   * Defines the registers. `running` forbids to move the base and the pointer that hardware owns; `moved` is called when
   * software has moved its own pointer.
   */
  constructor(
    registers: RegisterFile,
    place: RingPlace,
    own: "head" | "tail",
    running: () => boolean,
    moved?: () => void,
  ) {
    this.#words = registers.words;
    [this.#base, this.#head, this.#tail] = [place.base / 4, place.head / 4, place.tail / 4];
    this.#own = place[own] / 4;
    const other = own === "head" ? "tail" : "head";
    const inside = (low: number | null) => low !== null && (low & POINTER_BITS) < this.bytes;
    registers.define({
      offset: place.base,
      writable: BASE_MASK,
      accepts: () => !running(),
      written: () => this.bytes > 0 && this.rewind(),
    });
    registers.define({
      offset: place[own],
      writable: POINTER_MASK,
      accepts: (low) => !running() && inside(low),
    });
    registers.define({ offset: place[other], writable: POINTER_MASK, accepts: inside, written: moved });
  }

  /** Bytes of the ring; 0 when the length code is not legal. */
  get bytes(): number {
    const code = this.#words[this.#base + 1] >>> LENGTH_SHIFT & LENGTH_BITS;
    return code < SHORTEST ? 0 : ENTRY << code;
  }

  /** System physical address of the ring. */
  get base(): number {
    return (this.#words[this.#base + 1] & ADDRESS_HIGH) * TWO32 + ((this.#words[this.#base] & ADDRESS_LOW) >>> 0);
  }

  /** Byte offset of the head. */
  get head(): number {
    return this.#words[this.#head];
  }

  /** Byte offset of the tail. */
  get tail(): number {
    return this.#words[this.#tail];
  }

  /** Whether both pointers are in the ring: always, unless registers take what is written to them. */
  get isInside(): boolean {
    const { bytes } = this;
    return this.head >>> 0 < bytes && this.tail >>> 0 < bytes;
  }

  /** Moves the pointer that hardware owns one entry on. */
  advance(): void {
    const next = this.#words[this.#own] + ENTRY;
    this.#words[this.#own] = next === this.bytes ? 0 : next;
  }

  /** Sets both pointers to the start. */
  rewind(): void {
    this.#words[this.#head] = this.#words[this.#tail] = 0;
  }
}

/** Which bits a log lives by. */
export interface LogBits {
  /** Of `StatusBit`. */
  readonly run: number;
  /** Of `StatusBit`. */
  readonly overflow: number;
  /** Of `StatusBit`. */
  readonly interrupt: number;
  /** Of `ControlBit`. */
  readonly interruptEnable: number;
}

/** The event log's registers. */
export const EVENT_LOG: RingPlace = {
  base: Register.EVT_LOG_BASE,
  head: Register.EVT_HEAD,
  tail: Register.EVT_TAIL,
};
/** The page request log's registers. */
export const PPR_LOG: RingPlace = { base: Register.PPR_LOG_BASE, head: Register.PPR_HEAD, tail: Register.PPR_TAIL };

/** A log. */
export class LogRing {
  /** Entries written. */
  written = 0;
  readonly ring: Ring;
  readonly #memory: TranslatorMemory;
  readonly #signals: Signals;
  readonly #bits: LogBits;

  /** A log whose registers are at `place`. */
  constructor(registers: RegisterFile, place: RingPlace, memory: TranslatorMemory, signals: Signals, bits: LogBits) {
    this.#memory = memory;
    this.#signals = signals;
    this.#bits = bits;
    this.ring = new Ring(registers, place, "tail", () => signals.is(bits.run));
  }

  /** Starts the log, if its length is legal, with a clean overflow bit. */
  start(): void {
    if (this.ring.bytes === 0) return;
    this.#signals.set(this.#bits.overflow, false);
    this.#signals.set(this.#bits.run, true);
  }

  /** Stops the log. */
  stop(): void {
    this.#signals.set(this.#bits.run, false);
  }

  /**
   * Writes an entry of four 32-bit words, lowest first: bytes, then tail, then status, then interrupt. False when it is
   * lost: the log does not run, is full, or lies where no memory is.
   */
  write(w0: number, w1: number, w2: number, w3: number): boolean {
    const { ring } = this;
    const signals = this.#signals;
    if (!signals.is(this.#bits.run)) return false;
    const next = ring.tail + ENTRY_SIZE;
    const full = (next === ring.bytes ? 0 : next) === ring.head;
    const stored = !full && this.#store(ring.base + ring.tail, w0, w1, w2, w3);
    if (stored) {
      this.written++;
      ring.advance();
    } else {
      signals.set(this.#bits.overflow, true);
      signals.set(this.#bits.run, false);
    }
    if (stored) signals.set(this.#bits.interrupt, true);
    signals.interrupt(this.#bits.interruptEnable);
    return stored;
  }

  #store(address: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const region = this.#memory.ram(address);
    if (region === null || address + ENTRY_SIZE > region.end) return false;
    const at = address - region.base;
    region.view.setInt32(at, w0, true);
    region.view.setInt32(at + 4, w1, true);
    region.view.setInt32(at + 8, w2, true);
    region.view.setInt32(at + 12, w3, true);
    return true;
  }
}
