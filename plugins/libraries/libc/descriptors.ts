/**
 * Descriptors that are made whole: memory files, socket pairs, and a count of what is open.
 *
 * @module
 */

import { calls, checked } from "./ffi.ts";
import { close, cString, fcntl, ftruncate } from "./calls.ts";
import { Fcntl, MemFd, Seal, Socket } from "./constants.ts";

/**
 * A file in memory of `size` bytes, to be shared with another process. It is sealed so that nobody can shrink it: an
 * access behind the end of a mapped file kills a program.
 *
 * @returns the descriptor, or a negative errno.
 */
export function memoryFile(name: string, size: number, seals: number = Seal.SHRINK | Seal.GROW | Seal.SEAL): number {
  const fd = checked(calls().memfd_create(cString(name), MemFd.CLOEXEC | MemFd.ALLOW_SEALING));
  if (fd < 0) return fd;
  let failed = ftruncate(fd, size);
  if (failed >= 0 && seals !== 0) failed = fcntl(fd, Fcntl.ADD_SEALS, seals);
  if (failed >= 0) return fd;
  close(fd);
  return failed;
}

/** Two connected stream sockets, or a negative errno. */
export function socketPair(flags = 0): readonly [number, number] | number {
  const pair = new Int32Array(new ArrayBuffer(8));
  const type = Socket.STREAM | Socket.CLOEXEC | flags;
  const failed = checked(calls().socketpair(Socket.AF_UNIX, type, 0, new Uint8Array(pair.buffer)));
  return failed < 0 ? failed : [pair[0], pair[1]];
}

/** How many of this process's descriptors below `limit` are open: the same before and after means that none leaked. */
export function descriptorCount(limit = 1024): number {
  let count = 0;
  for (let fd = 0; fd < limit; fd++) if (fcntl(fd, Fcntl.GETFD) >= 0) count++;
  return count;
}
