/**
 * A hostile device, generated, against the driver: whatever stands in its registers, used rings and status bytes, each request
 * is handed back once, each mapping ends once, and nothing is thrown but what says that the device is of no use.
 * `deno test … -- --seed=N` makes a run come again.
 */

import { assert, assertEquals } from "@std/assert";
import { BlockOp, BlockStatus } from "@iova/block";
import { type DmaHandle, dmaStats, GuestMemoryError, PhysicalDmaOps, Random, type Width } from "@iova/core";
import { pciWorld } from "@iova/pci/testing";
import { type DriverTransport, FeatureSet, type QueueAddresses } from "@iova/virtio";
import { testSeed } from "@iova/virtio/testing";
import { VirtioBlockDriver } from "./driver.ts";
import { BlockConfig, BlockFeature } from "./layout.ts";

const DEVICES = 15_000;
const STEPS = 16;

const seed = testSeed();
const random = new Random(seed);
const pick = <T>(list: readonly T[]): T => list[random.below(list.length)];
const rarely = (n: number) => random.below(n) === 0;

/** Registers that say anything. What a driver needs to begin at all is mostly there. */
class HostileTransport implements DriverTransport {
  readonly type = rarely(64) ? random.below(64) : 2;
  readonly legacy = rarely(4);
  readonly config = Uint8Array.from(
    { length: BlockConfig.size },
    () => pick([0, 0, 0, 1, 2, 0x10, 0xff, random.next()]),
  );
  readonly rings = new Map<number, QueueAddresses & { size: number }>();
  used: readonly (() => void)[] = [];
  changed: () => void = () => {};
  status = 0;
  resets = 0;
  readonly #features = [
    ...[32, 33, 28, 29].filter(() => !rarely(16)),
    ...Object.values(BlockFeature).filter(() => rarely(2)),
    ...[34, 35, 40].filter(() => rarely(3)),
  ];

  constructor() {
    const view = new DataView(this.config.buffer);
    if (!rarely(4)) view.setUint32(BlockConfig.at.blk_size, pick([512, 512, 4096, 3, 0x4000_0000]), true);
    if (!rarely(4)) view.setUint32(BlockConfig.at.seg_max, pick([0, 1, 6, 0xffff_ffff]), true);
    if (!rarely(4)) view.setUint32(BlockConfig.at.size_max, pick([0, 1, 511, 512, 65536, 0xffff_ffff]), true);
    if (!rarely(4)) view.setUint16(BlockConfig.at.num_queues, pick([0, 1, 2, 3, 0xffff]), true);
  }

  readStatus(): number {
    return rarely(64) ? random.next() & 0xff : this.status;
  }
  writeStatus(value: number): void {
    if (value === 0) this.resets++;
    this.status = value;
  }
  offered(): FeatureSet {
    return new FeatureSet(this.legacy ? this.#features.filter((bit) => bit < 32) : this.#features);
  }
  accept(): void {}
  readConfig(offset: number, width: Width): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (this.config[offset + i] ?? 0);
    return value;
  }
  writeConfig(): void {}
  generation(): number {
    return rarely(8) ? random.next() & 0xff : 0;
  }
  queueSize(index: number): number {
    return index > 2 ? pick([0, 8]) : pick([8, 8, 16, 16, 7, 4, rarely(16) ? 0xffff_ffff : 8]);
  }
  enableQueue(index: number, size: number, addresses: QueueAddresses): number {
    if (rarely(32)) return -22;
    this.rings.set(index, { ...addresses, size });
    return 0;
  }
  resetQueue(): boolean {
    return rarely(2);
  }
  notifier(): () => void {
    return () => {};
  }
  connect(used: readonly (() => void)[], changed: () => void): void {
    this.used = used;
    this.changed = changed;
  }
  disconnect(): void {
    this.used = [];
  }
}

/** Identity mapping that now and then has no room. */
class ScarceOps extends PhysicalDmaOps {
  protected override map(out: DmaHandle, cpu: number): boolean {
    if (rarely(64)) return false;
    out.setNumber(cpu);
    return true;
  }
}

const w = pciWorld(0x40_0000);
const { guest, events, space, scheduler } = w;

/** Writes into the used ring, or what stands for it, and into status bytes. */
function scribble({ rings }: HostileTransport, driverMemory: readonly number[]): void {
  for (const { deviceLo, descLo, size } of rings.values()) {
    const ram = space.ram(deviceLo)!;
    // Used index by a little, elements at random; in a packed ring flags and ids.
    if (!rarely(3)) space.write(deviceLo + 2, 2, (space.read(deviceLo + 2, 2) + random.below(3)) & 0xffff);
    for (let i = random.below(4); i >= 0; i--) {
      const at = pick([deviceLo + 4 + 8 * random.below(size), descLo + 16 * random.below(size) + 8]);
      if (at + 8 > ram.end) continue;
      space.write(at, 4, rarely(4) ? random.next() : random.below(size));
      space.write(at + 4, 4, pick([0, 1, 513, 0x8080_0001, 0x8082_0000, 0x0080_0003, random.next()]));
    }
  }
  for (const at of driverMemory) if (rarely(4)) space.write(at, 1, pick([0, 1, 2, 3, 0xff, random.next() & 0xff]));
}

Deno.test(`${DEVICES * STEPS} steps of ${DEVICES} hostile devices: requests come back once, mappings end once`, () => {
  const seen = new Map<string, number>();
  const count = (what: string) => void seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let i = 0; i < DEVICES; i++) {
    try {
      count(meet());
    } catch (error) {
      throw new Error(`seed ${seed}, device ${i}`, { cause: error });
    }
  }
  console.log(`seed ${seed}`);
  for (const [what, times] of [...seen].sort((a, b) => b[1] - a[1])) {
    console.log(`  ${String(times).padStart(7)}  ${what}`);
  }
  for (const end of ["worked to the end", "given up"]) assert(seen.has(end), end);
});

/** Errors by which a driver says that it does not want a device. */
const REFUSALS = [
  /^virtio device type \d+ is no block device$/,
  /^the device /,
  /^platform bug: /,
  /^no memory for the ring/,
];

function bind(transport: HostileTransport, dma: ScarceOps): VirtioBlockDriver | string {
  const context = { id: "d", guest, dma, requester: 8, random: new Random(1), events, warn() {} };
  const given = { driverAddressing: "dma-api" as const, requestMemory: pick(["streaming", "coherent"] as const) };
  try {
    return new VirtioBlockDriver(transport, context, {
      queueSize: 8,
      queues: 3,
      packed: true,
      inOrder: true,
      ...given,
    });
  } catch (error) {
    if (error instanceof GuestMemoryError) return "no memory";
    const { message } = error as Error;
    assert(REFUSALS.some((pattern) => pattern.test(message)), message);
    return message.replace(/\d+/g, "N");
  }
}

/** One device from probe to removal. How it ended. */
function meet(): string {
  const transport = new HostileTransport();
  const device = { id: "d", requester: 8 };
  const stats = dmaStats();
  const dma = new ScarceOps({ guest, device, stats, upstream: null, events, warn() {} });
  const driver = bind(transport, dma);
  if (typeof driver === "string") {
    assertEquals(stats.coherentBytes, 0, "memory that was not freed");
    return driver;
  }
  const waiting = new Map<number, number>();
  driver.onComplete = (tag, status) => {
    assert(waiting.delete(tag), `request ${tag} was not in flight`);
    assert(Object.values(BlockStatus).includes(status), `status ${status}`);
  };
  const buffer = guest.heap.require(4096, "a buffer", 512);
  const memory = [...transport.rings.values()].map(({ descLo }) => descLo);
  let gone = false;
  for (let step = 0; step < STEPS; step++) {
    const tag = step;
    waiting.set(tag, step);
    const op = pick([BlockOp.READ, BlockOp.WRITE, BlockOp.FLUSH, BlockOp.DISCARD] as const);
    const length = op === BlockOp.FLUSH
      ? 0
      : Math.min(op === BlockOp.DISCARD ? driver.maxRange[op] : driver.maxTransfer, 512);
    if (!driver.submit(op, 0, buffer, length, tag)) waiting.delete(tag);
    driver.kick();
    scribble(transport, memory);
    if (rarely(4)) transport.config[random.below(8)] = random.next();
    if (rarely(64)) transport.status |= 64;
    if (rarely(3)) transport.changed();
    for (const used of transport.used) used();
    scheduler.settle();
    gone ||= transport.resets > 1;
  }
  driver.stop();
  scheduler.settle();
  const left = [waiting.size, stats.maps - stats.unmaps, stats.coherentBytes];
  assertEquals(
    left,
    [0, 0, 0],
    "requests that never came back, mappings that were not undone, memory that was not freed",
  );
  guest.heap.free(buffer);
  return gone ? "given up" : "worked to the end";
}
