/**
 * The requests of a copy: every block once, each written to the file as it arrives.
 *
 * @module
 */

import type { Random, WorkloadContext } from "@iova/core";
import {
  BlockHash,
  BlockOp,
  BlockStatus,
  NextRequest,
  type RequestSlot,
  type RequestSource,
  SECTOR_SIZE,
} from "@iova/block";
import type { Target } from "./target.ts";

/** How many completions lie between two words about progress. */
const PROGRESS_EVERY = 64;

/** See the module's text. */
export class CopySource implements RequestSource {
  /** Blocks, the last of which may be short. */
  readonly blocks: number;
  requests = 0;
  bytes = 0;
  /** Blocks that could not be read. */
  errors = 0;
  /** The first of them: its sector and status. */
  firstError: { readonly sector: number; readonly status: BlockStatus } | null = null;
  readonly #hash = new BlockHash();
  // What came through the machine, as checksums by block.
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;
  // The order; null: as they lie.
  readonly #order: Uint32Array | null;
  #issued = 0;
  #gone = false;

  /** Reads `size` bytes; in random order when there is a generator. */
  constructor(
    readonly context: WorkloadContext,
    readonly target: Target,
    readonly size: number,
    readonly blockSize: number,
    random: Random | null,
  ) {
    this.blocks = Math.ceil(size / blockSize);
    this.#hi = new Int32Array(this.blocks);
    this.#lo = new Int32Array(this.blocks);
    this.#order = random === null ? null : shuffled(this.blocks, random);
  }

  /** Whether the order is random. */
  get isShuffled(): boolean {
    return this.#order !== null;
  }

  /** Bytes of a block. */
  lengthOf(block: number): number {
    return Math.min(this.blockSize, this.size - block * this.blockSize);
  }

  /** Whether the bytes of a block are those that came through the machine. */
  agrees(block: number, view: DataView): boolean {
    const { hi, lo } = this.#hash.of(view, 0, this.lengthOf(block));
    return hi === this.#hi[block] && lo === this.#lo[block];
  }

  /** See {@linkcode RequestSource.next}. */
  next(slot: RequestSlot): NextRequest {
    if (this.#issued === this.blocks || this.#gone || this.target.failure !== "") return NextRequest.END;
    const block = this.#order === null ? this.#issued : this.#order[this.#issued];
    this.#issued++;
    slot.op = BlockOp.READ;
    slot.sector = block * this.blockSize / SECTOR_SIZE;
    slot.length = this.lengthOf(block);
    return NextRequest.READY;
  }

  /** See {@linkcode RequestSource.completed}. */
  completed(slot: RequestSlot, status: BlockStatus): void {
    const { sector, length, buffer } = slot;
    if (++this.requests % PROGRESS_EVERY === 0) this.context.progress(this.requests, this.blocks);
    if (status === BlockStatus.OK) this.#arrived(sector, buffer, length);
    else this.#failed(sector, status);
    if (this.context.observing) this.#observe(slot, status);
  }

  #arrived(sector: number, buffer: number, length: number): void {
    const ram = this.context.guest.memory.ram(buffer)!;
    const position = sector * SECTOR_SIZE;
    const block = position / this.blockSize;
    this.#hash.of(ram.view, buffer - ram.base, length);
    this.#hi[block] = this.#hash.hi;
    this.#lo[block] = this.#hash.lo;
    this.target.write(position, ram.bytes, buffer - ram.base, length);
    this.bytes += length;
  }

  #failed(sector: number, status: BlockStatus): void {
    this.firstError ??= { sector, status };
    this.errors++;
    if (status === BlockStatus.DEVICE_GONE) this.#gone = true;
  }

  #observe({ sector, length }: RequestSlot, status: BlockStatus): void {
    const content = status === BlockStatus.OK ? ` content=${this.#hash}` : "";
    this.context.observe(`read sector=${sector} len=${length} status=${status}${content}`);
  }
}

/** The numbers below `count` in random order (Fisher and Yates). */
function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
