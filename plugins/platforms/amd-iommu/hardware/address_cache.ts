/**
 * A set-associative cache keyed by domain and bus address, for blocks of any power of two: the IOTLB and the cache of page
 * directory entries (AMD 48882 §2.1.4). Entries stay until they are invalidated or replaced, whatever memory says.
 *
 * @module
 */

import type { Random } from "@iova/core";

/** Which entry of a full set goes. */
export type Policy = "lru" | "fifo" | "random";

/** 32-bit words of an entry: tag, address high and low, when it was last used or inserted, three words of payload. */
const STRIDE = 8;
const KEY_HI = 1;
const KEY_LO = 2;
/** In ticks of the cache's clock. */
const AGE = 3;
/** Index of the first payload word from the entry's start; there are three. */
export const PAYLOAD = 5;
const VALID = 0x80;
const SHIFT_BITS = 0x7f;
/** A tag is domain, VALID and log2 of the size. */
const DOMAIN_SHIFT = 8;
/** Hints for each entry: few enough collisions that almost every hit is a first guess. */
const HINTS = 4;

/** Spreads what is not the page number: an odd number near 2^32 over the golden ratio. */
const HASH = 0x9e3779b1;

const MASK_LO = new Int32Array(65).map((_, shift) => shift < 32 ? -1 << shift : 0);
const MASK_HI = new Int32Array(65).map((_, shift) => shift <= 32 ? -1 : shift === 64 ? 0 : -1 << (shift - 32));

/** See the module's text. Addresses are two signed halves; a block is named by any address in it and log2 of its size. */
export class AddressCache {
  /** The entries' words; payload is the caller's, from index + {@linkcode PAYLOAD}. */
  readonly words: Int32Array;
  /** How often an entry was found or inserted: the clock of the replacement policy. */
  uses = 0;
  /** How often an entry was inserted. */
  inserts = 0;
  readonly #ways: number;
  readonly #setMask: number;
  readonly #lru: boolean;
  readonly #byChance: boolean;
  readonly #random: Random;
  // Where the entry for a block of the smallest size was last seen, by a hash. A hint only: the entry itself is always checked.
  readonly #hints: Int32Array;
  readonly #hintMask: number;
  readonly #grain: number;
  // How many entries there are of each block size, and the sizes that there are, smallest first.
  readonly #counts = new Int32Array(65);
  readonly #sizes = new Int32Array(65);
  #sizeCount = 0;

  /** A cache of `entries` (a power of two) in sets of `ways`, for blocks of 2^`grain` bytes and more. */
  constructor(entries: number, ways: number, policy: Policy, random: Random, grain = 12) {
    this.#grain = grain;
    this.words = new Int32Array(entries * STRIDE);
    this.#hints = new Int32Array(entries * HINTS);
    this.#hintMask = entries * HINTS - 1;
    this.#ways = Math.min(ways, entries);
    this.#setMask = entries / this.#ways - 1;
    this.#lru = policy === "lru";
    this.#byChance = policy === "random";
    this.#random = random;
  }

  /** Index of the entry for an address; −1 when there is none. */
  find(domain: number, hi: number, lo: number): number {
    const at = this.guess(domain, hi, lo);
    return at >= 0 ? at : this.search(domain, hi, lo);
  }

  /** {@linkcode AddressCache.find} that looks in one place only: −1 when the entry is not where it was last seen. */
  guess(domain: number, hi: number, lo: number): number {
    const { words } = this;
    const at = this.#hints[(lo >>> this.#grain ^ Math.imul(hi ^ domain, HASH)) & this.#hintMask];
    const tag = words[at];
    const shift = tag & SHIFT_BITS;
    const differs = (words[at + KEY_LO] ^ lo) & MASK_LO[shift] | (words[at + KEY_HI] ^ hi) & MASK_HI[shift] |
      tag >>> 7 ^ (domain << 1 | 1);
    if (differs !== 0) return -1;
    const now = ++this.uses;
    if (this.#lru) words[at + AGE] = now;
    return at;
  }

  /** {@linkcode AddressCache.find} everywhere, when a guess has found nothing: the smallest block first. */
  search(domain: number, hi: number, lo: number): number {
    for (let i = 0; i < this.#sizeCount; i++) {
      const at = this.#probe(domain, hi, lo, this.#sizes[i]);
      if (at < 0) continue;
      this.#hint(domain, hi, lo, at);
      const now = ++this.uses;
      if (this.#lru) this.words[at + AGE] = now;
      return at;
    }
    return -1;
  }

  #hint(domain: number, hi: number, lo: number, at: number): void {
    this.#hints[(lo >>> this.#grain ^ Math.imul(hi ^ domain, HASH)) & this.#hintMask] = at;
  }

  /** log2 of the block size of the entry at `at`. */
  shift(at: number): number {
    return this.words[at] & 0x7f;
  }

  /** Index of a new entry for a block that {@linkcode AddressCache.find} has not found; the caller fills its payload. */
  insert(domain: number, hi: number, lo: number, shift: number): number {
    const { words } = this;
    const at = this.#victim(this.#set(domain, hi, lo, shift));
    const old = words[at];
    words[at] = domain << DOMAIN_SHIFT | VALID | shift;
    words[at + KEY_HI] = hi & MASK_HI[shift];
    words[at + KEY_LO] = lo & MASK_LO[shift];
    words[at + AGE] = ++this.uses;
    if ((old & 0xff) !== (VALID | shift)) this.#count(old, shift);
    this.#hint(domain, hi, lo, at);
    this.inserts++;
    return at;
  }

  /** Drops every entry of a domain that overlaps the aligned block of 2^`shift` bytes around an address. */
  invalidate(domain: number, hi: number, lo: number, shift: number): void {
    // Dropping the last entry of a size shortens the list.
    for (let i = this.#sizeCount - 1; i >= 0; i--) {
      const size = this.#sizes[i];
      if (size >= shift) this.#dropBlock(domain, hi, lo, size);
      else if (shift - size <= 6) {
        this.#dropBlocks(domain, hi & MASK_HI[shift], lo & MASK_LO[shift], size, shift - size);
      } else this.#scan(domain, hi, lo, shift, size);
    }
  }

  /** Drops everything. */
  clear(): void {
    this.words.fill(0);
    this.#counts.fill(0);
    this.#sizeCount = 0;
  }

  #probe(domain: number, hi: number, lo: number, shift: number): number {
    const { words } = this;
    const keyHi = hi & MASK_HI[shift];
    const keyLo = lo & MASK_LO[shift];
    const tag = domain << DOMAIN_SHIFT | VALID | shift;
    let at = this.#set(domain, hi, lo, shift);
    for (let way = 0; way < this.#ways; way++, at += STRIDE) {
      if (words[at + KEY_LO] === keyLo && words[at] === tag && words[at + KEY_HI] === keyHi) return at;
    }
    return -1;
  }

  /** Index of the first entry of a block's set: neighbouring blocks are in neighbouring sets. */
  #set(domain: number, hi: number, lo: number, shift: number): number {
    const low = shift < 32 ? lo >>> shift : 0;
    const high = shift <= 32 ? hi : shift === 64 ? 0 : hi >>> (shift - 32);
    const hash = low ^ Math.imul(high ^ domain, HASH);
    return (hash & this.#setMask) * this.#ways * STRIDE;
  }

  #victim(first: number): number {
    const { words } = this;
    const now = this.uses;
    let oldest = first;
    // Ticks wrap: only their distance from now counts.
    let most = now - words[first + AGE] | 0;
    for (let at = first, end = first + this.#ways * STRIDE; at < end; at += STRIDE) {
      if ((words[at] & VALID) === 0) return at;
      const age = now - words[at + AGE] | 0;
      if (age > most) {
        most = age;
        oldest = at;
      }
    }
    return this.#byChance ? first + this.#random.below(this.#ways) * STRIDE : oldest;
  }

  /** An entry with tag `old` has given way to one of 2^`shift` bytes. */
  #count(old: number, shift: number): void {
    if ((old & VALID) !== 0) this.#uncount(old & 0x7f);
    if (this.#counts[shift]++ > 0) return;
    let i = this.#sizeCount++;
    for (; i > 0 && this.#sizes[i - 1] > shift; i--) this.#sizes[i] = this.#sizes[i - 1];
    this.#sizes[i] = shift;
  }

  /** There is one entry less of 2^`shift` bytes. */
  #uncount(shift: number): void {
    if (--this.#counts[shift] > 0) return;
    let i = 0;
    while (this.#sizes[i] !== shift) i++;
    for (this.#sizeCount--; i < this.#sizeCount; i++) this.#sizes[i] = this.#sizes[i + 1];
  }

  #dropBlock(domain: number, hi: number, lo: number, size: number): void {
    const at = this.#probe(domain, hi, lo, size);
    if (at >= 0) this.#drop(at);
  }

  /** Drops 2^`count` blocks of 2^`size` bytes from an address on. */
  #dropBlocks(domain: number, hi: number, lo: number, size: number, count: number): void {
    for (let i = 0; i < 1 << count; i++) {
      const offsetLo = size < 32 ? i << size : 0;
      const offsetHi = size >= 32 ? i << (size - 32) : size === 0 ? 0 : i >>> (32 - size);
      this.#dropBlock(domain, hi | offsetHi, lo | offsetLo, size);
    }
  }

  #scan(domain: number, hi: number, lo: number, shift: number, size: number): void {
    const { words } = this;
    const tag = domain << DOMAIN_SHIFT | VALID | size;
    for (let at = 0; at < words.length; at += STRIDE) {
      if (words[at] !== tag) continue;
      if (((words[at + KEY_HI] ^ hi) & MASK_HI[shift]) !== 0) continue;
      if (((words[at + KEY_LO] ^ lo) & MASK_LO[shift]) === 0) this.#drop(at);
    }
  }

  #drop(at: number): void {
    const shift = this.shift(at);
    this.words[at] = 0;
    this.#uncount(shift);
  }
}
