/**
 * The machine behind the door: time, whether it runs, and what its profile says.
 *
 * @module
 */

import type { Machine } from "@iova/core";
import { type MachineFacts, machineFacts } from "@iova/chipset";

const MILLISECOND = 1e6;

/** Whose time it is: the client's, who steps it, or this computer's. */
export type ClockMode = "step" | "real";

/** See the module's text. */
export class Board {
  /** What the profile says; undefined without one. */
  readonly facts: MachineFacts | undefined;
  /** Whether it runs: while it does not, no device does anything by itself. */
  running = true;
  readonly #start = performance.now();

  /** Takes a machine that is bare. */
  constructor(readonly machine: Machine, readonly clock: ClockMode) {
    this.facts = machineFacts(machine.root);
  }

  /** Whether its CPUs are big-endian. */
  get bigEndian(): boolean {
    return this.facts?.bigEndian ?? false;
  }

  /** Whether the client steps the clock. */
  get steps(): boolean {
    return this.clock === "step";
  }

  /** Virtual time in whole nanoseconds. */
  get now(): number {
    return Math.floor(this.machine.scheduler.now);
  }

  /** Lets time go on to `time`, unless it is past already; returns the time then. */
  advance(time: number): number {
    this.machine.scheduler.advance(time);
    return this.now;
  }

  /** Lets time go on to the next timer, if there is one. */
  stepToNextTimer(): number {
    const { nextDue } = this.machine.scheduler;
    return nextDue === Infinity ? this.now : this.advance(nextDue);
  }

  /** Lets devices do what they have to do by now. */
  settle(): void {
    if (!this.running) return;
    const { scheduler } = this.machine;
    if (this.clock === "real") scheduler.advance((performance.now() - this.#start) * MILLISECOND);
    else scheduler.settle();
  }

  /** Milliseconds until {@linkcode Board.settle} has something to do again; Infinity when time does not go by itself. */
  get idleFor(): number {
    const { nextDue } = this.machine.scheduler;
    if (this.clock === "step" || nextDue === Infinity || !this.running) return Infinity;
    return Math.max(0, nextDue / MILLISECOND - (performance.now() - this.#start));
  }
}
