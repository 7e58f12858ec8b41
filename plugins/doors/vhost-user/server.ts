/**
 * A served device and its connections, one at a time. Between messages the device works, a bounded number of steps at a
 * time, so that neither a busy guest nor a talkative peer keeps the other waiting.
 *
 * @module
 */

import { acceptUnix, close, Errno, errnoName, listenUnix, unlink } from "@iova/libc";
import type { Loop, LoopMember } from "./loop.ts";
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

/** See the module's text. */
export class Server implements SessionHost, LoopMember {
  /** Ends {@linkcode Server.run}. */
  stopped = false;
  /** Connections so far. */
  connections = 0;
  /** The connection, if there is one. */
  session: Session | null = null;
  readonly #loop: Loop;
  readonly #options: ServerOptions;
  #listener = -1;
  #path = "";

  /** A server of one device. Whoever makes it closes it. */
  constructor(readonly served: ServedDevice, options: ServerOptions = {}) {
    this.#options = options;
    this.#loop = served.loop;
    this.#loop.join(this);
  }

  /** See {@linkcode LoopMember.restless}. */
  get restless(): boolean {
    return this.session?.rings.unkicked ?? false;
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

  /** See {@linkcode Loop.turn}. */
  turn(timeout: number): void {
    this.#loop.turn(timeout);
  }

  /** See {@linkcode Loop.turnElsewhere}. */
  async turnElsewhere(timeout: number): Promise<void> {
    await this.#loop.turnElsewhere(timeout);
  }

  /** Goes on looking at the rings, and at everything else, until nothing has happened for the time of the options. */
  spin(): void {
    const { pollTime = 0 } = this.#options;
    if (pollTime === 0 || this.session === null) return;
    const { virtio } = this.served;
    for (let until = performance.now() + pollTime / 1e6; performance.now() < until && this.session !== null;) {
      const done = virtio.completed;
      this.session.rings.poll(true);
      this.#loop.turn(0);
      if (virtio.completed !== done) until = performance.now() + pollTime / 1e6;
    }
  }

  /** See {@linkcode LoopMember.look}. */
  look(): void {
    this.session?.rings.poll(false);
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
    this.#loop.leave(this);
    if (this.#loop.empty) this.#loop.close();
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
    return this.#loop.watch(this, fd, ready);
  }

  /** See {@linkcode SessionHost}. */
  unwatch(fd: number): void {
    this.#loop.unwatch(fd);
  }

  /** See {@linkcode SessionHost.blocked}. */
  blocked(fd: number): void {
    this.#loop.watchWriting(fd, true);
  }

  /** See {@linkcode LoopMember.writable}. */
  writable(fd: number): void {
    const { session } = this;
    if (session === null) return;
    if (!session.flush()) return this.#ended();
    if (!session.waits(fd)) this.#loop.watchWriting(fd, false);
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
