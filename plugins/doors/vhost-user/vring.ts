/**
 * One ring as the protocol knows it: what the front-end has said about it so far.
 *
 * @module
 */

import { close, signalEvent } from "@iova/libc";

/** See the module's text. Descriptors are the ring's own. */
export class Vring {
  /** Entries; 0: not said yet. */
  size = 0;
  /** Where to begin, or where it has stopped, in the protocol's form (split: the next available index). */
  base = 0;
  /** Descriptor area, device area and driver area, as the front-end said it. */
  desc = 0n;
  /** See `desc`. */
  used = 0n;
  /** See `desc`. */
  avail = 0n;
  /** Whether the addresses have been said. */
  placed = false;
  /** Whether SET_VRING_KICK has come since the last GET_VRING_BASE. */
  started = false;
  /** What SET_VRING_ENABLE said last. */
  enabled = false;
  /** Whether the device works on it. */
  active = false;
  /** Signalled by the front-end when there are requests; −1: none, the ring is looked at all the time. */
  kick: number = -1;
  /** To be signalled when requests are done. */
  call: number = -1;
  /** To be signalled when the ring is broken. */
  err: number = -1;
  /** Kicks received. */
  kicks = 0;
  /** Interrupts. */
  calls = 0;

  /** Ring `index`. */
  constructor(readonly index: number) {}

  /** Takes the place of a descriptor; −1 for none. The old one is closed. */
  install(which: "kick" | "call" | "err", fd: number): void {
    if (this[which] >= 0) close(this[which]);
    this[which] = fd;
  }

  /** Interrupts the driver. */
  interrupt(): void {
    this.calls++;
    if (this.call >= 0) signalEvent(this.call);
  }

  /** Tells the front-end that the ring is dead. */
  complain(): void {
    if (this.err >= 0) signalEvent(this.err);
  }

  /** Back to the state before anything was said. */
  reset(): void {
    for (const which of ["kick", "call", "err"] as const) this.install(which, -1);
    this.size = this.base = 0;
    this.desc = this.used = this.avail = 0n;
    this.placed =
      this.started =
      this.enabled =
      this.active =
        false;
  }
}
