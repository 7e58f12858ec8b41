/**
 * The structures of the C library's calls, as 64-bit Linux lays them out. All are in host byte order, which is
 * little-endian on every machine that Deno runs on.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** One buffer of a vectored call. The kernel only reads it. */
export const Iovec: Struct<{ base: bigint; len: bigint }> = defineStruct({
  name: "iovec",
  source: "readv(2)",
  size: 16,
  endian: "little",
  fields: [
    { name: "base", at: 0, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "Address of the first byte." },
    { name: "len", at: 8, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "Bytes." },
  ],
});

/** A message: where its bytes and its descriptors are. */
export const Msghdr: Struct<
  {
    name: bigint;
    namelen: number;
    iov: bigint;
    iovlen: bigint;
    control: bigint;
    controllen: bigint;
    flags: number;
  }
> = defineStruct({
  name: "msghdr",
  source: "recvmsg(2)",
  size: 56,
  endian: "little",
  fields: [
    { name: "name", at: 0, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "Peer address; none: 0." },
    { name: "namelen", at: 8, bytes: 4, writtenBy: "caller", readBy: "kernel", doc: "Its bytes." },
    { at: 12, bytes: 4, reserved: true },
    { name: "iov", at: 16, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "Address of the iovecs." },
    { name: "iovlen", at: 24, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "How many iovecs." },
    { name: "control", at: 32, bytes: 8, writtenBy: "caller", readBy: "kernel", doc: "Address of the cmsghdr." },
    { name: "controllen", at: 40, bytes: 8, writtenBy: "both", readBy: "both", doc: "Bytes of room, then of use." },
    {
      name: "flags",
      at: 48,
      bytes: 4,
      writtenBy: "kernel",
      readBy: "caller",
      flags: { CTRUNC: 8, TRUNC: 0x20, CMSG_CLOEXEC: 0x40000000 },
      doc: "How receiving went.",
    },
    { at: 52, bytes: 4, reserved: true },
  ],
});

/** The head of ancillary data; descriptors, 4 bytes each, follow it. */
export const Cmsghdr: Struct<{ len: bigint; level: number; type: number }> = defineStruct({
  name: "cmsghdr",
  source: "cmsg(3)",
  size: 16,
  endian: "little",
  fields: [
    { name: "len", at: 0, bytes: 8, writtenBy: "sender", readBy: "receiver", doc: "Bytes, with this head." },
    { name: "level", at: 8, bytes: 4, values: { SOL_SOCKET: 1 }, doc: "Protocol." },
    { name: "type", at: 12, bytes: 4, values: { SCM_RIGHTS: 1, SCM_CREDENTIALS: 2 }, doc: "What follows." },
  ],
});

const EVENTS = { IN: 1, OUT: 4, ERR: 8, HUP: 0x10, NVAL: 0x20 };

/** One descriptor of a `poll`. */
export const Pollfd: Struct<{ fd: number; events: number; revents: number }> = defineStruct({
  name: "pollfd",
  source: "poll(2)",
  size: 8,
  endian: "little",
  fields: [
    { name: "fd", at: 0, bytes: 4, writtenBy: "caller", readBy: "kernel", doc: "The descriptor." },
    { name: "events", at: 4, bytes: 2, flags: EVENTS, writtenBy: "caller", readBy: "kernel", doc: "Asked for." },
    { name: "revents", at: 6, bytes: 2, flags: EVENTS, writtenBy: "kernel", readBy: "caller", doc: "Happened." },
  ],
});

/** The address of a Unix socket: 2 bytes of family, then the path and a zero, or a zero and an abstract name. */
export const SockaddrUn = { size: 110, family: 0, path: 2 } as const;

/** One event of an epoll set: packed on x86-64, aligned elsewhere. */
export const EpollEvent: { readonly size: number; readonly events: number; readonly data: number } =
  Deno.build.arch === "x86_64" ? { size: 12, events: 0, data: 4 } : { size: 16, events: 0, data: 8 };

/** What is read of `struct stat`: the size stands in the same place on x86-64 and aarch64. */
export const Stat = { room: 256, size: 48 } as const;

/** The ancillary data of `count` descriptors: what its length field says, and the room that it takes. */
export function rightsLength(count: number): { len: number; space: number } {
  return { len: Cmsghdr.size + 4 * count, space: Cmsghdr.size + ((4 * count + 7) & ~7) };
}
