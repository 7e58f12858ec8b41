/**
 * Whoever is at the other end of a socket, or of standard input and output: bytes in, text out.
 *
 * @module
 */

import { InputError } from "@iova/core";

/** One connection. */
export interface Peer {
  /** What arrives, until the other end closes. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Sends text; what the other end does not take any more is lost. */
  send(text: string): void;
  /** While much is unsent, what resolves once it is sent; null otherwise. */
  readonly crowded: Promise<void> | null;
  /** Ends the connection, once everything is sent. */
  close(): Promise<void>;
}

/** Bytes that a peer may leave unread before it is taken for dead. */
const MOST_UNSENT = 64 * 1024 ** 2;
/** Bytes unsent from which on more had better wait. */
const MUCH_UNSENT = 1024 ** 2;
/** Bytes that one read of a socket takes at most. */
const READ_SIZE = 64 * 1024;

/** A peer over any pair of streams. */
class StreamPeer implements Peer {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #close: () => void;
  #unsent = 0;
  #sent: Promise<void> = Promise.resolve();
  #dead = false;

  constructor(
    readonly bytes: AsyncIterable<Uint8Array>,
    writable: WritableStream<Uint8Array>,
    close: () => void,
  ) {
    this.#writer = writable.getWriter();
    this.#close = close;
  }

  send(text: string): void {
    if (this.#dead || text === "") return;
    if (this.#unsent > MOST_UNSENT) return this.#end();
    const bytes = this.#encoder.encode(text);
    this.#unsent += bytes.length;
    this.#sent = this.#writer.write(bytes).then(() => void (this.#unsent -= bytes.length), () => this.#end());
  }

  get crowded(): Promise<void> | null {
    return this.#unsent > MUCH_UNSENT && !this.#dead ? this.#sent : null;
  }

  async close(): Promise<void> {
    await this.#sent;
    this.#end();
  }

  #end(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#close();
  }
}

/** What arrives at a stream; a connection that breaks ends it. */
async function* quietly(readable: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch {
    return; // reset by the other end, or closed by this one
  }
}

/** What arrives at a socket. Unlike its stream, this leaves it open for the answers when the other end has said all. */
async function* arriving(connection: Deno.UnixConn): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(READ_SIZE);
  try {
    for (let length = await connection.read(buffer); length !== null; length = await connection.read(buffer)) {
      yield buffer.slice(0, length);
    }
  } catch {
    return; // reset by the other end, or closed by this one
  }
}

function socketPeer(connection: Deno.UnixConn): Peer {
  return new StreamPeer(arriving(connection), connection.writable, () => {
    try {
      connection.close();
    } catch { /* the other end was faster */ }
  });
}

/** Standard input and output. */
export function standardPeer(): Peer {
  return new StreamPeer(quietly(Deno.stdin.readable), Deno.stdout.writable, () => {});
}

/** Connects to a Unix socket. @throws {InputError} when nobody listens there. */
export async function connect(path: string, option: string): Promise<Peer> {
  try {
    return socketPeer(await Deno.connect({ transport: "unix", path }));
  } catch (error) {
    throw problem(path, option, error, "a socket where somebody listens");
  }
}

/** A Unix socket that takes one peer after the other. */
export interface Listener {
  /** The next peer; null once the socket is closed. */
  accept(): Promise<Peer | null>;
  /** Stops listening and removes the socket. */
  close(): void;
}

/** Listens on a Unix socket that only this user reaches. A socket that nobody listens on any more is replaced. */
export async function listen(path: string, option: string): Promise<Listener> {
  try {
    await removeStale(path);
    const listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
    return {
      accept: () => listener.accept().then(socketPeer, () => null),
      close() {
        listener.close();
        try {
          Deno.removeSync(path);
        } catch { /* somebody else did */ }
      },
    };
  } catch (error) {
    throw problem(path, option, error, "a path where a socket can be made");
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket) throw new Deno.errors.AlreadyExists("it is no socket");
  const alive = await Deno.connect({ transport: "unix", path }).catch(() => null);
  alive?.close();
  if (alive !== null) throw new Deno.errors.AddrInUse("somebody listens there already");
  await Deno.remove(path);
}

function problem(path: string, option: string, error: unknown, expected: string): unknown {
  if (error instanceof Deno.errors.NotCapable) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new InputError({ file: option, path: "", found: `"${path}" (${reason})`, expected });
}
