/**
 * Captures at an interface: one that is played back to it, and one that is recorded of what it sends and receives.
 *
 * @module
 */

import type { Scheduler } from "@iova/core";
import type { CaptureFile } from "./capture_file.ts";
import type { CapturedPacket } from "./capture_packet.ts";
import type { NetBackend, NetInterface } from "./contract.ts";
import { Frame } from "./frame.ts";

/**
 * Plays a capture back: frames come at the distances at which they were captured, from the moment on at which the
 * interface is first ready. What the interface sends is dropped.
 */
export class ReplayBackend implements NetBackend {
  readonly accepts = 0;
  readonly up: boolean = true;
  readonly #packets: readonly CapturedPacket[];
  readonly #scheduler: Scheduler;
  readonly #frame = new Frame(0);
  #nic: NetInterface | null = null;
  #next = 0;
  #epoch = -1;
  #dropped = 0;
  #scheduled = false;

  /** Plays `packets` in the time of `scheduler`. */
  constructor(packets: readonly CapturedPacket[], scheduler: Scheduler) {
    this.#packets = packets;
    this.#scheduler = scheduler;
  }

  attach(nic: NetInterface): void {
    this.#nic = nic;
  }

  send(): boolean {
    this.#dropped++;
    return true;
  }

  resume(): void {
    if (this.#epoch < 0) this.#epoch = this.#scheduler.now;
    if (!this.#scheduled) this.#play();
  }

  counters(): Record<string, number> {
    return { replayed: this.#next, dropped: this.#dropped };
  }

  close(): void {
    this.#nic = null;
  }

  /** Delivers what is due, and waits for what is not. */
  #play(): void {
    while (this.#nic !== null && this.#next < this.#packets.length) {
      const { bytes, time } = this.#packets[this.#next];
      // Time that runs backwards in a capture is no time.
      const wait = this.#epoch + Math.max(0, Number(time - this.#packets[0].time)) - this.#scheduler.now;
      if (wait > 0) return this.#later(wait);
      this.#frame.bytes = bytes;
      this.#frame.length = bytes.length;
      if (!this.#nic.deliver(this.#frame)) return;
      this.#next++;
    }
  }

  #later(wait: number): void {
    this.#scheduled = true;
    this.#scheduler.after(wait, () => {
      this.#scheduled = false;
      this.#play();
    });
  }
}

/** Records what passes, in both directions. A recorded link is a wire: frames on it are finished. */
export class RecordingBackend implements NetBackend {
  readonly accepts = 0;
  readonly #inner: NetBackend;
  readonly #file: CaptureFile;
  readonly #now: () => number;

  /** Records what `inner` carries into `file`; `now` is in nanoseconds after 1970. */
  constructor(inner: NetBackend, file: CaptureFile, now: () => number) {
    this.#inner = inner;
    this.#file = file;
    this.#now = now;
  }

  get up(): boolean {
    return this.#inner.up;
  }

  attach(nic: NetInterface): void {
    this.#inner.attach({
      accepts: 0,
      deliver: (frame) => {
        if (!frame.load() || !nic.deliver(frame)) return false;
        this.#record(frame);
        return true;
      },
      ready: () => nic.ready(),
      linkChanged: (up) => nic.linkChanged(up),
    });
  }

  send(frame: Frame): boolean {
    if (!frame.load() || !this.#inner.send(frame)) return false;
    this.#record(frame);
    return true;
  }

  resume(): void {
    this.#inner.resume();
  }

  counters(): Record<string, number> {
    return { ...this.#inner.counters(), recorded: this.#file.packets, recordingFailed: this.#file.failed ? 1 : 0 };
  }

  close(): void {
    this.#inner.close();
    this.#file.close();
  }

  #record({ bytes, length }: Frame): void {
    this.#file.add(BigInt(Math.round(this.#now())), bytes.subarray(0, length));
  }
}
