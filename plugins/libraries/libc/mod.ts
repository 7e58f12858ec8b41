/**
 * The operating system's own calls, for doors to other processes: Unix sockets that carry file descriptors, memory shared
 * between processes, eventfds, epoll, and file I/O straight into mapped memory. The only place in the project that uses a
 * foreign function interface.
 *
 * Nothing is loaded before the first call, and only then `--allow-ffi` is needed. Calls return what they return in C, or
 * a negative errno: `-Errno.ENOENT`.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Errno, errnoName } from "@iova/libc";
 *
 * assertEquals(errnoName(-Errno.EAGAIN), "EAGAIN");
 * ```
 *
 * @module
 */

export * from "./calls.ts";
export * from "./constants.ts";
export { Errno, errnoName, SystemError } from "./errno.ts";
export { addressOf, liveMappings, type MapOptions, Mapping, mapShared } from "./mapping.ts";
export { holdLocalPort } from "./local_port.ts";
export { MAX_DESCRIPTORS, MessageSocket } from "./message_socket.ts";
export { MAX_WAITING, Poller } from "./poller.ts";
export { acceptUnix, connectUnix, listenUnix, MAX_PATH } from "./unix_socket.ts";
export { descriptorCount, memoryFile, socketPair } from "./descriptors.ts";
