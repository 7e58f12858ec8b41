/**
 * QEMU's `-netdev stream` over a Unix socket. The peer may be a QEMU, or another machine of ours, and is not trusted.
 *
 * @module
 */

import type { NetBackend, NetInterface } from "./contract.ts";
import { Frame } from "./frame.ts";
import { SocketQueue } from "./socket_queue.ts";
import { encodeStream, StreamDecoder } from "./stream_decoder.ts";

/** Where to find the peer. */
export interface StreamOptions {
  /** The socket. */
  readonly path: string;
  /** Waits for the peer to connect, instead of connecting. */
  readonly listen: boolean;
  /** Says what went wrong, once for each kind. */
  readonly warn: (message: string) => void;
}

/** Milliseconds between attempts to connect. */
const RETRY = 100;
const READ_SIZE = 64 * 1024;

/** See the module's text. */
export class StreamBackend implements NetBackend {
  readonly accepts = 0;
  readonly #options: StreamOptions;
  readonly #listener: Deno.Listener | null;
  readonly #queue: SocketQueue;
  readonly #frame = new Frame(0);
  #nic: NetInterface | null = null;
  #conn: Deno.Conn | null = null;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #resume: (() => void) | null = null;
  #warned = false;
  #sent = 0;
  #received = 0;
  #dropped = 0;
  #connections = 0;
  #broken = 0;

  /** Opens the socket if it is to listen. @throws {Error} when it cannot; the peer need not be there yet. */
  constructor(options: StreamOptions) {
    this.#options = options;
    this.#listener = options.listen ? Deno.listen({ transport: "unix", path: options.path }) : null;
    this.#queue = new SocketQueue((bytes) => this.#write(bytes), () => this.#nic?.ready());
  }

  get up(): boolean {
    return this.#conn !== null;
  }

  attach(nic: NetInterface): void {
    this.#nic = nic;
    void this.#run();
  }

  send(frame: Frame): boolean {
    if (this.#conn === null) {
      this.#dropped++;
      return true;
    }
    if (!frame.load() || !this.#queue.add(encodeStream(frame.bytes, frame.length))) return false;
    this.#sent++;
    return true;
  }

  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  counters(): Record<string, number> {
    return {
      sent: this.#sent,
      received: this.#received,
      dropped: this.#dropped,
      connections: this.#connections,
      broken: this.#broken,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#nic = null;
    clearTimeout(this.#retry);
    this.#listener?.close();
    if (this.#listener !== null) removeSocket(this.#options.path);
    this.#hangUp();
    this.resume();
  }

  /** One connection after the other. */
  async #run(): Promise<void> {
    while (!this.#closed) {
      const conn = await this.#connect();
      if (conn === null) continue;
      this.#conn = conn;
      this.#connections++;
      this.#nic?.linkChanged(true);
      await this.#receive(conn);
      this.#hangUp();
      this.#nic?.linkChanged(false);
    }
  }

  async #connect(): Promise<Deno.Conn | null> {
    try {
      if (this.#listener !== null) return await this.#listener.accept();
      return await Deno.connect({ transport: "unix", path: this.#options.path });
    } catch (error) {
      if (this.#closed) return null;
      this.#complain(`no connection to ${this.#options.path} yet: ${error instanceof Error ? error.message : error}`);
      await new Promise((wake) => this.#retry = setTimeout(wake, RETRY));
      return null;
    }
  }

  /** Reads frames until the peer hangs up, or says something that is no frame. */
  async #receive(conn: Deno.Conn): Promise<void> {
    const decoder = new StreamDecoder();
    const piece = new Uint8Array(READ_SIZE);
    try {
      for (let n = await conn.read(piece); n !== null && !this.#closed; n = await conn.read(piece)) {
        decoder.feed(piece.subarray(0, n));
        while (decoder.next()) await this.#deliver(decoder);
        if (decoder.broken) return this.#misunderstood(decoder.length);
      }
    } catch {
      // The connection was reset, or closed on this side: either way it is over.
    }
  }

  async #deliver({ frame, length }: StreamDecoder): Promise<void> {
    this.#frame.bytes = frame;
    this.#frame.length = length;
    while (this.#nic !== null && !this.#nic.deliver(this.#frame)) {
      await new Promise<void>((resume) => this.#resume = resume);
    }
    this.#received++;
  }

  #misunderstood(length: number): void {
    this.#broken++;
    this.#complain(`the peer at ${this.#options.path} announced a frame of ${length} bytes; hung up`);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const conn = this.#conn;
    try {
      for (let at = 0; conn !== null && at < bytes.length;) at += await conn.write(bytes.subarray(at));
    } catch {
      // The reading side sees the end of the connection.
      this.#dropped++;
    }
  }

  #hangUp(): void {
    try {
      this.#conn?.close();
    } catch {
      // Closed already.
    }
    this.#conn = null;
    this.#queue.clear();
  }

  #complain(message: string): void {
    if (!this.#warned) this.#options.warn(message);
    this.#warned = true;
  }
}

/** Removes a socket's name; somebody else may have been faster. */
export function removeSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Gone already.
  }
}
