/**
 * Clusters of an overlay in a file; its form is in `layout_overlay.ts`.
 *
 * Data goes to the file at once. Entries that say where it is follow with a flush, after the data has been made durable:
 * whatever moment the power fails at, an entry that is there leads to what was written.
 *
 * @module
 */

import {
  CLUSTER_SIZE,
  crc32,
  dataOffset,
  encodeEntry,
  entryCrc,
  OVERLAY_HEADER_SIZE,
  OVERLAY_MAGIC,
  OverlayEntry,
  OverlayHeader,
  ZERO_SLOT,
} from "./layout_overlay.ts";
import { ClusterState, type ClusterStore } from "./overlay.ts";
import { type ImageFile, RawFileBackend } from "./raw_file.ts";

/** What tells whether an overlay belongs to a base. */
export interface BaseMark {
  /** Bytes. */
  readonly size: number;
  /** CRC-32 of its first and last 64 KiB. */
  readonly check: number;
}

/** Why an overlay was not opened. */
export type OverlayProblem = "is no overlay" | "is damaged" | "belongs to another base";

/** A file can grow its medium to this many times the size at first. */
const GROWTH = 4;
const LEAST_CAPACITY = 1024;

/** See the module's text. */
export class FileClusters implements ClusterStore {
  size: number;
  readonly #file: RawFileBackend;
  readonly #header: { baseSize: bigint; baseCheck: number; capacity: number; id: number };
  readonly #slots: Uint32Array;
  readonly #dirty = new Set<number>();
  readonly #data: number;
  #next = 0;
  #headerDirty = false;

  private constructor(file: RawFileBackend, header: OverlayValues, slots: Uint32Array) {
    this.#file = file;
    this.#header = header;
    this.size = Number(header.size);
    this.#slots = slots;
    this.#data = dataOffset(header.capacity);
    for (const slot of slots) if (slot !== ZERO_SLOT) this.#next = Math.max(this.#next, slot);
  }

  /** Makes a fresh overlay in an empty file, which is the store's from now on. Null on a host error. */
  static make(file: ImageFile, base: BaseMark, id: number): FileClusters | null {
    const capacity = Math.max(LEAST_CAPACITY, GROWTH * clusters(base.size));
    const raw = new RawFileBackend(file, Number.MAX_SAFE_INTEGER, false);
    const size = BigInt(base.size);
    const header = { magic: OVERLAY_MAGIC, size, baseSize: size, baseCheck: base.check, capacity, id, crc: 0 };
    const store = new FileClusters(raw, header, new Uint32Array(capacity));
    return store.#writeHeader() && raw.flush() ? store : null;
  }

  /** Opens an overlay of `length` bytes, which is the store's from now on, or says what is wrong with it. */
  static open(file: ImageFile, length: number, base: BaseMark): FileClusters | OverlayProblem {
    const raw = new RawFileBackend(file, Number.MAX_SAFE_INTEGER, false);
    const bytes = new Uint8Array(OverlayHeader.size);
    if (length < OVERLAY_HEADER_SIZE || !raw.read(0, bytes, 0, bytes.length)) return "is no overlay";
    const header = OverlayHeader.decode(bytes);
    if (header.magic !== OVERLAY_MAGIC) return "is no overlay";
    if (crc32(bytes.subarray(0, OverlayHeader.at.crc)) !== header.crc) return "is damaged";
    if (header.baseSize !== BigInt(base.size) || header.baseCheck !== base.check) return "belongs to another base";
    if (clusters(Number(header.size)) > header.capacity) return "is damaged";
    const slots = readTable(raw, length, header);
    return slots === null ? "is damaged" : new FileClusters(raw, header, slots);
  }

  state(index: number): ClusterState {
    const slot = this.#slots[index];
    return slot === 0 ? ClusterState.BASE : slot === ZERO_SLOT ? ClusterState.ZERO : ClusterState.HELD;
  }

  read(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#file.read(this.#place(index) + at, bytes, offset, length);
  }

  write(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#file.write(this.#place(index) + at, bytes, offset, length);
  }

  hold(index: number, content: Uint8Array): boolean {
    if (index >= this.#slots.length) return false;
    const slot = this.#next + 1;
    if (!this.#file.write(this.#data + (slot - 1) * CLUSTER_SIZE, content, 0, CLUSTER_SIZE)) return false;
    this.#next = slot;
    this.#set(index, slot);
    return true;
  }

  zero(index: number): boolean {
    if (index >= this.#slots.length) return false;
    this.#set(index, ZERO_SLOT);
    return true;
  }

  resize(size: number): boolean {
    if (clusters(size) > this.#slots.length) return false;
    this.size = size;
    this.#headerDirty = true;
    return true;
  }

  flush(): boolean {
    const clean = this.#dirty.size === 0 && !this.#headerDirty;
    if (!this.#file.flush()) return false;
    return clean || (this.#writeTable() && this.#file.flush());
  }

  close(): void {
    this.flush();
    this.#file.close();
  }

  #set(index: number, slot: number): void {
    this.#slots[index] = slot;
    this.#dirty.add(index);
  }

  #place(index: number): number {
    return this.#data + (this.#slots[index] - 1) * CLUSTER_SIZE;
  }

  #writeTable(): boolean {
    for (const index of this.#dirty) {
      const entry = encodeEntry(this.#header.id, index, this.#slots[index]);
      if (!this.#file.write(OVERLAY_HEADER_SIZE + index * entry.length, entry, 0, entry.length)) return false;
      this.#dirty.delete(index);
    }
    if (this.#headerDirty && !this.#writeHeader()) return false;
    this.#headerDirty = false;
    return true;
  }

  #writeHeader(): boolean {
    const values = { ...this.#header, magic: OVERLAY_MAGIC, size: BigInt(this.size), crc: 0 };
    const bytes = OverlayHeader.encode(values);
    values.crc = crc32(bytes.subarray(0, OverlayHeader.at.crc));
    const header = new Uint8Array(OVERLAY_HEADER_SIZE);
    header.set(OverlayHeader.encode(values));
    return this.#file.write(0, header, 0, header.length);
  }
}

type OverlayValues = ReturnType<typeof OverlayHeader.decode>;

function clusters(size: number): number {
  return Math.ceil(size / CLUSTER_SIZE);
}

/** The slots; null when an entry is torn, foreign, or leads behind the end of the file. A file ends where its holes do. */
function readTable(raw: RawFileBackend, length: number, { capacity, id }: OverlayValues): Uint32Array | null {
  const slots = new Uint32Array(capacity);
  const present = Math.min(capacity * OverlayEntry.size, length - OVERLAY_HEADER_SIZE);
  const bytes = new Uint8Array(capacity * OverlayEntry.size);
  if (!raw.read(OVERLAY_HEADER_SIZE, bytes, 0, present)) return null;
  const words = new Uint32Array(bytes.buffer);
  const last = Math.floor((length - dataOffset(capacity)) / CLUSTER_SIZE);
  for (let index = 0; index < capacity; index++) {
    const [slot, crc] = [words[2 * index], words[2 * index + 1]];
    if (slot === 0 && crc === 0) continue;
    if (entryCrc(id, index, slot) !== crc || slot === 0 || (slot !== ZERO_SLOT && slot > last)) return null;
    slots[index] = slot;
  }
  return slots;
}
