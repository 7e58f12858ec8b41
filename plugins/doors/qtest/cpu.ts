/**
 * The CPU of a QEMU machine as a {@linkcode GuestPort}: RAM is the memory that QEMU maps as well, registers and ports go
 * through the qtest socket, interrupts come in while the clock waits.
 *
 * @module
 */

import {
  AddressSpace,
  GuestHeap,
  type GuestPort,
  type HypercallRegisters,
  Interrupts,
  type MessageInterrupt,
  type PhysAddr,
  RamRegion,
  type Timer,
  type Width,
} from "@iova/core";
import type { Board } from "./board/board.ts";
import { WallClock } from "./clock.ts";

/** Below lies what the firmware image and the boards use. */
const HEAP_START = 0x10_0000;
/** Milliseconds for which a CPU spins in vain before it is told that waiting has no point. */
const PATIENCE_MS = 2000;
/** Milliseconds of one turn of a spin-wait that is not answered at once. */
const TURN_MS = 1;

/** See the module's text. */
export class QtestCpu implements GuestPort {
  readonly memory: AddressSpace = new AddressSpace();
  readonly heap: GuestHeap;
  readonly clock: WallClock;
  readonly interrupts: Interrupts;
  #board: Board | null = null;
  #spinning = 0;

  /** A CPU with `ram` at 0. {@linkcode QtestCpu.connect} has to follow. */
  constructor(ram: ArrayBuffer) {
    this.memory.addRam(new RamRegion(0, ram));
    this.heap = new GuestHeap(this.memory, [[HEAP_START, ram.byteLength]]);
    this.clock = new WallClock({ poll: (wait) => this.#board?.poll(wait) ?? false });
    this.interrupts = new Interrupts(this.clock);
  }

  /** Gives the CPU its machine. */
  connect(board: Board): void {
    this.#board = board;
  }

  get now(): number {
    return this.clock.now;
  }

  read(address: PhysAddr, width: Width): number {
    return this.#wires.read(address, width);
  }

  write(address: PhysAddr, width: Width, value: number): void {
    this.#wires.write(address, width, value);
  }

  ioRead(port: number, width: Width): number {
    return this.#wires.ioRead(port, width);
  }

  ioWrite(port: number, width: Width, value: number): void {
    this.#wires.ioWrite(port, width, value);
  }

  hypercall(number: number, registers: HypercallRegisters): number {
    return this.#wires.hypercall(number, registers);
  }

  messageInterrupt(handler: () => void): MessageInterrupt {
    return this.#wires.message(this.interrupts.allocate(handler).data);
  }

  lineInterrupt(line: number, handler: () => void): () => void {
    return this.interrupts.onLine(line, handler);
  }

  after(delay: number, work: () => void): Timer {
    return this.clock.after(delay, work);
  }

  cancel(timer: Timer): void {
    this.clock.cancel(timer);
  }

  post(work: () => void): void {
    this.clock.post(work);
  }

  /** Another process does not say that it has nothing to do: after long enough in vain that is taken for granted. */
  relax(): boolean {
    const now = performance.now();
    if (this.#spinning === 0) this.#spinning = now;
    if (now - this.#spinning > PATIENCE_MS) {
      this.#spinning = 0;
      return false;
    }
    this.#board?.poll(TURN_MS);
    return true;
  }

  spend(_nanoseconds: number): void {}

  /** The board; whoever touches it is not spinning. */
  get #wires(): Board {
    this.#spinning = 0;
    if (this.#board === null) throw new TypeError("the CPU has no board yet");
    return this.#board;
  }
}
