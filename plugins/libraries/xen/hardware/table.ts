/**
 * One domain's grant table: shared frames of entries, status frames, and what the hypervisor knows about each entry. A
 * frame is the hypervisor's own until the guest has it put into its physical map; from then on its bytes are there.
 *
 * @module
 */

import { PAGE_SIZE, type PhysAddr, type RamRegion } from "@iova/core";
import { Gtf, RESERVED_ENTRIES, STATUS_PER_FRAME, V1_PER_FRAME, V2_PER_FRAME } from "../layout.ts";
import { ActiveEntries, WRITE_PINS } from "./active.ts";

const WORDS_PER_FRAME = PAGE_SIZE / 4;
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
  /** The words that hold each shared frame, and where in them it begins. */
  readonly #words: Int32Array[] = [];
  readonly #base: number[] = [];
  readonly #status: Uint16Array[] = [];
  readonly #statusBase: number[] = [];
  /** Guest addresses of placed frames; −1 while the hypervisor keeps them. */
  readonly #placed: PhysAddr[] = [];
  readonly #statusPlaced: PhysAddr[] = [];

  /** A version 1 table of one frame, of at most `maxFrames`. */
  constructor(readonly maxFrames: number) {
    this.grow(1);
  }

  /** Shared frames. */
  get frames(): number {
    return this.#words.length;
  }

  /** Status frames. */
  get statusFrames(): number {
    return this.#status.length;
  }

  /** References that exist. */
  get entries(): number {
    return this.#words.length << this.#shift;
  }

  /** The words of the frame that holds `ref`. */
  words(ref: number): Int32Array {
    return this.#words[ref >>> this.#shift];
  }

  /** Index of the first word of entry `ref` in {@linkcode GrantTable.words}. */
  at(ref: number): number {
    const shift = this.#shift;
    return this.#base[ref >>> shift] + ((ref & ((1 << shift) - 1)) << this.version);
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
    return this.#status[ref >>> STATUS_SHIFT][this.#statusAt(ref)];
  }

  /** Sets bits in the status word of a version 2 entry. */
  orStatus(ref: number, bits: number): void {
    this.#status[ref >>> STATUS_SHIFT][this.#statusAt(ref)] |= bits;
  }

  /** Takes away the status bits that no pin justifies. */
  reduceStatus(ref: number): void {
    const pin = this.active.pin[ref];
    let keep = STATUS_BITS;
    if ((pin & WRITE_PINS) === 0) keep &= ~Gtf.WRITING;
    if (pin === 0) keep = 0;
    if (keep === STATUS_BITS) return;
    if (this.version === 1) this.words(ref)[this.at(ref)] &= ~STATUS_BITS | keep;
    else this.#status[ref >>> STATUS_SHIFT][this.#statusAt(ref)] &= keep;
  }

  /** Grows to `frames`; false beyond the limit. A table never shrinks. */
  grow(frames: number): boolean {
    if (frames > this.maxFrames) return false;
    while (this.#words.length < frames) {
      this.#words.push(new Int32Array(WORDS_PER_FRAME));
      this.#base.push(0);
      this.#placed.push(-1);
    }
    this.active.reserve(this.#words.length << PER_FRAME_SHIFT[1]);
    if (this.version === 2) this.#growStatus();
    return true;
  }

  /** Puts a shared frame's bytes into the page at `address` of `region`; false when there is no such frame. */
  place(frame: number, region: RamRegion, address: PhysAddr): boolean {
    if (frame >= this.frames || region.words === null || (address - region.base) % 4 !== 0) return false;
    const base = (address - region.base) / 4;
    region.words.set(this.#words[frame].subarray(this.#base[frame], this.#base[frame] + WORDS_PER_FRAME), base);
    this.#words[frame] = region.words;
    this.#base[frame] = base;
    this.#placed[frame] = address;
    return true;
  }

  /** As {@linkcode GrantTable.place}, for a status frame. */
  placeStatus(frame: number, region: RamRegion, address: PhysAddr): boolean {
    if (frame >= this.statusFrames || (address - region.base) % 4 !== 0) return false;
    const { buffer, byteOffset } = region.bytes;
    const halves = new Uint16Array(buffer, byteOffset + address - region.base, STATUS_PER_FRAME);
    const old = this.#statusBase[frame];
    halves.set(this.#status[frame].subarray(old, old + STATUS_PER_FRAME));
    this.#status[frame] = halves;
    this.#statusBase[frame] = 0;
    this.#statusPlaced[frame] = address;
    return true;
  }

  /** Where a shared frame is in the guest's physical map, or −1. */
  placeOf(frame: number): PhysAddr {
    return this.#placed[frame] ?? -1;
  }

  /** Where a status frame is in the guest's physical map, or −1. */
  placeOfStatus(frame: number): PhysAddr {
    return this.#statusPlaced[frame] ?? -1;
  }

  /** Changes the layout: every frame is zeroed, references below {@linkcode RESERVED_ENTRIES} are carried over. */
  switchTo(version: number): void {
    const kept = this.#reserved();
    for (let i = 0; i < this.#words.length; i++) {
      this.#words[i].fill(0, this.#base[i], this.#base[i] + WORDS_PER_FRAME);
    }
    for (let i = 0; i < this.#status.length; i++) {
      this.#status[i].fill(0, this.#statusBase[i], this.#statusBase[i] + STATUS_PER_FRAME);
    }
    this.version = version;
    this.#shift = PER_FRAME_SHIFT[version];
    if (version === 2) this.#growStatus();
    else {
      // The guest's view of freed status frames goes with them; what lies there later is not the hypervisor's.
      for (const list of [this.#status, this.#statusBase, this.#statusPlaced]) list.length = 0;
    }
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

  #growStatus(): void {
    const wanted = Math.ceil(this.#words.length * V2_PER_FRAME / STATUS_PER_FRAME);
    while (this.#status.length < wanted) {
      this.#status.push(new Uint16Array(STATUS_PER_FRAME));
      this.#statusBase.push(0);
      this.#statusPlaced.push(-1);
    }
  }

  #statusAt(ref: number): number {
    return this.#statusBase[ref >>> STATUS_SHIFT] + (ref & (STATUS_PER_FRAME - 1));
  }
}
