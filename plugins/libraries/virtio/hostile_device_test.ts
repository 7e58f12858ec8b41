/** Hostile devices against the driver's queues. `deno test … -- --seed=N` makes a run come again. */

import { assert, assertEquals } from "@std/assert";
import { coherentAlign, type Direction, type DmaHandle, Errno, type PhysAddr, Random } from "@iova/core";
import { pciWorld } from "@iova/pci/testing";
import { Chain } from "./device_chain.ts";
import { type DeviceQueue, Pop } from "./device_queue.ts";
import { makeDeviceQueue } from "./device_rings.ts";
import type { Addressing, RingMemory } from "./driver_addressing.ts";
import { BufferList } from "./driver_buffers.ts";
import type { DriverQueue } from "./driver_queue.ts";
import { makeDriverQueue } from "./driver_rings.ts";
import { Feature, FeatureSet } from "./layout_features.ts";
import { packedBytes } from "./layout_packed.ts";
import { placeSplit } from "./layout_ring.ts";
import { testSeed } from "./testing.ts";

const CASES = 50_000;
const BUFFERS = 0x80000;
const SPLIT_SIZES = [1, 2, 4, 8];
const PACKED_SIZES = [1, 2, 3, 5, 8];
/** Most requests that one case adds. */
const TOKENS = 64;

const w = pciWorld();
const { heap, memory } = w.guest;
const port = w.root.attach("d", 8);
const seed = testSeed();
const random = new Random(seed);
const chain = new Chain(64);
const list = new BufferList(8);

/** A random bit that is set once in `n` times. */
function rarely(n: number): boolean {
  return random.below(n) === 0;
}

/** Addresses that are physical ones, with a record of every mapping, and a device that acts while the driver unmaps. */
class Ledger implements Addressing {
  readonly maxSize = Infinity;
  /** Live mappings by address: how often, and bytes and direction of the last. */
  readonly live = new Map<number, string[]>();
  count = 0;
  meddle = () => {};

  map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    if (rarely(32)) return false;
    out.setNumber(cpu);
    const entries = this.live.get(cpu) ?? [];
    entries.push(`${size} ${direction}`);
    this.live.set(cpu, entries);
    this.count++;
    return true;
  }

  unmap(handle: DmaHandle, size: number, direction: Direction): void {
    const entries = this.live.get(handle.lo);
    const index = entries?.indexOf(`${size} ${direction}`) ?? -1;
    assert(
      handle.hi === 0 && index >= 0,
      `an unmap of what is not mapped: ${handle.lo.toString(16)} ${size} ${direction}`,
    );
    entries!.splice(index, 1);
    this.count--;
    this.meddle();
  }

  ring(size: number): RingMemory {
    const cpu = heap.require(size, "a ring", coherentAlign(size));
    return { cpu, hi: 0, lo: cpu, size, free: () => void heap.free(cpu) };
  }
}

const ledger = new Ledger();

/** One queue between a driver that keeps the rules and a device that keeps them now and then. */
class Case {
  readonly features: FeatureSet;
  readonly queue: DriverQueue;
  readonly device: DeviceQueue;
  /** Bytes that the device may write, by token; −1: not in flight. */
  readonly #writable = new Float64Array(TOKENS).fill(-1);
  #tokens = 0;
  readonly #taken: { id: number; writable: number }[] = [];
  /** Parts of the ring: address and bytes. */
  readonly #parts: readonly [PhysAddr, number][];

  constructor(packed: boolean) {
    const sizes = packed ? PACKED_SIZES : SPLIT_SIZES;
    const size = sizes[random.below(sizes.length)];
    this.features = new FeatureSet([
      ...(packed ? [Feature.RING_PACKED] : []),
      ...(rarely(2) ? [Feature.INDIRECT_DESC] : []),
      ...(rarely(2) ? [Feature.EVENT_IDX] : []),
      ...(rarely(2) ? [Feature.IN_ORDER] : []),
      ...(rarely(8) ? [] : [Feature.VERSION_1]),
    ]);
    this.queue = makeDriverQueue(this.features, {
      index: 0,
      size,
      guest: w.guest,
      addressing: ledger,
      notify() {},
      tableEntries: 4,
      coherentTables: rarely(2),
      depth: 1 + random.below(size),
    })!;
    const { addresses } = this.queue;
    this.device = makeDeviceQueue(this.features, { size, port, addresses });
    this.#parts = packed
      ? [[addresses.descLo, packedBytes(size)], [addresses.driverLo, 4], [addresses.deviceLo, 4]]
      : [[addresses.descLo, placeSplit(size).bytes - 4096], [addresses.deviceLo, 6 + 8 * size]];
    ledger.meddle = () => {
      if (rarely(32)) this.scribble();
    };
  }

  add(): void {
    if (this.#tokens === TOKENS) return;
    list.clear();
    const outs = random.below(4);
    const ins = outs === 0 ? 1 + random.below(3) : random.below(4);
    let writable = 0;
    for (let i = 0; i < outs; i++) list.out(BUFFERS + 512 * random.below(64), 1 + random.below(512));
    for (let i = 0; i < ins; i++) {
      const length = 1 + random.below(512);
      if (rarely(4)) list.inMapped(0, BUFFERS, length);
      else list.in(BUFFERS + 512 * random.below(64), length);
      writable += length;
    }
    const before = ledger.count;
    const { free } = this.queue;
    const added = this.queue.add(list, this.#tokens);
    if (added === 0) this.#writable[this.#tokens++] = writable;
    else {
      assertEquals([ledger.count, this.queue.free], [before, free], "a request that was not added changed something");
      assertEquals(added === -Errno.EIO, this.queue.broken);
    }
  }

  serve(): void {
    const { device } = this;
    if (device.pop(chain) === Pop.CHAIN) this.#taken.push({ id: chain.id, writable: chain.writeBytes });
    if (this.#taken.length === 0 || rarely(3)) return;
    const { id, writable } = this.#taken.splice(random.below(this.#taken.length), 1)[0];
    device.push(id, rarely(16) ? random.next() : random.below(writable + 1));
    if (rarely(16)) device.push(id, 0);
    device.publish();
  }

  /** Takes a completion, if there is one. */
  poll(): void {
    const token = this.queue.poll();
    if (token < 0) return;
    const writable = this.#writable[token];
    assert(writable >= 0, "a token that is not in flight, or came twice");
    assert(this.queue.usedLength <= writable, "more written than the buffers hold");
    this.#writable[token] = -1;
  }

  scribble(): void {
    const [at, bytes] = this.#parts[random.below(this.#parts.length)];
    memory.write(at + 2 * random.below(bytes >> 1), 2, rarely(2) ? random.below(16) : random.next() & 0xffff);
  }

  step(): void {
    const kind = random.below(16);
    if (kind < 5) this.add();
    else if (kind < 9) this.serve();
    else if (kind < 13) this.poll();
    else if (kind === 13) this.queue.kick();
    else if (kind === 14) rarely(2) ? this.queue.enableInterrupt() : this.queue.disableInterrupt();
    else if (rarely(2)) this.scribble();
    else this.device.wantKicks(rarely(2));
  }

  /** The driver gives up: what is in flight comes back, each once, and nothing stays mapped. Returns if it was broken. */
  end(): boolean {
    const { queue } = this;
    const { broken } = queue;
    if (broken) assertEquals([queue.poll(), queue.add(list.clear().in(BUFFERS, 1), 0)], [-1, -Errno.EIO]);
    this.device.release();
    for (let token = queue.detachUnused(); token >= 0; token = queue.detachUnused()) {
      assert(this.#writable[token] >= 0, "handed back twice");
      this.#writable[token] = -1;
    }
    assert(this.#writable.every((bytes) => bytes === -1), "a request is lost");
    assertEquals([ledger.count, queue.free], [0, queue.size]);
    queue.release();
    return broken;
  }
}

for (const packed of [false, true]) {
  const name = packed ? "packed" : "split";
  Deno.test(`${CASES} hostile devices on ${name} queues: every request comes back once, every mapping ends once`, () => {
    const used = heap.used;
    let broken = 0;
    for (let i = 0; i < CASES; i++) {
      try {
        const one = new Case(packed);
        for (let steps = 8 + random.below(32); steps > 0; steps--) one.step();
        if (one.end()) broken++;
      } catch (error) {
        throw new Error(`seed ${seed}, ${name} case ${i}`, { cause: error });
      }
    }
    console.log(`seed ${seed}: ${broken} of ${CASES} queues broken`);
    assert(broken > CASES / 50 && broken < CASES * 0.9, "too tame or too wild to show anything");
    assertEquals(heap.used, used);
  });
}
