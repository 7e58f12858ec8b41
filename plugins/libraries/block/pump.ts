/**
 * Keeps a block driver busy: the data path that workloads have in common. It is driven by completions alone and allocates
 * nothing per request.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { type BlockDriver, BlockOp, type BlockStatus } from "./contract.ts";

/** A place for one request in flight. Reused; a source fills in what is not read-only. */
export interface RequestSlot {
  /** Its number, from 0. */
  readonly tag: number;
  /** Guest memory of its own, as long as the pump's `bufferSize`. The device's while the request is in flight. */
  readonly buffer: PhysAddr;
  /** What to do. */
  op: BlockOp;
  /** First sector. */
  sector: number;
  /** Bytes; for anything but reads and writes, what the driver expects. */
  length: number;
  /** When it was given to the driver, in nanoseconds of virtual time. Filled in by the pump. */
  submitted: number;
}

/** What a source says when it is asked for a request. */
export const NextRequest = {
  /** The slot has been filled in. */
  READY: 0,
  /** None before another request has completed. */
  WAIT: 1,
  /** There will be no more. */
  END: 2,
} as const;
/** One of {@linkcode NextRequest}'s values. */
export type NextRequest = typeof NextRequest[keyof typeof NextRequest];

/** Where requests come from. Both methods are called in interrupt context, and must neither throw nor keep the slot. */
export interface RequestSource {
  /** Fills in the next request. */
  next(slot: RequestSlot): NextRequest;
  /** Hears how a request ended; its buffer is the CPU's again. */
  completed(slot: RequestSlot, status: BlockStatus): void;
}

/** Requests in flight on one driver. It takes over the driver's `onComplete` until {@linkcode RequestPump.close}. */
export class RequestPump {
  /** How many requests can be in flight. */
  readonly depth: number;
  readonly #driver: BlockDriver;
  readonly #guest: GuestPort;
  readonly #memory: PhysAddr;
  readonly #slots: readonly RequestSlot[];
  readonly #inFlight: Uint8Array;
  // A stack of free slots' tags.
  readonly #free: Int32Array;
  #freeCount = 0;
  #flying = 0;
  #source: RequestSource = NOTHING;
  #refused: RequestSlot | null = null;
  #ended = false;
  #filling = false;
  #finish: (completed: boolean) => void = () => {};

  /**
   * Takes `depth` buffers of `bufferSize` bytes from the guest's heap, in one piece.
   *
   * @throws {GuestMemoryError} naming `what`, when they do not fit.
   */
  constructor(driver: BlockDriver, guest: GuestPort, depth: number, bufferSize: number, what: string) {
    this.depth = Math.max(1, Math.min(depth, driver.queueDepth));
    this.#driver = driver;
    this.#guest = guest;
    this.#memory = guest.heap.require(this.depth * bufferSize, what, 4096);
    this.#slots = Array.from({ length: this.depth }, (_, tag) => ({
      tag,
      buffer: this.#memory + tag * bufferSize,
      op: BlockOp.READ,
      sector: 0,
      length: 0,
      submitted: 0,
    }));
    this.#inFlight = new Uint8Array(this.depth);
    this.#free = new Int32Array(this.depth);
    driver.onComplete = (tag, status) => this.#completed(tag, status);
  }

  /**
   * Runs everything that `source` has, at most `depth` requests at a time. A request that the driver refuses is tried
   * again after a completion.
   *
   * @returns whether every request completed; false when the driver refused one while none was in flight.
   */
  run(source: RequestSource, depth: number = this.depth): Promise<boolean> {
    return new Promise((finish) => {
      this.#source = source;
      this.#finish = finish;
      this.#ended = false;
      this.#refused = null;
      this.#freeCount = Math.min(depth, this.depth);
      for (let i = 0; i < this.#freeCount; i++) this.#free[i] = this.#freeCount - 1 - i;
      this.#fill();
      this.#driver.kick();
    });
  }

  /** Gives the buffers back and lets go of the driver. Nothing may be in flight. */
  close(): void {
    this.#driver.onComplete = () => {};
    this.#guest.heap.free(this.#memory);
  }

  #completed(tag: number, status: BlockStatus): void {
    if (this.#inFlight[tag] !== 1) return;
    this.#inFlight[tag] = 0;
    this.#flying--;
    this.#free[this.#freeCount++] = tag;
    this.#source.completed(this.#slots[tag], status);
    this.#fill();
  }

  #fill(): void {
    // A driver that completes inside submit does not make this recursive.
    if (this.#filling) return;
    this.#filling = true;
    while (this.#submitNext()) { /* one request each */ }
    this.#filling = false;
    if (this.#flying === 0) this.#finish(this.#ended && this.#refused === null);
  }

  /** False when there is nothing to submit, or the driver takes nothing now. */
  #submitNext(): boolean {
    const slot = this.#refused ?? this.#fetch();
    if (slot === null) return false;
    const { op, sector, buffer, length, tag } = slot;
    slot.submitted = this.#guest.now;
    this.#refused = null;
    this.#inFlight[tag] = 1;
    this.#flying++;
    if (this.#driver.submit(op, sector, buffer, length, tag)) return true;
    this.#inFlight[tag] = 0;
    this.#flying--;
    this.#refused = slot;
    return false;
  }

  #fetch(): RequestSlot | null {
    if (this.#ended || this.#freeCount === 0) return null;
    const slot = this.#slots[this.#free[this.#freeCount - 1]];
    const next = this.#source.next(slot);
    this.#ended = next === NextRequest.END;
    if (next !== NextRequest.READY) return null;
    this.#freeCount--;
    return slot;
  }
}

const NOTHING: RequestSource = { next: () => NextRequest.END, completed: () => {} };
