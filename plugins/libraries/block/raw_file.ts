/**
 * A raw image file as a medium.
 *
 * @module
 */

import { type BlockBackend, SECTOR_SIZE } from "./contract.ts";
import { zeroFill } from "./zeroes.ts";

/** What a {@linkcode RawFileBackend} needs of a `Deno.FsFile`. */
export type ImageFile = Pick<
  Deno.FsFile,
  "seekSync" | "readSync" | "writeSync" | "syncDataSync" | "truncateSync" | "close"
>;

/**
 * A raw image: byte n of the medium is byte n of the file. Reads and writes go straight between the file and the lent
 * bytes. Whatever the host answers with (ENOSPC, EIO, EBADF, a file that became shorter) is a false, never an exception.
 */
export class RawFileBackend implements BlockBackend {
  /** Bytes. */
  size: number;
  #file: ImageFile | null;
  // Where the file's own position is; −1 when a host error left it unknown.
  #position = -1;

  /** A medium of `size` bytes over an open file, which is this back-end's from now on. */
  constructor(file: ImageFile, size: number, readonly readOnly: boolean) {
    this.#file = file;
    this.size = size;
  }

  /** See {@linkcode BlockBackend.read}. */
  read(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const file = this.#file;
    if (file === null || !isInside(this.size, position, length)) return false;
    try {
      this.#seek(file, position);
      for (let done = 0; done < length;) {
        const count = file.readSync(part(bytes, offset + done, length - done));
        // The end of the file inside the image: somebody truncated it.
        if (count === null || count === 0) return this.#lost();
        done += count;
        this.#position += count;
      }
      return true;
    } catch {
      return this.#lost();
    }
  }

  /** See {@linkcode BlockBackend.write}. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const file = this.#file;
    if (file === null || this.readOnly || !isInside(this.size, position, length)) return false;
    try {
      this.#seek(file, position);
      for (let done = 0; done < length;) {
        const count = file.writeSync(part(bytes, offset + done, length - done));
        if (count === 0) return this.#lost();
        done += count;
        this.#position += count;
      }
      return true;
    } catch {
      return this.#lost();
    }
  }

  /** Zeros are written: there is no way to punch a hole into a file without foreign calls. */
  writeZeroes(position: number, length: number): boolean {
    return zeroFill(this, position, length);
  }

  /** Makes the file longer or shorter; what is new is a hole. */
  resize(size: number): boolean {
    const file = this.#file;
    if (file === null || this.readOnly || size <= 0 || size % SECTOR_SIZE !== 0) return false;
    try {
      file.truncateSync(size);
      this.#position = -1;
      this.size = size;
      return true;
    } catch {
      return this.#lost();
    }
  }

  /** `fdatasync`. A read-only image has nothing to make durable. */
  flush(): boolean {
    if (this.#file === null) return false;
    if (this.readOnly) return true;
    try {
      this.#file.syncDataSync();
      return true;
    } catch {
      return false;
    }
  }

  /** See {@linkcode BlockBackend.close}; closing also gives the lock up. */
  close(): void {
    this.flush();
    try {
      this.#file?.close();
    } catch {
      // Closed behind our back: there is nothing left to close.
    }
    this.#file = null;
  }

  #seek(file: ImageFile, position: number): void {
    if (this.#position === position) return;
    file.seekSync(position, Deno.SeekMode.Start);
    this.#position = position;
  }

  #lost(): false {
    this.#position = -1;
    return false;
  }
}

/** Whether `length` bytes at `position` lie in a medium of `size` bytes. */
export function isInside(size: number, position: number, length: number): boolean {
  return position >= 0 && length >= 0 && position + length <= size;
}

function part(bytes: Uint8Array, offset: number, length: number): Uint8Array<ArrayBuffer> {
  // The file takes shared memory as well; only its type does not say so.
  return bytes.subarray(offset, offset + length) as Uint8Array<ArrayBuffer>;
}
