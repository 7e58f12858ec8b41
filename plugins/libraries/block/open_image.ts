/**
 * Opens an image file, or says what is wrong with it.
 *
 * @module
 */

import { formatSize, InputError } from "@iova/core";
import { type BlockBackend, SECTOR_SIZE } from "./contract.ts";
import { RawFileBackend } from "./raw_file.ts";

/** A raw image that was opened, checked and locked. */
export interface OpenedImage {
  /** The file, to be closed with the medium. */
  readonly file: Deno.FsFile;
  /** Where it is. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
}

/** Makes a medium over an image. */
export type MakeImageMedium = (image: OpenedImage) => BlockBackend;

let makeMedium: MakeImageMedium = ({ file, size, readOnly }) => new RawFileBackend(file, size, readOnly);

/** From now on images become what `make` makes of them: for doors that know a shorter way from a file into memory. */
export function setImageMedium(make: MakeImageMedium): void {
  makeMedium = make;
}

/** Which image to open, and where a person asked for it. */
export interface ImageRequest {
  /** The file. */
  readonly path: string;
  /** Opens it for reading only, whatever the file allows. */
  readonly readOnly: boolean;
  /** The manifest, for messages. */
  readonly file: string;
  /** JSON path of the option that names the image, for messages. */
  readonly optionPath: string;
}

/**
 * Opens a raw image and takes an advisory lock on it: exclusive for writing, shared for reading, so that no two machines
 * corrupt one image and none reads an image that another writes.
 *
 * @throws {InputError} when the file is missing, no regular file, empty, not whole sectors, locked, or when this user may
 * not open it. What Deno itself refuses for lack of a permission is thrown as it is.
 */
export function openImage(request: ImageRequest): BlockBackend {
  const { path, readOnly } = request;
  const problem = (found: string, expected: string) =>
    new InputError({ file: request.file, path: request.optionPath, found: `"${path}", ${found}`, expected });
  const attempt = <T>(open: () => T): T => {
    try {
      return open();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      throw problem(describeOpenError(error, readOnly), readOnly ? "a readable image" : "an image that can be written");
    }
  };
  // Asked before opening: opening a pipe would wait for its other end.
  const { isFile, isDirectory } = attempt(() => Deno.statSync(path));
  if (!isFile) throw problem(isDirectory ? "a directory" : "which is no regular file", "an image file");
  const file = attempt(() => Deno.openSync(path, { read: true, write: !readOnly }));
  try {
    const { size } = file.statSync();
    if (size === 0) throw problem("which is empty", "an image of at least one sector");
    if (size % SECTOR_SIZE !== 0) {
      throw problem(`which has ${formatSize(size)}`, `a multiple of ${SECTOR_SIZE} bytes`);
    }
    if (!lockFile(file, !readOnly)) throw problem("which is locked", "an image that no other machine has open");
    return makeMedium({ file, path, size, readOnly });
  } catch (error) {
    file.close();
    throw error;
  }
}

export function describeOpenError(error: unknown, readOnly: boolean): string {
  if (error instanceof Deno.errors.NotFound) return "which does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return `which this user may not ${readOnly ? "read" : "write"}`;
  return `which cannot be opened (${error instanceof Error ? error.message : error})`;
}

/** False when another has a lock in the way; a file system without locks gives everybody one. */
export function lockFile(file: Deno.FsFile, exclusive: boolean): boolean {
  try {
    return file.tryLockSync(exclusive);
  } catch {
    return true;
  }
}
