/**
 * The control queue of the driver: one command at a time, in memory that is its own.
 *
 * Nothing of it lies on a stack. Drivers had it there once: a stack may be memory that is not mapped linearly, and its
 * cache lines are shared with everything else.
 *
 * @module
 */

import { GuestMemoryError, type GuestPort, type MemoryKind, type PhysAddr, type Timer } from "@iova/core";
import { BufferList, type DriverQueue } from "@iova/virtio";
import { MAC_SIZE } from "./layout.ts";
import { Ack, ControlHeader, MacCount, NO_ACK } from "./layout_control.ts";

/** Addresses in a table at most. */
const MAX_MACS = 256;
/** Data of the longest command. */
const MAX_DATA = 2 * MacCount.size + MAX_MACS * MAC_SIZE;
const LINE = 64;
// The device writes the answer: it has a cache line of its own.
const ACK_AT = LINE;
const DATA_AT = 2 * LINE;
const BLOCK = DATA_AT + MAX_DATA;
/** How long a command may take, in nanoseconds. */
const TIMEOUT = 5e9;

/** What a control queue is made with. */
export interface ControlOptions {
  readonly guest: GuestPort;
  readonly queue: DriverQueue;
  /** Where commands lie. */
  readonly buffers: "heap" | "stack";
  /** The device broke the ring's rules. */
  readonly broken: () => void;
}

/** See the module's text. */
export class ControlCommands {
  readonly #options: ControlOptions;
  readonly #list = new BufferList(4);
  /** The block for every command; 0 when each has one of its own. */
  readonly #block: PhysAddr;
  #turn: Promise<unknown> = Promise.resolve();
  #current = 0;
  #answer: ((ok: boolean) => void) | null = null;
  #timer: Timer | null = null;
  #stopped = false;

  /** Commands for `options.queue`. @throws {GuestMemoryError} when there is no memory for them. */
  constructor(options: ControlOptions) {
    this.#options = options;
    this.#block = options.buffers === "heap" ? this.#allocate("heap") : 0;
  }

  /** Sends a command, when those before it are answered; whether the device has done it. `parts` are its data. */
  send(group: number, command: number, ...parts: Uint8Array[]): Promise<boolean> {
    const answer = this.#turn.then(() => this.#send(group, command, parts));
    this.#turn = answer;
    return answer;
  }

  /** Interrupt: an answer. */
  readonly used = (): void => {
    const { queue } = this.#options;
    do while (queue.poll() >= 0) this.#answered(); while (!queue.broken && !queue.enableInterrupt());
    if (queue.broken) this.#options.broken();
  };

  /** The device was reset, or is gone: what waits for an answer gets none. */
  stop(): void {
    this.#stopped = true;
    while (this.#options.queue.detachUnused() >= 0);
    this.#end(false);
  }

  /** Frees the memory. */
  release(): void {
    if (this.#block !== 0) this.#options.guest.heap.free(this.#block);
  }

  #send(group: number, command: number, parts: Uint8Array[]): Promise<boolean> {
    const { queue, guest } = this.#options;
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.#stopped || size > MAX_DATA) return Promise.resolve(false);
    const block = this.#block === 0 ? this.#allocate("stack") : this.#block;
    this.#write(block, group, command, parts);
    const added = queue.add(this.#list, 0);
    if (added !== 0) {
      // Whoever kicked now and spun for an answer would spin for ever.
      if (this.#block === 0) guest.heap.free(block);
      return Promise.resolve(false);
    }
    this.#current = block;
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#timer = guest.after(TIMEOUT, () => this.#options.broken());
      queue.kick();
    });
  }

  #write(block: PhysAddr, group: number, command: number, parts: readonly Uint8Array[]): void {
    const { memory } = this.#options.guest;
    memory.bytes(block, ControlHeader.size).set(ControlHeader.encode({ class: group, command }));
    memory.bytes(block + ACK_AT, 1)[0] = NO_ACK;
    const list = this.#list.clear().out(block, ControlHeader.size);
    let at = block + DATA_AT;
    for (const part of parts) {
      memory.bytes(at, part.length).set(part);
      list.out(at, part.length);
      at += part.length;
    }
    list.in(block + ACK_AT, 1);
  }

  #answered(): void {
    const { memory } = this.#options.guest;
    this.#end(memory.bytes(this.#current + ACK_AT, 1)[0] === Ack.OK);
  }

  #end(ok: boolean): void {
    const answer = this.#answer;
    if (answer === null) return;
    const { guest } = this.#options;
    this.#answer = null;
    guest.cancel(this.#timer!);
    if (this.#block === 0) guest.heap.free(this.#current);
    answer(ok);
  }

  #allocate(kind: MemoryKind): PhysAddr {
    const block = this.#options.guest.heap.alloc(BLOCK, LINE, Infinity, kind);
    if (block === null) throw new GuestMemoryError("the commands of a virtio network driver", BLOCK);
    return block;
  }
}
