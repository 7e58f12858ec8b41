/** Drivers that do anything: cases for a network device, made from one seeded generator, one after the other. */

import { type RamRegion, Random } from "@iova/core";
import { Frame, MAX_FRAME, type Segmentation } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { FeatureSet } from "@iova/virtio";
import { MockRing } from "@iova/virtio/testing";
import { BASE, CONTROL, GUEST, HOST, MQ, MRG_RXBUF, type NetWorld, netWorld, RING_STRIDE, RINGS } from "./world.ts";

/** Memory that descriptors like to point at. */
const ARENA = 0x180000;
const ARENA_SIZE = 0x40000;
const TABLE = ARENA + 0x30000;
const SIZE = 16;
const PAIRS = 2;
/** Steps of the machine after which a case that goes on has no end. */
const STEPS = 2000;

const TEMPLATES = [
  testFrame({ payload: 100, partial: true }),
  testFrame({ payload: 3000, partial: true }),
  testFrame({ payload: 3000, partial: true, version: 6 }),
  testFrame({ payload: 900, partial: true, protocol: 17 }),
  testFrame({ payload: 900, partial: true, protocol: 17, version: 6, vlan: 5 }),
  new Uint8Array(60).fill(0xff),
];
/** Where each one's checksum begins and stands, and its kind of segmentation. */
const WORK = [[34, 16, 1], [34, 16, 1], [54, 16, 4], [34, 6, 5], [58, 6, 5]];
const LENGTHS = [0, 1, 2, 10, 11, 12, 13, 14, 26, 60, 64, 72, 1500, 1526, 2048, 4096, 65562];
const ANY_LENGTHS = [...LENGTHS, 16, 32, 48];
const COMMAND_LENGTHS = [0, 1, 2, 4, 6, 8, 10, 14, 20, 392, 398];

/** Cases that one life of a device lasts, unless it breaks. */
const LIFE = 12;
/** Bus addresses that no driver means, as halves: a hole, the interrupt doorbell, the end of everything. */
const ODD: readonly (readonly [hi: number, lo: number])[] = [[0, 0x4000_0000], [0, 0xfee00000 | 0], [-1, -8]];

/** What was reached, by name. */
export type Coverage = Map<string, number>;

/** See the file's text. */
export class HostileDriver {
  readonly world: NetWorld;
  readonly reached: Coverage = new Map();
  readonly #random: Random;
  readonly #kinds: readonly (() => void)[];
  readonly #ram: RamRegion;
  readonly #odd: readonly (readonly [hi: number, lo: number])[];
  #features: number[] = [];
  #rings: MockRing[] = [];
  #life = 0;

  constructor(seed: number, personality: "spec" | "qemu" = "spec") {
    this.#random = new Random(seed);
    this.world = netWorld({ pairs: PAIRS, size: SIZE, translated: true, start: false, features: BASE, personality });
    this.#ram = this.world.space.ram(ARENA)!;
    // The device's own registers, and its status among them.
    const own = this.world.pci.function(8).bar(4).address;
    this.#odd = [...ODD, [0, own | 0], [0, (own + 0x14) | 0], [0, (own + 0x3000) | 0]];
    this.#kinds = [
      () => this.#transmit(),
      () => this.#transmit(),
      () => this.#command(),
      () => this.#command(),
      () => this.#receive(),
      () => this.#receive(),
      () => this.#anything(),
      () => this.#registers(),
    ];
  }

  /** What was counted, and what the device said, in all cases: how often. */
  branches(): Coverage {
    const counted = Object.entries(this.world.model.counters()).filter(([, count]) => count > 0);
    return new Map([...this.reached, ...counted]);
  }

  /** One case. Throws when the device does what it must never do. */
  run(): void {
    const w = this.world;
    const { backend } = w;
    backend.frames.length = 0;
    backend.needs.length = 0;
    backend.accepts = this.#chance(2) ? 0xff : 0;
    backend.room = this.#chance(4) ? this.#below(3) : Infinity;
    w.unmapped.clear();
    w.pending.clear();
    if (this.#chance(6)) w.unmapped.add((ARENA >> 12) + this.#below(ARENA_SIZE >> 12));
    if (this.#chance(6)) w.pending.add((ARENA >> 12) + this.#below(ARENA_SIZE >> 12));
    if (this.#life-- <= 0 || !w.device.live) this.#again();
    this.#pick(this.#kinds)();
    if (this.#chance(4)) this.#comes();
    this.#settle();
    this.#check();
  }

  /** The next life. */
  #again(): void {
    const w = this.world;
    w.device.writeStatus(0);
    if (w.device.status !== 0) throw new Error("a reset device has a status");
    if (w.context.leases.leases.size !== 0) throw new Error("a reset device holds leases");
    this.#life = LIFE;
    this.#bringUp();
  }

  #bringUp(): void {
    const w = this.world;
    this.#features = [...BASE];
    for (const some of [HOST, GUEST, [MRG_RXBUF], CONTROL, [28], [29], [40]]) {
      if (this.#chance(2)) this.#features.push(...some);
    }
    if (this.#features.includes(17) && this.#chance(2)) this.#features.push(MQ);
    if (this.#features.includes(1) && this.#features.includes(17)) this.#features.push(2);
    this.#start();
    if (!w.device.live) throw new Error(`a sane driver is refused: status ${w.device.status}`);
  }

  /** Frames with headers that ask for the right thing, or for anything, in chains cut anywhere. */
  #transmit(): void {
    const queue = 1 + 2 * this.#below(PAIRS);
    for (let i = this.#below(4); i >= 0; i--) {
      const template = this.#below(TEMPLATES.length);
      const right = this.#chance(2);
      const frame = right && this.#chance(2) ? TEMPLATES[template] : this.#mutated(template);
      const bytes = new Uint8Array(12 + frame.length);
      if (right) this.#rightHeader(bytes, template);
      else if (this.#chance(2)) this.#anyHeader(bytes);
      bytes.set(frame, 12);
      this.#offer(queue, 4 * i, bytes, this.#chance(12) ? this.#pick(LENGTHS) : bytes.length, this.#chance(20) ? 1 : 0);
    }
    this.#kick(queue);
  }

  #rightHeader(header: Uint8Array, template: number): void {
    const [start, offset, type] = WORK[template] ?? [0, 0, 0];
    if (start === 0) return;
    header[0] = 1;
    this.#put16(header, 6, start);
    this.#put16(header, 8, offset);
    if (this.#chance(2)) return;
    header[1] = type;
    this.#put16(header, 4, this.#pick([100, 1448, 9000]));
  }

  #anyHeader(header: Uint8Array): void {
    header[0] = this.#pick([0, 1, 1, 1, 2, 255]);
    header[1] = this.#pick([0, 0, 1, 4, 5, 3, 0x81, 0x84, this.#below(256)]);
    this.#put16(header, 4, this.#pick([0, 1, 100, 1448, 65535]));
    this.#put16(header, 6, this.#pick([34, 38, 54, 58, 14, 0, 65535, this.#below(4096)]));
    this.#put16(header, 8, this.#pick([16, 6, 0, 65535, this.#below(64)]));
  }

  /** Commands that nearly make sense. */
  #command(): void {
    const control = this.#features.includes(MQ) ? 2 * PAIRS : 2;
    for (let i = this.#below(3); i >= 0; i--) {
      const bytes = new Uint8Array(2 + this.#pick(COMMAND_LENGTHS));
      for (let at = 0; at < bytes.length; at++) bytes[at] = this.#chance(4) ? this.#below(256) : 0;
      bytes[0] = this.#below(8);
      bytes[1] = this.#below(bytes[0] === 0 ? 7 : 3);
      if (bytes[0] === 1 && this.#chance(2)) this.#table(bytes);
      this.#offer(control, 4 * i, bytes, this.#chance(12) ? this.#below(3) : bytes.length, this.#chance(10) ? 0 : 1);
    }
    this.#kick(control);
  }

  /** An address table whose counts are right, or nearly. */
  #table(bytes: Uint8Array): void {
    bytes[1] = 0;
    const room = Math.max(0, Math.floor((bytes.length - 10) / 6));
    const unicast = this.#below(room + 1);
    bytes.fill(0, 2, 6);
    bytes[2] = unicast;
    const second = 6 + 6 * unicast;
    if (second + 4 <= bytes.length) {
      bytes.set([room - unicast + (this.#chance(8) ? 1 : 0), 0, 0, this.#chance(16) ? 255 : 0], second);
    }
  }

  /** Buffers of every size, and frames for them. */
  #receive(): void {
    const queue = 2 * this.#below(PAIRS);
    for (let i = this.#below(SIZE); i >= 0; i--) {
      const len = this.#chance(30) ? this.#pick(LENGTHS) : this.#pick([12, 64, 100, 1526, 2048]);
      this.#desc(this.#rings[queue].at.desc + 16 * i, ARENA + 2048 * i, len, this.#chance(40) ? 0 : 2, 0, 30);
      this.#rings[queue].offer(i);
    }
    this.#kick(queue);
    for (let i = this.#below(4); i >= 0; i--) this.#comes();
  }

  /** Nothing at all is sane. */
  #anything(): void {
    const queue = this.#below(2 * PAIRS + 1);
    const ring = this.#rings[queue];
    for (let i = 0; i < SIZE; i++) this.#anyDesc(ring.at.desc + 16 * i);
    for (let i = 0; i < 4; i++) this.#anyDesc(TABLE + 16 * i);
    for (let i = this.#below(6); i >= 0; i--) ring.offer(this.#chance(8) ? this.#below(65536) : this.#below(SIZE));
    if (this.#chance(12)) ring.availIdx = this.#below(65536);
    this.#kick(queue);
    this.#comes();
  }

  /** Registers are written at random; rings may lie anywhere. */
  #registers(): void {
    const { device, pci } = this.world;
    const fn = pci.function(8);
    for (let i = this.#below(8); i >= 0; i--) {
      const region = this.#pick([0, 0, 0, 0x1000, 0x2000, 0x3000]);
      fn.write(4, region + 4 * this.#below(region === 0 ? 16 : 8), this.#pick([1, 2, 4]), this.#random.next());
    }
    // Rings at places that a driver never gives.
    const queue = device.queues[this.#below(device.queues.length)];
    this.#again();
    queue.enabled = false;
    Object.assign(queue, { descLo: this.#pick([0x8, ARENA, 0x4000_0000, -16]), descHi: this.#pick([0, 0, -1]) });
    device.enable(queue);
    this.#kick(queue.index);
  }

  #start(): void {
    const { device, space } = this.world;
    const accepted = new FeatureSet(this.#features);
    device.writeStatus(3);
    for (let i = 0; i < 2; i++) device.acceptWord(i, accepted.word(i));
    device.writeStatus(11);
    this.#rings = device.queues.map((queue, i) => {
      const ring = new MockRing(space, { size: SIZE, base: RINGS + i * RING_STRIDE });
      const [descLo, driverLo, deviceLo] = ring.addresses.map(Number);
      device.resize(queue, SIZE);
      Object.assign(queue, { descLo, driverLo, deviceLo });
      device.enable(queue);
      return ring;
    });
    device.writeStatus(15);
  }

  #comes(): void {
    const frame = new Frame(0);
    frame.bytes = this.#mutated();
    frame.length = frame.bytes.length;
    if (this.#chance(2)) {
      Object.assign(frame, {
        needsChecksum: true,
        checksumStart: this.#below(65536),
        checksumOffset: this.#below(65536),
        segmentation: this.#below(5) as Segmentation,
        segmentSize: this.#below(65536),
        ecn: this.#chance(4),
      });
    }
    this.world.backend.nic!.deliver(frame);
    if (this.#chance(2)) this.#settle();
  }

  #mutated(index: number = this.#below(TEMPLATES.length)): Uint8Array {
    const template = TEMPLATES[index];
    if (this.#chance(3)) return template;
    const bytes = template.slice(0, this.#chance(4) ? this.#below(template.length) : template.length);
    for (let i = this.#below(5); i >= 0; i--) {
      if (bytes.length > 0) bytes[this.#below(Math.min(80, bytes.length))] = this.#below(256);
    }
    return bytes;
  }

  /** Puts bytes into the arena and offers the first `length` of them as a chain cut into up to three. */
  #offer(queue: number, first: number, bytes: Uint8Array, length: number, answers: number): void {
    const at = ARENA + 0x2000 * first;
    this.world.space.bytes(at, bytes.length).set(bytes);
    const cuts = [0, this.#below(length + 1), length].sort((a, b) => a - b);
    const ring = this.#rings[queue];
    let at16 = ring.at.desc + 16 * first;
    const last = () => at16 - 16;
    for (let i = 1; i < cuts.length; i++) {
      const len = cuts[i] - cuts[i - 1];
      if (len === 0) continue;
      this.#desc(at16, at + cuts[i - 1], len, 1, (at16 - ring.at.desc) / 16 + 1, 60);
      at16 += 16;
    }
    for (let i = 0; i < answers; i++) {
      this.#desc(at16, at + 0x1800, 1, 3, (at16 - ring.at.desc) / 16 + 1, 40);
      at16 += 16;
    }
    if (at16 === ring.at.desc + 16 * first) return;
    // The last one has no next.
    this.#ram.bytes[last() + 12 - this.#ram.base] &= ~1;
    ring.offer(first);
  }

  /** Writes a descriptor whose address is odd once in `odd`. */
  #desc(at: number, addr: number, len: number, flags: number, next: number, odd: number): void {
    const { view, base } = this.#ram;
    const [hi, lo] = this.#chance(odd) ? this.#pick(this.#odd) : [0, addr];
    view.setInt32(at - base, lo, true);
    view.setInt32(at - base + 4, hi, true);
    view.setUint32(at - base + 8, len, true);
    view.setUint16(at - base + 12, flags, true);
    view.setUint16(at - base + 14, next, true);
  }

  #anyDesc(at: number): void {
    const addr = this.#chance(3) ? TABLE : ARENA + this.#below(ARENA_SIZE);
    const len = this.#chance(6) ? this.#random.next() : this.#pick(ANY_LENGTHS);
    const flags = this.#chance(6) ? this.#below(65536) : this.#below(8);
    this.#desc(at, addr, len, flags, this.#chance(6) ? this.#below(65536) : this.#below(SIZE), 4);
  }

  #kick(queue: number): void {
    this.world.device.kick(queue);
    this.#settle();
  }

  #settle(): void {
    const w = this.world;
    for (let round = 0; round < 2; round++) {
      let steps = 0;
      while (w.scheduler.step()) if (++steps > STEPS) throw new Error("the machine never rests");
      // What waited for a translation, or for room, goes on.
      w.pending.clear();
      w.resume();
      w.backend.room = Infinity;
      w.backend.nic!.ready();
    }
  }

  /** What holds whatever the driver did. */
  #check(): void {
    const { device, backend } = this.world;
    if (device.breakdown !== "") this.#reach(device.breakdown);
    for (let i = 0; i < backend.frames.length; i++) {
      if (backend.frames[i].length > MAX_FRAME) throw new Error("a frame longer than any");
      if ((backend.needs[i] & ~backend.accepts) !== 0) throw new Error("a frame that its receiver cannot take");
    }
  }

  #reach(name: string): void {
    this.reached.set(name, (this.reached.get(name) ?? 0) + 1);
  }

  #put16(bytes: Uint8Array, at: number, value: number): void {
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
  }

  #below(limit: number): number {
    return this.#random.below(limit);
  }

  /** True once in `n`. */
  #chance(n: number): boolean {
    return this.#random.below(n) === 0;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)];
  }
}
