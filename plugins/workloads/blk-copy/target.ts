/**
 * The file that a copy is written to.
 *
 * @module
 */

import { InputError } from "@iova/core";

/** Where the option stands that names the file, for messages. */
export interface TargetPlace {
  /** The file's path. */
  readonly path: string;
  /** The path as the manifest has it. */
  readonly name: string;
  /** The manifest. */
  readonly file: string;
  /** JSON path of the option. */
  readonly optionPath: string;
}

/**
 * Opens, locks, empties and sizes the file. A file that a machine has open as its image is locked: it is not touched.
 *
 * @throws {InputError} when the file cannot be that. What Deno refuses for lack of a permission is thrown as it is.
 */
export function openTarget(place: TargetPlace, size: number): Target {
  const problem = (found: string, expected: string) =>
    new InputError({ file: place.file, path: place.optionPath, found: `"${place.name}", ${found}`, expected });
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(place.path, { read: true, write: true, create: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw problem(describe(error), "a file that can be written");
  }
  if (lock(file)) return new Target(file, size);
  file.close();
  throw problem("which is locked: a machine has it open", "another file");
}

/** An open file. Host errors are kept, not thrown: they happen in interrupt context. */
export class Target {
  /** What the host said first when something failed; empty as long as nothing did. */
  failure = "";
  readonly #file: Deno.FsFile;
  #position = -1;

  /** Empties the file and gives it its size. */
  constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.#attempt(() => {
      file.truncateSync(0);
      file.truncateSync(size);
    });
  }

  /** Writes `length` bytes from `bytes[offset]` at `position`. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): void {
    this.#attempt(() => {
      this.#seek(position);
      while (length > 0) {
        const count = this.#file.writeSync(part(bytes, offset, length));
        this.#position += count;
        offset += count;
        length -= count;
      }
    });
  }

  /** Reads up to `into.length` bytes at `position`; how many there were. */
  read(position: number, into: Uint8Array): number {
    let done = 0;
    this.#attempt(() => {
      this.#seek(position);
      while (done < into.length) {
        const count = this.#file.readSync(part(into, done, into.length - done));
        if (count === null) break;
        this.#position += count;
        done += count;
      }
    });
    return done;
  }

  /** Makes it durable. */
  sync(): void {
    this.#attempt(() => this.#file.syncSync());
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  #seek(position: number): void {
    if (this.#position !== position) this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
  }

  #attempt(work: () => void): void {
    if (this.failure !== "") return;
    try {
      work();
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
    }
  }
}

function describe(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "in a folder that does not exist";
  if (error instanceof Deno.errors.IsADirectory) return "a directory";
  if (error instanceof Deno.errors.PermissionDenied) return "which this user may not write";
  return `which cannot be opened (${error instanceof Error ? error.message : error})`;
}

/** A file system without locks gives everybody one. */
function lock(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    return true;
  }
}

function part(bytes: Uint8Array, offset: number, length: number): Uint8Array<ArrayBuffer> {
  // The file takes shared memory as well; only its type does not say so.
  return bytes.subarray(offset, offset + length) as Uint8Array<ArrayBuffer>;
}
