/**
 * Sends prepared frames, each when its time has come.
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import type { NetDriver } from "@iova/net";
import type { PreparedFrame } from "./prepare.ts";

/** Frames in flight at most. */
const BUFFERS = 64;

/** See the module's text. */
export class ReplaySender {
  /** When frame 0 was due, in nanoseconds of virtual time. */
  begin = 0;
  readonly #guest: GuestPort;
  readonly #driver: NetDriver;
  readonly #frames: readonly PreparedFrame[];
  readonly #timing: boolean;
  readonly #base: PhysAddr;
  readonly #stride: number;
  readonly #free: number[] = [];
  #next = 0;
  #asleep = false;
  #stopped = false;

  /** Sends `frames` through `driver`. @throws {GuestMemoryError} when there is no memory for them. */
  constructor(guest: GuestPort, driver: NetDriver, frames: readonly PreparedFrame[], timing: boolean) {
    this.#guest = guest;
    this.#driver = driver;
    this.#frames = frames;
    this.#timing = timing;
    const longest = frames.reduce((length, { bytes }) => Math.max(length, bytes.length), 0);
    this.#stride = Math.ceil(longest / 64) * 64;
    this.#base = guest.heap.require(BUFFERS * this.#stride, "the buffers of net-replay", 4096);
    for (let i = BUFFERS - 1; i >= 0; i--) this.#free.push(i);
  }

  /** Frames that the device has been given. */
  get sent(): number {
    return this.#next;
  }

  /** When frame `index` is due. */
  due(index: number): number {
    return this.begin + (this.#timing ? this.#frames[index].at : 0);
  }

  /** Begins. */
  start(): void {
    this.begin = this.#guest.now;
    this.#driver.onTransmitted = (buffer) => {
      this.#free.push(buffer);
      this.#send();
    };
    this.#send();
  }

  /** Ends, and frees the buffers; the device has let go of them, or is not asked any more. */
  stop(): void {
    this.#stopped = true;
    this.#driver.onTransmitted = () => {};
    if (this.#free.length === BUFFERS) this.#guest.heap.free(this.#base);
  }

  #send(): void {
    const frames = this.#frames;
    let queued = false;
    while (!this.#stopped && this.#next < frames.length && this.#free.length > 0) {
      const wait = this.due(this.#next) - this.#guest.now;
      if (wait > 0) {
        this.#sleep(wait);
        break;
      }
      const { sent, offload } = frames[this.#next];
      const buffer = this.#free[this.#free.length - 1];
      const at = this.#base + buffer * this.#stride;
      this.#guest.memory.bytes(at, sent.length).set(sent);
      this.#free.pop();
      if (!this.#driver.transmit(at, sent.length, buffer, offload)) {
        this.#free.push(buffer);
        break;
      }
      this.#next++;
      queued = true;
    }
    if (queued) this.#driver.kick();
  }

  #sleep(wait: number): void {
    if (this.#asleep) return;
    this.#asleep = true;
    this.#guest.after(wait, () => {
      this.#asleep = false;
      this.#send();
    });
  }
}
