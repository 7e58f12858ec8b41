/**
 * The simulated machine's {@linkcode GuestPort}: what its CPU can do.
 *
 * @module
 */

import type { PhysAddr } from "./address.ts";
import type { HardwareWork } from "./bus.ts";
import type { Scheduler, Timer } from "./clock.ts";
import { GuestHeap } from "./heap.ts";
import type { Interrupts } from "./interrupts.ts";
import type { AddressSpace, IoSpace, Width } from "./memory.ts";
import type { GuestPort, HypercallRegisters, MessageInterrupt } from "./ports.ts";

/** A hypercall handler: reads arguments from the registers, writes results there, returns the signed status. */
export type HypercallHandler = (registers: HypercallRegisters) => number;

/** What a simulated CPU is wired to. */
export interface GuestWiring {
  /** Physical addresses. */
  readonly space: AddressSpace;
  /** I/O ports. */
  readonly io: IoSpace;
  /** Virtual time. */
  readonly scheduler: Scheduler;
  /** The interrupt controller. */
  readonly interrupts: Interrupts;
  /** What runs while the CPU spins. */
  readonly hardware: HardwareWork;
}

/** Status of an unknown hypercall: H_FUNCTION on PAPR, −ENOENT in Linux's numbers. */
export const UNKNOWN_HYPERCALL: number = -2;

/** See the module's text. */
export class SimulatedGuest implements GuestPort {
  readonly memory: AddressSpace;
  readonly heap: GuestHeap;
  readonly #wiring: GuestWiring;
  readonly #hypercalls = new Map<number, HypercallHandler>();

  /** A CPU whose heap is all RAM from `heapStart` on. */
  constructor(wiring: GuestWiring, heapStart: PhysAddr) {
    this.#wiring = wiring;
    this.memory = wiring.space;
    const ranges = wiring.space.ramRegions.map(({ base, end }) => [Math.max(base, heapStart), end] as const);
    this.heap = new GuestHeap(wiring.space, ranges.filter(([start, end]) => start < end));
  }

  /** Answers hypercall `number`. */
  onHypercall(number: number, handler: HypercallHandler): void {
    this.#hypercalls.set(number, handler);
  }

  /** What answers hypercall `number`; null when nothing does. */
  handlerOf(number: number): HypercallHandler | null {
    return this.#hypercalls.get(number) ?? null;
  }

  get now(): number {
    return this.#wiring.scheduler.now;
  }

  read(address: PhysAddr, width: Width): number {
    return this.#wiring.space.read(address, width);
  }

  write(address: PhysAddr, width: Width, value: number): void {
    this.#wiring.space.write(address, width, value);
  }

  ioRead(port: number, width: Width): number {
    return this.#wiring.io.read(port, width);
  }

  ioWrite(port: number, width: Width, value: number): void {
    this.#wiring.io.write(port, width, value);
  }

  hypercall(number: number, registers: HypercallRegisters): number {
    return this.#hypercalls.get(number)?.(registers) ?? UNKNOWN_HYPERCALL;
  }

  messageInterrupt(handler: () => void): MessageInterrupt {
    return this.#wiring.interrupts.allocate(handler);
  }

  lineInterrupt(line: number, handler: () => void): () => void {
    return this.#wiring.interrupts.onLine(line, handler);
  }

  after(delay: number, work: () => void): Timer {
    return this.#wiring.scheduler.after(delay, work);
  }

  cancel(timer: Timer): void {
    this.#wiring.scheduler.cancel(timer);
  }

  post(work: () => void): void {
    this.#wiring.scheduler.post(work);
  }

  relax(): boolean {
    return this.#wiring.hardware.run();
  }

  spend(nanoseconds: number): void {
    this.#wiring.scheduler.spend(nanoseconds);
  }
}
