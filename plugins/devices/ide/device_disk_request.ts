/**
 * A disk's command for the bus master: READ DMA, WRITE DMA, or the list of ranges of a TRIM.
 *
 * @module
 */

import type { Disk } from "./device_disk.ts";
import type { DmaOutcome, DmaRequest } from "./device_request.ts";
import { trim } from "./device_trim.ts";
import { SECTOR } from "./layout.ts";

/** One object for all commands of a disk. */
export class DiskRequest implements DmaRequest {
  toMemory = false;
  length = 0;
  #trim = false;
  #sector = 0;
  readonly #disk: Disk;

  /** For commands of `disk`. */
  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** A command has been given; its registers are fixed when the engine starts. */
  prepare(toMemory: boolean, isTrim: boolean): void {
    this.toMemory = toMemory;
    this.#trim = isTrim;
    this.begin();
  }

  begin(): void {
    this.#sector = this.#disk.sector;
    this.length = this.#disk.left * SECTOR;
  }

  accept(): boolean {
    const disk = this.#disk;
    if (this.#trim || disk.has(this.#sector, disk.left)) return true;
    disk.outOfRange();
    return false;
  }

  read(at: number, into: Uint8Array, offset: number, length: number): boolean {
    if (!this.#trim) return this.#disk.options.backend.read(this.#sector * SECTOR + at, into, offset, length);
    // A hole in a list of ranges is entries that say nothing.
    into.fill(0, offset, offset + length);
    return true;
  }

  write(from: Uint8Array, length: number): boolean {
    if (this.#trim) return trim(this.#disk, from, length);
    return this.#disk.options.backend.write(this.#sector * SECTOR, from, 0, length);
  }

  ended(outcome: DmaOutcome): void {
    this.#disk.dmaEnded(outcome, this.toMemory, this.#sector, this.length);
  }
}
