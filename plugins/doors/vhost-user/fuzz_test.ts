// The peer is not trusted: sequences of messages that were true once, bent in every way, with descriptors of every kind,
// against a device that runs. Nothing may throw, hang, or stay open.

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import {
  close,
  eventfd,
  type Mapping,
  mapShared,
  memoryFile,
  MessageSocket,
  signalEvent,
  Socket,
  socketPair,
  unavailable,
} from "@iova/libc";
import blk from "@iova/virtio-blk";
import { Request } from "./layout.ts";
import { countOpen, serveDevice, Server, words32, words64 } from "./testing.ts";

const SEQUENCES = 50_000;
const RAM = 1 << 18;
const USER = 0x7f00_0000_0000;
/** Turns after which a connection must have come to rest. */
const TURNS = 6;
/** Milliseconds that one message may take at the very most, on a busy machine. */
const LONGEST = 2000;

/** Numbers at which things break. */
const EDGES = [
  0,
  1,
  2,
  7,
  8,
  9,
  127,
  128,
  255,
  256,
  257,
  1023,
  1024,
  1025,
  4095,
  4096,
  32768,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  RAM - 1,
  RAM,
  USER,
  USER + RAM - 1,
  USER + RAM,
];
const WIDE = [
  2n ** 32n,
  2n ** 52n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 4096n,
  2n ** 64n - 1n,
];

/** Makes messages. */
class Generator {
  readonly #random: Random;

  constructor(seed: number, readonly fds: readonly number[], readonly memory: number) {
    this.#random = new Random(seed);
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
  number(): number {
    return this.below(3) === 0 ? this.#random.next() : this.pick(EDGES) % 2 ** 32;
  }
  wide(): bigint {
    return this.below(3) === 0 ? this.pick(WIDE) : BigInt(this.pick(EDGES));
  }
  /** An address of the front-end, most often a good one. */
  user(): bigint {
    return this.below(4) === 0 ? this.wide() : BigInt(USER + 16 * this.below(RAM / 16));
  }
  ring(): number {
    return this.below(5) === 0 ? this.number() : 0;
  }

  payload(request: number): Uint8Array {
    switch (request) {
      case Request.SET_FEATURES:
        return words64(this.pick([0x1_4000_0000n, 0x3_4000_0000n, 0x1_7000_0000n, 0x1_0000_0000n, this.wide()]));
      case Request.SET_PROTOCOL_FEATURES:
        return words64(this.pick([0x1b229n, this.wide()]));
      case Request.SET_MEM_TABLE: {
        const count = this.below(3) === 0 ? this.below(10) : 1;
        const head = this.below(8) === 0 ? this.number() : count;
        return concat(words32(head, 0), ...Array.from({ length: count }, () => this.region()));
      }
      case Request.ADD_MEM_REG:
      case Request.REM_MEM_REG:
        return concat(words64(0), this.region());
      case Request.SET_VRING_ADDR:
        return concat(words32(this.ring(), 0), words64(this.user(), this.user(), this.user(), 0));
      case Request.SET_VRING_NUM:
        return words32(this.ring(), this.pick([8, 8, 16, 128, this.number()]));
      case Request.SET_VRING_KICK:
      case Request.SET_VRING_CALL:
      case Request.SET_VRING_ERR:
        return words64(this.ring() + (this.below(6) === 0 ? 256 : 0));
      case Request.SET_VRING_ENABLE:
        return words32(this.ring(), this.below(6) === 0 ? this.number() : this.below(2));
      case Request.GET_CONFIG:
      case Request.SET_CONFIG: {
        const length = this.below(80);
        const said = this.below(4) === 0 ? this.number() : length;
        return concat(words32(this.pick([0, 8, 32, this.number()]), said, 0), new Uint8Array(length));
      }
      case Request.IOTLB_MSG: {
        const bytes = concat(
          words64(this.wide() & ~0xfffn, this.pick([4096n, this.wide()]), this.user()),
          new Uint8Array(8),
        );
        bytes[24] = this.below(5);
        bytes[25] = this.below(7);
        return bytes;
      }
      case Request.GET_INFLIGHT_FD:
      case Request.SET_INFLIGHT_FD:
        return concat(
          words64(this.pick([4096n, 65536n, this.wide()]), this.pick([0n, this.wide()])),
          words32(this.pick([1 | 128 << 16, this.number()]), 0),
        );
      default:
        return words32(this.ring(), this.number());
    }
  }

  region(): Uint8Array {
    if (this.below(3) > 0) return words64(0, RAM, USER, 0);
    return words64(this.wide(), this.wide(), this.user(), this.wide());
  }

  /** A whole message, and the descriptors that go with it. */
  message(): { bytes: Uint8Array; fds: number[] } {
    const request = this.below(20) === 0 ? this.number() : this.pick(REQUESTS);
    const none = EMPTY.has(request) && this.below(10) > 0;
    let payload = none ? new Uint8Array(0) : this.payload(request);
    if (this.below(25) === 0) payload = payload.slice(0, this.below(payload.length + 1));
    const flags = this.below(40) === 0 ? this.number() : this.pick([1, 9]);
    const size = this.below(40) === 0 ? this.number() : payload.length;
    let fds: number[] = [];
    if (WITH_FD.has(request) && this.below(8) > 0) fds = [MEMORY.has(request) ? this.memory : this.pick(this.fds)];
    else if (this.below(8) === 0) fds = Array.from({ length: this.below(12) }, () => this.pick(this.fds));
    return { bytes: concat(words32(request, flags, size), payload), fds };
  }
}

const REQUESTS = Object.values(Request);
const EMPTY = new Set<number>([
  Request.GET_FEATURES,
  Request.SET_OWNER,
  Request.RESET_OWNER,
  Request.GET_PROTOCOL_FEATURES,
  Request.GET_QUEUE_NUM,
  Request.RESET_DEVICE,
  Request.GET_MAX_MEM_SLOTS,
  Request.GET_STATUS,
  Request.SET_BACKEND_REQ_FD,
]);
const MEMORY = new Set<number>([Request.SET_MEM_TABLE, Request.ADD_MEM_REG, Request.SET_INFLIGHT_FD]);
const WITH_FD = new Set<number>([
  ...MEMORY,
  Request.SET_VRING_KICK,
  Request.SET_VRING_CALL,
  Request.SET_VRING_ERR,
  Request.SET_BACKEND_REQ_FD,
  Request.SET_LOG_BASE,
  Request.SET_LOG_FD,
]);

function concat(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A start that every device would accept: a running ring, on memory that is full of nonsense. */
function goodStart(kick: number, memory: number): { bytes: Uint8Array; fds: number[] }[] {
  const message = (request: number, payload: Uint8Array, ...fds: number[]) => ({
    bytes: concat(words32(request, 9, payload.length), payload),
    fds,
  });
  return [
    message(Request.SET_PROTOCOL_FEATURES, words64(0x1b229)),
    message(Request.SET_FEATURES, words64(0x1_7000_0000n)),
    message(Request.SET_MEM_TABLE, concat(words32(1, 0), words64(0, RAM, USER, 0)), memory),
    message(Request.SET_VRING_NUM, words32(0, 8)),
    message(Request.SET_VRING_ADDR, words64(0, USER, USER + 0x1000, USER + 0x2000, 0)),
    message(Request.SET_VRING_KICK, words64(0), kick),
    message(Request.SET_VRING_ENABLE, words32(0, 1)),
  ];
}

Deno.test({
  name: `nothing that a peer says makes the back-end throw, hang or leak (${SEQUENCES} sequences)`,
  ignore: unavailable() !== null,
  fn() {
    const seed = Date.now() >>> 0;
    console.log(`seed ${seed}`);
    const memory = memoryFile("fuzz", RAM);
    const mapping = mapShared(memory, RAM, 0) as Mapping;
    const events = [eventfd(), eventfd()];
    // Descriptors that are none of what they are said to be: a socket whose other end is gone, a memory file, a file.
    const [widow, gone] = socketPair() as [number, number];
    close(gone);
    const [near, far] = socketPair() as [number, number];
    const fds = [...events, ...events, widow, far, memory];
    const generator = new Generator(seed, fds, memory);
    const served = serveDevice(blk, { ram: "64KiB" });
    const server = new Server(served, {});
    const leaked = countOpen();
    const guest = new Uint8Array(mapping.buffer);
    const started = performance.now();
    let slowest = 0;
    for (let i = 0; i < SEQUENCES; i++) {
      const sequence = [
        ...(generator.below(2) === 0 ? goodStart(events[0], memory) : []),
        ...Array.from({ length: 1 + generator.below(8) }, () => generator.message()),
      ];
      scribble(generator, guest);
      const [own, peer] = socketPair(Socket.NONBLOCK) as [number, number];
      server.connect(peer);
      const socket = new MessageSocket(own, 8192);
      const at = performance.now();
      for (const { bytes, fds } of sequence) {
        socket.send(bytes, fds);
        if (generator.below(3) === 0) signalEvent(events[0]);
        if (generator.below(4) === 0) turn(server, i, seed);
      }
      for (let j = 0; j < TURNS; j++) turn(server, i, seed);
      slowest = Math.max(slowest, (performance.now() - at) / sequence.length);
      close(own);
      for (let j = 0; j < TURNS && server.session !== null; j++) turn(server, i, seed);
      assertEquals(server.session, null, `sequence ${i} of seed ${seed}: the connection outlives its peer`);
      if (i % 500 === 0) assertEquals(leaked(), [0, 0], `sequence ${i} of seed ${seed}`);
    }
    assert(slowest < LONGEST, `a message took ${slowest} ms (seed ${seed})`);
    assertEquals(leaked(), [0, 0], `seed ${seed}`);
    console.log(`${SEQUENCES} sequences in ${Math.round(performance.now() - started)} ms`);
    server.close();
    served.stop();
    mapping.release();
    for (const fd of [memory, ...events, widow, near, far]) close(fd);
  },
});

function turn(server: Server, sequence: number, seed: number): void {
  try {
    server.turn(0);
  } catch (error) {
    throw new Error(`sequence ${sequence} of seed ${seed}`, { cause: error });
  }
}

/** Fills the rings with something that is nearly right. */
function scribble(generator: Generator, guest: Uint8Array): void {
  const view = new DataView(guest.buffer);
  for (let i = 0; i < 8; i++) {
    view.setBigUint64(
      16 * i,
      generator.below(3) === 0 ? generator.wide() : BigInt(0x3000 + 512 * generator.below(16)),
      true,
    );
    view.setUint32(16 * i + 8, generator.pick([1, 16, 512, 4096, generator.number()]), true);
    view.setUint16(16 * i + 12, generator.below(8), true);
    view.setUint16(16 * i + 14, generator.below(10), true);
    view.setUint16(0x2004 + 2 * i, generator.below(9), true);
  }
  view.setUint16(0x2002, generator.below(10), true);
}
