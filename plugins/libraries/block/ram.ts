/**
 * Memory as a medium: for benchmarks, and for tests that need no file.
 *
 * @module
 */

import { PAGE_SIZE, roundUp } from "@iova/core";
import { type BlockBackend, SECTOR_SIZE } from "./contract.ts";
import { isInside } from "./raw_file.ts";

/** What a {@linkcode RamBackend} begins as. */
export interface RamBackendOptions {
  /** `pattern`: every word differs with its position, the same in every run. `zero`: zeros. Default `pattern`. */
  readonly content?: "pattern" | "zero";
  /** Refuses writes. Default false. */
  readonly readOnly?: boolean;
}

/** Bytes up to which an aligned copy goes page by page through views that are made once. */
const BY_PAGES = 16 * 1024;

/**
 * A medium in memory that is lost when it is closed or dropped. Whole aligned pages move without allocation, as long as
 * the lent bytes come from one array, as a machine's RAM does.
 */
export class RamBackend implements BlockBackend {
  /** The medium itself. Another array after a resize. */
  bytes: Uint8Array;
  /** Bytes. */
  size: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  #pages: Views;
  // Views of the bytes that were lent last. They are used during a call only, and made again for other bytes.
  #lent = new Views(new Uint8Array(0));

  /** A medium of `size` bytes, a multiple of 512. @throws {RangeError} when it is not. */
  constructor(size: number, options: RamBackendOptions = {}) {
    if (size <= 0 || size % SECTOR_SIZE !== 0) throw new RangeError(`${size} bytes are not whole sectors`);
    this.size = size;
    const memory = new ArrayBuffer(roundUp(size, PAGE_SIZE));
    this.bytes = new Uint8Array(memory, 0, size);
    this.readOnly = options.readOnly ?? false;
    this.#pages = new Views(this.bytes);
    if (options.content !== "zero") fillPattern(new Int32Array(memory, 0, size / 4));
  }

  /** See {@linkcode BlockBackend.read}. */
  read(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (!isInside(this.size, position, length)) return false;
    if (!byPages(position, length)) bytes.set(this.bytes.subarray(position, position + length), offset);
    else for (let at = 0; at < length; at += PAGE_SIZE) bytes.set(this.#pages.page(position + at), offset + at);
    return true;
  }

  /** See {@linkcode BlockBackend.write}. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.readOnly || !isInside(this.size, position, length)) return false;
    if (!byPages(offset, length)) this.bytes.set(bytes.subarray(offset, offset + length), position);
    else {
      if (this.#lent.bytes !== bytes) this.#lent = new Views(bytes);
      for (let at = 0; at < length; at += PAGE_SIZE) this.bytes.set(this.#lent.page(offset + at), position + at);
    }
    return true;
  }

  /** See {@linkcode BlockBackend.writeZeroes}. */
  writeZeroes(position: number, length: number): boolean {
    if (this.readOnly || !isInside(this.size, position, length)) return false;
    this.bytes.fill(0, position, position + length);
    return true;
  }

  /** See {@linkcode BlockBackend.resize}. */
  resize(size: number): boolean {
    if (this.readOnly || size <= 0 || size % SECTOR_SIZE !== 0) return false;
    const memory = new Uint8Array(new ArrayBuffer(roundUp(size, PAGE_SIZE)), 0, size);
    memory.set(this.bytes.subarray(0, Math.min(size, this.size)));
    this.bytes = memory;
    this.size = size;
    this.#pages = new Views(memory);
    return true;
  }

  /** Memory is as durable as it gets at once. */
  flush(): boolean {
    return true;
  }

  /** Nothing is held. */
  close(): void {}
}

/** Views of the aligned pages of an array, each made when it is first asked for. */
class Views {
  #pages: (Uint8Array | undefined)[] | null = null;

  constructor(readonly bytes: Uint8Array) {}

  page(start: number): Uint8Array {
    // Of full size from the start: an array that random indices make grow becomes a dictionary.
    this.#pages ??= new Array(Math.ceil(this.bytes.length / PAGE_SIZE)).fill(undefined);
    return this.#pages[start / PAGE_SIZE] ??= this.bytes.subarray(start, start + PAGE_SIZE);
  }
}

function byPages(start: number, length: number): boolean {
  return start % PAGE_SIZE === 0 && length % PAGE_SIZE === 0 && length <= BY_PAGES;
}

/** Word n becomes a mix of n: neighbours differ, and so do pages. */
function fillPattern(words: Int32Array): void {
  for (let i = 0; i < words.length; i++) {
    const mixed = Math.imul(i + 1, 0x9e3779b1);
    words[i] = mixed ^ (mixed >>> 15);
  }
}
