/**
 * A trace file: every event of a run as one line of JSON.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import type { EventListener } from "../events.ts";
import { isPermissionError } from "../manifest/plugin_loader.ts";

const BUFFER_CHARACTERS = 1 << 16;

/** Writes events into a file, many at a time. */
export class TraceWriter {
  #pending = "";
  #failure: unknown;
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /** Makes the file, or empties it. @throws {InputError} when it cannot. */
  constructor(readonly path: string) {
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      if (isPermissionError(error)) throw error;
      throw new InputError({
        file: "--trace",
        found: (error as Error).message,
        expected: "a file that can be written",
      });
    }
  }

  /** A listener for one run; with `run`, every line says which. */
  listener(run?: string): EventListener {
    return (event) => {
      this.#pending += JSON.stringify(run === undefined ? event : { run, ...event }) + "\n";
      if (this.#pending.length >= BUFFER_CHARACTERS) this.#flush();
    };
  }

  /** Writes what is left and closes the file. @throws {InputError} when anything could not be written. */
  close(): void {
    this.#flush();
    this.#file.close();
    if (this.#failure === undefined) return;
    const found = this.#failure instanceof Error ? this.#failure.message : String(this.#failure);
    throw new InputError({ file: "--trace", path: this.path, found, expected: "room for the whole trace" });
  }

  /** A listener must not throw: a full disk is reported when the file is closed. */
  #flush(): void {
    const bytes = this.#encoder.encode(this.#pending);
    this.#pending = "";
    if (this.#failure !== undefined) return;
    try {
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      this.#failure = error;
    }
  }
}
