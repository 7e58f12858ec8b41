/**
 * A function's configuration space: 256 or 4096 bytes, each bit read-only, writable or clear-on-1, and the parts of a function
 * that want to know.
 *
 * @module
 */

import type { Width } from "@iova/core";
import { CONFIG_SIZE } from "./layout.ts";

/** Somebody who follows a range of configuration space. Calls are synchronous and must not throw. */
export interface ConfigWatch {
  /** Called before the guest reads any byte of the range. Absent: the bytes are as they are. */
  reading?(offset: number, width: Width): void;
  /** Called after the guest has written any byte of the range. Absent: nothing follows. */
  written?(offset: number, width: Width): void;
}

interface Watched {
  readonly first: number;
  readonly last: number;
  readonly watch: ConfigWatch;
}

/** Configuration space. Offsets are bytes; values are little-endian. */
export class ConfigSpace {
  /** What a read returns. The function's parts write here directly. */
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;
  #watched: Watched[] = [];

  /** `size` bytes: 256, or 4096 for a function with extended capabilities. */
  constructor(size: number = CONFIG_SIZE) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
    this.#writable = new Uint8Array(size);
    this.#clearable = new Uint8Array(size);
  }

  /** Sets bytes, and lets the guest write the bits that are set in `writable`. */
  define(at: number, bytes: Uint8Array, writable?: Uint8Array): void {
    this.bytes.set(bytes, at);
    if (writable) this.#writable.set(writable, at);
  }

  /** Lets the guest write the bits of `mask`, a little-endian value of `width` bytes. */
  allow(at: number, width: Width, mask: number): void {
    for (let i = 0; i < width; i++) this.#writable[at + i] = mask >>> (8 * i);
  }

  /** Makes the bits of `mask` clear when the guest writes 1 to them. */
  clearOnOne(at: number, width: Width, mask: number): void {
    for (let i = 0; i < width; i++) this.#clearable[at + i] = mask >>> (8 * i);
  }

  /** Follows `length` bytes. */
  watch(at: number, length: number, watch: ConfigWatch): void {
    this.#watched.push({ first: at, last: at + length - 1, watch });
  }

  /** A read by the guest. All ones outside. */
  read(offset: number, width: Width): number {
    if (!this.#holds(offset, width)) return -1 >>> (32 - 8 * width);
    for (const { first, last, watch } of this.#watched) {
      if (watch.reading && offset <= last && offset + width > first) watch.reading(offset, width);
    }
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | this.bytes[offset + i];
    return value >>> 0;
  }

  /** A write by the guest. Dropped outside. */
  write(offset: number, width: Width, value: number): void {
    if (!this.#holds(offset, width)) return;
    for (let i = 0; i < width; i++) this.#writeByte(offset + i, value >>> (8 * i) & 0xff);
    for (const { first, last, watch } of this.#watched) {
      if (watch.written && offset <= last && offset + width > first) watch.written(offset, width);
    }
  }

  /** Returns every byte to `bytes`, the state at power-on, and tells everybody. */
  reset(bytes: Uint8Array): void {
    this.bytes.set(bytes);
    for (const { first, watch } of this.#watched) watch.written?.(first, 1);
  }

  #holds(offset: number, width: Width): boolean {
    return offset >= 0 && offset + width <= this.bytes.length;
  }

  #writeByte(at: number, value: number): void {
    const writable = this.#writable[at];
    this.bytes[at] = (this.bytes[at] & ~writable | value & writable) & ~(value & this.#clearable[at]);
  }
}
