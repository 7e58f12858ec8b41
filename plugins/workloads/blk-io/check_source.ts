/**
 * The second look: the region is read once more, in order, in requests of another length. What was written is compared
 * byte by byte, what was read before by its checksum, and all of it becomes one SHA-256.
 *
 * @module
 */

import type { GuestPort, RamRegion } from "@iova/core";
import {
  BlockHash,
  BlockOp,
  BlockStatus,
  NextRequest,
  type RequestSlot,
  type RequestSource,
  SECTOR_SIZE,
  Sha256,
} from "@iova/block";
import { firstDifference } from "./content.ts";
import type { Geometry } from "./geometry.ts";
import type { Ledger } from "./ledger.ts";
import type { Outcome } from "./outcome.ts";

/** Largest region that is read again as a whole without being asked; of a larger one, only what was touched. */
export const WHOLE_REGION = 64 * 1024 * 1024;

/** See the module's text. One request at a time: the digest takes bytes in order. */
export class CheckSource implements RequestSource {
  readonly #whole: boolean;
  readonly #sum = new Sha256();
  readonly #hash = new BlockHash();
  // Bytes of the region that are done.
  #at = 0;
  readonly #version = { seed: 0, sector: 0, generation: 0 };

  /** `chunk`: bytes of a request, whole blocks. `seed`: of what was written. `whole`: read everything, however large. */
  constructor(
    readonly guest: GuestPort,
    readonly geometry: Geometry,
    readonly ledger: Ledger,
    readonly outcome: Outcome,
    readonly chunk: number,
    seed: number,
    whole: boolean,
  ) {
    this.#whole = whole || geometry.sectors * SECTOR_SIZE <= WHOLE_REGION;
    this.#version.seed = seed;
  }

  /** The region's SHA-256 in hexadecimal; undefined when not all of it was read. */
  sha256(): string | undefined {
    return this.#whole && this.outcome.errors === 0 ? this.#sum.hex() : undefined;
  }

  /** See {@linkcode RequestSource.next}. */
  next(slot: RequestSlot): NextRequest {
    const { sectors, blockSize, blocks, firstSector } = this.geometry;
    if (!this.#whole) { while (this.#at / blockSize < blocks && !this.#touched()) this.#at += blockSize; }
    const end = this.#whole ? sectors * SECTOR_SIZE : blocks * blockSize;
    if (this.outcome.gone || this.#at >= end) return NextRequest.END;
    slot.op = BlockOp.READ;
    slot.sector = firstSector + this.#at / SECTOR_SIZE;
    slot.length = Math.min(this.#whole ? this.chunk : blockSize, end - this.#at);
    return NextRequest.READY;
  }

  /** See {@linkcode RequestSource.completed}. */
  completed(slot: RequestSlot, status: BlockStatus): void {
    const from = this.#at;
    this.#at += slot.length;
    if (status !== BlockStatus.OK) return this.outcome.failed(slot.op, slot.sector, status);
    const ram = this.guest.memory.ram(slot.buffer)!;
    const offset = slot.buffer - ram.base;
    if (this.#whole) this.#sum.update(ram.bytes, offset, slot.length);
    const { blockSize } = this.geometry;
    for (let at = 0; at + blockSize <= slot.length; at += blockSize) {
      this.#check((from + at) / blockSize, ram, offset + at);
    }
  }

  #touched(): boolean {
    return this.ledger.knows(this.#at / this.geometry.blockSize);
  }

  #check(block: number, ram: RamRegion, offset: number): void {
    if (!this.ledger.knows(block)) return;
    const { blockSize, firstSector, sectorsPerBlock } = this.geometry;
    const sector = firstSector + block * sectorsPerBlock;
    const generation = this.ledger.generations[block];
    if (generation === 0) {
      if (this.ledger.agrees(block, this.#hash.of(ram.view, offset, blockSize))) return;
      return this.outcome.differed(sector, "is not what was read before");
    }
    this.#version.sector = sector;
    this.#version.generation = generation;
    const difference = firstDifference(ram.view, offset, blockSize, this.#version);
    if (difference >= 0) this.outcome.differed(sector, `is not what was written, from byte ${difference} on`);
  }
}
