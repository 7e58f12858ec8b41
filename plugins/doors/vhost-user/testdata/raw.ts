// A front-end that speaks hexadecimal, and a ring made by hand.

import { fromHex, toHex } from "@iova/fields/testing";
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
  takeEvent,
} from "@iova/libc";
import { countOpen, type ServedDevice, Server } from "../testing.ts";

/** Bytes of guest memory. */
export const RAM_SIZE = 1 << 20;
/** Where the front-end says that it has it. */
export const USER = 0x7f12_3456_0000;
/** Places of the ring in guest memory. */
export const DESC = { desc: 0x10000, avail: 0x10100, used: 0x10400 };
const QUEUE = 8;
const HEADERS = 0x30000;
const STATUSES = 0x31000;

/** Numbers of 64 bits as bytes. */
export function put(...words: (number | bigint)[]): string {
  return words.map((word) => toHex(new Uint8Array(BigUint64Array.of(BigInt(word)).buffer)).replaceAll(" ", "")).join(
    "",
  );
}

/** A connection. */
export class Raw {
  readonly server: Server;
  readonly logged: string[] = [];
  call = -1;
  /** Pages that are not there. */
  refuse: (iova: bigint) => boolean = () => false;
  /** Questions of the back-end so far. */
  questions = 0;
  /** Descriptors and mappings left open. */
  readonly leaked = countOpen();
  readonly #fd: number;
  readonly #socket: MessageSocket;
  #channel: MessageSocket | null = null;
  #ram: Mapping | null = null;
  #view = new DataView(new ArrayBuffer(0));
  #fds: number[] = [];
  #kick = -1;
  #index = 0;

  readonly served: ServedDevice;

  constructor(make: () => ServedDevice) {
    const served = this.served = make();
    this.server = new Server(served, { log: (text) => this.logged.push(text) });
    const [near, far] = socketPair(Socket.NONBLOCK) as [number, number];
    this.#fd = near;
    this.#socket = new MessageSocket(near);
    this.server.connect(far);
  }

  send(hex: string, fds: readonly number[] = []): void {
    this.#socket.send(fromHex(hex), fds);
  }

  /** Everything that the back-end has sent, after a few turns. */
  receive(): string {
    this.turns(3);
    const bytes = new Uint8Array(4096);
    const count = this.#socket.receive(bytes, 0, bytes.length);
    for (const fd of this.#socket.takeDescriptors()) close(fd);
    return hexOf(bytes.subarray(0, Math.max(count, 0)));
  }

  ask(hex: string, fds: readonly number[] = []): string {
    this.send(hex, fds);
    return this.receive();
  }

  turns(count: number): void {
    for (let i = 0; i < count; i++) this.server.turn(0);
  }

  gone(): boolean {
    this.turns(3);
    return this.server.session === null;
  }

  negotiate(): void {
    this.send("10000000 01000000 08000000 29b2010000000000");
    this.send("03000000 01000000 00000000");
  }

  /** Shares the guest's memory, in one region or in two of one file, cut at an address. */
  memory(cut = 0): void {
    const fd = memoryFile("ram", RAM_SIZE);
    this.#ram = mapShared(fd, RAM_SIZE, 0) as Mapping;
    this.#view = new DataView(this.#ram.buffer);
    const region = (from: number, to: number) => put(from, to - from, USER + from, from);
    const table = cut === 0 ? [region(0, RAM_SIZE)] : [region(0, cut), region(cut, RAM_SIZE)];
    const head = `05000000 09000000 ${put(8 + 32 * table.length).slice(0, 8)} ${put(table.length)}`;
    this.ask(head + table.join(""), table.map(() => fd));
    close(fd);
  }

  /** Sets ring 0 up and starts it. */
  start({ enable = true, iommu = false, base = 0, again = false } = {}): void {
    if (!again) this.negotiate();
    if (iommu) this.#openChannel();
    this.ask(`02000000 09000000 08000000 ${put(1n << 30n | 1n << 32n | (iommu ? 1n << 33n : 0n))}`);
    if (this.#ram === null) this.memory();
    if (this.#kick < 0) {
      this.#kick = eventfd();
      this.call = eventfd();
      this.#fds.push(this.#kick, this.call);
    }
    const at = iommu ? 0 : USER;
    this.send("08000000 01000000 08000000 00000000 08000000");
    this.send(`0a000000 01000000 08000000 00000000 ${put(base).slice(0, 8)}`);
    this.send(`09000000 01000000 28000000 ${put(0, at + DESC.desc, at + DESC.used, at + DESC.avail, 0)}`);
    this.send("0c000000 01000000 08000000 0000000000000000", [this.#kick]);
    this.turns(2);
    if (enable) this.send("12000000 01000000 08000000 00000000 01000000");
    this.turns(3);
    if (this.call >= 0) this.send("0d000000 01000000 08000000 0000000000000000", [this.call]);
    this.turns(2);
    // The courtesy signal of a new call descriptor.
    if (!again) takeEvent(this.call);
  }

  /** Makes one read of sector 0 available. */
  makeAvailable({ data = 0x20000, headers = HEADERS, stride = 16 } = {}): void {
    const slot = this.#index % 2;
    const at = DESC.desc + slot * 48;
    const header = headers + stride * slot;
    const view = this.#view;
    view.setUint32(header, 0, true);
    view.setUint32(header + 8, this.#index, true);
    const chain = [[header, 16, 1], [data, 512, 3], [STATUSES + this.#index, 1, 2]];
    chain.forEach(([address, length, flags], i) => {
      view.setBigUint64(at + 16 * i, BigInt(address), true);
      view.setUint32(at + 16 * i + 8, length, true);
      view.setUint16(at + 16 * i + 12, flags, true);
      view.setUint16(at + 16 * i + 14, slot * 3 + i + 1, true);
    });
    view.setUint8(STATUSES + this.#index, 0xff);
    view.setUint16(DESC.avail + 4 + 2 * (this.#index % QUEUE), slot * 3, true);
    view.setUint16(DESC.avail + 2, ++this.#index, true);
  }

  kick(): void {
    signalEvent(this.#kick);
  }
  usedIndex(): number {
    return this.#view.getUint16(DESC.used + 2, true);
  }
  used(i: number): number[] {
    return [0, 4].map((at) => this.#view.getUint32(DESC.used + 4 + 8 * i + at, true));
  }
  status(i: number): number {
    return this.#view.getUint8(STATUSES + i);
  }

  /** The back-end's next question; empty when it has none. */
  question(): string {
    this.turns(2);
    const bytes = new Uint8Array(44);
    const count = this.#channel!.receive(bytes, 0, bytes.length);
    if (count > 0) this.questions++;
    return hexOf(bytes.subarray(0, Math.max(count, 0)));
  }

  /** Sends on the back-end's own socket. */
  reply(hex: string): void {
    this.#channel!.send(fromHex(hex));
    this.turns(2);
  }

  /** Answers questions until there are none. Addresses are guest physical ones. */
  answerQuestions(): void {
    for (let idle = 0; idle < 3;) {
      const question = this.question();
      if (question === "") {
        idle++;
        continue;
      }
      idle = 0;
      const iova = new DataView(fromHex(question).buffer).getBigUint64(12, true) & ~0xfffn;
      const refused = this.refuse(iova);
      if (!refused) {
        this.ask(`16000000 09000000 20000000 ${put(iova, 4096, BigInt(USER) + iova)} 03 02 a5a5a5a5a5a5`);
      }
      this.reply(`01000000 05000000 08000000 ${put(refused ? 1 : 0)}`);
    }
  }

  close(): void {
    close(this.#fd);
    if (this.#channel !== null) close(this.#channel.fd);
    this.turns(2);
    this.server.close();
    for (const fd of this.#fds) close(fd);
    this.#ram?.release();
    this.served.stop();
  }

  #openChannel(): void {
    const [near, far] = socketPair(Socket.NONBLOCK) as [number, number];
    this.#channel = new MessageSocket(near);
    this.ask("15000000 09000000 00000000", [far]);
    close(far);
  }
}

function hexOf(bytes: Uint8Array): string {
  return toHex(bytes).replaceAll(" ", "");
}
