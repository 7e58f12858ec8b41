/**
 * Constants of the calls, as far as they are the same on x86-64 and aarch64 Linux. (`O_DIRECT` and its like are not.)
 *
 * @module
 */

/** `open` flags. */
export const Open = { RDONLY: 0, RDWR: 2, CREAT: 0x40, CLOEXEC: 0x80000 } as const;
/** `poll` events. */
export const Poll = { IN: 1, OUT: 4, ERR: 8, HUP: 0x10, NVAL: 0x20 } as const;
/** `epoll` events. */
export const Epoll = { IN: 1, OUT: 4, ERR: 8, HUP: 0x10, RDHUP: 0x2000 } as const;
/** `eventfd` flags. */
export const EventFd = { CLOEXEC: 0x80000, NONBLOCK: 0x800 } as const;
/** `memfd_create` flags. */
export const MemFd = { CLOEXEC: 1, ALLOW_SEALING: 2 } as const;
/** Seals of a memory file. */
export const Seal = { SEAL: 1, SHRINK: 2, GROW: 4, WRITE: 8 } as const;
/** `fcntl` commands. */
export const Fcntl = { GETFD: 1, GETFL: 3, SETFL: 4, ADD_SEALS: 1033, GET_SEALS: 1034 } as const;
/** `mmap` protections. */
export const Protection = { READ: 1, WRITE: 2 } as const;
/** `mmap` flags. */
export const MapFlags = { SHARED: 1, PRIVATE: 2, FIXED: 0x10, ANONYMOUS: 0x20, NORESERVE: 0x4000 } as const;
/** Sockets. */
export const Socket = {
  AF_INET: 2,
  AF_UNIX: 1,
  STREAM: 1,
  CLOEXEC: 0x80000,
  NONBLOCK: 0x800,
  SOL_SOCKET: 1,
  SCM_RIGHTS: 1,
} as const;
/** `sendmsg` and `recvmsg` flags. */
export const Message = { CTRUNC: 8, DONTWAIT: 0x40, NOSIGNAL: 0x4000, CMSG_CLOEXEC: 0x40000000 } as const;
/** `shutdown` directions. */
export const Shutdown = { READ: 0, WRITE: 1, BOTH: 2 } as const;
/** `fallocate` modes. */
export const Fallocate = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;
