/**
 * The requests of a run, in an order that follows from options and seed alone, whatever the platform's timing: a request
 * for a block that is in flight waits, and so does everything behind it.
 *
 * @module
 */

import type { Random, WorkloadContext } from "@iova/core";
import {
  BlockHash,
  BlockOp,
  BlockStatus,
  NextRequest,
  OP_NAMES,
  type RequestSlot,
  type RequestSource,
} from "@iova/block";
import { fillContent } from "./content.ts";
import { type BlkIoOptions, type Geometry, writes } from "./geometry.ts";
import type { Ledger } from "./ledger.ts";
import { Latency, type Outcome } from "./outcome.ts";

/** How many completions lie between two words about progress. */
const PROGRESS_EVERY = 1024;

/** See the module's text. */
export class IoSource implements RequestSource {
  reads = 0;
  writes = 0;
  flushes = 0;
  bytes = 0;
  readonly latency: Latency = new Latency();
  /** Seed of what is written. */
  readonly seed: number;
  readonly #random: Random;
  readonly #hash = new BlockHash();
  readonly #writing: boolean;
  readonly #shuffled: boolean;
  // Blocks in flight; only kept when something is written.
  readonly #busy: Uint8Array;
  // How often each block was written.
  readonly #generations: Uint32Array;
  #issued = 0;
  #completed = 0;
  #flying = 0;
  #unflushed = 0;
  #finalFlush = false;
  // The request that was drawn and not yet made; −1: none.
  #block = -1;
  #op: BlockOp = BlockOp.READ;
  // Reused, so that filling a buffer allocates nothing.
  readonly #version = { seed: 0, sector: 0, generation: 0 };

  /** `ledger` is null when nothing is verified. */
  constructor(
    readonly context: WorkloadContext,
    readonly options: BlkIoOptions,
    readonly geometry: Geometry,
    readonly ledger: Ledger | null,
    readonly outcome: Outcome,
    random: Random,
  ) {
    this.#random = random;
    this.seed = random.next();
    this.#writing = writes(options);
    this.#shuffled = options.pattern !== "read" && options.pattern !== "write";
    this.#busy = new Uint8Array(this.#writing ? geometry.blocks : 0);
    this.#generations = ledger?.generations ?? new Uint32Array(this.#writing ? geometry.blocks : 0);
  }

  /** See {@linkcode RequestSource.next}. */
  next(slot: RequestSlot): NextRequest {
    if (this.outcome.gone) return NextRequest.END;
    if (this.options.flushEvery > 0 && this.#unflushed >= this.options.flushEvery) return this.#flush(slot);
    if (this.#issued === this.geometry.count) return this.#end(slot);
    if (this.#block < 0) this.#draw();
    if (this.#writing && this.#busy[this.#block] === 1) return NextRequest.WAIT;
    return this.#request(slot);
  }

  /** See {@linkcode RequestSource.completed}. */
  completed(slot: RequestSlot, status: BlockStatus): void {
    this.#flying--;
    this.latency.add(this.context.guest.now - slot.submitted);
    const known = slot.op === BlockOp.READ && status === BlockStatus.OK && this.#hashed(slot);
    if (slot.op !== BlockOp.FLUSH) this.#moved(slot, status);
    if (status !== BlockStatus.OK) this.outcome.failed(slot.op, slot.sector, status);
    else if (known && this.ledger?.agrees(this.#blockOf(slot), this.#hash) === false) {
      this.outcome.differed(slot.sector, "is not what it was");
    }
    if (this.context.observing) this.#observe(slot, status, known);
  }

  #draw(): void {
    const { blocks } = this.geometry;
    const { pattern, mixRead } = this.options;
    this.#block = this.#shuffled ? this.#random.below(blocks) : this.#issued % blocks;
    const reads = pattern === "mixed"
      ? this.#random.below(100) < mixRead
      : pattern === "read" || pattern === "randread";
    this.#op = reads ? BlockOp.READ : BlockOp.WRITE;
  }

  #request(slot: RequestSlot): NextRequest {
    const { firstSector, sectorsPerBlock, blockSize } = this.geometry;
    const block = this.#block;
    this.#block = -1;
    this.#issued++;
    this.#flying++;
    slot.op = this.#op;
    slot.sector = firstSector + block * sectorsPerBlock;
    slot.length = blockSize;
    if (this.#writing) this.#busy[block] = 1;
    if (slot.op === BlockOp.READ) this.reads++;
    else this.#prepareWrite(slot, block);
    return NextRequest.READY;
  }

  #prepareWrite(slot: RequestSlot, block: number): void {
    this.writes++;
    this.#unflushed++;
    const version = this.#version;
    version.seed = this.seed;
    version.sector = slot.sector;
    version.generation = ++this.#generations[block];
    const ram = this.context.guest.memory.ram(slot.buffer)!;
    fillContent(ram.view, slot.buffer - ram.base, slot.length, version);
    // The block is busy until the write has completed, so nobody reads it before it holds this.
    this.ledger?.learn(block, this.#hash.of(ram.view, slot.buffer - ram.base, slot.length));
  }

  #flush(slot: RequestSlot): NextRequest {
    this.#unflushed = 0;
    this.flushes++;
    this.#flying++;
    slot.op = BlockOp.FLUSH;
    slot.sector = 0;
    slot.length = 0;
    return NextRequest.READY;
  }

  /** The last flush covers every write: it waits for them. */
  #end(slot: RequestSlot): NextRequest {
    if (!this.#writing || this.#finalFlush) return NextRequest.END;
    if (this.#flying > 0) return NextRequest.WAIT;
    this.#finalFlush = true;
    return this.#flush(slot);
  }

  #moved(slot: RequestSlot, status: BlockStatus): void {
    const block = this.#blockOf(slot);
    if (this.#writing) this.#busy[block] = 0;
    if (status === BlockStatus.OK) this.bytes += slot.length;
    else if (slot.op === BlockOp.WRITE) this.ledger?.forget(block);
    if (++this.#completed % PROGRESS_EVERY === 0) this.context.progress(this.#completed, this.geometry.count);
  }

  #hashed(slot: RequestSlot): boolean {
    if (this.ledger === null && !this.context.observing) return false;
    const ram = this.context.guest.memory.ram(slot.buffer)!;
    this.#hash.of(ram.view, slot.buffer - ram.base, slot.length);
    return true;
  }

  #blockOf(slot: RequestSlot): number {
    return (slot.sector - this.geometry.firstSector) / this.geometry.sectorsPerBlock;
  }

  #observe({ op, sector, length }: RequestSlot, status: BlockStatus, known: boolean): void {
    const content = known ? ` content=${this.#hash}` : "";
    this.context.observe(`${OP_NAMES[op]} sector=${sector} len=${length} status=${status}${content}`);
  }
}
