/**
 * A window of 64-bit registers: which bits software may write, which clear on 1, and who follows (AMD 48882 §3.4).
 * Accesses of 4 aligned bytes; one of 8 comes as two. Narrower reads give their part of the word, narrower writes are
 * dropped; both are undefined in the specification.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";

/** How one register behaves. Masks are two signed words, low first; absent means no bit. */
export interface RegisterRule {
  /** Byte offset, a multiple of 8. */
  readonly offset: number;
  /** Bits that take what is written. */
  readonly writable?: Int32Array;
  /** Bits that clear when 1 is written. */
  readonly clearOnOne?: Int32Array;
  /** Whether a write is taken now; `low` is the word for a write of the low half, else null. Absent: always. */
  accepts?(low: number | null): boolean;
  /** Called after a write was taken, with the words that stood there before. */
  written?(low: number, high: number): void;
}

/** The registers of one IOMMU. Registers without a rule read as zero. */
export class RegisterFile implements RegisterBlock {
  /** The registers' words; hardware reads and writes them directly. */
  readonly words: Int32Array;
  /** While set, writes are dropped: an interrupt message of our own never programs us. */
  locked = false;
  readonly #rules: (RegisterRule | undefined)[] = [];
  readonly #atReset: [word: number, value: number][] = [];

  readonly #takesEveryBit: boolean;

  /** Registers below offset `span`. `takesEveryBit`: what a rule lets software write is all that is written. */
  constructor(span: number, takesEveryBit = false) {
    this.words = new Int32Array(span / 4);
    this.#takesEveryBit = takesEveryBit;
  }

  /** Adds a register. */
  define(rule: RegisterRule): void {
    this.#rules[rule.offset >> 3] = rule;
  }

  /** Gives a register its value after reset. */
  preset(offset: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let i = 0; i < 2; i++) this.#atReset.push([offset / 4 + i, view.getInt32(4 * i, true)]);
  }

  /** Back to power-on. Nobody is told. */
  reset(): void {
    this.words.fill(0);
    for (const [word, value] of this.#atReset) this.words[word] = value;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    const word = this.words[offset >> 2] ?? 0;
    return width === 4 ? word >>> 0 : word >>> (8 * (offset & 3)) & (1 << 8 * width) - 1;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    const rule = this.#rules[offset >> 3];
    const high = (offset & 4) !== 0;
    if (rule === undefined || width !== 4 || (offset & 3) !== 0 || this.locked) return;
    if (!this.#takesEveryBit && rule.accepts && !rule.accepts(high ? null : value)) return;
    const at = rule.offset / 4;
    const low = this.words[at];
    const upper = this.words[at + 1];
    this.words[offset >> 2] = this.#takesEveryBit ? value : merge(rule, high ? 1 : 0, high ? upper : low, value);
    rule.written?.(low, upper);
  }
}

function merge({ writable, clearOnOne }: RegisterRule, half: number, old: number, value: number): number {
  const taken = writable?.[half] ?? 0;
  return (old & ~taken | value & taken) & ~(value & (clearOnOne?.[half] ?? 0));
}
