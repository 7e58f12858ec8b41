/**
 * The loop: one set of descriptors, one connection at a time, everything on one thread. Between messages the device
 * works, a bounded number of steps at a time, so that neither a busy guest nor a talkative peer keeps the other waiting.
 *
 * @module
 */

import { acceptUnix, close, Epoll, Errno, errnoName, listenUnix, Poller, unlink } from "@iova/libc";
import type { ServedDevice } from "./served_device.ts";
import { Session, type SessionHost, type SessionOptions } from "./session.ts";

/** What is chosen about a server. */
export interface ServerOptions extends SessionOptions {
  /** Nanoseconds to go on looking at rings before waiting. Default 0: never. */
  readonly pollTime?: number;
  /** Says something that a person may want to know. */
  readonly log?: (text: string) => void;
  /** End with the first connection. */
  readonly once?: boolean;
}

/** Steps of the device before messages get their turn. */
const STEPS_PER_TURN = 32;

/** See the module's text. */
export class Server implements SessionHost {
  /** Ends {@linkcode Server.run}. */
  stopped = false;
  /** Connections so far. */
  connections = 0;
  /** The connection, if there is one. */
  session: Session | null = null;
  readonly #poller = new Poller();
  readonly #ready = new Map<number, (events: number) => void>();
  readonly #options: ServerOptions;
  #listener = -1;
  #path = "";
  #busy = false;

  /** A server of one device. Whoever makes it closes it. */
  constructor(readonly served: ServedDevice, options: ServerOptions = {}) {
    this.#options = options;
  }

  /** An eventfd that ends a wait, from any thread. */
  get wakeup(): number {
    return this.#poller.wakeup;
  }

  /** Listens at a path; 0, or a negative errno. */
  listen(path: string): number {
    const fd = listenUnix(path);
    if (fd < 0) return fd;
    this.#listener = fd;
    this.#path = path;
    return this.watch(fd, () => this.#accept());
  }

  /** Serves a connection that is there already. The descriptor is the server's from now on. */
  connect(fd: number): void {
    if (this.#listener >= 0) this.unwatch(this.#listener);
    this.connections++;
    this.log("connected");
    this.session = new Session(fd, this.served, this, this.#options);
    this.watch(fd, () => {
      if (this.session?.receive() === false) this.#ended();
    });
  }

  /** Waits at most `timeout` milliseconds (−1: for ever) for something to do, and does some of it. */
  turn(timeout: number): void {
    const count = this.#poller.wait(this.#busy || this.session?.rings.unkicked ? 0 : timeout);
    this.#dispatch(count);
  }

  /** The same while this thread does other things. */
  async turnElsewhere(timeout: number): Promise<void> {
    if (this.#busy || this.session?.rings.unkicked) return this.turn(0);
    this.#dispatch(await this.#poller.waitElsewhere(timeout));
  }

  /** Serves until it is stopped; `each` runs after every turn. */
  run(each: () => void = () => {}): void {
    while (!this.stopped) {
      this.turn(-1);
      if ((this.#options.pollTime ?? 0) > 0) this.#spin(this.#options.pollTime!);
      each();
    }
  }

  /** Ends the connection, and closes what is the server's. */
  close(): void {
    this.stopped = true;
    if (this.session !== null) this.#ended();
    if (this.#listener >= 0) {
      close(this.#listener);
      unlink(this.#path);
    }
    this.#listener = -1;
    this.#poller.close();
  }

  /** What the device and its connection have done so far. */
  statistics(): Record<string, number> {
    const { plugin, leases, virtio } = this.served;
    return {
      connections: this.connections,
      ...plugin.counters(),
      ...plugin.port.stats,
      completed: virtio.completed,
      leases: leases.leases.size,
      ...this.session?.statistics(),
    };
  }

  /** See {@linkcode SessionHost.log}. */
  log(text: string): void {
    this.#options.log?.(text);
  }

  /** See {@linkcode SessionHost}. */
  complain(problem: string): void {
    this.log(`refused: ${problem}`);
  }

  /** See {@linkcode SessionHost}. */
  watch(fd: number, ready: (events: number) => void): number {
    const failed = this.#poller.add(fd);
    if (failed >= 0) this.#ready.set(fd, ready);
    return failed;
  }

  /** See {@linkcode SessionHost}. */
  unwatch(fd: number): void {
    if (this.#ready.delete(fd)) this.#poller.remove(fd);
  }

  /** See {@linkcode SessionHost.blocked}. */
  blocked(fd: number): void {
    this.#poller.change(fd, Epoll.IN | Epoll.OUT);
  }

  #dispatch(count: number): void {
    const poller = this.#poller;
    for (let i = 0; i < count; i++) {
      const events = poller.events(i);
      if ((events & Epoll.OUT) !== 0) this.#flush(poller.fd(i));
      // An earlier event may have closed this one's descriptor.
      if ((events & ~Epoll.OUT) !== 0) this.#ready.get(poller.fd(i))?.(events);
    }
    if (this.session?.rings.unkicked) this.session.rings.poll(false);
    this.#busy = this.served.scheduler.settle(STEPS_PER_TURN);
  }

  #flush(fd: number): void {
    const { session } = this;
    if (session === null) return;
    if (!session.flush()) return this.#ended();
    if (!session.waits(fd)) this.#poller.change(fd, Epoll.IN);
  }

  /** Looks at the rings, and at everything else, until nothing has happened for a while. */
  #spin(nanoseconds: number): void {
    const { virtio } = this.served;
    let until = performance.now() + nanoseconds / 1e6;
    while (!this.stopped && this.session !== null && performance.now() < until) {
      const done = virtio.completed;
      this.session.rings.poll(true);
      this.#dispatch(this.#poller.wait(0));
      if (virtio.completed !== done) until = performance.now() + nanoseconds / 1e6;
    }
  }

  #accept(): void {
    const fd = acceptUnix(this.#listener);
    if (fd >= 0) return this.connect(fd);
    if (fd !== -Errno.EAGAIN) this.log(`a connection that could not be accepted: ${errnoName(fd)}`);
  }

  #ended(): void {
    const session = this.session!;
    this.session = null;
    this.unwatch(session.fd);
    session.close();
    if (this.#options.once) this.stopped = true;
    if (this.#listener >= 0 && !this.stopped) this.watch(this.#listener, () => this.#accept());
  }
}
