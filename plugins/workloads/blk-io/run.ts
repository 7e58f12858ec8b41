/**
 * One run of `blk-io`: the requests, then a second look at what they did.
 *
 * @module
 */

import { Random, type WorkloadContext, type WorkloadResult } from "@iova/core";
import { type BlockDriver, RequestPump } from "@iova/block";
import { CheckSource } from "./check_source.ts";
import { type BlkIoOptions, fit, type Geometry } from "./geometry.ts";
import { IoSource } from "./io_source.ts";
import { Ledger } from "./ledger.ts";
import { Outcome } from "./outcome.ts";

/** Longest request of the second look, unless blocks are longer. */
const CHECK_BYTES = 64 * 1024;

/** Runs the workload on `driver`. @throws {InputError} when the options do not fit the device. */
export async function runBlkIo(
  context: WorkloadContext,
  driver: BlockDriver,
  options: BlkIoOptions,
): Promise<WorkloadResult> {
  const run = new Run(context, driver, options, fit(options, driver, context.where));
  const completed = await run.run();
  const failure = run.failure(completed);
  return {
    verified: failure === undefined,
    requests: run.source.latency.count,
    bytes: run.source.bytes,
    details: run.details(),
    ...(failure !== undefined && { failure }),
  };
}

class Run {
  readonly source: IoSource;
  readonly #outcome = new Outcome();
  readonly #ledger: Ledger | null;
  readonly #pump: RequestPump;
  #elapsedNs = 0;
  #sha256: string | undefined;

  constructor(
    readonly context: WorkloadContext,
    readonly driver: BlockDriver,
    readonly options: BlkIoOptions,
    readonly geometry: Geometry,
  ) {
    this.#ledger = options.verify ? new Ledger(geometry.blocks) : null;
    const random = options.seed === undefined ? context.random : new Random(options.seed);
    this.source = new IoSource(context, options, geometry, this.#ledger, this.#outcome, random);
    this.#pump = new RequestPump(driver, context.guest, options.depth, geometry.blockSize, "the buffers of blk-io");
  }

  /** Whether every request completed. */
  async run(): Promise<boolean> {
    const begin = this.context.guest.now;
    const completed = await this.#pump.run(this.source);
    this.#elapsedNs = this.context.guest.now - begin;
    const checked = completed && this.#ledger !== null ? await this.#lookAgain(this.#ledger) : completed;
    this.#pump.close();
    return checked;
  }

  async #lookAgain(ledger: Ledger): Promise<boolean> {
    const { blockSize } = this.geometry;
    // The buffers lie in one piece: one request may have them all.
    const room = Math.min(this.#pump.depth * blockSize, this.driver.maxTransfer, CHECK_BYTES);
    const source = new CheckSource(
      this.context.guest,
      this.geometry,
      ledger,
      this.#outcome,
      Math.max(1, Math.floor(room / blockSize)) * blockSize,
      this.source.seed,
      this.options.sha256 !== undefined,
    );
    const completed = await this.#pump.run(source, 1);
    this.#sha256 = completed ? source.sha256() : undefined;
    if (this.#sha256 !== undefined && this.context.observing) this.context.observe(`sha256=${this.#sha256}`);
    return completed;
  }

  failure(completed: boolean): string | undefined {
    if (this.#outcome.failure !== undefined) return this.#outcome.failure;
    if (!completed) return REFUSED;
    const expected = this.options.sha256?.toLowerCase();
    return expected === undefined || expected === this.#sha256
      ? undefined
      : `the region's SHA-256 is ${this.#sha256}, not ${expected}`;
  }

  details(): Record<string, number | string> {
    const { reads, writes, flushes, latency } = this.source;
    return {
      reads,
      writes,
      flushes,
      elapsedNs: this.#elapsedNs,
      ...latency.details(),
      ...(this.#sha256 !== undefined && { sha256: this.#sha256 }),
    };
  }
}

const REFUSED = "the driver refused a request while none was in flight: no buffer could be mapped";
