/**
 * Frames on their way into a socket: bounded, written one after the other.
 *
 * @module
 */

/** Bytes that may wait. */
const CAPACITY = 1024 * 1024;

/** See the module's text. */
export class SocketQueue {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #drained: () => void;
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #busy = false;
  #full = false;

  /** Writes with `write`, which must not reject; calls `drained` when there is room again after there was none. */
  constructor(write: (bytes: Uint8Array) => Promise<void>, drained: () => void) {
    this.#write = write;
    this.#drained = drained;
  }

  /** Takes bytes, which are the queue's from now on; false when there is no room. */
  add(bytes: Uint8Array): boolean {
    if (this.#bytes + bytes.length > CAPACITY) {
      this.#full = true;
      return false;
    }
    this.#bytes += bytes.length;
    this.#queue.push(bytes);
    if (!this.#busy) void this.#run();
    return true;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
    this.#room();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let bytes = this.#queue.shift(); bytes !== undefined; bytes = this.#queue.shift()) {
      await this.#write(bytes);
      this.#bytes = Math.max(0, this.#bytes - bytes.length);
      if (this.#bytes <= CAPACITY / 2) this.#room();
    }
    this.#busy = false;
  }

  #room(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#drained();
  }
}
