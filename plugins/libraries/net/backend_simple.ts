/**
 * Two ends of the simplest kind: one that throws everything away, and one that gives everything back.
 *
 * @module
 */

import type { NetBackend, NetInterface } from "./contract.ts";
import type { Frame } from "./frame.ts";

/** A socket in the wall with nothing behind it: frames are dropped. */
export class NullBackend implements NetBackend {
  readonly accepts = 0;
  readonly up: boolean = true;
  #frames = 0;

  attach(): void {}

  send(): boolean {
    this.#frames++;
    return true;
  }

  resume(): void {}

  counters(): Record<string, number> {
    return { dropped: this.#frames };
  }

  close(): void {}
}

/** A plug that joins the two pairs of a cable: every frame comes back. */
export class LoopbackBackend implements NetBackend {
  readonly up: boolean = true;
  #nic: NetInterface | null = null;
  #waiting = false;
  #frames = 0;

  get accepts(): number {
    return this.#nic?.accepts ?? 0;
  }

  attach(nic: NetInterface): void {
    this.#nic = nic;
  }

  send(frame: Frame): boolean {
    if (this.#nic === null) return true;
    this.#waiting = !this.#nic.deliver(frame);
    if (this.#waiting) return false;
    this.#frames++;
    return true;
  }

  resume(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#nic!.ready();
  }

  counters(): Record<string, number> {
    return { frames: this.#frames };
  }

  close(): void {
    this.#nic = null;
  }
}
