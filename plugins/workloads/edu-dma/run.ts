/**
 * One run of `edu-dma`.
 *
 * @module
 */

import { PAGE_SIZE, type PhysAddr, type WorkloadContext, type WorkloadResult } from "@iova/core";
import { disagreement, tryAddress } from "./bad_address.ts";
import type { EduDmaOptions } from "./options.ts";
import type { EduProbe } from "./probe.ts";

/** Runs the workload. */
export async function runEduDma(
  context: WorkloadContext,
  probe: EduProbe,
  options: EduDmaOptions,
): Promise<WorkloadResult> {
  const run = new Run(context, probe, options);
  const failure = await run.all();
  const { requests, bytes, details } = run;
  return { verified: failure === undefined, requests, bytes, details, ...(failure !== undefined && { failure }) };
}

class Run {
  requests = 0;
  bytes = 0;
  readonly details: Record<string, string | number> = {};
  readonly #from: PhysAddr;
  readonly #to: PhysAddr;

  constructor(readonly context: WorkloadContext, readonly probe: EduProbe, readonly options: EduDmaOptions) {
    const { heap } = context.guest;
    // A round trip may start anywhere in a page.
    this.#from = heap.require(2 * PAGE_SIZE, "the buffers of edu-dma", PAGE_SIZE);
    this.#to = heap.require(2 * PAGE_SIZE, "the buffers of edu-dma", PAGE_SIZE);
  }

  /** Why it is not verified; undefined when it is. */
  async all(): Promise<string | undefined> {
    try {
      return this.#identity() ?? await this.#factorial() ?? await this.#roundTrips() ?? await this.#badAddress();
    } finally {
      this.context.guest.heap.free(this.#from);
      this.context.guest.heap.free(this.#to);
    }
  }

  #identity(): string | undefined {
    const version = this.probe.identify();
    if (version === null) return "the device does not say that it is an edu";
    this.details.version = `${version.major}.${version.minor}`;
    const value = this.context.random.next();
    return this.probe.isAlive(value) ? undefined : `the device does not invert ${value}`;
  }

  async #factorial(): Promise<string | undefined> {
    const { factorial: n } = this.options;
    let expected = 1;
    for (let i = 2; i <= n; i++) expected = Math.imul(expected, i);
    const found = await this.probe.factorial(n);
    this.requests++;
    this.#observe(`${n}! = ${found}`);
    this.details.factorial = `${n}! = ${found}`;
    return found === expected >>> 0 ? undefined : `${n}! modulo 2^32 is ${expected >>> 0}, not ${found}`;
  }

  async #roundTrips(): Promise<string | undefined> {
    const { random } = this.context;
    const { count, size } = this.options;
    for (let i = 0; i < count; i++) {
      const length = 1 + random.below(size);
      const offset = random.below(PAGE_SIZE - length + 1);
      const failure = await this.#roundTrip(random.below(PAGE_SIZE), random.below(PAGE_SIZE), length, offset);
      if (failure !== undefined) return `round trip ${i} of ${length} bytes: ${failure}`;
    }
    return undefined;
  }

  async #roundTrip(from: number, to: number, length: number, offset: number): Promise<string | undefined> {
    const { guest, random } = this.context;
    const sent = guest.memory.bytes(this.#from + from, length);
    random.fill(sent);
    guest.memory.bytes(this.#to, 2 * PAGE_SIZE).fill(GUARD);
    for (const [buffer, toDevice] of [[this.#from + from, true], [this.#to + to, false]] as const) {
      const result = await this.probe.transfer(buffer, length, toDevice, offset);
      if (!result.ok) return `the transfer ${toDevice ? "to" : "from"} the device failed: ${result.reason}`;
      this.requests++;
      this.bytes += length;
    }
    const back = guest.memory.bytes(this.#to, 2 * PAGE_SIZE);
    const wrong = back.findIndex((byte, i) => byte !== (i >= to && i < to + length ? sent[i - to] : GUARD));
    this.#observe(`${length} bytes: ${wrong < 0 ? "same" : "different"}`);
    return wrong < 0 ? undefined : `byte ${wrong - to} is ${back[wrong]}`;
  }

  async #badAddress(): Promise<string | undefined> {
    const { badAddress, expect } = this.options;
    if (badAddress === undefined) return undefined;
    const view = await tryAddress(this.context, this.probe, badAddress);
    if (view === null) return "the device did not answer";
    this.requests += 2;
    this.details.badRead = view.read;
    this.details.badWrite = view.write;
    return disagreement(view, expect, badAddress);
  }

  #observe(what: string): void {
    if (this.context.observing) this.context.observe(what);
  }
}

/** What surrounds the bytes that come back. */
const GUARD = 0xa5;
