/**
 * Error numbers.
 *
 * @module
 */

/** Error numbers by name; the same on every Linux architecture that Deno runs on. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
} as const;

const NAMES = new Map<number, string>(Object.entries(Errno).map(([name, number]) => [number, name]));

/** The name of an error number, given as it is or negative, as a call returned it. */
export function errnoName(result: number): string {
  const number = Math.abs(result);
  return NAMES.get(number) ?? `errno ${number}`;
}

/** A system call failed in a place where only a misconfigured computer makes it fail. */
export class SystemError extends Error {
  /** The error number, positive. */
  readonly errno: number;

  /** `what` was tried and gave `result`, a negative errno. */
  constructor(what: string, result: number) {
    super(`${what}: ${errnoName(result)}`);
    this.name = "SystemError";
    this.errno = -result;
  }
}
