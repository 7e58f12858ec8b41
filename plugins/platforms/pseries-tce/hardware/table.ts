/**
 * A TCE table: big-endian entries in hypervisor memory, out of the guest's reach.
 *
 * @module
 */

import { TCE_BYTES, TCE_HIGH_AT, TCE_LOW_AT } from "../layout.ts";

/** Hypervisor memory for tables, in bytes: a budget that guests cannot exceed. */
export class TableMemory {
  /** Bytes that are left. */
  left: number;

  /** Memory of `bytes` bytes. */
  constructor(readonly bytes: number) {
    this.left = bytes;
  }

  /** Sets memory aside for a table; false when there is not enough. */
  take(entries: number): boolean {
    if (entries * TCE_BYTES > this.left) return false;
    this.left -= entries * TCE_BYTES;
    return true;
  }

  /** Gives a table's memory back. */
  give(entries: number): void {
    this.left += entries * TCE_BYTES;
  }
}

/** One table. The host commits memory for it only where entries are stored. */
export class TceTable {
  /** The entries, big-endian; writing is for {@linkcode TceTable.set}. */
  readonly view: DataView;

  /** A table of `entries` unmapped entries. */
  constructor(readonly entries: number) {
    this.view = new DataView(new ArrayBuffer(entries * TCE_BYTES));
  }

  /** Bits 63:32 of an entry, signed. `index` must be below {@linkcode TceTable.entries}. */
  hi(index: number): number {
    return this.view.getInt32(index * TCE_BYTES + TCE_HIGH_AT);
  }

  /** Bits 31:0 of an entry, signed. */
  lo(index: number): number {
    return this.view.getInt32(index * TCE_BYTES + TCE_LOW_AT);
  }

  /** Stores an entry. */
  set(index: number, hi: number, lo: number): void {
    this.view.setInt32(index * TCE_BYTES + TCE_HIGH_AT, hi);
    this.view.setInt32(index * TCE_BYTES + TCE_LOW_AT, lo);
  }

  /** An entry as the bytes that lie in hypervisor memory: a copy. */
  bytes(index: number): Uint8Array {
    return new Uint8Array(this.view.buffer, index * TCE_BYTES, TCE_BYTES).slice();
  }
}
