/**
 * The device table as Linux keeps it: 32 bytes for each DeviceID up to the last one that firmware names, every device
 * blocked until it is attached.
 *
 * @module
 */

import { type GuestPort, PAGE_SIZE, type PhysAddr, roundUp } from "@iova/core";
import { Dte, DTE_SIZE, type DteFields } from "../layout.ts";
import type { TableMemory } from "./memory.ts";

/** The table's memory. */
export class DeviceTable {
  readonly base: PhysAddr;
  /** Bytes: a power of two, at least a page. */
  readonly size: number;
  readonly #guest: GuestPort;
  readonly #memory: TableMemory;

  /** A table for ids 0 … `lastDeviceId`, below 4 GiB, all blocked. @throws {GuestMemoryError} when there is no room. */
  constructor(guest: GuestPort, memory: TableMemory, lastDeviceId: number) {
    this.#guest = guest;
    this.#memory = memory;
    this.size = PAGE_SIZE;
    while (this.size < (lastDeviceId + 1) * DTE_SIZE) this.size *= 2;
    this.base = guest.heap.require(roundUp(this.size, PAGE_SIZE), "the AMD IOMMU's device table", PAGE_SIZE);
    const [blocked] = new Int32Array(Dte.encode(BLOCKED).buffer);
    for (let at = 0; at < this.size; at += DTE_SIZE) memory.write(this.base + at, blocked);
  }

  /** DeviceIDs that it has entries for. */
  get entries(): number {
    return this.size / DTE_SIZE;
  }

  /** Writes an entry: the upper half first, the word with V last. False when the table has none for this id. */
  write(deviceId: number, fields: Partial<DteFields>): boolean {
    if (deviceId >= this.entries) return false;
    this.#memory.writeBackwards(this.base + deviceId * DTE_SIZE, Dte.encode(fields));
    return true;
  }

  /** Blocks a device: the word with V and the mode first. */
  block(deviceId: number): void {
    if (deviceId >= this.entries) return;
    const at = this.base + deviceId * DTE_SIZE;
    const words = new Int32Array(Dte.encode(BLOCKED).buffer);
    words.forEach((word, i) => this.#memory.write(at + 4 * i, word));
  }

  /** Gives the memory back. */
  free(): void {
    this.#guest.heap.free(this.base);
  }
}

/** Neither reading nor writing, nothing translated. */
const BLOCKED: Partial<DteFields> = { v: 1, tv: 1, mode: 0 };
