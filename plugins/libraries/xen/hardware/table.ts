/**
 * One domain's grant table: shared frames of entries, status frames, and what the hypervisor knows about each entry. A
 * frame is the hypervisor's own until the guest has it put into its physical map; from then on its bytes are there.
 *
 * @module
 */

import type { PhysAddr, RamRegion } from "@iova/core";
import { Gtf, RESERVED_ENTRIES, STATUS_PER_FRAME, V1_PER_FRAME, V2_PER_FRAME } from "../layout.ts";
import { ActiveEntries, WRITE_PINS } from "./active.ts";
import { Flaw } from "./flaws.ts";
import { TablePage } from "./table_page.ts";

/** log2 of entries in a frame, by version. */
const PER_FRAME_SHIFT = [0, Math.log2(V1_PER_FRAME), Math.log2(V2_PER_FRAME)];
const STATUS_SHIFT = Math.log2(STATUS_PER_FRAME);
const STATUS_BITS = Gtf.READING | Gtf.WRITING;

/** See the module's text. */
export class GrantTable {
  /** 1 or 2; also log2 of the 32-bit words in an entry. */
  version = 1;
  /** What the hypervisor knows of each reference in use. */
  readonly active: ActiveEntries = new ActiveEntries();
  /** log2 of entries in a frame. */
  #shift = PER_FRAME_SHIFT[1];
  readonly #shared: TablePage[] = [];
  readonly #status: TablePage[] = [];
  readonly #free: TablePage[];

  /** A version 1 table of one frame, of at most `maxFrames`; its pages come from `free` while there are some. */
  constructor(readonly maxFrames: number, free: TablePage[] = []) {
    this.#free = free;
    this.grow(1);
  }

  /** Shared frames. */
  get frames(): number {
    return this.#shared.length;
  }

  /** Status frames. */
  get statusFrames(): number {
    return this.#status.length;
  }

  /** References that exist. */
  get entries(): number {
    return this.#shared.length << this.#shift;
  }

  /** The words of the frame that holds `ref`. */
  words(ref: number): Int32Array {
    return this.#shared[ref >>> this.#shift].words;
  }

  /** Index of the first word of entry `ref` in {@linkcode GrantTable.words}. */
  at(ref: number): number {
    const shift = this.#shift;
    return this.#shared[ref >>> shift].base + ((ref & ((1 << shift) - 1)) << this.version);
  }

  /** The frame number in entry `ref`: version 1 has 32 bits, version 2 has 64. */
  frameOf(ref: number): number {
    const words = this.words(ref);
    const at = this.at(ref);
    if (this.version === 1) return words[at + 1] >>> 0;
    return (words[at + 3] >>> 0) * 0x1_0000_0000 + (words[at + 2] >>> 0);
  }

  /** `READING` and `WRITING` of `ref`, wherever the version keeps them. */
  statusBits(ref: number): number {
    if (this.version === 1) return this.words(ref)[this.at(ref)] & STATUS_BITS;
    return this.statusPage(ref).halves[ref & (STATUS_PER_FRAME - 1)];
  }

  /** The page with the status word of a version 2 entry. */
  statusPage(ref: number): TablePage {
    return this.#status[ref >>> STATUS_SHIFT];
  }

  /** Sets bits in the status word of a version 2 entry. */
  orStatus(ref: number, bits: number): void {
    this.statusPage(ref).halves[ref & (STATUS_PER_FRAME - 1)] |= bits;
  }

  /** Takes away the status bits that no pin justifies; of the pins, those in `counted` count. */
  reduceStatus(ref: number, counted = -1): void {
    const pin = this.active.pin[ref] & counted;
    let keep = STATUS_BITS;
    if ((pin & WRITE_PINS) === 0) keep &= ~Gtf.WRITING;
    if (pin === 0) keep = 0;
    if (keep === STATUS_BITS) return;
    if (this.version === 1) this.words(ref)[this.at(ref)] &= ~STATUS_BITS | keep;
    else this.statusPage(ref).halves[ref & (STATUS_PER_FRAME - 1)] &= keep;
  }

  /** Grows to `frames`; false beyond the limit. A table never shrinks. */
  grow(frames: number): boolean {
    if (frames > this.maxFrames) return false;
    while (this.#shared.length < frames) this.#shared.push(this.#page());
    this.active.reserve(this.#shared.length << PER_FRAME_SHIFT[1]);
    if (this.version === 2) this.#growStatus();
    return true;
  }

  /** Puts a shared frame's bytes into the page at `address` of `region`; false when there is no such frame. */
  place(frame: number, region: RamRegion, address: PhysAddr): boolean {
    return frame < this.frames && this.#shared[frame].place(region, address);
  }

  /** Status frame number `frame`, or undefined. */
  statusFrame(frame: number): TablePage | undefined {
    return this.#status[frame];
  }

  /** Where a shared frame is in the guest's physical map, or −1. */
  placeOf(frame: number): PhysAddr {
    return this.#shared[frame]?.placed ?? -1;
  }

  /** Where a status frame is in the guest's physical map, or −1. */
  placeOfStatus(frame: number): PhysAddr {
    return this.#status[frame]?.placed ?? -1;
  }

  /**
   * Changes the layout: every frame is zeroed, references below {@linkcode RESERVED_ENTRIES} are carried over. `flaws`:
   * bits of {@linkcode Flaw}; `held`: a page that cannot be freed yet.
   */
  switchTo(version: number, flaws = 0, held: TablePage | null = null): void {
    const kept = this.#reserved();
    for (const page of [...this.#shared, ...this.#status]) page.clear();
    this.version = version;
    this.#shift = PER_FRAME_SHIFT[version];
    if (version === 2) this.#growStatus();
    else this.#freeStatus(flaws, held);
    kept.forEach(({ header, frame, status }, ref) => {
      const words = this.words(ref);
      const at = this.at(ref);
      words[at] = version === 1 ? header | status : header & ~STATUS_BITS;
      words[at + (version === 1 ? 1 : 2)] = frame | 0;
      if (version === 2) this.orStatus(ref, status | header & STATUS_BITS);
    });
  }

  /** Whether every reserved entry has a version 1 form. */
  fitsVersion1(): boolean {
    for (let ref = 0; ref < RESERVED_ENTRIES; ref++) {
      const header = this.words(ref)[this.at(ref)];
      const type = header & Gtf.TYPE_MASK;
      if (type === Gtf.INVALID) continue;
      if (type === Gtf.TRANSITIVE || (header & Gtf.SUB_PAGE) !== 0 || this.frameOf(ref) > 0xffff_ffff) return false;
    }
    return true;
  }

  #reserved() {
    return Array.from({ length: RESERVED_ENTRIES }, (_, ref) => ({
      header: this.words(ref)[this.at(ref)],
      frame: this.frameOf(ref),
      status: this.version === 2 ? this.statusBits(ref) : 0,
    }));
  }

  /** The guest's view of freed status frames goes with them; what lies there later is not the hypervisor's. */
  #freeStatus(flaws: number, held: TablePage | null): void {
    for (const page of this.#status) {
      if ((flaws & Flaw["XSA-255"]) === 0) page.detach();
      if (page !== held) this.#free.push(page);
    }
    if ((flaws & Flaw["XSA-26"]) === 0) this.#status.length = 0;
  }

  #growStatus(): void {
    const wanted = Math.ceil(this.#shared.length * V2_PER_FRAME / STATUS_PER_FRAME);
    while (this.#status.length < wanted) this.#status.push(this.#page());
  }

  #page(): TablePage {
    const page = this.#free.pop() ?? new TablePage();
    page.clear();
    return page;
  }
}
