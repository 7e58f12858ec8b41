/**
 * Unix sockets by path.
 *
 * @module
 */

import { accept, bind, close, connect, listen, umask, unixSocket, unlink } from "./calls.ts";
import { Socket } from "./constants.ts";
import { Errno } from "./errno.ts";
import { SockaddrUn } from "./layout.ts";

/** Most bytes of a socket's path, in UTF-8. */
export const MAX_PATH: number = SockaddrUn.size - SockaddrUn.path - 1;

/** The address of a path, as `bind` and `connect` take it, or null when it is empty, too long or has a zero inside. */
function socketAddress(path: string): Uint8Array | null {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0 || bytes.length > MAX_PATH || bytes.includes(0)) return null;
  const address = new Uint8Array(SockaddrUn.path + bytes.length + 1);
  address[SockaddrUn.family] = Socket.AF_UNIX;
  address.set(bytes, SockaddrUn.path);
  return address;
}

/** Connects to a listening socket; the descriptor, or a negative errno. */
export function connectUnix(path: string, flags = 0): number {
  const address = socketAddress(path);
  if (address === null) return -Errno.ENAMETOOLONG;
  const fd = unixSocket(flags);
  if (fd < 0) return fd;
  const failed = connect(fd, address);
  if (failed >= 0) return fd;
  close(fd);
  return failed;
}

/**
 * Listens on a path, readable and writable by the owner alone (mode 0600) from its first moment. A socket that a dead
 * process has left there is replaced; one that somebody listens on is `-EADDRINUSE`; anything else is `-EEXIST`.
 *
 * @returns a descriptor that does not wait, or a negative errno.
 */
export function listenUnix(path: string): number {
  const address = socketAddress(path);
  if (address === null) return -Errno.ENAMETOOLONG;
  const fd = unixSocket(Socket.NONBLOCK);
  if (fd < 0) return fd;
  let failed = bindPrivate(fd, address);
  if (failed === -Errno.EADDRINUSE) {
    failed = removeStale(path);
    if (failed >= 0) failed = bindPrivate(fd, address);
  }
  if (failed >= 0) failed = listen(fd, 8);
  if (failed >= 0) return fd;
  close(fd);
  return failed;
}

function bindPrivate(fd: number, address: Uint8Array): number {
  // The mode of a socket's file is decided by the mask while it is made; changing it later would leave a moment open.
  const before = umask(0o177);
  try {
    return bind(fd, address);
  } finally {
    umask(before);
  }
}

function removeStale(path: string): number {
  const probe = connectUnix(path, Socket.NONBLOCK);
  if (probe >= 0) close(probe);
  if (probe >= 0 || probe === -Errno.EAGAIN) return -Errno.EADDRINUSE;
  // A file that is no socket refuses as well; only what is one may go.
  if (probe !== -Errno.ECONNREFUSED) return probe;
  return isSocket(path) ? unlink(path) : -Errno.EEXIST;
}

function isSocket(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}

/** Accepts a connection: a descriptor that does not wait, or a negative errno. */
export function acceptUnix(listener: number): number {
  return accept(listener, Socket.NONBLOCK);
}
