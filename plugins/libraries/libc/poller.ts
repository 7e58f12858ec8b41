/**
 * One epoll set for everything that a loop waits for.
 *
 * Deno has 32 threads for calls that wait elsewhere; with 32 of them taken, the whole program stops. So there is one wait
 * for each set, not one for each descriptor, and at most {@linkcode MAX_WAITING} sets wait elsewhere at once.
 *
 * A thread that waits in {@linkcode Poller.wait} can be ended only by an event: `worker.terminate()` would hang for ever.
 * So each set has an eventfd of its own, {@linkcode Poller.wakeup}, which any thread may signal.
 *
 * @module
 */

import { close, eventfd, signalEvent, takeEvent } from "./calls.ts";
import { Epoll } from "./constants.ts";
import { Errno, SystemError } from "./errno.ts";
import { calls, checked, waitForEvents, waitingCalls } from "./ffi.ts";
import { EpollEvent } from "./layout.ts";

/** Most sets that can wait on other threads at once. */
export const MAX_WAITING = 16;

const ADD = 1, REMOVE = 2, CHANGE = 3;
const CLOEXEC = 0x80000;
const ROOM = 64;

/** An epoll set. After a wait, events are read by index. */
export class Poller {
  /** An eventfd in the set: signalling it, from any thread, ends a wait. It never shows among the events. */
  readonly wakeup: number;
  readonly #epoll: number;
  readonly #events = new Uint8Array(new ArrayBuffer(ROOM * EpollEvent.size));
  readonly #view = new DataView(this.#events.buffer);
  readonly #one = new Uint8Array(new ArrayBuffer(EpollEvent.size));
  readonly #oneView = new DataView(this.#one.buffer);
  #waiting = false;
  #closed = false;

  /** An empty set. @throws {SystemError} when the process is out of descriptors. */
  constructor() {
    this.#epoll = must("epoll_create1", checked(calls().epoll_create1(CLOEXEC)));
    this.wakeup = must("eventfd", eventfd());
    this.add(this.wakeup);
  }

  /** Adds a descriptor; 0, or a negative errno. */
  add(fd: number, events: number = Epoll.IN): number {
    return this.#control(ADD, fd, events);
  }
  /** Changes what a descriptor is watched for. */
  change(fd: number, events: number): number {
    return this.#control(CHANGE, fd, events);
  }
  /** Takes a descriptor out. Must come before it is closed: a copy of it elsewhere would keep it in the set. */
  remove(fd: number): number {
    return this.#control(REMOVE, fd, 0);
  }

  /** Waits on this thread, at most `timeout` milliseconds (−1: for ever). The number of events. */
  wait(timeout: number): number {
    return this.#sift(checked(calls().epoll_wait(this.#epoll, this.#events, ROOM, timeout)));
  }

  /** The same while this thread does other things; it costs some 30 µs more. One wait at a time. */
  async waitElsewhere(timeout: number): Promise<number> {
    const already = this.wait(0);
    if (already !== 0) return already;
    if (this.#waiting) throw new RangeError("this set is being waited for already");
    if (waitingCalls() >= MAX_WAITING) throw new RangeError(`at most ${MAX_WAITING} sets can wait at once`);
    this.#waiting = true;
    try {
      const count = await waitForEvents(this.#epoll, this.#events, ROOM, timeout);
      return this.#closed ? 0 : this.#sift(Math.max(count, 0));
    } finally {
      this.#waiting = false;
      if (this.#closed) this.#close();
    }
  }

  /** The descriptor of event `index` of the last wait. */
  fd(index: number): number {
    return this.#view.getInt32(index * EpollEvent.size + EpollEvent.data, true);
  }
  /** What happened to it: bits of `Epoll`. */
  events(index: number): number {
    return this.#view.getUint32(index * EpollEvent.size + EpollEvent.events, true);
  }

  /** Ends a wait from the same thread; from another one, signal {@linkcode Poller.wakeup}. */
  wake(): void {
    signalEvent(this.wakeup);
  }

  /** Closes the set, not what is in it. A wait elsewhere ends first. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#waiting) this.wake();
    else this.#close();
  }

  #close(): void {
    close(this.#epoll);
    close(this.wakeup);
  }

  #control(operation: number, fd: number, events: number): number {
    this.#oneView.setUint32(EpollEvent.events, events, true);
    this.#oneView.setInt32(EpollEvent.data, fd, true);
    return checked(calls().epoll_ctl(this.#epoll, operation, fd, this.#one));
  }

  /** Takes the wake-up out of the events; an interrupted wait is one without events. */
  #sift(count: number): number {
    if (count < 0) return count === -Errno.EINTR ? 0 : must("epoll_wait", count);
    for (let i = 0; i < count; i++) {
      if (this.fd(i) !== this.wakeup) continue;
      takeEvent(this.wakeup);
      const last = (count - 1) * EpollEvent.size;
      this.#events.copyWithin(i * EpollEvent.size, last, last + EpollEvent.size);
      return count - 1;
    }
    return count;
  }
}

function must(what: string, result: number): number {
  if (result < 0) throw new SystemError(what, result);
  return result;
}
