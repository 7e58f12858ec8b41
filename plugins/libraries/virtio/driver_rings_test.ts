import { assertEquals } from "@std/assert";
import { dmaStats, EventStream } from "@iova/core";
import { type PciWorld, pciWorld } from "@iova/pci/testing";
import type { Chain } from "./device_chain.ts";
import { Outcome, VirtioDevice, type VirtioModel } from "./device_model.ts";
import { VirtioPciFunction } from "./device_pci.ts";
import { DmaAddressing } from "./driver_addressing.ts";
import { driverTransport } from "./driver_attach.ts";
import { BufferList } from "./driver_buffers.ts";
import type { DriverQueue } from "./driver_queue.ts";
import { makeDriverQueue, queueBytes, queueSizeWithin, restartQueue } from "./driver_rings.ts";
import { driverOk, type DriverTransport, negotiate, resetDevice } from "./driver_transport.ts";
import { FeatureSet, type RingFeatures, ringFeatures } from "./layout_features.ts";
import { RecordingOps } from "./testdata/recording_ops.ts";

/** A device that copies the first byte that it reads to the first that it may write, or keeps the chain for later. */
class Copier implements VirtioModel {
  readonly type = 4;
  readonly features = [];
  readonly queueSizes = [13, 16];
  readonly config = new Uint8Array(0);
  readonly byte = new Uint8Array(1);
  keeps = false;
  readonly kept: number[] = [];
  readonly resets: number[] = [];
  device!: VirtioDevice;

  request(_queue: number, chain: Chain): Outcome {
    if (this.keeps) {
      this.kept.push(chain.id);
      return Outcome.LATER;
    }
    chain.read(this.device.port, 0, this.byte, 0, 1);
    chain.write(this.device.port, 0, this.byte, 0, 1);
    chain.written = 1;
    return Outcome.DONE;
  }

  queueReset(queue: number): void {
    this.resets.push(queue);
    this.kept.length = 0;
  }
}

interface World extends PciWorld {
  model: Copier;
  transport: DriverTransport;
  features: FeatureSet;
  dma: RecordingOps;
  live(): number;
  make(index: number): DriverQueue;
  enable(index: number): DriverQueue;
}

function world(rings: RingFeatures): World {
  const w = pciWorld(0x200000);
  const model = new Copier();
  const { scheduler, events, guest } = w;
  const { fn } = new VirtioPciFunction({
    id: "copier",
    bus: w.root,
    type: model.type,
    classCode: 0xff0000,
    vectors: 3,
    make: (port) => (model.device = new VirtioDevice({ ...rings, id: "copier", port, scheduler, events, model })),
  });
  w.pci.enumerate();
  const stats = dmaStats();
  const { requester } = fn.port;
  const dma = new RecordingOps({
    guest,
    device: { id: "copier", requester },
    stats,
    upstream: null,
    events: new EventStream(() => 0),
    warn() {},
  });
  const transport = driverTransport({ guest, requester });
  resetDevice(transport, () => false);
  const features = negotiate(transport, new FeatureSet(ringFeatures(rings)))!;
  const addressing = new DmaAddressing(dma);
  const make = (index: number) =>
    makeDriverQueue(features, {
      index,
      size: queueSizeWithin(features, transport.queueSize(index)),
      guest,
      addressing,
      notify: transport.notifier(index),
    })!;
  return {
    ...w,
    model,
    transport,
    features,
    dma,
    live: () => stats.maps - stats.unmaps,
    make,
    enable(index) {
      const queue = make(index);
      assertEquals(transport.enableQueue(index, queue.size, queue.addresses), 0);
      return queue;
    },
  };
}

/** Every combination of what changes a ring. */
const KINDS: RingFeatures[] = [];
for (const packed of [false, true]) {
  for (const indirect of [false, true]) {
    for (const eventIndex of [false, true]) {
      for (const inOrder of [false, true]) KINDS.push({ packed, indirect, eventIndex, inOrder });
    }
  }
}

function name({ packed, ...rest }: RingFeatures): string {
  const more = Object.entries(rest).filter(([, chosen]) => chosen).map(([feature]) => feature);
  return [packed ? "packed" : "split", ...more].join(", ");
}

for (const rings of KINDS) {
  Deno.test(`driver and device agree over many laps: ${name(rings)}`, () => {
    const w = world({ ...rings, notificationData: true });
    const queue = w.enable(0);
    driverOk(w.transport);
    const [from, to] = [w.guest.heap.require(64, "from"), w.guest.heap.require(64, "to")];
    let done = 0;
    let interrupts = 0;
    let added = 0;
    const list = new BufferList(3);
    const used = () => {
      interrupts++;
      do {
        for (let token = queue.poll(); token >= 0; token = queue.poll()) {
          assertEquals([token, w.space.read(to + token % 4, 1)], [done++, token & 0xff]);
          // With IN_ORDER the device cannot say of each chain of a batch how little of it was written.
          assertEquals(queue.usedLength, 1);
        }
      } while (!queue.enableInterrupt());
    };
    w.transport.connect([used], () => {});
    assertEquals([queue.size, w.features.has(34)], [rings.packed ? 13 : 8, rings.packed === true]);
    while (done < 3000) {
      for (let i = 0; i < 1 + added % 4; i++) {
        const token = added++;
        w.space.write(from + token % 4, 1, token & 0xff);
        assertEquals(queue.add(list.clear().out(from + token % 4, 1).in(to + token % 4, 1), token), 0);
      }
      queue.kick();
      w.scheduler.settle();
    }
    assertEquals([w.live(), queue.free, queue.broken, w.model.device.breakdown], [0, queue.size, false, ""]);
    assertEquals(interrupts > 0, true);
  });
}

for (const packed of [false, true]) {
  Deno.test(`RING_RESET: one ${packed ? "packed" : "split"} queue is stopped and starts afresh, and the other goes on`, () => {
    const w = world({ packed });
    const [old, other] = [w.enable(0), w.enable(1)];
    driverOk(w.transport);
    const [from, to] = [w.guest.heap.require(64, "from"), w.guest.heap.require(64, "to")];
    const list = () => new BufferList(2).out(from, 1).in(to, 1);
    w.model.keeps = true;
    old.add(list(), 1);
    old.add(list(), 2);
    old.kick();
    w.scheduler.settle();
    const kept = [...w.model.kept];
    const lost: number[] = [];
    const fresh = restartQueue(w.transport, old, (token) => lost.push(token), () => w.make(0))!;
    assertEquals([lost, w.live(), w.model.resets], [[1, 2], 0, [0]]);
    // A device that still finishes what was taken back writes nothing.
    for (const id of kept) w.model.device.complete(0, id, 1);
    assertEquals(fresh.poll(), -1);
    w.model.keeps = false;
    w.space.write(from, 1, 0x77);
    for (const [queue, token] of [[fresh, 3], [other, 4]] as const) {
      w.space.write(to, 1, 0);
      queue.add(list(), token);
      queue.kick();
      w.scheduler.settle();
      assertEquals([queue.poll(), w.space.read(to, 1)], [token, 0x77]);
    }
  });
}

Deno.test("RING_RESET: without the feature nothing changes", () => {
  const w = world({ ringReset: false });
  const queue = w.enable(0);
  driverOk(w.transport);
  assertEquals(restartQueue(w.transport, queue, () => {}, () => w.make(0)), null);
  assertEquals(queue.broken, false);
});

Deno.test("RING_RESET: with no memory for the new ring the queue stays stopped and nothing stays mapped", () => {
  const w = world({});
  const queue = w.enable(0);
  driverOk(w.transport);
  queue.add(new BufferList(1).in(0x1000, 1), 9);
  const lost: number[] = [];
  assertEquals(restartQueue(w.transport, queue, (token) => lost.push(token), () => null), null);
  assertEquals([lost, w.live(), w.model.device.queues[0].enabled], [[9], 0, false]);
});

Deno.test("a packed queue may have any size, a split one a power of two", () => {
  const packed = new FeatureSet([34]);
  const split = new FeatureSet([]);
  assertEquals([0, 1, 13, 16, 40000].map((most) => queueSizeWithin(packed, most)), [0, 1, 13, 16, 32768]);
  assertEquals([0, 1, 13, 16, 40000].map((most) => queueSizeWithin(split, most)), [0, 1, 8, 16, 32768]);
  assertEquals([queueBytes(packed, 256), queueBytes(split, 256)], [4096, 10246]);
});

Deno.test("a device whose queues are no powers of two shows a driver without packed rings what it can use of them", () => {
  const sizes = [true, false].map((packed) => {
    const w = world({ packed });
    return [0, 1].map((index) => w.transport.queueSize(index));
  });
  assertEquals(sizes, [[13, 16], [8, 16]]);
});
