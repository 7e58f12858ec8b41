/**
 * Interrupts: messages (a 32-bit write to the doorbell) and level-triggered lines. Handlers run from the scheduler, in
 * interrupt context: never inside the device's call that raised them.
 *
 * @module
 */

import type { PhysAddr } from "./address.ts";
import type { Scheduler } from "./clock.ts";
import type { RegisterBlock, Width } from "./memory.ts";
import type { MessageInterrupt } from "./ports.ts";

/** Where message interrupts are written: the page that PCs use. */
export const MESSAGE_DOORBELL: PhysAddr = 0xfee0_0000;
/** Bytes of the doorbell window. */
export const MESSAGE_DOORBELL_SIZE = 0x10_0000;

class Source {
  pending = false;
  readonly deliver = () => {
    this.pending = false;
    this.handler();
  };
  constructor(readonly handler: () => void) {}
}

class Line {
  level = 0;
  pending = false;
  handlers: (() => void)[] = [];
}

/** The interrupt controller of one machine. It is also the register block behind {@linkcode MESSAGE_DOORBELL}. */
export class Interrupts implements RegisterBlock {
  /** Messages delivered and lines raised. */
  count = 0;
  /** Are told of every change of a line's level, as it happens. Must not throw. */
  readonly watchers: ((line: number, asserted: boolean) => void)[] = [];
  #sources: Source[] = [];
  #lines = new Map<number, Line>();
  readonly #scheduler: Scheduler;

  /** A controller that delivers through `scheduler`. */
  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Sets a message aside for `handler`. */
  allocate(handler: () => void): MessageInterrupt {
    const data = this.#sources.push(new Source(handler)) - 1;
    return { address: MESSAGE_DOORBELL, data };
  }

  /** Raises message `data`; one that is already pending is not delivered twice. Unknown data is dropped. */
  raise(data: number): void {
    const source = this.#sources[data];
    if (source === undefined) return;
    this.count++;
    if (source.pending) return;
    source.pending = true;
    this.#scheduler.post(source.deliver);
  }

  /** Adds a handler to a line; returns its remover. */
  onLine(line: number, handler: () => void): () => void {
    const state = this.#line(line);
    state.handlers.push(handler);
    this.#deliver(state);
    return () => state.handlers = state.handlers.filter((other) => other !== handler);
  }

  /** Drives a line for one of its sources: `asserted` adds one, otherwise takes one away. The line is their or. */
  drive(line: number, asserted: boolean): void {
    const state = this.#line(line);
    state.level += asserted ? 1 : -1;
    if (asserted && state.level === 1) this.count++;
    if (state.level === (asserted ? 1 : 0)) { for (const watch of this.watchers) watch(line, asserted); }
    this.#deliver(state);
  }

  /** Whether a line is asserted. */
  isAsserted(line: number): boolean {
    return this.#line(line).level > 0;
  }

  /** The doorbell reads as zero. */
  read(_offset: number, _width: Width): number {
    return 0;
  }

  /** A device rings the doorbell. */
  write(_offset: number, width: Width, value: number): void {
    if (width === 4) this.raise(value >>> 0);
  }

  #line(line: number): Line {
    let state = this.#lines.get(line);
    if (state === undefined) this.#lines.set(line, state = new Line());
    return state;
  }

  #deliver(state: Line): void {
    if (state.level <= 0 || state.pending || state.handlers.length === 0) return;
    state.pending = true;
    this.#scheduler.post(() => {
      state.pending = false;
      if (state.level <= 0) return;
      for (const handler of state.handlers) handler();
      // Level-triggered: a source that nobody quieted interrupts again, a little later, so that time goes on.
      if (state.level > 0) this.#scheduler.after(RETRIGGER_NS, () => this.#deliver(state));
    });
  }
}

/** How long an unhandled level interrupt waits before it is delivered again (placeholder). */
const RETRIGGER_NS = 1000;
