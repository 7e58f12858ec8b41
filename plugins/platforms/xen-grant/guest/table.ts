/**
 * The guest's side of its grant table: where the frames are, writing entries, and ending them.
 *
 * @module
 */

import { type GuestPort, PAGE_SIZE } from "@iova/core";
import { Gtf, RESERVED_ENTRIES, STATUS_PER_FRAME, V1_PER_FRAME, V2_PER_FRAME, XENMAPIDX_STATUS } from "@iova/xen";
import type { XenCalls } from "./calls.ts";
import { ReferenceList } from "./free_list.ts";

const IN_USE = Gtf.READING | Gtf.WRITING;
/** log2 of entries in a frame, by version. */
const FRAME_SHIFT = [0, Math.log2(V1_PER_FRAME), Math.log2(V2_PER_FRAME)];
const STATUS_SHIFT = Math.log2(STATUS_PER_FRAME);
/** The last frame that a version 1 entry can name. */
const V1_LAST_FRAME = 0xffff_ffff;

/** Points in the guest's own work where the other side may act, for schedules. */
export type GuestYieldPoint = "revoke-read" | "revoke-exchange";

/** See the module's text. */
export class GuestGrantTable {
  /** In force: 1 or 2; also log2 of the 32-bit words in an entry. */
  readonly version: number;
  /** Which references are free. */
  readonly refs: ReferenceList;
  /** Called between the steps of a revocation; null for nothing. */
  schedule: ((point: GuestYieldPoint) => void) | null = null;
  readonly #guest: GuestPort;
  readonly #calls: XenCalls;
  readonly #maxFrames: number;
  readonly #looksThenEnds: boolean;
  /** log2 of entries in a frame. */
  readonly #shift: number;
  readonly #words: Int32Array[] = [];
  readonly #base: number[] = [];
  readonly #status: Uint16Array[] = [];

  /**
   * Boots the table: version, first frame. `looksThenEnds`: grants are ended as before XSA-396.
   *
   * @throws {RangeError} when the hypervisor gives no table.
   */
  constructor(guest: GuestPort, calls: XenCalls, version: number, looksThenEnds = false) {
    this.#guest = guest;
    this.#looksThenEnds = looksThenEnds;
    this.#calls = calls;
    this.#maxFrames = calls.maxFrames();
    this.version = version === 2 ? calls.setVersion(2) : 1;
    this.#shift = FRAME_SHIFT[this.version];
    if (!this.#addFrame()) throw new RangeError("the hypervisor gives this guest no grant table");
    this.refs = new ReferenceList(RESERVED_ENTRIES, this.#entries, (wanted) => this.#expand(wanted));
  }

  /** The last frame number that an entry can hold. */
  get lastFrame(): number {
    return this.version === 1 ? V1_LAST_FRAME : Number.MAX_SAFE_INTEGER;
  }

  /** Grants frame `gfn` to domain `domid`. The flags become valid last. */
  grant(ref: number, domid: number, gfn: number, readonly: boolean): void {
    const shift = this.#shift;
    const words = this.#words[ref >>> shift];
    const at = this.#base[ref >>> shift] + ((ref & ((1 << shift) - 1)) << this.version);
    words[at] = domid << 16;
    if (this.version === 1) words[at + 1] = gfn | 0;
    else {
      words[at + 1] = 0;
      words[at + 2] = gfn | 0;
      words[at + 3] = (gfn / 0x1_0000_0000) | 0;
    }
    words[at] = domid << 16 | Gtf.PERMIT_ACCESS | (readonly ? Gtf.READONLY : 0);
  }

  /** Ends a grant if nobody uses it: test and end are one step (XSA-396). A version 2 entry is dead either way. */
  tryEnd(ref: number): boolean {
    if (this.#looksThenEnds) return this.#lookThenEnd(ref);
    return this.#tryEnd(ref);
  }

  /** Makes a grant for writing one for reading, unless it is mapped for writing. */
  downgrade(ref: number): boolean {
    const [words, at] = this.#entry(ref);
    if ((this.#statusOf(ref) & Gtf.WRITING) !== 0) return false;
    words[at] |= Gtf.READONLY;
    return true;
  }

  /** Makes a grant for reading one for writing. */
  upgrade(ref: number): void {
    const [words, at] = this.#entry(ref);
    words[at] &= ~Gtf.READONLY;
  }

  #tryEnd(ref: number): boolean {
    const shift = this.#shift;
    const words = this.#words[ref >>> shift];
    const at = this.#base[ref >>> shift] + ((ref & ((1 << shift) - 1)) << this.version);
    return this.version === 1 ? this.#tryEnd1(words, at) : this.#tryEnd2(words, at, ref);
  }

  /** The mistake of XSA-396: what was seen not to be in use counts as ended, whatever the second step says. */
  #lookThenEnd(ref: number): boolean {
    if ((this.#statusOf(ref) & IN_USE) !== 0) return false;
    this.schedule?.("revoke-read");
    this.#tryEnd(ref);
    return true;
  }

  #tryEnd1(words: Int32Array, at: number): boolean {
    for (;;) {
      const header = words[at];
      this.schedule?.("revoke-read");
      if ((header & IN_USE) !== 0) return false;
      this.schedule?.("revoke-exchange");
      if (words[at] !== header) continue;
      words[at] = header & ~0xffff;
      return true;
    }
  }

  #tryEnd2(words: Int32Array, at: number, ref: number): boolean {
    words[at] &= ~0xffff;
    this.schedule?.("revoke-exchange");
    return (this.#statusOf(ref) & IN_USE) === 0;
  }

  #entry(ref: number): readonly [words: Int32Array, at: number] {
    const shift = this.#shift;
    const frame = ref >>> shift;
    return [this.#words[frame], this.#base[frame] + ((ref & ((1 << shift) - 1)) << this.version)];
  }

  #statusOf(ref: number): number {
    if (this.version === 2) return this.#status[ref >>> STATUS_SHIFT][ref & (STATUS_PER_FRAME - 1)];
    const [words, at] = this.#entry(ref);
    return words[at];
  }

  get #entries(): number {
    return this.#words.length << this.#shift;
  }

  #expand(wanted: number): number {
    const before = this.#entries;
    const frames = Math.ceil(wanted / (1 << this.#shift));
    if (this.#words.length + frames > this.#maxFrames) return 0;
    for (let i = 0; i < frames; i++) if (!this.#addFrame()) break;
    return this.#entries - before;
  }

  /** Gives a page up for the next frame of the table to appear in. */
  #addFrame(): boolean {
    const index = this.#words.length;
    const page = this.#place(index);
    if (page < 0) return false;
    const region = this.#guest.memory.ram(page)!;
    this.#words.push(region.words!);
    this.#base.push((page - region.base) / 4);
    if (this.version === 1 || this.#status.length << STATUS_SHIFT >= this.#entries) return true;
    const status = this.#place(XENMAPIDX_STATUS + this.#status.length);
    if (status < 0) {
      this.#words.pop();
      this.#base.pop();
      return false;
    }
    const { bytes, base } = this.#guest.memory.ram(status)!;
    this.#status.push(new Uint16Array(bytes.buffer, bytes.byteOffset + status - base, STATUS_PER_FRAME));
    return true;
  }

  #place(index: number): number {
    const page = this.#guest.heap.allocPages(1);
    if (page === null) return -1;
    if (this.#calls.addGrantFrame(index, page / PAGE_SIZE) === 0) return page;
    this.#guest.heap.free(page);
    return -1;
  }
}
