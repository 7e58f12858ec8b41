/**
 * The calls, one function each: C's names and arguments, and its result or a negative errno. None allocates.
 *
 * A buffer argument is a view; the call has returned before anybody else runs, so the view stays the caller's. An
 * `address` is a number that a {@linkcode Mapping} or a fixed buffer gave, and must stay mapped for the call.
 *
 * @module
 */

import { calls, checked } from "./ffi.ts";
import { EventFd, Fcntl, Open, Socket } from "./constants.ts";
import { Errno } from "./errno.ts";
import { Stat } from "./layout.ts";

export { fixedBuffer, unavailable } from "./ffi.ts";

/** A path as C takes it: UTF-8 with a zero at the end. @throws {TypeError} when it has a zero inside. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError("a path cannot contain a zero byte");
  return new TextEncoder().encode(text + "\0") as Uint8Array<ArrayBuffer>;
}

/** A stream socket of the Unix domain, closed on exec. */
export function unixSocket(flags = 0): number {
  return checked(calls().socket(Socket.AF_UNIX, Socket.STREAM | Socket.CLOEXEC | flags, 0));
}
/** `bind` to an encoded address. */
export function bind(fd: number, address: Uint8Array): number {
  return checked(calls().bind(fd, address, address.length));
}
/** `listen`. */
export function listen(fd: number, backlog: number): number {
  return checked(calls().listen(fd, backlog));
}
/** `connect` to an encoded address. */
export function connect(fd: number, address: Uint8Array): number {
  return checked(calls().connect(fd, address, address.length));
}
/** `accept4` without the peer's address; the new descriptor is closed on exec. */
export function accept(fd: number, flags = 0): number {
  return checked(calls().accept4(fd, 0, 0, Socket.CLOEXEC | flags));
}
/** `shutdown`. */
export function shutdown(fd: number, how: number): number {
  return checked(calls().shutdown(fd, how));
}
/** `open`; the descriptor is closed on exec. It bypasses Deno's file permissions, as every foreign call does. */
export function open(path: string, flags: number, mode = 0o600): number {
  return checked(calls().open(cString(path), flags | Open.CLOEXEC, mode));
}
/** `close`. */
export function close(fd: number): number {
  return checked(calls().close(fd));
}
/** `dup`. */
export function dup(fd: number): number {
  return checked(calls().dup(fd));
}
/** `fcntl` with a number. */
export function fcntl(fd: number, command: number, value = 0): number {
  return checked(calls().fcntl(fd, command, value));
}
/** Lets calls on a descriptor return at once, or lets them wait. */
export function setNonBlocking(fd: number, nonBlocking: boolean): number {
  const flags = fcntl(fd, Fcntl.GETFL);
  if (flags < 0) return flags;
  return fcntl(fd, Fcntl.SETFL, nonBlocking ? flags | Socket.NONBLOCK : flags & ~Socket.NONBLOCK);
}
/** `read` into the whole view. */
export function read(fd: number, into: Uint8Array): number {
  return checked(calls().readBuffer(fd, into, into.length));
}
/** `write` of the whole view. */
export function write(fd: number, from: Uint8Array): number {
  return checked(calls().writeBuffer(fd, from, from.length));
}
/** `pread` into the whole view. */
export function pread(fd: number, into: Uint8Array, position: number): number {
  return checked(calls().preadBuffer(fd, into, into.length, position));
}
/** `pwrite` of the whole view. */
export function pwrite(fd: number, from: Uint8Array, position: number): number {
  return checked(calls().pwriteBuffer(fd, from, from.length, position));
}
/** `pread` to an address. */
export function preadAt(fd: number, address: number, length: number, position: number): number {
  return checked(calls().pread(fd, address, length, position));
}
/** `pwrite` from an address. */
export function pwriteAt(fd: number, address: number, length: number, position: number): number {
  return checked(calls().pwrite(fd, address, length, position));
}
/** `preadv`: `count` entries of an encoded `iovec` array. */
export function preadv(fd: number, iovecs: Uint8Array, count: number, position: number): number {
  return checked(calls().preadv(fd, iovecs, count, position));
}
/** `pwritev`: `count` entries of an encoded `iovec` array. */
export function pwritev(fd: number, iovecs: Uint8Array, count: number, position: number): number {
  return checked(calls().pwritev(fd, iovecs, count, position));
}
/** `fsync`. */
export function fsync(fd: number): number {
  return checked(calls().fsync(fd));
}
/** `fdatasync`. */
export function fdatasync(fd: number): number {
  return checked(calls().fdatasync(fd));
}
/** `fallocate`: with the modes of `Fallocate`, punches holes and writes zeroes. */
export function fallocate(fd: number, mode: number, position: number, length: number): number {
  return checked(calls().fallocate(fd, mode, position, length));
}
/** `ftruncate`. */
export function ftruncate(fd: number, size: number): number {
  return checked(calls().ftruncate(fd, size));
}
/** The size of an open file. */
export function fileSize(fd: number): number {
  const failed = checked(calls().fstat(fd, stat.bytes));
  return failed < 0 ? failed : Number(stat.view.getBigInt64(Stat.size, true));
}
/** `flock`: 2 exclusive, 4 without waiting, 8 unlock. */
export function flock(fd: number, operation: number): number {
  return checked(calls().flock(fd, operation));
}
/** `fchmod`. */
export function fchmod(fd: number, mode: number): number {
  return checked(calls().fchmod(fd, mode));
}
/** `chmod`. */
export function chmod(path: string, mode: number): number {
  return checked(calls().chmod(cString(path), mode));
}
/** `umask`: the mask before. It belongs to the whole process. */
export function umask(mask: number): number {
  return calls().umask(mask);
}
/** `unlink`. */
export function unlink(path: string): number {
  return checked(calls().unlink(cString(path)));
}
/** `munmap`. Whatever still points there dies: use a {@linkcode Mapping}, which knows better. */
export function munmap(address: number, length: number): number {
  return checked(calls().munmap(address, length));
}
/** `eventfd`: a counter to wait for; closed on exec and not blocking. */
export function eventfd(flags: number = EventFd.NONBLOCK): number {
  return checked(calls().eventfd(0, EventFd.CLOEXEC | flags));
}
/** Adds 1 to an eventfd's counter. A counter that is full counts as told. */
export function signalEvent(fd: number): number {
  const result = checked(calls().writeBuffer(fd, one, 8));
  return result === -Errno.EAGAIN ? 8 : result;
}
/** Takes an eventfd's counter: what it was, 0 when nothing had happened, or a negative errno. */
export function takeEvent(fd: number): number {
  const result = checked(calls().readBuffer(fd, counter.bytes, 8));
  if (result < 0) return result === -Errno.EAGAIN ? 0 : result;
  return counter.view.getUint32(0, true) || 1;
}
/** `poll` on encoded `pollfd`s. */
export function poll(fds: Uint8Array, count: number, timeout: number): number {
  return checked(calls().poll(fds, count, timeout));
}
/** Waits for one descriptor; its events, 0 after `timeout` milliseconds, or a negative errno. */
export function pollOne(fd: number, events: number, timeout: number): number {
  pollfd.view.setInt32(0, fd, true);
  pollfd.view.setInt16(4, events, true);
  const count = checked(calls().poll(pollfd.bytes, 1, timeout));
  return count <= 0 ? count : pollfd.view.getInt16(6, true);
}

function reusable(size: number) {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  return { bytes, view: new DataView(bytes.buffer) };
}

const stat = reusable(Stat.room);
const counter = reusable(8);
const pollfd = reusable(8);
const one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
