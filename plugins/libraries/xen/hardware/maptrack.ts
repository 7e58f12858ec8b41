/**
 * The mapper's book of mappings: one slot for each handle (Xen's maptrack). One virtual CPU's free list: handles are
 * taken at the head and given back at the tail, the last slot stays as a sentinel, and a new frame's slots go to the head.
 *
 * @module
 */

import { INVALID_HANDLE } from "../layout.ts";

/** Slots in one maptrack frame: 4096 bytes of 16. */
export const MAPTRACK_PER_FRAME = 256;
const NONE = -1;

/** See the module's text. */
export class Maptrack {
  /** The granter's reference, by handle. */
  ref: Int32Array = new Int32Array(0);
  /** Map flags, bits 4:0; 0 when the handle is free. */
  flags: Uint8Array = new Uint8Array(0);
  /** The granter. */
  domid: Uint16Array = new Uint16Array(0);
  /** Live mappings. */
  live = 0;
  #next = new Int32Array(0);
  #frames = 0;
  #head = NONE;
  #tail = NONE;

  /** At most `maxFrames` frames of {@linkcode MAPTRACK_PER_FRAME} slots. */
  constructor(readonly maxFrames: number) {}

  /** Slots that exist. */
  get size(): number {
    return this.#frames * MAPTRACK_PER_FRAME;
  }

  /** A free handle, or {@linkcode INVALID_HANDLE}. Fill in `flags` before the next call, or {@linkcode give} it back. */
  take(): number {
    const head = this.#head;
    if (head === NONE || this.#next[head] === NONE) return this.#addFrame();
    this.#head = this.#next[head];
    return head;
  }

  /** The handle that {@linkcode Maptrack.take} would give, while the list has one; else {@linkcode INVALID_HANDLE}. */
  peek(): number {
    const head = this.#head;
    return head === NONE || this.#next[head] === NONE ? INVALID_HANDLE : head;
  }

  /** Gives a handle back. */
  give(handle: number): void {
    this.flags[handle] = 0;
    this.#next[handle] = NONE;
    this.#next[this.#tail] = handle;
    this.#tail = handle;
  }

  /** Whether a handle names a mapping. */
  isLive(handle: number): boolean {
    return handle < this.size && this.flags[handle] !== 0;
  }

  #addFrame(): number {
    if (this.#frames >= this.maxFrames) return INVALID_HANDLE;
    const first = this.size;
    const last = first + MAPTRACK_PER_FRAME - 1;
    if (last >= this.flags.length) this.#grow(Math.max(MAPTRACK_PER_FRAME, this.flags.length * 2));
    this.#frames++;
    for (let i = first + 1; i < last; i++) this.#next[i] = i + 1;
    this.#next[last] = this.#head;
    if (this.#head === NONE) this.#tail = last;
    this.#head = first + 1;
    return first;
  }

  #grow(size: number): void {
    this.ref = grown(this.ref, new Int32Array(size));
    this.flags = grown(this.flags, new Uint8Array(size));
    this.domid = grown(this.domid, new Uint16Array(size));
    this.#next = grown(this.#next, new Int32Array(size));
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
