/**
 * The foreign function interface, all of it: which symbols, and how a JavaScript value becomes an argument. No other
 * module in the project calls `Deno.dlopen` or makes a pointer.
 *
 * - Results are declared as 32-bit integers: byte counts of one call end at 2^31 − 4096, and a 64-bit result would be a
 *   bigint, allocated on every call.
 * - Addresses and file offsets go in as plain numbers: user addresses end at 2^47, file sizes are far below 2^53.
 * - Only waiting is ever done by a nonblocking call. Such a call runs on another thread: its `errno` is lost, and nothing
 *   keeps its buffers alive, so {@linkcode waitForEvents} holds them itself.
 *
 * @module
 */

const i32 = "i32", u32 = "u32", buffer = "buffer", usize = "usize", i64 = "i64";

const SYMBOLS = {
  socket: { parameters: [i32, i32, i32], result: i32 },
  bind: { parameters: [i32, buffer, u32], result: i32 },
  listen: { parameters: [i32, i32], result: i32 },
  connect: { parameters: [i32, buffer, u32], result: i32 },
  accept4: { parameters: [i32, usize, usize, i32], result: i32 },
  socketpair: { parameters: [i32, i32, i32, buffer], result: i32 },
  shutdown: { parameters: [i32, i32], result: i32 },
  recvmsg: { parameters: [i32, buffer, i32], result: i32 },
  sendmsg: { parameters: [i32, buffer, i32], result: i32 },
  open: { parameters: [buffer, i32, u32], result: i32 },
  close: { parameters: [i32], result: i32 },
  dup: { parameters: [i32], result: i32 },
  fcntl: { parameters: [i32, i32, i32], result: i32 },
  read: { parameters: [i32, usize, usize], result: i32 },
  write: { parameters: [i32, usize, usize], result: i32 },
  readBuffer: { name: "read", parameters: [i32, buffer, usize], result: i32 },
  writeBuffer: { name: "write", parameters: [i32, buffer, usize], result: i32 },
  pread: { parameters: [i32, usize, usize, i64], result: i32 },
  pwrite: { parameters: [i32, usize, usize, i64], result: i32 },
  preadBuffer: { name: "pread", parameters: [i32, buffer, usize, i64], result: i32 },
  pwriteBuffer: { name: "pwrite", parameters: [i32, buffer, usize, i64], result: i32 },
  preadv: { parameters: [i32, buffer, i32, i64], result: i32 },
  pwritev: { parameters: [i32, buffer, i32, i64], result: i32 },
  fsync: { parameters: [i32], result: i32 },
  fdatasync: { parameters: [i32], result: i32 },
  fallocate: { parameters: [i32, i32, i64, i64], result: i32 },
  ftruncate: { parameters: [i32, i64], result: i32 },
  fstat: { parameters: [i32, buffer], result: i32 },
  flock: { parameters: [i32, i32], result: i32 },
  fchmod: { parameters: [i32, u32], result: i32 },
  chmod: { parameters: [buffer, u32], result: i32 },
  umask: { parameters: [u32], result: u32 },
  unlink: { parameters: [buffer], result: i32 },
  memfd_create: { parameters: [buffer, u32], result: i32 },
  mmap: { parameters: [usize, usize, i32, i32, i32, i64], result: "pointer" },
  munmap: { parameters: [usize, usize], result: i32 },
  eventfd: { parameters: [u32, i32], result: i32 },
  poll: { parameters: [buffer, usize, i32], result: i32 },
  epoll_create1: { parameters: [i32], result: i32 },
  epoll_ctl: { parameters: [i32, i32, i32, buffer], result: i32 },
  epoll_wait: { parameters: [i32, buffer, i32, i32], result: i32 },
  epoll_wait_elsewhere: { name: "epoll_wait", parameters: [i32, buffer, i32, i32], result: i32, nonblocking: true },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type Native = (...values: (number | Uint8Array)[]) => number;
/** The blocking calls that give a 32-bit integer. */
type Calls = Record<Exclude<keyof typeof SYMBOLS, "mmap" | "epoll_wait_elsewhere" | "__errno_location">, Native>;

/** The C library, once it is loaded. */
interface Library {
  readonly calls: Calls;
  readonly mmap: (...values: number[]) => Deno.PointerValue;
  readonly wait: (epoll: number, events: Uint8Array, room: number, timeout: number) => Promise<number>;
  /** This thread's `errno`. */
  readonly errno: Int32Array;
}

const NAMES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];
let library: Library | null = null;

/** Loads the C library the first time. @throws {Error} where there is none, or no permission for it. */
function load(): Library {
  if (Deno.build.os !== "linux") throw new Error(`doors to other processes need Linux; this is ${Deno.build.os}`);
  const { symbols } = open();
  const where = symbols.__errno_location()!;
  return library = {
    calls: symbols as unknown as Calls,
    mmap: symbols.mmap as unknown as Library["mmap"],
    wait: symbols.epoll_wait_elsewhere as unknown as Library["wait"],
    errno: new Int32Array(Deno.UnsafePointerView.getArrayBuffer(where, 4)),
  };
}

function open() {
  for (const name of NAMES) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable || name === NAMES.at(-1)) throw error;
    }
  }
  throw new Error("unreachable");
}

/** Why the C library cannot be used here, or null. Never asks for a permission. */
export function unavailable(): string | null {
  if (Deno.build.os !== "linux") return `it needs Linux, and this is ${Deno.build.os}`;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return "it needs --allow-ffi";
  return null;
}

/** The blocking calls by name. */
export function calls(): Calls {
  return (library ?? load()).calls;
}

/** What a call gave, or the negative errno when that is −1. Must come straight after the call, on the same thread. */
export function checked(result: number): number {
  return result === -1 ? -library!.errno[0] : result;
}

/** `mmap`: the address as a number, or a negative errno. */
export function mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number) {
  const value = Deno.UnsafePointer.value((library ?? load()).mmap(address, length, protection, flags, fd, offset));
  const mapped = Number(BigInt.asIntN(64, BigInt(value)));
  return mapped === -1 ? -library!.errno[0] : mapped;
}

/** The bytes at an address that is mapped, without a copy. */
export function bytesAt(address: number, length: number): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address))!, length);
}

/**
 * A buffer that never moves, and its address. A small `Uint8Array` may live inside the JavaScript heap, where the
 * collector moves it; memory of an `ArrayBuffer` made first does not. Keep the buffer as long as anybody uses the address.
 */
export function fixedBuffer(size: number): { bytes: Uint8Array<ArrayBuffer>; address: number } {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  return { bytes, address: Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))) };
}

// Buffers of calls that wait on another thread, which nothing else keeps alive.
const waiting = new Set<Uint8Array>();

/** `epoll_wait` on another thread: the number of events; negative on an error whose number is lost. */
export async function waitForEvents(epoll: number, events: Uint8Array, room: number, timeout: number): Promise<number> {
  waiting.add(events);
  try {
    return await (library ?? load()).wait(epoll, events, room, timeout);
  } finally {
    waiting.delete(events);
  }
}

/** How many calls wait on other threads. */
export function waitingCalls(): number {
  return waiting.size;
}
