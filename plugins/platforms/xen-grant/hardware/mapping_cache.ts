/**
 * Mappings that a backend keeps: found by reference, forgotten least recently used first. Typed arrays throughout.
 *
 * @module
 */

/** No slot. */
export const NONE = -1;

/** See the module's text. A slot's number holds until it is removed. */
export class MappingCache {
  /** Mappings kept. */
  size = 0;
  readonly ref: Int32Array;
  /** The backend's handle. */
  readonly handle: Int32Array;
  readonly mfn: Float64Array;
  readonly writable: Uint8Array;
  /** The backend domain. */
  readonly domid: Uint16Array;
  /** When it was last used, in nanoseconds. */
  readonly used: Float64Array;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  #free: number;
  #slotOf = new Int32Array(512);

  /** At most `capacity` mappings. */
  constructor(readonly capacity: number) {
    this.ref = new Int32Array(capacity);
    this.handle = new Int32Array(capacity);
    this.mfn = new Float64Array(capacity);
    this.writable = new Uint8Array(capacity);
    this.domid = new Uint16Array(capacity);
    this.used = new Float64Array(capacity);
    this.#newer = Int32Array.from({ length: capacity }, (_, i) => i + 1 < capacity ? i + 1 : NONE);
    this.#older = new Int32Array(capacity).fill(NONE);
    this.#free = capacity > 0 ? 0 : NONE;
  }

  /** The mapping that was used longest ago, or {@linkcode NONE}. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The slot of a reference, or {@linkcode NONE}. References above 2^24 are never kept. */
  find(ref: number): number {
    return ref < this.#slotOf.length ? this.#slotOf[ref] - 1 : NONE;
  }

  /** Says that a mapping is used now. */
  touch(slot: number, now: number): void {
    this.used[slot] = now;
    if (this.#newest === slot) return;
    this.#unlink(slot);
    this.#link(slot);
  }

  /** A slot for a reference that has none; {@linkcode NONE} when the cache is full or the reference is too large. */
  add(ref: number, now: number): number {
    const slot = this.#free;
    if (slot === NONE || ref >= MAX_REF) return NONE;
    if (ref >= this.#slotOf.length) this.#grow(ref);
    this.#free = this.#newer[slot];
    this.ref[slot] = ref;
    this.used[slot] = now;
    this.#slotOf[ref] = slot + 1;
    this.#link(slot);
    this.size++;
    return slot;
  }

  /** Forgets a mapping. */
  remove(slot: number): void {
    this.#unlink(slot);
    this.#slotOf[this.ref[slot]] = 0;
    this.#newer[slot] = this.#free;
    this.#free = slot;
    this.size--;
  }

  #link(slot: number): void {
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot];
    const older = this.#older[slot];
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  #grow(ref: number): void {
    const grown = new Int32Array(Math.max(ref + 1, this.#slotOf.length * 2));
    grown.set(this.#slotOf);
    this.#slotOf = grown;
  }
}

const MAX_REF = 2 ** 24;
