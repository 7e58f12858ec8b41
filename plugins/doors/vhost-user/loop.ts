/**
 * What one thread waits for: the descriptors of every server on it, and the work of their devices. Devices of one loop
 * share their time, which is that of this computer; frames pass from one to the other without leaving it.
 *
 * @module
 */

import { Scheduler } from "@iova/core";
import { Epoll, Poller } from "@iova/libc";

/** Whoever has descriptors in a loop. */
export interface LoopMember {
  /** Whether it has something to look at that tells nobody when it changes. */
  readonly restless: boolean;
  /** Looks at it. */
  look(): void;
  /** A socket can take what has waited for it. */
  writable(fd: number): void;
}

/** Steps of devices before messages get their turn. */
const STEPS_PER_TURN = 32;
/** Milliseconds between looks at timers. */
const TICK = 10;

/** See the module's text. */
export class Loop {
  /** Runs the devices. */
  readonly scheduler: Scheduler = new Scheduler();
  readonly #poller = new Poller();
  readonly #ready = new Map<number, { member: LoopMember; ready: (events: number) => void }>();
  readonly #members = new Set<LoopMember>();
  #busy = false;

  /** An eventfd that ends a wait, from any thread. */
  get wakeup(): number {
    return this.#poller.wakeup;
  }

  /** Takes a member in. */
  join(member: LoopMember): void {
    this.#members.add(member);
  }

  /** Lets a member go, whose descriptors are out already. */
  leave(member: LoopMember): void {
    this.#members.delete(member);
  }

  /** Whether nobody is in it any more. */
  get empty(): boolean {
    return this.#members.size === 0;
  }

  /** Runs `ready` of a member whenever a descriptor can be read; 0, or a negative errno. */
  watch(member: LoopMember, fd: number, ready: (events: number) => void): number {
    const failed = this.#poller.add(fd);
    if (failed >= 0) this.#ready.set(fd, { member, ready });
    return failed;
  }

  /** Ends that, before the descriptor is closed. */
  unwatch(fd: number): void {
    if (this.#ready.delete(fd)) this.#poller.remove(fd);
  }

  /** Says whether a member wants to hear when a socket can be written. */
  watchWriting(fd: number, wanted: boolean): void {
    this.#poller.change(fd, wanted ? Epoll.IN | Epoll.OUT : Epoll.IN);
  }

  /** Waits at most `timeout` milliseconds (−1: for ever) for something to do, and does some of it. */
  turn(timeout: number): void {
    this.#dispatch(this.#poller.wait(this.#patience(timeout)));
  }

  /** The same while this thread does other things. */
  async turnElsewhere(timeout: number): Promise<void> {
    const patience = this.#patience(timeout);
    this.#dispatch(patience === 0 ? this.#poller.wait(0) : await this.#poller.waitElsewhere(patience));
  }

  /** Closes what is the loop's own. */
  close(): void {
    this.#poller.close();
  }

  #patience(timeout: number): number {
    if (this.#busy) return 0;
    for (const member of this.#members) if (member.restless) return 0;
    return this.scheduler.idle || timeout >= 0 && timeout < TICK ? timeout : TICK;
  }

  #dispatch(count: number): void {
    const poller = this.#poller;
    const { scheduler } = this;
    if (!scheduler.idle || count > 0) scheduler.spend(Math.max(0, performance.now() * 1e6 - scheduler.now));
    for (let i = 0; i < count; i++) {
      const fd = poller.fd(i);
      const events = poller.events(i);
      if ((events & Epoll.OUT) !== 0) this.#ready.get(fd)?.member.writable(fd);
      // An earlier event may have closed this one's descriptor.
      if ((events & ~Epoll.OUT) !== 0) this.#ready.get(fd)?.ready(events);
    }
    for (const member of this.#members) if (member.restless) member.look();
    this.#busy = scheduler.settle(STEPS_PER_TURN);
  }
}
