/**
 * QEMU's `-netdev dgram` over Unix sockets: every datagram is a frame. The peer is not trusted, and need not be there.
 *
 * @module
 */

import { removeSocket } from "./backend_stream.ts";
import type { NetBackend, NetInterface } from "./contract.ts";
import { Frame, MAX_FRAME } from "./frame.ts";
import { SocketQueue } from "./socket_queue.ts";

/**
 * What is added to a socket's path for the one that frames leave through: Deno cannot send through a socket while it waits
 * at it. QEMU takes frames from anybody.
 */
const OUT = ".out";

/** The two ends. */
export interface DgramOptions {
  /** This side's socket. */
  readonly local: string;
  /** The peer's. */
  readonly remote: string;
}

/** A datagram socket, of which Deno's types know only behind a flag. */
interface Datagrams {
  send(bytes: Uint8Array, to: Deno.UnixAddr): Promise<number>;
  receive(into: Uint8Array): Promise<[Uint8Array, Deno.Addr]>;
  close(): void;
}
type Listen = (options: { transport: "unixpacket"; path: string }) => Datagrams;

/** Whether this Deno was started so that it can do datagrams (`--unstable-net`, or `"unstable": ["net"]`). */
export function hasDatagrams(): boolean {
  return "listenDatagram" in Deno;
}

/** See the module's text. */
export class DgramBackend implements NetBackend {
  readonly accepts = 0;
  readonly up: boolean = true;
  readonly #options: DgramOptions;
  readonly #socket: Datagrams;
  readonly #out: Datagrams;
  readonly #queue: SocketQueue;
  readonly #frame = new Frame(0);
  #nic: NetInterface | null = null;
  #resume: (() => void) | null = null;
  #closed = false;
  #sent = 0;
  #received = 0;
  #dropped = 0;
  #strangers = 0;

  /** Opens the local socket. @throws {Error} when it cannot. */
  constructor(options: DgramOptions) {
    this.#options = options;
    const { listenDatagram } = Deno as unknown as { listenDatagram: Listen };
    this.#socket = listenDatagram({ transport: "unixpacket", path: options.local });
    try {
      this.#out = listenDatagram({ transport: "unixpacket", path: options.local + OUT });
    } catch (error) {
      this.#socket.close();
      removeSocket(options.local);
      throw error;
    }
    this.#queue = new SocketQueue((bytes) => this.#write(bytes), () => this.#nic?.ready());
  }

  attach(nic: NetInterface): void {
    this.#nic = nic;
    void this.#receive();
  }

  send(frame: Frame): boolean {
    if (this.#closed) return true;
    return frame.load() && this.#queue.add(frame.bytes.slice(0, frame.length));
  }

  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  counters(): Record<string, number> {
    return { sent: this.#sent, received: this.#received, dropped: this.#dropped, strangers: this.#strangers };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#nic = null;
    for (const socket of [this.#socket, this.#out]) socket.close();
    for (const path of [this.#options.local, this.#options.local + OUT]) removeSocket(path);
    this.#queue.clear();
    this.resume();
  }

  async #receive(): Promise<void> {
    // One byte more than the longest frame shows what is too long.
    const into = new Uint8Array(MAX_FRAME + 1);
    try {
      while (!this.#closed) this.#datagram(...await this.#socket.receive(into)) || await this.#room();
    } catch {
      // The socket was closed.
    }
  }

  /** Hands a datagram on; false when the interface has no room for it. */
  #datagram(bytes: Uint8Array, from: Deno.Addr): boolean {
    const { path } = from as Deno.UnixAddr;
    if (path !== this.#options.remote && path !== this.#options.remote + OUT) {
      this.#strangers++;
      return true;
    }
    if (bytes.length === 0 || bytes.length > MAX_FRAME) {
      this.#dropped++;
      return true;
    }
    this.#frame.bytes = bytes;
    this.#frame.length = bytes.length;
    return this.#again();
  }

  #again(): boolean {
    if (this.#nic !== null && !this.#nic.deliver(this.#frame)) return false;
    this.#received++;
    return true;
  }

  /** Waits until the frame at hand has been taken. */
  async #room(): Promise<void> {
    do await new Promise<void>((resume) => this.#resume = resume); while (!this.#again());
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#out.send(bytes, { transport: "unixpacket", path: this.#options.remote });
      this.#sent++;
    } catch {
      // Nobody is there, or the frame is longer than a datagram may be.
      this.#dropped++;
    }
  }
}
