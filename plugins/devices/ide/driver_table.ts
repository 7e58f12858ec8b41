/**
 * The region descriptor table of a channel: one page of coherent memory, filled from the segments of a mapped list.
 *
 * @module
 */

import { type CoherentBuffer, type DmaOps, GuestMemoryError, type GuestPort, type ScatterEntry } from "@iova/core";
import { Prd, PRD_BOUNDARY } from "./layout.ts";

/** Entries of a table: Linux's ATA_MAX_PRD. */
export const MAX_PRD = 256;
const EOT = Prd.mask.eot | 0;
const LAST_ADDRESS = 0xffff_ffffn;

/** A table. The driver writes it; the device reads it after it was started. */
export class DriverTable {
  readonly #dma: DmaOps;
  readonly #guest: GuestPort;
  readonly #memory: CoherentBuffer;

  /** @throws {GuestMemoryError} when there is no memory for it. */
  constructor(dma: DmaOps, guest: GuestPort) {
    const memory = dma.allocCoherent(MAX_PRD * Prd.size);
    if (memory === null) throw new GuestMemoryError("the region descriptors of an IDE channel", MAX_PRD * Prd.size);
    this.#dma = dma;
    this.#guest = guest;
    this.#memory = memory;
  }

  /** Where the device finds it. */
  get address(): number {
    return Number(this.#memory.handle);
  }

  /** Whether the device can reach it: below 4 GiB. */
  get isReachable(): boolean {
    return this.#memory.handle <= LAST_ADDRESS;
  }

  /** Fills it; segments are cut where they cross 64 KiB. False when they do not fit, or lie where no descriptor reaches. */
  fill(list: readonly ScatterEntry[], segments: number): boolean {
    const { view, base } = this.#guest.memory.ram(this.#memory.cpu)!;
    const first = this.#memory.cpu - base;
    let at = first;
    const end = first + MAX_PRD * Prd.size;
    for (let i = 0; i < segments; i++) {
      const handle = list[i].dmaAddress!;
      if (handle > LAST_ADDRESS) return false;
      let address = Number(handle);
      for (let left = list[i].dmaLength!; left > 0;) {
        if (at === end || address > 0xffff_ffff) return false;
        const part = Math.min(left, PRD_BOUNDARY - address % PRD_BOUNDARY);
        view.setInt32(at + Prd.at.base, address | 0, true);
        // 64 KiB is written as 0.
        view.setInt32(at + Prd.at.count, part & 0xffff, true);
        at += Prd.size;
        address += part;
        left -= part;
      }
    }
    if (at === first) return false;
    const last = at - Prd.size + Prd.at.count;
    view.setInt32(last, view.getInt32(last, true) | EOT, true);
    return true;
  }

  /** Gives its memory back. */
  release(): void {
    const { size, cpu, handle } = this.#memory;
    this.#dma.freeCoherent(size, cpu, handle);
  }
}
