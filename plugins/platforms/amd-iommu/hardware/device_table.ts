/**
 * The device table (AMD 48882 §2.2.2): entries are judged once, when they are first used, and stay cached until they are
 * invalidated.
 *
 * @module
 */

import { type TranslatorMemory, TWO32 } from "@iova/core";
import { Control, DevTabBase, Dte, DTE_SIZE, IoCtl, maskOf, MAX_LEVELS, Register, reservedMaskOf } from "../layout.ts";
import type { DeviceRange, HardwareOptions } from "./options.ts";
import type { RegisterFile } from "./register_file.ts";

/** What an entry means for a request (§2.2.2.1, table of states). */
export const DteState = {
  /** The device is out of this IOMMU's scope. */
  EXCLUDED: 0,
  /** V=0: everything passes. */
  PASS: 1,
  /** V=1, TV=1, mode 1 to 6: a page table. */
  PAGED: 2,
  /** V=1, TV=1, mode 0: bus address is physical address, rights still count. */
  IDENTITY: 3,
  /** V=1, TV=0. */
  NO_TRANSLATION: 4,
  /** A reserved bit is set, or ioCtl is reserved. */
  RESERVED_BIT: 5,
  /** The mode is reserved or has more levels than EFR.HATS allows. */
  BAD_MODE: 6,
  /** The DeviceID is beyond the table. Not cached. */
  BEYOND: 7,
  /** No memory where the entry should be. Not cached. */
  UNREADABLE: 8,
} as const;

/** 32-bit words of a judged entry. */
export const DteWord = { STATE: 0, RIGHTS: 1, DOMAIN: 2, MODE: 3, ROOT_LO: 4, ROOT_HI: 5, FLAGS: 6 } as const;
/** Bits of {@linkcode DteWord}.FLAGS. */
export const DteFlag = {
  I: 1,
  SE: 2,
  SA: 4,
  EX: 8,
  SD: 16,
  PPR: 32,
  /** Accessed bits are wanted. */
  HA: 64,
  /** Dirty bits are wanted. */
  HD: 128,
  /** Three or four levels, a root below 4 GiB, no accessed or dirty bits: what the quickest walk takes. */
  PLAIN_TABLE: 1 << 12,
  IO_CTL: 3 << 8,
  SYS_MGT: 3 << 10,
} as const;
const IO_CTL_SHIFT = 8;
const SYS_MGT_SHIFT = 10;

const STRIDE = 8;
const W = {
  MODE: Dte.at.mode >> 2,
  ROOT: Dte.at.hostRoot >> 2,
  RIGHTS: Dte.at.ir >> 2,
  DOMAIN: Dte.at.domainId >> 2,
  CONTROL: Dte.at.i >> 2,
  IV: Dte.at.iv >> 2,
};

/** The device table of one IOMMU. */
export class DeviceTable {
  /** Judged entries, {@linkcode DteWord} each; index 0 is scratch. */
  words: Int32Array = new Int32Array(STRIDE * 16);
  /** Entries read from memory. */
  reads = 0;
  /** Who is told when a device starts to use a domain. */
  onUse: (requester: number, domain: number) => void = () => {};
  /** Who is told when judged entries are dropped or moved. */
  onForget: () => void = () => {};
  // Index of each DeviceID's judged entry; 0: not cached.
  readonly #index = new Int32Array(0x10000);
  #used = 1;
  // DeviceIDs whose first fault has been logged, for SE.
  readonly #logged = new Uint8Array(0x10000);
  readonly #registers: RegisterFile;
  readonly #memory: TranslatorMemory;
  readonly #excluded: readonly DeviceRange[];
  readonly #cached: boolean;
  readonly #levels: number;
  readonly #reserved: Int32Array;

  /** The table that `registers` point to in `memory`. */
  constructor(
    registers: RegisterFile,
    memory: TranslatorMemory,
    options: HardwareOptions,
    excluded: readonly DeviceRange[],
  ) {
    registers.define({ offset: Register.DEV_TAB_BASE, writable: maskOf(DevTabBase) });
    this.#registers = registers;
    this.#memory = memory;
    this.#excluded = excluded;
    this.#cached = options.dteCache;
    this.#levels = options.hostLevels;
    this.#reserved = reservedBits(options);
  }

  /** Index in {@linkcode DeviceTable.words} of a device's judged entry. Good until the next call. */
  find(requester: number): number {
    const at = this.#index[requester & 0xffff];
    return at !== 0 ? at : this.#load(requester & 0xffff);
  }

  /** System physical address of a device's entry. */
  address(requester: number): number {
    const { words } = this.#registers;
    const base = (words[1] & DevTabBase.maskHigh.base) * TWO32 + ((words[0] & DevTabBase.mask.base) >>> 0);
    return base + (requester & 0xffff) * DTE_SIZE;
  }

  /** Whether a page fault of this device is to be logged (SA, SE); remembers that one was. */
  mayLog(requester: number, flags: number): boolean {
    const id = requester & 0xffff;
    if ((flags & DteFlag.SA) !== 0 || ((flags & DteFlag.SE) !== 0 && this.#logged[id] === 1)) return false;
    this.#logged[id] = 1;
    return true;
  }

  /** Drops a device's entry. */
  invalidate(requester: number): void {
    this.onForget();
    this.#index[requester] = 0;
    this.#logged[requester] = 0;
  }

  /** Drops every entry. */
  clear(): void {
    this.onForget();
    this.#index.fill(0);
    this.#logged.fill(0);
    this.#used = 1;
  }

  #load(id: number): number {
    const { words } = this;
    words.fill(0, 0, STRIDE);
    const state = this.#judge(id);
    words[DteWord.STATE] = state;
    if (state === DteState.PAGED) this.onUse(id, words[DteWord.DOMAIN]);
    if (!this.#cached || state === DteState.BEYOND || state === DteState.UNREADABLE) return 0;
    const at = this.#allocate();
    this.words.copyWithin(at, 0, STRIDE);
    return this.#index[id] = at;
  }

  #allocate(): number {
    if (this.#used * STRIDE === this.words.length) this.#compactOrGrow();
    return this.#used++ * STRIDE;
  }

  /** Invalidated entries leave holes: they are closed before the cache grows. */
  #compactOrGrow(): void {
    this.onForget();
    const old = this.words;
    const live = this.#index.reduce((count, at) => count + (at === 0 ? 0 : 1), 1);
    const grown = new Int32Array(live * 2 > this.#used ? old.length * 2 : old.length);
    grown.set(old.subarray(0, STRIDE));
    this.#used = 1;
    for (let id = 0; id < this.#index.length; id++) {
      const at = this.#index[id];
      if (at === 0) continue;
      const to = this.#used++ * STRIDE;
      grown.set(old.subarray(at, at + STRIDE), to);
      this.#index[id] = to;
    }
    this.words = grown;
  }

  /** Reads and judges an entry into the scratch words. */
  #judge(id: number): number {
    if (this.#excluded.some(({ first, last }) => id >= first && id <= last)) return DteState.EXCLUDED;
    const pages = (this.#registers.words[0] & DevTabBase.mask.size) + 1;
    if ((id + 1) * DTE_SIZE > pages * 4096) return DteState.BEYOND;
    const address = this.address(id);
    const region = this.#memory.ram(address);
    if (region === null || address + DTE_SIZE > region.end) return DteState.UNREADABLE;
    this.reads++;
    const at = address - region.base;
    for (let i = 0; i < raw.length; i++) raw[i] = region.view.getInt32(at + 4 * i, true);
    if ((raw[0] & Dte.mask.v) === 0) return DteState.PASS;
    this.#decode();
    const ioCtl = (raw[W.CONTROL] & Dte.mask.ioCtl) >>> Dte.shift.ioCtl;
    if (this.#hasReserved() || ioCtl === IoCtl.RESERVED) return DteState.RESERVED_BIT;
    if ((raw[0] & Dte.mask.tv) === 0) return DteState.NO_TRANSLATION;
    const mode = this.words[DteWord.MODE];
    if (mode === 0) return DteState.IDENTITY;
    return mode > this.#levels || mode > MAX_LEVELS ? DteState.BAD_MODE : DteState.PAGED;
  }

  #decode(): void {
    const { words } = this;
    const control = raw[W.CONTROL];
    const bit = (name: "i" | "se" | "sa" | "ex" | "sd", flag: number) => (control & Dte.mask[name]) === 0 ? 0 : flag;
    const had = (raw[0] & Dte.mask.had) >>> Dte.shift.had & this.#hadUpdate();
    words[DteWord.RIGHTS] = (raw[W.RIGHTS] >>> Dte.shift.ir) & 3;
    words[DteWord.DOMAIN] = raw[W.DOMAIN] & Dte.mask.domainId;
    words[DteWord.MODE] = (raw[W.MODE] & Dte.mask.mode) >>> Dte.shift.mode;
    words[DteWord.ROOT_LO] = raw[W.ROOT] & Dte.mask.hostRoot;
    words[DteWord.ROOT_HI] = raw[W.ROOT + 1] & Dte.maskHigh.hostRoot;
    words[DteWord.FLAGS] = bit("i", DteFlag.I) | bit("se", DteFlag.SE) | bit("sa", DteFlag.SA) |
      bit("ex", DteFlag.EX) | bit("sd", DteFlag.SD) |
      ((raw[Dte.at.ppr >> 2] & Dte.mask.ppr) === 0 ? 0 : DteFlag.PPR) |
      ((had & 1) === 0 ? 0 : DteFlag.HA) | (had === 3 ? DteFlag.HD : 0) |
      (this.#isPlain(had) ? DteFlag.PLAIN_TABLE : 0) |
      ((control & Dte.mask.ioCtl) >>> Dte.shift.ioCtl) << IO_CTL_SHIFT |
      ((control & Dte.mask.sysMgt) >>> Dte.shift.sysMgt) << SYS_MGT_SHIFT;
  }

  #isPlain(had: number): boolean {
    const mode = this.words[DteWord.MODE];
    return (mode === 3 || mode === 4) && this.words[DteWord.ROOT_HI] === 0 && had === 0;
  }

  /** Which of accessed and dirty bits the control register lets the entry ask for. */
  #hadUpdate(): number {
    return (this.#registers.words[(Register.CONTROL + Control.at.hadUpdate) / 4] & Control.mask.hadUpdate) >>>
      Control.shift.hadUpdate;
  }

  /** Bits 127:0 count when V is set, bits 255:128 when IV is. */
  #hasReserved(): boolean {
    const last = (raw[W.IV] & Dte.mask.iv) === 0 ? W.IV : raw.length;
    for (let i = 0; i < last; i++) if ((raw[i] & this.#reserved[i]) !== 0) return true;
    return false;
  }
}

const raw = new Int32Array(DTE_SIZE / 4);

/** `ioCtl` of a judged entry's flags. */
export function ioCtlOf(flags: number): number {
  return (flags & DteFlag.IO_CTL) >>> IO_CTL_SHIFT;
}

/** `sysMgt` of a judged entry's flags. */
export function sysMgtOf(flags: number): number {
  return (flags & DteFlag.SYS_MGT) >>> SYS_MGT_SHIFT;
}

/** Fields of guest translation, which is not offered. */
const GUEST = ["gprp", "gIoV", "gv", "glx", "gcr3Low", "gcr3Middle", "gcr3High", "guestPagingMode"] as const;

/** Reserved bits, and the fields of features that EFR does not offer. */
function reservedBits({ pri, accessDirty }: HardwareOptions): Int32Array {
  const absent = maskOf(Dte, [
    ...GUEST,
    "sats",
    ...(pri ? [] : ["ppr"] as const),
    ...(accessDirty ? [] : ["had"] as const),
  ]);
  return reservedMaskOf(Dte).map((word, i) => word | absent[i]);
}
