/**
 * What is known of the guest's IOMMU: which bus pages are where in guest memory, with which rights. Pages of 4 KiB; page
 * numbers have 52 bits, so a number holds them exactly.
 *
 * Small translations are kept page by page, large ones (a direct window, an identity map) as ranges.
 *
 * @module
 */

/** A translation of more pages than this is kept as a range. */
const RANGE_PAGES = 64;
/** Most pages kept one by one, and most ranges. The oldest goes: it can be asked for again. */
const MOST_PAGES = 65536;
const MOST_RANGES = 1024;
/** An invalidation of more pages looks through what is there instead. */
const SWEEP_PAGES = 4096;

interface Range {
  first: number;
  last: number;
  /** Guest page of `first`. */
  guest: number;
  rights: number;
}

/** See the module's text. */
export class IotlbTable {
  /** Guest page of a bus page, times 4, plus its rights: 52 bits at most, as guest addresses end at 2^52. */
  readonly #pages = new Map<number, number>();
  #ranges: Range[] = [];
  /** Rights of the page found last. */
  rights = 0;

  /** Pages and ranges kept. */
  get size(): number {
    return this.#pages.size + this.#ranges.length;
  }

  /** The guest page of a bus page, its rights in {@linkcode IotlbTable.rights}; −1 when it is not known. */
  find(page: number): number {
    const entry = this.#pages.get(page);
    if (entry !== undefined) {
      this.rights = entry % 4;
      return (entry - this.rights) / 4;
    }
    for (const range of this.#ranges) {
      if (page < range.first || page > range.last) continue;
      this.rights = range.rights;
      return range.guest + (page - range.first);
    }
    return -1;
  }

  /** Learns `count` pages from `first` on. What was known of them is replaced. */
  insert(first: number, count: number, guest: number, rights: number): void {
    if (count > RANGE_PAGES) {
      this.remove(first, first + count - 1);
      this.#ranges.unshift({ first, last: first + count - 1, guest, rights });
      if (this.#ranges.length > MOST_RANGES) this.#ranges.pop();
      return;
    }
    if (this.#ranges.length > 0) this.#cut(first, first + count - 1);
    for (let i = 0; i < count; i++) {
      this.#pages.delete(first + i);
      this.#pages.set(first + i, (guest + i) * 4 + rights);
    }
    while (this.#pages.size > MOST_PAGES) this.#pages.delete(this.#pages.keys().next().value!);
  }

  /** Forgets pages `first` … `last`, both inclusive. */
  remove(first: number, last: number): void {
    if (last - first < SWEEP_PAGES) {
      for (let page = first; page <= last; page++) this.#pages.delete(page);
    } else {
      for (const page of this.#pages.keys()) if (page >= first && page <= last) this.#pages.delete(page);
    }
    if (this.#ranges.length > 0) this.#cut(first, last);
  }

  /** Forgets everything. */
  clear(): void {
    this.#pages.clear();
    this.#ranges = [];
  }

  /** Takes pages out of the ranges; what is left and right of them stays. */
  #cut(first: number, last: number): void {
    this.#ranges = this.#ranges.flatMap((range) => {
      if (last < range.first || first > range.last) return [range];
      const { guest, rights } = range;
      const left = { first: range.first, last: first - 1, guest, rights };
      const right = { first: last + 1, last: range.last, guest: guest + (last + 1 - range.first), rights };
      return [left, right].filter((part) => part.first <= part.last);
    });
  }
}
